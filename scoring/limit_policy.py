"""The recommended limit of an account: the smallest of several caps, each shown, approached in small steps.

behaviour      purchases of the strongest of the last four quarters / 91 days
               x (payment terms + buffer days) x the grade's share: the credit the business needs
policy         the grade's ceiling
capacity       a share of the customer's equity, where accounts are known
concentration  a share of all the company's receivables, in books of enough customers

The smallest, rounded down to a step, is the target. A rise goes towards it by at most max_rise_percent, not within
the cool-down after the last rise and not while anything is long overdue. A cut goes the whole way. A declined
score aims at zero; a score that is for a person to decide, or none, leaves the limit alone.
Pure functions of their inputs; scoring/limit_inputs.py gathers these for a whole book.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.money import Money, round_minor, to_minor
from creditdesk.core.wording import percent_of_100
from customers.limit_reasons import CAP_LABELS, money_param, render_reason
from customers.models import Customer
from scoring.models import Recommendation

QUARTER_DAYS = 91
CLOSED = (Customer.Status.INSOLVENT, Customer.Status.CLOSED)


@dataclass(frozen=True, slots=True)
class GradeTerms:
    """Ceiling in minor units of the policy's currency; share of the needed credit in percent."""

    ceiling: int
    need_percent: int


@dataclass(frozen=True, slots=True)
class PolicyTerms:
    """A LimitPolicy as plain values; `material_amount` in minor units of `currency`."""

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


@dataclass(frozen=True, slots=True)
class LimitInputs:
    """What a recommendation is computed from. Money in the account's currency.

    peak_quarter: most billed within one of the last four 91-day quarters. rate: account currency units for one
    unit of the policy's currency. receivables and owing: open invoices of the whole company and its debtors.
    score, grade, recommendation: None and "" when the account has no score of about that day.
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


@dataclass(frozen=True, slots=True)
class Cap:
    """One cap. `amount` None: it does not apply here. `params` are what it was computed from."""

    code: str
    amount: Money | None
    params: dict[str, Any]

    @property
    def label(self) -> str:
        return str(CAP_LABELS[self.code])

    @property
    def formula(self) -> str:
        return cap_formula(self.code, self.params)


def cap_formula(code: str, params: dict[str, Any]) -> str:
    """How a cap was computed, with its inputs, in the reader's language."""
    return _FORMULAS[code](params)


@dataclass(frozen=True, slots=True)
class LimitRecommendation:
    """target: where the caps point. amount: what to set now (small steps). bound_by: code of the smallest cap.

    moves: `amount` differs materially from the current limit, so it is worth a proposal. Otherwise `keep` says why
    the limit stays: no_score, review, no_purchases, not_active, overdue, cool_down, small_difference.
    """

    inputs: LimitInputs
    policy: PolicyTerms
    caps: tuple[Cap, ...]
    bound_by: str
    target: Money | None
    amount: Money | None
    keep: str
    reason_code: str
    params: dict[str, Any]

    @property
    def moves(self) -> bool:
        return not self.keep

    @property
    def sentence(self) -> str:
        """The recommendation in plain words, in the reader's language."""
        if self.moves:
            return render_reason(self.reason_code, self.params)
        return keep_sentence(self.keep, self.policy)

    def as_json(self) -> dict[str, Any]:
        """For the evidence of a limit change."""
        return {
            "policy_version": self.policy.version,
            "policy": self.policy.policy_id,
            "target": None if self.target is None else money_param(self.target),
            "amount": None if self.amount is None else money_param(self.amount),
            "bound_by": self.bound_by,
            "keep": self.keep,
            "reason_code": self.reason_code,
            "params": self.params,
            "caps": [
                {
                    "code": cap.code,
                    "amount": None if cap.amount is None else money_param(cap.amount),
                    "params": cap.params,
                }
                for cap in self.caps
            ],
        }


