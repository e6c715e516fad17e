"""What the limit policy says of one account, for its page: every cap, every gate, and the causes that cut it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from creditdesk.core.money import Money
from customers.legal_bases import rule_text
from customers.limit_reasons import render_reason
from customers.models import CreditAccount
from scoring.bank_right import Reader, sees_bank
from scoring.book_figures import figures_for
from scoring.limit_comparison import CapLine, GateLine, caps, gates
from scoring.limit_inputs import Book, recommendations
from scoring.models import CreditCause


@dataclass(frozen=True, slots=True)
class PolicyView:
    """The recommendation for an account in words. amount None: the policy recommends no limit."""

    sentence: str
    amount: Money | None
    target: Money | None
    moves: bool
    is_automatic: bool
    policy_id: int
    version: int
    caps: list[CapLine]
    gates: list[GateLine]


@dataclass(frozen=True, slots=True)
class CauseLine:
    cause: CreditCause
    sentence: str
    rule: str


def policy_view(account: CreditAccount, as_of: date, reader: Reader) -> PolicyView | None:
    """As the reader may see it; None where an exchange rate is missing. A company's receivables are those of the night."""
    book = Book(as_of, figures_for([account.company_id], as_of).receivables)
    found = recommendations([account], as_of, book).get(account.pk)
    if found is None:
        return None
    evidence = {"recommended": found.as_json()}
    bank = sees_bank(reader)
    return PolicyView(
        found.sentence_for(bank=bank),
        found.amount,
        found.target if bank or found.bound_by != "bank_flows" else None,
        found.moves,
        found.is_automatic,
        found.policy.policy_id,
        found.policy.version,
        caps(evidence, bank=bank),
        gates(evidence),
    )


def causes_of(account: CreditAccount, reader: Reader, newest: int = 6) -> list[CauseLine]:
    """The newest causes that cut or held the account, each with its sentence, as the reader may see it, and what the law allows."""
    rows = CreditCause.objects.filter(account=account).select_related("basis", "change").order_by("-pk")
    bank = sees_bank(reader)
    return [
        CauseLine(
            row, render_reason(row.kind, row.evidence, bank=bank), rule_text(row.basis) if row.basis else ""
        )
        for row in rows[:newest]
    ]
