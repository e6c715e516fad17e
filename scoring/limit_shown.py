"""What the limit policy says of one account, for its page: every cap, every gate, and the causes that cut it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from creditdesk.core.money import Money
from customers.legal_bases import rule_text
from customers.limit_reasons import render_reason
from customers.models import CreditAccount
from customers.shown import Shown
from scoring.book_figures import figures_for
from scoring.limit_comparison import CapLine, GateLine, cap_withheld, caps, gates
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


def policy_view(account: CreditAccount, as_of: date, shown: Shown) -> PolicyView | None:
    """As a reader may see it; None where an exchange rate is missing. A company's receivables are those of the night."""
    book = Book(as_of, figures_for([account.company_id], as_of).receivables)
    found = recommendations([account], as_of, book).get(account.pk)
    if found is None:
        return None
    evidence = {"recommended": found.as_json()}
    return PolicyView(
        found.sentence_for(shown),
        found.amount,
        None if found.bound_by in cap_withheld(shown) else found.target,
        found.moves,
        found.is_automatic,
        found.policy.policy_id,
        found.policy.version,
        caps(evidence, shown=shown),
        gates(evidence),
    )


def causes_of(account: CreditAccount, shown: Shown, newest: int = 6) -> list[CauseLine]:
    """The newest causes that cut or held the account, each with its sentence, as a reader may see it, and what the law allows."""
    rows = CreditCause.objects.filter(account=account).select_related("basis", "change").order_by("-pk")
    return [
        CauseLine(
            row, render_reason(row.kind, row.evidence, shown=shown), rule_text(row.basis) if row.basis else ""
        )
        for row in rows[:newest]
    ]
