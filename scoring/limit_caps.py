"""The caps of a recommended limit, each with its formula.

behaviour      purchases of the strongest of the last four quarters / 91 days
               x (payment terms + buffer days) x the grade's share: the credit the business needs
policy         the grade's ceiling
capacity       a share of the customer's equity, where accounts are known
bank_flows     a share of what comes in on the customer's bank accounts in 30 days, under its consent
agency         a share of the lowest limit a credit agency recommends
insurance      what covers would pay, and the most the grade allows at our own risk
concentration  a share of all the company's receivables, in books of enough customers
group          the ceiling of a whole group, less the limits of its other members
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.money import Money
from creditdesk.core.wording import day, fixed, percent_of_100
from customers.limit_reasons import CAP_LABELS, money_param
from scoring.limit_terms import LimitInputs, PolicyTerms, share
from scoring.models import Recommendation

QUARTER_DAYS = 91
Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cap:
    """One cap. `amount` None: it does not apply here. `params` are what it was computed from."""

    code: str
    amount: Money | None
    params: Params

    @property
    def label(self) -> str:
        return str(CAP_LABELS[self.code])

    @property
    def formula(self) -> str:
        return cap_formula(self.code, self.params)


def caps_of(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Cap, ...]:
    """Every cap of an account under a policy; none for a declined score, which aims at zero."""
    if inputs.recommendation == Recommendation.DECLINED or inputs.grade not in policy.grades:
        return ()
    return tuple(Cap(code, *compute(inputs, policy)) for code, compute in _CAPS.items())


def _behaviour(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    terms = policy.grades[inputs.grade]
    days = inputs.terms_days + policy.buffer_days
    need = Decimal(inputs.peak_quarter.minor * days * terms.need_percent) / (QUARTER_DAYS * 100)
    amount = Money(int(need), inputs.currency) if inputs.peak_quarter.minor > 0 else None
    return amount, {
        "peak_quarter": money_param(inputs.peak_quarter),
        "terms_days": inputs.terms_days,
        "buffer_days": policy.buffer_days,
        "percent": terms.need_percent,
    }


def _policy(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    ceiling = inputs.converted(policy, policy.grades[inputs.grade].ceiling)
    return ceiling, {"grade": inputs.grade, "version": policy.version}


def _capacity(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    params = {"equity": _param(inputs.equity), "percent": policy.capacity_percent}
    if inputs.equity is None:
        return None, params
    return share(max(inputs.equity, Money.zero(inputs.currency)), policy.capacity_percent), params


def _bank_flows(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    params = {"inflow": _param(inputs.bank_inflow), "percent": policy.bank_percent}
    if inputs.bank_inflow is None or not policy.bank_percent:
        return None, params
    return share(inputs.bank_inflow, policy.bank_percent), params


def _agency(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    said = inputs.agency
    params: Params = {"percent": policy.agency_percent, "stated": None}
    if inputs.agencies_left_out:
        params["left_out"] = ", ".join(inputs.agencies_left_out)
    if said is None or not policy.agency_percent:
        return None, params
    params |= {
        "agency": said.agency,
        "on": said.on.isoformat(),
        "stated": money_param(said.stated),
        "converted": money_param(said.converted),
        "rate": str(said.rate),
    }
    return share(said.converted, policy.agency_percent), params


def _insurance(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    own_risk = policy.grades[inputs.grade].own_risk
    params: Params = {"secured": _param(inputs.secured), "own_risk": None, "grade": inputs.grade}
    if own_risk is None:
        return None, params
    allowed = inputs.converted(policy, own_risk)
    params["own_risk"] = money_param(allowed)
    return allowed + (inputs.secured or Money.zero(inputs.currency)), params


def _concentration(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    counts = inputs.owing >= policy.concentration_from_customers
    return share(inputs.receivables, policy.concentration_percent) if counts else None, {
        "receivables": money_param(inputs.receivables),
        "percent": policy.concentration_percent,
        "owing": inputs.owing,
        "from_customers": policy.concentration_from_customers,
    }


def _group(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Money | None, Params]:
    params: Params = {
        "others": _param(inputs.group_others),
        "members": inputs.group_size,
        "ceiling": None,
    }
    if policy.group_ceiling is None:
        return None, params
    ceiling = inputs.converted(policy, policy.group_ceiling)
    params["ceiling"] = money_param(ceiling)
    if inputs.group_others is None:
        return None, params
    return max(ceiling - inputs.group_others, Money.zero(inputs.currency)), params


_CAPS: dict[str, Callable[[LimitInputs, PolicyTerms], tuple[Money | None, Params]]] = {
    "behaviour": _behaviour,
    "policy": _policy,
    "capacity": _capacity,
    "bank_flows": _bank_flows,
    "agency": _agency,
    "insurance": _insurance,
    "concentration": _concentration,
    "group": _group,
}


def cap_formula(code: str, params: Params) -> str:
    """How a cap was computed, with its inputs, in the reader's language."""
    return _FORMULAS[code](params)


