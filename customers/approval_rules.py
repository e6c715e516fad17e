"""Who may propose and who may decide which limit change: the rules, apart from the verbs that apply them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _

from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import visible_accounts
from customers.models import ApprovalAuthority, CreditAccount, LimitChange
from customers.rates import MissingRate, RateTable

PROPOSE = "customers.propose_limitchange"
DECIDE = "customers.decide_limitchange"
WORST = "E"


class ApprovalError(ValueError):
    """A limit change that cannot be proposed or decided; the text says why and what to do.

    code: not_allowed, out_of_scope, own_proposal, no_authority, decided (somebody else was faster),
    decided_before (this person or their deputy did), already_waiting, limit_moved, same_amount, negative,
    wrong_currency, dates, period_over, no_reason, customer_insolvent; in bulk also not_small and facts_worse.
    """

    def __init__(self, code: str, message: str, change: LimitChange | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.change = change


@dataclass(frozen=True, slots=True)
class Need:
    """What deciding a change asks of an authority: direction, the higher of the two amounts, the grade."""

    direction: str
    amount: Money
    grade: str


def need_of(change: LimitChange, grade_now: str = "") -> Need:
    """The grade is the worse of the one in the evidence and today's; without any score, the worst one.

    A list may load changes without their evidence and annotate `grade_then` instead.
    """
    direction = ApprovalAuthority.Direction.RISE if change.is_rise else ApprovalAuthority.Direction.CUT
    grades = [grade for grade in (grade_then(change), grade_now) if grade]
    before = change.old_amount or Money.zero(change.currency)
    return Need(direction, max(before, change.new_amount), max(grades, default=WORST))


def grade_then(change: LimitChange) -> str:
    """The grade in the evidence of a change, "" without one."""
    known = getattr(change, "grade_then", None)
    return known or "" if hasattr(change, "grade_then") else (change.evidence or {}).get("grade") or ""


class Cover:
    """Which authority rows cover what, with the exchange rates of a day, read once and only when asked for."""

    def __init__(self, on: date) -> None:
        self.on = on
        self._rates: RateTable | None = None

    def covers(self, row: ApprovalAuthority, need: Need) -> bool:
        if row.direction != need.direction or need.grade > row.worst_grade:
            return False
        if row.max_amount is None:
            return True
        if row.currency == need.amount.currency:
            return need.amount <= row.max_amount
        self._rates = self._rates or RateTable.at(self.on)
        try:
            return self._rates.convert(need.amount, row.currency) <= row.max_amount
        except MissingRate:
            # Without a rate nobody can say that the amount is covered.
            return False


def authorities(
    changes: Sequence[LimitChange],
    user: User | None = None,
    grades_now: dict[int, str] | None = None,
    *,
    on: date,
) -> dict[int, list[ApprovalAuthority]]:
    """The authority rows that cover each change (of `user`'s groups, or of anybody), in two queries.

    Changes need `account` loaded. grades_now: {account id: grade}.
    """
    rows = ApprovalAuthority.objects.select_related("group").filter(
        company__in={change.account.company_id for change in changes}
    )
    if user is not None:
        rows = rows.filter(group__in=user.groups.values("pk"))
    known, cover = list(rows.order_by("pk")), Cover(on)
    covering: dict[int, list[ApprovalAuthority]] = {}
    for change in changes:
        need = need_of(change, (grades_now or {}).get(change.account_id, ""))
        covering[change.pk] = [
            row for row in known if row.company_id == change.account.company_id and cover.covers(row, need)
        ]
    return covering


def check_may_propose(user: User, account: CreditAccount, *, also_deciders: bool = False) -> None:
    """Raises ApprovalError unless the user may propose for this account."""
    if not (user.has_perm(PROPOSE) or (also_deciders and user.has_perm(DECIDE))):
        raise ApprovalError("not_allowed", _("Your role does not propose limits: ask a credit controller."))
    check_scope(user, account)


def check_scope(user: User, account: CreditAccount) -> None:
    if not visible_accounts(user).filter(pk=account.pk).exists():
        raise ApprovalError("out_of_scope", _("This customer is not in your portfolio."))
