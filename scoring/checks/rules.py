"""The rules of credit checks: plain functions of a case and a rule's terms, each giving its failure or None.

A case is one party of the business (who pays, who orders, a group with everybody in it) in one currency. All rules are
asked, and every one that fails is told. Amounts of a rule come converted into the case's currency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from creditdesk.core.money import Money
from customers.access import Places
from customers.checks import Failure
from customers.limit_reasons import money_param
from customers.models import CheckPoint, Customer
from scoring.checks.facts import Late
from scoring.checks.terms import RuleTerms
from scoring.models import CheckRuleCode

Code = CheckRuleCode
STOPPING = (Customer.Status.ON_HOLD, Customer.Status.INSOLVENT, Customer.Status.CLOSED)
# The goods leave: what is only ordered does not stand in their way, and what is held for others neither.
LEAVING = (CheckPoint.PICK, CheckPoint.DELIVERY, CheckPoint.INVOICE)


@dataclass(frozen=True, slots=True)
class Case:
    """One party of the business, every amount in `currency`.

    amount: the whole business; new: what it adds to what is counted at this point. exposure: what is owed or on its
    way at this point, reservations apart. covered: what of it cover pays; cover_room: what cover would pay of new
    business, what is reserved included (None: no cover). ceiling, places: as of a Failure.
    """

    level: str
    point: str
    as_of: date
    account_id: int | None
    customer_id: int
    customer: str
    currency: str
    amount: Money
    new: Money
    exposure: Money
    reserved: Money
    limit: Money | None
    late: Late
    status: str
    judged_on: date | None = None
    holds: tuple[str, ...] = ()
    broken: tuple[tuple[date, Money], ...] = ()
    dunning_level: int = 0
    last_paid_on: date | None = None
    score: int | None = None
    grade: str = ""
    has_account: bool = True
    collector: str = ""
    members: int = 1
    covered: Money | None = None
    cover_room: Money | None = None
    ceiling: bool = False
    places: Places = ()

    @property
    def cover_left(self) -> Money:
        """What cover would pay of new business: what is reserved takes it first, as the shipments behind it will."""
        return max((self.cover_room or self.reserved) - self.reserved, Money.zero(self.currency))

    @property
    def at_own_risk(self) -> Money:
        """What is owed and reserved that no cover pays."""
        zero = Money.zero(self.currency)
        open_risk = max(self.exposure - (self.covered or zero), zero)
        return open_risk + max(self.reserved - (self.cover_room or zero), zero)

    def fails(self, rule: RuleTerms, code: str, **values: Any) -> Failure:
        params = {name: _param(value) for name, value in values.pop("params", {}).items()}
        cure_params = {name: _param(value) for name, value in values.pop("cure_params", {}).items()}
        return Failure(
            rule=rule.code,
            code=code,
            level=self.level,
            account_id=self.account_id,
            customer_id=self.customer_id,
            customer=self.customer,
            params=params,
            cure_params=cure_params,
            stops=rule.stops,
            ceiling=self.ceiling,
            places=self.places,
            **values,
        )

    def by_collector(self) -> dict[str, str]:
        return {"ask": "collector", "ask_name": self.collector} if self.collector else {"ask": "controller"}


def _param(value: Any) -> Any:
    if isinstance(value, Money):
        return money_param(value)
    return value.isoformat() if isinstance(value, date) else value


def tolerance(limit: Money, rule: RuleTerms, amount: Money | None) -> Money:
    """How far over the limit still passes: a share of it, an amount, or the smaller of the two."""
    shares = [] if rule.number is None else [Money(limit.minor * rule.number // 100, limit.currency)]
    return min([*shares, *([amount] if amount is not None else [])], default=Money.zero(limit.currency))


def room(case: Case, rule: RuleTerms, amount: Money | None) -> Money | None:
    """Limit and tolerance less what is counted; negative when over. None: no limit was ever decided.

    A limit of zero has no tolerance: who sets it means no business.
    """
    if case.limit is None:
        return None
    counted = case.exposure + case.reserved
    if rule.without_disputed:
        counted -= case.late.open_disputed
    allowed = case.limit + tolerance(case.limit, rule, amount) if case.limit.minor else case.limit
    return allowed - counted


def headroom(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """exposure + reservations + new <= limit + tolerance. Less than before always passes at the order."""
    if case.point == CheckPoint.ORDER and case.new.minor <= 0:
        return None
    free = room(case, rule, amount)
    if free is None:
        # A head without a limit binds nobody; whoever owes needs one.
        if case.level == "group":
            return None
        return case.fails(
            rule, "no_limit", missing=case.new, cure="set_limit", cure_params={"amount": case.amount}
        )
    if case.new <= free:
        return None
    missing = case.new - free
    assert case.limit is not None
    fits = max(free, Money.zero(case.currency))
    code = "limit_zero" if case.limit.minor == 0 else "over_limit"
    return case.fails(
        rule,
        code,
        missing=missing,
        params={
            "limit": case.limit,
            "exposure": case.exposure,
            "reserved": case.reserved,
            "new": case.new,
            "disputed": case.late.open_disputed if rule.without_disputed else Money.zero(case.currency),
            "missing": missing,
            "members": case.members,
        },
        cure="ask_limit" if case.limit.minor == 0 else "pay_or_smaller" if fits.minor else "pay_or_limit",
        cure_params={"missing": missing, "fits": fits, "overdue": case.late.overdue},
    )


def unsecured(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """What no cover pays, of this business and of what is owed, is more than may be at our own risk.

    The most: `number` % of the limit, `amount`, or the smaller of both.
    """
    bounds = [] if amount is None else [amount]
    if rule.number is not None and case.limit is not None:
        bounds.append(Money(case.limit.minor * rule.number // 100, case.currency))
    if case.point != CheckPoint.ORDER or case.new.minor <= 0 or not bounds:
        return None
    zero, left = Money.zero(case.currency), case.cover_left
    free = min(bounds) - case.at_own_risk
    uncovered = max(case.new - left, zero)
    if uncovered <= max(free, zero):
        return None
    missing = uncovered - max(free, zero)
    return case.fails(
        rule,
        "over_own_risk",
        missing=missing,
        params={"most": min(bounds), "at_risk": case.at_own_risk, "uncovered": uncovered, "left": left},
        cure="ask_guarantee",
        cure_params={"missing": missing, "fits": max(free, zero) + left},
    )


def secured(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """The business goes beyond the room at our own risk (limit less exposure, reservations and room under cover).

    It may only be taken on under cover: while cover remains a guarantee is asked for that part.
    """
    if case.point != CheckPoint.ORDER or case.new.minor <= 0 or case.limit is None:
        return None
    zero = Money.zero(case.currency)
    total = case.limit - case.exposure - case.reserved
    left = min(case.cover_left, max(total, zero))
    own = max(total - left, zero)
    if not left.minor or case.new <= own:
        return None
    leans = case.new - own
    return case.fails(
        rule,
        "needs_cover",
        missing=leans,
        params={"unsecured": own, "secured": left, "leans": leans},
        cure="confirm_cover" if leans <= left else "more_cover",
        cure_params={"missing": leans, "beyond": max(leans - left, zero), "own": own},
    )


def oldest_item(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """An item is overdue for more than `number` days, and items that old are more than `amount` together."""
    limit_days = rule.number or 0
    due = case.late.oldest_undisputed_due if rule.without_disputed else case.late.oldest_due
    if due is None or case.judged_on is None:
        return None
    days = (case.judged_on - due).days
    old = case.late.older[limit_days]
    disputed = case.late.older_disputed[limit_days]
    if rule.without_disputed:
        old -= disputed
    if days <= limit_days or old.minor <= 0 or (amount is not None and old <= amount):
        return None
    return case.fails(
        rule,
        "oldest_item",
        missing=None,
        params={"days": days, "allowed": limit_days, "amount": old, "disputed": disputed},
        cure="pay_items",
        cure_params={"amount": old, "days": limit_days},
        **case.by_collector(),
    )


def past_due_share(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """overdue / open > number %, and overdue more than `amount`. Cured by paying x with (o-x)/(a-x) = number %."""
    overdue, total = case.late.overdue, case.late.open
    if rule.without_disputed:
        overdue, total = overdue - case.late.overdue_disputed, total - case.late.open_disputed
    share = rule.number or 0
    if total.minor <= 0 or overdue.minor * 100 <= share * total.minor:
        return None
    if amount is not None and overdue <= amount:
        return None
    to_pay = overdue.minor
    if share < 100:
        to_pay = -(-(overdue.minor * 100 - share * total.minor) // (100 - share))
    return case.fails(
        rule,
        "past_due_share",
        params={
            "share": overdue.minor * 100 // total.minor,
            "allowed_share": share,
            "overdue": overdue,
            "open": total,
            "disputed": case.late.overdue_disputed,
        },
        cure="pay_overdue",
        cure_params={"amount": Money(min(to_pay, overdue.minor), case.currency)},
        **case.by_collector(),
    )


def broken_promise(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """A promise was broken within `number` days and something of it is open still."""
    recent = [(day, rest) for day, rest in case.broken if (case.as_of - day).days <= (rule.number or 0)]
    if not recent:
        return None
    last, rest = recent[-1]
    return case.fails(
        rule,
        "broken_promise",
        params={"on": last, "amount": rest, "count": len(recent)},
        cure="keep_promise",
        cure_params={"amount": sum((m for _d, m in recent), Money.zero(case.currency))},
        **case.by_collector(),
    )


def dunning_level(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    if case.dunning_level == 0 or case.dunning_level < (rule.number or 1):
        return None
    return case.fails(
        rule,
        "dunning_level",
        params={"level": case.dunning_level, "allowed": (rule.number or 1) - 1},
        cure="pay_reminded",
        **case.by_collector(),
    )


def status(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    if case.status not in STOPPING:
        return None
    return case.fails(rule, "status", params={"status": case.status}, cure="ask_status")


def hold(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    if not case.holds:
        return None
    return case.fails(
        rule,
        "hold",
        params={"reason": case.holds[0], "count": len(case.holds)},
        cure="release_hold",
        ask="approver",
    )


def order_size(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """The whole business, not only what is new of it: an order raised in steps is as large as one made at once."""
    if case.point != CheckPoint.ORDER:
        return None
    bounds = [] if amount is None else [amount]
    if rule.number is not None and case.limit is not None:
        bounds.append(Money(case.limit.minor * rule.number // 100, case.currency))
    largest = min(bounds, default=None)
    if largest is None or case.amount <= largest:
        return None
    return case.fails(
        rule,
        "order_size",
        missing=case.amount - largest,
        params={"amount": case.amount, "largest": largest},
        cure="release_order",
        cure_params={"largest": largest},
    )


def grade(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    if not case.grade or case.grade <= rule.grade:
        return None
    return case.fails(
        rule,
        "grade",
        params={"grade": case.grade, "score": case.score, "worst": rule.grade},
        cure="review_score",
    )


def score(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    if case.score is None or case.score >= (rule.number or 0):
        return None
    return case.fails(rule, "score", params={"score": case.score, "least": rule.number}, cure="review_score")


def unscored(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    if case.score is not None or not case.has_account:
        return None
    return case.fails(rule, "unscored", cure="score_customer")


def last_payment(case: Case, rule: RuleTerms, amount: Money | None) -> Failure | None:
    """Invoices are past due, and the last payment is longer ago than `number` days (or never came)."""
    overdue = case.late.overdue
    if rule.without_disputed:
        overdue -= case.late.overdue_disputed
    if overdue.minor <= 0:
        return None
    days = None if case.last_paid_on is None else (case.as_of - case.last_paid_on).days
    if days is not None and days <= (rule.number or 0):
        return None
    return case.fails(
        rule,
        "last_payment" if days is not None else "never_paid",
        params={"days": days, "allowed": rule.number, "overdue": overdue},
        cure="pay_overdue",
        cure_params={"amount": overdue},
        **case.by_collector(),
    )


Rule = Callable[[Case, RuleTerms, Money | None], Failure | None]
RULES: dict[str, Rule] = {
    Code.HEADROOM: headroom,
    Code.OLDEST_ITEM: oldest_item,
    Code.PAST_DUE_SHARE: past_due_share,
    Code.BROKEN_PROMISE: broken_promise,
    Code.DUNNING_LEVEL: dunning_level,
    Code.STATUS: status,
    Code.HOLD: hold,
    Code.ORDER_SIZE: order_size,
    Code.GRADE: grade,
    Code.SCORE: score,
    Code.UNSCORED: unscored,
    Code.LAST_PAYMENT: last_payment,
    Code.UNSECURED: unsecured,
    Code.SECURED: secured,
}


def failures_of(case: Case, rules: tuple[tuple[RuleTerms, Money | None], ...]) -> list[Failure]:
    """Every failing rule of a case, in the order of the policy. A warning is left out where the same rule stops."""
    found = [
        failure for rule, amount in rules if (failure := RULES[rule.code](case, rule, amount)) is not None
    ]
    stopped = {failure.rule for failure in found if failure.stops}
    return [failure for failure in found if failure.stops or failure.rule not in stopped]