def recommend_limit(inputs: LimitInputs, policy: PolicyTerms) -> LimitRecommendation:
    """The recommended limit of one account with every cap, which of them binds, and why."""
    caps = _caps(inputs, policy)
    bound_by, target = _smallest(inputs, policy, caps)
    made: dict[str, Any] = {
        "inputs": inputs,
        "policy": policy,
        "caps": caps,
        "bound_by": bound_by,
        "target": target,
    }

    def keep(why: str) -> LimitRecommendation:
        return LimitRecommendation(**made, amount=inputs.current, keep=why, reason_code="", params={})

    if inputs.customer_status in CLOSED:
        return keep("not_active")
    if inputs.score is None:
        return keep("no_score")
    if inputs.recommendation == Recommendation.REVIEW:
        return keep("review")
    if target is None:
        return keep("no_purchases")
    if inputs.current is not None and not _is_material(inputs, policy, target):
        return keep("small_difference")
    if inputs.current is None or target < inputs.current:
        return LimitRecommendation(**made, amount=target, keep="", **_why(inputs, policy, bound_by, target))
    if inputs.oldest_days_past_due > policy.rise_max_days_past_due:
        return keep("overdue")
    if inputs.last_rise_on and inputs.as_of < inputs.last_rise_on + timedelta(days=policy.cool_down_days):
        return keep("cool_down")
    amount = _stepped_rise(inputs, policy, target)
    return LimitRecommendation(**made, amount=amount, keep="", **_why(inputs, policy, bound_by, target))


def _caps(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Cap, ...]:
    if inputs.recommendation == Recommendation.DECLINED or inputs.grade not in policy.grades:
        return ()
    terms = policy.grades[inputs.grade]
    days = inputs.terms_days + policy.buffer_days
    need = Decimal(inputs.peak_quarter.minor * days * terms.need_percent) / (QUARTER_DAYS * 100)
    behaviour = Money(int(need), inputs.currency) if inputs.peak_quarter.minor > 0 else None
    ceiling = Money(
        round_minor(_major(terms.ceiling, policy.currency) * inputs.rate, inputs.currency), inputs.currency
    )
    capacity = (
        None
        if inputs.equity is None
        else _share(max(inputs.equity, Money.zero(inputs.currency)), policy.capacity_percent)
    )
    counts = inputs.owing >= policy.concentration_from_customers
    concentration = _share(inputs.receivables, policy.concentration_percent) if counts else None
    return (
        Cap(
            "behaviour",
            behaviour,
            {
                "peak_quarter": money_param(inputs.peak_quarter),
                "terms_days": inputs.terms_days,
                "buffer_days": policy.buffer_days,
                "percent": terms.need_percent,
            },
        ),
        Cap("policy", ceiling, {"grade": inputs.grade, "version": policy.version}),
        Cap(
            "capacity",
            capacity,
            {
                "equity": None if inputs.equity is None else money_param(inputs.equity),
                "percent": policy.capacity_percent,
            },
        ),
        Cap(
            "concentration",
            concentration,
            {
                "receivables": money_param(inputs.receivables),
                "percent": policy.concentration_percent,
                "owing": inputs.owing,
                "from_customers": policy.concentration_from_customers,
            },
        ),
    )


def _smallest(inputs: LimitInputs, policy: PolicyTerms, caps: tuple[Cap, ...]) -> tuple[str, Money | None]:
    if inputs.recommendation == Recommendation.DECLINED:
        return "declined", Money.zero(inputs.currency)
    found = {cap.code: cap.amount for cap in caps if cap.amount is not None}
    if "behaviour" not in found:
        # Without purchases nobody knows what the customer needs: the other caps alone would be generous.
        return "", None
    code = min(found, key=lambda name: found[name].minor)
    return code, _floor(found[code], policy.step)


def _stepped_rise(inputs: LimitInputs, policy: PolicyTerms, target: Money) -> Money:
    """At most max_rise_percent above the current limit, but at least one step, and never above the target."""
    assert inputs.current is not None
    step = Money(to_minor(Decimal(policy.step), inputs.currency), inputs.currency)
    by_percent = _floor(_share(inputs.current, 100 + policy.max_rise_percent), policy.step)
    return min(target, max(by_percent, inputs.current + step))


