"""What to do next about an account, and the minutes it takes. Pure rules over a `Situation` and its cause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _

from worklists.ranking import minor_units
from worklists.situations import Situation
from worklists.wording import amount, day

Params = dict[str, Any]
Step = tuple[str, Params]

# Minutes a step takes, talk and typing included (expert figures, part of the policy version).
MINUTES = {
    "file_claim": 15,
    "ask_agency": 5,
    "check_bank": 1,
    "call_returned": 8,
    "call_address": 5,
    "apply_cash": 3,
    "call_promise": 8,
    "call_part_payment": 12,
    "call_head": 12,
    "call_management": 12,
    "send_outcome": 5,
    "call_escalate": 10,
    "call_limit": 8,
    "call_large": 6,
    "email_plan": 4,
    "email_gentle": 2,
    "call_rest": 8,
    "email_1": 2,
    "email_2": 2,
    "email_3": 3,
    "call": 8,
}
REMINDER_GAP_DAYS = 7
# From this many major units of the company's currency on, a call is worth more than an e-mail.
CALL_FROM = 5_000


def next_step(s: Situation, cause: str) -> Step:
    """The step and its parameters (amount asked for, by which day)."""
    ask = {"minor": sum(i.collectable for i in s.chased if i.currency == s.currency), "currency": s.currency}
    if not ask["minor"] and s.chased:
        ask = {"minor": s.chased[0].collectable, "currency": s.chased[0].currency}
    by = s.as_of + timedelta(days=5)
    match cause:
        case "insolvent":
            return "file_claim", {}
        case "handed_over":
            return "ask_agency", {}
        case "promise_today":
            return "check_bank", {}
        case "returned_payment":
            return "call_returned", {}
        case "undelivered":
            return "call_address", {}
        case "unapplied_cash":
            return "apply_cash", {}
        case "broken_promise":
            if s.broken_count > 1:
                return "call_part_payment", ask
            return "call_promise", {"by": by}
        case "group_trouble":
            return "call_head", ask
        case "sudden_change":
            return "call_management", ask
        case "dispute_closed":
            return "send_outcome", {**ask, "by": s.as_of + timedelta(days=7)}
        case "growing":
            return "call_escalate", ask
        case "limit_exceeded":
            return "call_limit", ask
        case "new_large":
            return "call_large", {"number": s.largest.number}
        case "seasonal":
            return "email_plan", ask
        case "habit":
            return _gentle(s)
        case "part_disputed":
            return ("call_rest", ask) if _large(s) else _ladder(s, ask, by)
        case "first_late":
            return _gentle(s) if not s.reminded_on else ("call", {**ask, "by": by})
    return _ladder(s, ask, by)


def _gentle(s: Situation) -> Step:
    return "email_gentle", {"number": s.oldest.number}


def _large(s: Situation) -> bool:
    return s.collectable_minor >= minor_units(CALL_FROM, s.company_currency)


def _ladder(s: Situation, ask: Params, by: date) -> Step:
    """Reminders one level after the other, a week apart; a call where the money is worth it or they failed."""
    if _large(s) or s.days > 60:
        return "call", {**ask, "by": by}
    if s.reminded_on is not None and (s.as_of - s.reminded_on).days < REMINDER_GAP_DAYS:
        return "call", {**ask, "by": by}
    if s.reminder_level >= 3:
        return "call_escalate", ask
    return f"email_{s.reminder_level + 1}", ask


def reminder_level(step: str, reached: int = 0) -> int:
    """The dunning level a step's e-mail has (or the next one, for a call)."""
    if step.startswith("email_") and step[-1].isdigit():
        return int(step[-1])
    if step == "call_escalate":
        return 3
    if step in {"email_gentle", "email_plan", "send_outcome"}:
        return 1
    return min(reached + 1, 3)


def say_step(code: str, params: Params) -> str:
    """The step in the reader's language."""
    values: dict[str, Any] = dict(params)
    if "minor" in params:
        values["amount"] = amount(params["minor"], params["currency"])
    if "by" in params:
        values["day"] = day(params["by"])
    return _SENTENCES[code]() % values


_SENTENCES: dict[str, Callable[[], str]] = {
    "file_claim": lambda: _("register the claim with the administrator, no calls"),
    "ask_agency": lambda: _("ask the lawyer or agency how it stands, no calls"),
    "check_bank": lambda: _("look for it on today's bank statement, do not call yet"),
    "call_returned": lambda: _("call: why did it come back, agree a transfer today"),
    "call_address": lambda: _("call: ask for an e-mail address that works"),
    "apply_cash": lambda: _("apply the cash first, then ask for the rest"),
    "call_promise": lambda: _("call before 11:00: the money today, or a date not after %(day)s"),
    "call_part_payment": lambda: _(
        "call the management: no new promise without a part payment of the %(amount)s"
    ),
    "call_head": lambda: _("call the head of the group for %(amount)s, ask for a guarantee"),
    "call_management": lambda: _("call the management: what happened, secure the %(amount)s"),
    "send_outcome": lambda: _("send the outcome and ask for %(amount)s by %(day)s"),
    "call_escalate": lambda: _("call and announce the last step before legal action over %(amount)s"),
    "call_limit": lambda: _("call: new orders wait until %(amount)s is paid"),
    "call_large": lambda: _("call: is %(number)s approved and in their payment run?"),
    "email_plan": lambda: _("e-mail: offer to pay the %(amount)s in parts over the season"),
    "email_gentle": lambda: _("gentle reminder by e-mail for %(number)s, no call"),
    "call_rest": lambda: _("call for the undisputed %(amount)s"),
    "email_1": lambda: _("e-mail: first reminder over %(amount)s"),
    "email_2": lambda: _("e-mail: second reminder over %(amount)s"),
    "email_3": lambda: _("e-mail: last reminder over %(amount)s"),
    "call": lambda: _("call: ask for %(amount)s by %(day)s"),
}
