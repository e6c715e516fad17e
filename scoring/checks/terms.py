"""The credit check policy of a segment as plain values, and what the columns of each rule mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import F, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.models import CheckPoint, CreditAccount
from scoring.models import NEWEST_FIRST, CheckPolicy, CheckRule, CheckRuleCode
from scoring.segment_policies import were_in_use

Code = CheckRuleCode

# What `number`, `amount` and `grade` of a rule mean; a column that is not named here is not used by the rule.
MEANING: dict[str, dict[str, Promise]] = {
    Code.HEADROOM: {
        "number": _("tolerance in % of the limit (empty: none)"),
        "amount": _("tolerance as an amount; with a percentage, the smaller of the two"),
    },
    Code.OLDEST_ITEM: {
        "number": _("fails when an item is overdue for more days than this"),
        "amount": _("items that old are overlooked up to this sum"),
    },
    Code.PAST_DUE_SHARE: {
        "number": _("fails when more than this share (%) of open invoices is past due"),
        "amount": _("past due up to this sum is overlooked"),
    },
    Code.BROKEN_PROMISE: {
        "number": _("fails when a promise was broken within so many days and is still unpaid")
    },
    Code.DUNNING_LEVEL: {"number": _("fails from this dunning level on")},
    Code.STATUS: {},
    Code.HOLD: {},
    Code.ORDER_SIZE: {
        "number": _("largest order in % of the limit"),
        "amount": _("largest order as an amount"),
    },
    Code.GRADE: {"grade": _("fails when the grade is worse than this")},
    Code.SCORE: {"number": _("fails when the score is below this")},
    Code.UNSCORED: {},
    Code.UNSECURED: {
        "number": _("most at our own risk, in % of the limit"),
        "amount": _("most at our own risk, as an amount; with a percentage, the smaller of the two"),
    },
    Code.SECURED: {},
    Code.LAST_PAYMENT: {
        "number": _("fails when invoices are past due and nothing was paid for more days than this")
    },
}

# Levels at which a rule may be asked besides the payer's.
ON_ORDERER = frozenset(set(Code.values) - {Code.HEADROOM, Code.ORDER_SIZE, Code.UNSECURED, Code.SECURED})
# Of who pays only: a group has no cover of its own.
ON_GROUP = frozenset(set(Code.values) - {Code.UNSECURED, Code.SECURED})

NONE, MARKED, EVERY = CheckPolicy.GroupBinds.values


@dataclass(frozen=True, slots=True)
class RuleTerms:
    """One rule as it is asked. amount: minor units of the policy's currency."""

    code: str
    number: int | None = None
    amount: int | None = None
    grade: str = ""
    on_orderer: bool = False
    on_group: bool = False
    without_disputed: bool = True
    stops: bool = True
    points: frozenset[str] = frozenset(CheckPoint.values)


@dataclass(frozen=True, slots=True)
class CheckTerms:
    """The policy in force for a segment on a day."""

    currency: str
    rules: tuple[RuleTerms, ...]
    policy_id: int | None = None
    group_binds: str = MARKED
    check_orderer: bool = True
    reservation_minutes: int = 60
    decide_within_days: int = 2
    release_days: int = 30

    def at(self, point: str) -> tuple[RuleTerms, ...]:
        return tuple(rule for rule in self.rules if point in rule.points)


def terms_of(account: CreditAccount, as_of: date) -> CheckTerms:
    """The terms of the account's segment on a day: its own policy, else the one for every segment. Two queries.

    LookupError: no policy is in force (migrate installs the shipped one).
    """
    policy = (
        were_in_use(CheckPolicy, as_of)
        .filter(Q(segment=account.segment_id) | Q(segment__isnull=True))
        .order_by(F("segment_id").desc(nulls_last=True), *NEWEST_FIRST)
        .first()
    )
    if policy is None:
        raise LookupError(
            "No credit check policy is in force: run `manage.py migrate`, which installs the shipped one"
        )
    return terms_of_policy(policy)


def terms_of_policy(policy: CheckPolicy) -> CheckTerms:
    return CheckTerms(
        currency=policy.currency,
        rules=tuple(_rule(row) for row in policy.rules.order_by("pk")),
        policy_id=policy.pk,
        group_binds=policy.group_binds,
        check_orderer=policy.check_orderer,
        reservation_minutes=policy.reservation_minutes,
        decide_within_days=policy.decide_within_days,
        release_days=policy.release_days,
    )


def _rule(row: CheckRule) -> RuleTerms:
    points = {point for point in CheckPoint.values if getattr(row, f"at_{point}")}
    return RuleTerms(
        code=row.code,
        number=row.number,
        amount=row.amount.minor if row.amount is not None else None,
        grade=row.grade,
        on_orderer=row.on_orderer,
        on_group=row.on_group,
        without_disputed=row.without_disputed,
        stops=row.stops,
        points=frozenset(points),
    )