def _param(money: Money | None) -> Params | None:
    return None if money is None else money_param(money)


def _money(params: Params, name: str) -> Money:
    return Money(int(params[name]["minor"]), params[name]["currency"])


def _bank_formula(p: Params) -> str:
    if not p["percent"]:
        return _("not asked by this policy")
    if not p["inflow"]:
        return _("no bank data that may be read")
    return _("%(percent)s of the inflow of 30 days, %(inflow)s") % {
        "percent": percent_of_100(p["percent"]),
        "inflow": _money(p, "inflow"),
    }


def _agency_formula(p: Params) -> str:
    if not p["percent"]:
        return _("not asked by this policy")
    if p.get("left_out"):
        left_out = _("left out for want of an exchange rate: limits in %s") % p["left_out"]
        return f"{_agency_said(p)}; {left_out}"
    return _agency_said(p)


def _agency_said(p: Params) -> str:
    if not p["stated"]:
        return _("no agency recommends a limit")
    stated, converted = _money(p, "stated"), _money(p, "converted")
    figures = {
        "percent": percent_of_100(p["percent"]),
        "stated": stated,
        "agency": p["agency"],
        "on": day(date.fromisoformat(p["on"])),
    }
    if stated.currency == converted.currency:
        return _("%(percent)s of the %(stated)s that %(agency)s recommends (%(on)s)") % figures
    figures |= {
        "converted": converted,
        "rate": fixed(Decimal(p["rate"]), 4),
        "own": converted.currency,
        "other": stated.currency,
    }
    return (
        _(
            "%(percent)s of the %(stated)s that %(agency)s recommends (%(on)s): %(converted)s at %(rate)s %(own)s for 1 %(other)s"
        )
        % figures
    )


def _insurance_formula(p: Params) -> str:
    if not p["own_risk"]:
        return _("not asked by this policy")
    if not p["secured"] or not int(p["secured"]["minor"]):
        return _("no cover; grade %(grade)s allows %(own)s at our own risk") % {
            "grade": p["grade"],
            "own": _money(p, "own_risk"),
        }
    return _("covered %(secured)s + %(own)s at our own risk (grade %(grade)s)") % {
        "secured": _money(p, "secured"),
        "own": _money(p, "own_risk"),
        "grade": p["grade"],
    }


def _group_formula(p: Params) -> str:
    if not p["ceiling"]:
        return _("not asked by this policy")
    if not p["others"]:
        return _("in no group")
    return _("%(ceiling)s for the group less %(others)s of its other %(members)s") % {
        "ceiling": _money(p, "ceiling"),
        "others": _money(p, "others"),
        "members": p["members"],
    }


_FORMULAS: dict[str, Callable[[Params], str]] = {
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
    "bank_flows": _bank_formula,
    "agency": _agency_formula,
    "insurance": _insurance_formula,
    "concentration": lambda p: (
        _("%(percent)s of receivables of %(receivables)s")
        % {"percent": percent_of_100(p["percent"]), "receivables": _money(p, "receivables")}
        if p["owing"] >= p["from_customers"]
        else _("counts from %(count)s customers who owe; here %(owing)s")
        % {"count": p["from_customers"], "owing": p["owing"]}
    ),
    "group": _group_formula,
}
