"""What a recommended limit is computed from, as plain values: a policy's terms and the facts of one account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal

from creditdesk.core.money import Money, round_minor, to_minor

YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class GradeTerms:
    """Amounts in minor units of the policy's currency. own_risk None: no cap on what no cover secures."""

    ceiling: int
    need_percent: int
    own_risk: int | None = None
    review_months: int = 12


@dataclass(frozen=True, slots=True)
class CauseTerms:
    """A row of LimitPolicyCause; least_amount in minor units of the policy's currency."""

    threshold: int
    window_days: int
    least_amount: int
    keep_percent: int
    is_immediate: bool


@dataclass(frozen=True, slots=True)
class PolicyTerms:
    """A LimitPolicy as plain values; amounts in minor units of `currency`. Defaults: as if not asked."""

    policy_id: int
    version: int
    currency: str
    buffer_days: int
    capacity_percent: int
    concentration_percent: int
    concentration_from_customers: int
    step: int
    max_rise_percent: int
    cool_down_days: int
    rise_max_days_past_due: int
    material_percent: int
    material_amount: int
    grades: dict[str, GradeTerms]
    bank_percent: int = 0
    agency_percent: int = 0
    group_ceiling: int | None = None
    year_rise_percent: int | None = None
    year_rises: int | None = None
    gate_promise_days: int = 0
    gate_event_days: int = 0
    gate_score_fall: int = 0
    gate_use_percent: int = 0
    auto_rise_amount: int = 0
    auto_limit_amount: int = 0
    loss_percent: int = 45
    review_months_unscored: int = 12
    warn_days: int = 14
    causes: dict[str, CauseTerms] = field(default_factory=dict)

    def major(self, minor: int) -> Decimal:
        """An amount of the policy in units of its currency."""
        return Money(minor, self.currency).amount


@dataclass(frozen=True, slots=True)
class AgencyLimit:
    """What an agency recommends at most, in its own currency, with who says it and the day it speaks of.

    converted: the same in the account's currency, at `rate` units of it for one of the agency's.
    """

    agency: str
    on: date
    stated: Money
    converted: Money
    rate: Decimal


@dataclass(frozen=True, slots=True)
class LimitInputs:
    """What a recommendation is computed from. Money in the account's currency.

    peak_quarter: most billed within one of the last four 91-day quarters. rate: account currency units for one
    unit of the policy's currency. receivables and owing: open invoices of the whole company and its debtors.
    score, grade, recommendation: None and "" when the account has no score of about that day.
    bank_inflow: average inflow of 30 days, None without readable bank data. agency: the lowest limit an agency recommends;
    agencies_left_out: currencies without a rate in which agencies state one. secured: what covers would pay.
    group_others: limits of the group's other members, None outside a group. limit_year_ago: the base limit of a
    year before, or the first one decided since; None when none is older than today. rises_in_year: rises since then.
    """

    account_id: int
    currency: str
    as_of: date
    current: Money | None
    score: int | None
    grade: str
    recommendation: str
    customer_status: str
    peak_quarter: Money
    terms_days: int
    oldest_days_past_due: int
    equity: Money | None
    receivables: Money
    owing: int
    last_rise_on: date | None
    rate: Decimal
    bank_inflow: Money | None = None
    agency: AgencyLimit | None = None
    agencies_left_out: tuple[str, ...] = ()
    secured: Money | None = None
    group_others: Money | None = None
    group_size: int = 0
    limit_year_ago: Money | None = None
    rises_in_year: int = 0
    promise_broken_on: date | None = None
    event_on: date | None = None
    score_before: int | None = None
    exposure: Money | None = None
    on_hold: bool = False
    pd: Decimal | None = None
    at_risk: Money | None = None

    def converted(self, policy: PolicyTerms, minor: int) -> Money:
        """An amount of the policy in the account's currency."""
        return Money(round_minor(policy.major(minor) * self.rate, self.currency), self.currency)


def share(money: Money, percent: int) -> Money:
    return Money(money.minor * percent // 100, money.currency)


def floored(money: Money, step: int) -> Money:
    """Down to a multiple of `step` major units."""
    units = (money.amount / step).to_integral_value(rounding=ROUND_DOWN)
    return Money(to_minor(units * step, money.currency), money.currency)