def _is_material(inputs: LimitInputs, policy: PolicyTerms, target: Money) -> bool:
    assert inputs.current is not None
    difference = abs(target.minor - inputs.current.minor)
    return bool(difference) and difference >= material_difference(inputs, policy, inputs.current).minor


def material_difference(inputs: LimitInputs, policy: PolicyTerms, amount: Money) -> Money:
    """From how much on a difference to `amount` is worth a person's time. A limit to zero always is."""
    least = round_minor(_major(policy.material_amount, policy.currency) * inputs.rate, inputs.currency)
    if inputs.recommendation == Recommendation.DECLINED:
        least = 0
    return Money(max(least, amount.minor * policy.material_percent // 100), inputs.currency)


def _why(inputs: LimitInputs, policy: PolicyTerms, bound_by: str, target: Money) -> dict[str, Any]:
    if bound_by == "declined":
        return {"reason_code": "declined", "params": {"score": inputs.score, "grade": inputs.grade}}
    params: dict[str, Any] = {"cap": bound_by, "target": money_param(target)}
    if inputs.current is None:
        return {"reason_code": "first_limit", "params": params}
    if target > inputs.current:
        return {"reason_code": "policy_rise", "params": params | {"step": policy.max_rise_percent}}
    return {"reason_code": "policy_cut", "params": params}


def _major(minor: int, currency: str) -> Decimal:
    return Money(minor, currency).amount


def _share(money: Money, percent: int) -> Money:
    return Money(money.minor * percent // 100, money.currency)


def _floor(money: Money, step: int) -> Money:
    units = (money.amount / step).to_integral_value(rounding=ROUND_DOWN)
    return Money(to_minor(units * step, money.currency), money.currency)


def keep_sentence(code: str, policy: PolicyTerms | None = None) -> str:
    """Why the limit is left alone."""
    days = policy.cool_down_days if policy else "?"
    late = policy.rise_max_days_past_due if policy else "?"
    return {
        "not_active": _("The customer is insolvent or closed: no limit is recommended."),
        "no_score": _("Without a score no limit is recommended."),
        "review": _("The score is for a person to decide: the limit is left as it is."),
        "no_purchases": _("No purchases in twelve months: what the customer needs is unknown."),
        "small_difference": _("The recommended limit differs too little from the current one."),
        "overdue": _("No rise while anything is overdue for more than %(days)s days.") % {"days": late},
        "cool_down": _("No second rise within %(days)s days.") % {"days": days},
    }[code]


def _money(params: dict[str, Any], name: str) -> Money:
    return Money(int(params[name]["minor"]), params[name]["currency"])


_FORMULAS = {
    "behaviour": lambda p: (
        _("%(billed)s in the strongest quarter / 91 days x (%(terms)s + %(buffer)s) days x %(percent)s")
        % {
            "billed": _money(p, "peak_quarter"),
            "terms": p["terms_days"],
            "buffer": p["buffer_days"],
            "percent": percent_of_100(p["percent"]),
        }
    ),
    "policy": lambda p: _("ceiling of grade %(grade)s, policy version %(version)s") % p,
    "capacity": lambda p: (
        _("%(percent)s of equity of %(equity)s")
        % {"percent": percent_of_100(p["percent"]), "equity": _money(p, "equity")}
        if p["equity"]
        else _("no annual accounts known")
    ),
    "concentration": lambda p: (
        _("%(percent)s of receivables of %(receivables)s")
        % {"percent": percent_of_100(p["percent"]), "receivables": _money(p, "receivables")}
        if p["owing"] >= p["from_customers"]
        else _("counts from %(count)s customers who owe; here %(owing)s")
        % {"count": p["from_customers"], "owing": p["owing"]}
    ),
}
