"""Why a limit is to move: reason codes with their sentence, rendered in the reader's language.

Stored are the code and its parameters, never the sentence. Amounts among the parameters are
{"minor": int, "currency": str}, dates ISO text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import Money, format_money
from creditdesk.core.wording import day, percent_of_100
from customers.bank.right import withheld
from customers.shown import Shown, withheld_agencies

# Chosen by a person who proposes.
PERSON_REASONS = {
    "customer_request": _("The customer asks for it"),
    "growing_business": _("Business with the customer grows"),
    "seasonal_peak": _("Seasonal peak"),
    "less_business": _("The customer buys less than the limit allows"),
    "payment_behaviour": _("Payment behaviour"),
    "new_information": _("New information about the customer"),
    "undo_cut": _("An earlier cut is to be undone"),
    "other": _("Another reason (see the comment)"),
}

# Given by policy, events and imports; %(name)s are filled from the parameters.
MACHINE_REASONS = {
    "insolvency": _("Insolvency proceedings opened on %(on)s (%(source)s)"),
    "event_taken_back": _("The insolvency of %(on)s (%(source)s) was recorded wrongly and is taken back"),
    "credit_application": _("Credit application of %(on)s, decided on by %(who)s"),
    "opening_limit": _("Limit taken over from %(source)s"),
    "first_limit": _("First limit. %(cap)s: %(target)s"),
    "policy_rise": _("Room to rise. %(cap)s: %(target)s; at most %(step)s at once"),
    "policy_cut": _("Above the policy. %(cap)s: %(target)s"),
    "declined": _("Score %(score)s %(grade)s: new credit is declined"),
    "late_payment": _("%(amount)s overdue, the oldest for %(days)s days"),
    "score_drop": _("The score fell from %(before)s (on %(on)s) to %(score)s"),
    "agency_fall": _("%(agency)s lowered its rating from %(before)s to %(standing)s of 100 on %(on)s"),
    "ceased": _("%(agency)s said on %(on)s that its business has ceased"),
    "cash_shock": _(
        "Net cash flow of four weeks fell %(times)s times its usual deviation below its usual level"
    ),
}

# The beginning of a reason whose amount is told from bank lines or by an agency, for who may not read them.
BOUND_BY = {
    "first_limit": _("First limit."),
    "policy_rise": _("Room to rise."),
    "policy_cut": _("Above the policy."),
}

# Told from bank lines.
OF_BANK = {"cash_shock"}
# Told by credit agencies.
OF_AGENCIES = {"agency_fall", "ceased"}

REASONS: dict[str, Any] = {**PERSON_REASONS, **MACHINE_REASONS}

# Which cap of the limit policy binds (scoring/limit_policy.py); named here because reasons speak of them.
CAP_LABELS = {
    "behaviour": _("Need by purchases"),
    "policy": _("Ceiling of the grade"),
    "capacity": _("Share of equity"),
    "bank_flows": _("Share of bank inflow"),
    "agency": _("Limit recommended by a credit agency"),
    "insurance": _("Cover and own risk"),
    "concentration": _("Share of all receivables"),
    "group": _("Ceiling of the group"),
}


def money_param(money: Money) -> dict[str, Any]:
    return {"minor": money.minor, "currency": money.currency}


def render_reason(code: str, params: Mapping[str, Any], *, shown: Shown) -> str:
    """The reason as one sentence. An unknown code shows itself: nothing is hidden from who decides.

    shown: what the reader may see about the customer; else a cash shock, or what an agency said, stands there without
    its figures.
    """
    cap = params.get("cap")
    if not shown.bank and (code in OF_BANK or cap == "bank_flows"):
        # The cap is a set share of what comes in: its amount tells the inflow.
        return f"{BOUND_BY[code]} {withheld()}" if code in BOUND_BY else withheld()
    if not shown.agencies and (code in OF_AGENCIES or cap == "agency"):
        return f"{BOUND_BY[code]} {withheld_agencies()}" if code in BOUND_BY else withheld_agencies()
    template = REASONS.get(code)
    if template is None:
        return code
    values = {name: _text(name, value) for name, value in params.items()}
    try:
        return str(template) % values if "%(" in str(template) else str(template)
    except (KeyError, ValueError):
        return f"{template} {dict(params)}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, Mapping) and "minor" in value:
        return format_money(Money(int(value["minor"]), value["currency"]))
    if name == "cap":
        return str(CAP_LABELS.get(value, value))
    if name == "step":
        return percent_of_100(value)
    if name == "on" and isinstance(value, str):
        return day(date.fromisoformat(value))
    return gettext("unknown") if value is None else str(value)
