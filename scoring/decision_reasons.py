"""Why a decision is what it is, as sentences in the reader's language. Stored are codes and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.money import Money
from creditdesk.core.wording import day, percent_of_100
from customers.limit_reasons import CAP_LABELS
from customers.models import CreditHold
from scoring import agency_words
from scoring.bank_right import (
    NOTHING_ENDED,
    Ended,
    Reader,
    is_of_agencies,
    is_of_bank,
    sees_bank,
    withheld,
    withheld_because,
)
from scoring.limit_policy import keep_sentence
from scoring.models import Decision, ScoreOverride
from scoring.sentences import SENTENCES, sentence
from scoring.signals.base import Family

TOLD = "told"
"""Code of the reason a person writes in their own words (Decision.told); it stands in the letter."""


@dataclass(frozen=True, slots=True)
class Reason:
    """code: stable, for programs. points, signal, value: of a signal, None and "" for other reasons. is_erased: a
    person's words that are gone.
    """

    code: str
    text: str
    points: int | None = None
    signal: str = ""
    value: Any = None
    is_erased: bool = False

    @property
    def is_signal(self) -> bool:
        return self.code == "signal"


def reasons_of(
    decision: Decision, reader: Reader | None = None, *, named: bool = False, ended: Ended = NOTHING_ENDED
) -> list[Reason]:
    """All reasons of a decision in the active language, in the order in which they counted.

    reader: of a bank signal, somebody without the right to bank data is told the points and nothing else. None: the
    customer itself (its letter), whose data they are. ended: what may not be shown any more (`ended_for`). named: say which credit agency said what; a query where one counted.
    """
    made = []
    bank = (reader is None or sees_bank(reader)) and Family.BANK not in ended
    words = _agency_words(decision) if named else {}
    for stored in decision.reasons:
        code, params = stored["code"], stored["params"]
        if code == TOLD:
            made.append(_told(decision))
            continue
        if code == "signal" and is_of_bank(params["signal"]) and not bank:
            made.append(Reason(code, withheld(), params["points"], Family.BANK))
            continue
        if code == "signal" and Family.BUREAU in ended and is_of_agencies(params["signal"]):
            made.append(Reason(code, withheld_because(ended), params["points"], Family.BUREAU))
            continue
        if params.get("cap") == "agency" and Family.BUREAU in ended:
            made.append(Reason(code, withheld_because(ended)))
            continue
        if params.get("cap") == "bank_flows" and not bank:
            # A set share of the inflow: the amount beside its name would tell it.
            made.append(Reason(code, withheld()))
            continue
        signal = (params["points"], params["signal"], params["value"]) if code == "signal" else ()
        text = words.get(signal[1]) if signal else None
        made.append(Reason(code, text or reason_text(decision, code, params), *signal))
    return made


def _told(decision: Decision) -> Reason:
    if decision.told or decision.erased_at is None:
        return Reason(TOLD, decision.told)
    on = day(timezone.localdate(decision.erased_at))
    return Reason(TOLD, capfirst(_("words erased on %(day)s") % {"day": on}), is_erased=True)


def _agency_words(decision: Decision) -> dict[str, str]:
    if decision.kept is None:
        return {}
    given = [stored["params"] for stored in decision.reasons if stored["code"] == "signal"]
    return agency_words.sentences(decision.kept, {params["signal"]: params["value"] for params in given})


def reason_text(decision: Decision, code: str, params: dict[str, Any]) -> str:
    """One reason as a sentence. An unknown code shows itself: nothing is hidden."""
    if code == "signal":
        return _signal(decision, params)
    made = _TEXTS.get(code)
    return made(params) if made else code


def _signal(decision: Decision, params: dict[str, Any]) -> str:
    name, on = params["signal"], decision.scored_as_of or decision.as_of
    if name not in SENTENCES:  # a signal of an earlier version of the product
        return f"{name}: {params['value']}"
    judged_on = decision.kept.judged_on if decision.kept else on
    return sentence(name, params["value"], on, judged_on)


def money_of(param: dict[str, Any]) -> Money:
    return Money(int(param["minor"]), param["currency"])


def _cap(params: dict[str, Any]) -> str:
    return str(CAP_LABELS.get(params["cap"], params["cap"]))


def _hold(params: dict[str, Any]) -> str:
    if not params["reason"]:
        return _("The customer is on hold.")
    return _("New business is stopped: %s.") % CreditHold(reason_code=params["reason"]).reason_text


def _kept(params: dict[str, Any]) -> str:
    policy: Any = SimpleNamespace(cool_down_days=params["cool_down"], rise_max_days_past_due=params["late"])
    return keep_sentence(params["keep"], policy)


_MISSING = {
    "amount": gettext_lazy("a smaller amount"),
    "no_bank": gettext_lazy("three months of bank data"),
    "no_accounts": gettext_lazy("recent annual accounts"),
    "weak_accounts": gettext_lazy("stronger accounts"),
    "adverse_event": gettext_lazy("clean registers"),
    "low_score": gettext_lazy("a better score"),
}

_TEXTS = {
    "insolvent": lambda p: _("Insolvency proceedings are open."),
    "closed": lambda p: _("The customer is closed."),
    "no_score": lambda p: _("There is no score yet."),
    "score_of_another_day": lambda p: (
        _("The score is of %s: too old, or later than the day asked for.") % day(date.fromisoformat(p["on"]))
    ),
    "score_does_not_add_up": lambda p: _("The points of the stored score do not add up: it is not used."),
    "on_hold": _hold,
    "no_rate": lambda p: _("An exchange rate is missing, so that no limit can be worked out."),
    "natural_person": lambda p: _(
        "Nothing adverse is decided about a natural person without a named human (GDPR art. 22)."
    ),
    "override": lambda p: (
        _("A person set grade %(grade)s in place of %(instead)s: %(reason)s.")
        % {**p, "reason": ScoreOverride.Reason(p["reason"]).label}
    ),
    "no_history": lambda p: _("No payment history: a person decides."),
    "prospect_by_rule": lambda p: (
        _(
            "No payment history, but accounts, bank flows and registers speak for it (score %(score)s): up to %(up_to)s "
            "the rules approve."
        )
        % {"score": p["score"], "up_to": money_of(p["up_to"])}
    ),
    "prospect_for_person": lambda p: (
        _("Up to %(up_to)s the rules could approve; what is missing for it: %(missing)s.")
        % {"up_to": money_of(p["up_to"]), "missing": ", ".join(str(_MISSING[one]) for one in p["missing"])}
    ),
    "thin_history": lambda p: _("Little payment history: a person decides."),
    "grey_zone": lambda p: (
        _("Score %(score)s lies between %(low)s and %(high)s, where a person decides.") % p
    ),
    "score": lambda p: _("Score %(score)s, grade %(grade)s.") % p,
    "need_unknown": lambda p: _(
        "Nothing was bought in twelve months and no amount was asked for: the need is unknown."
    ),
    "rise_held": _kept,
    "less_than_asked": lambda p: (
        _("%(limit)s instead of %(asked)s. %(cap)s.")
        % {"limit": money_of(p["limit"]), "asked": money_of(p["asked"]), "cap": _cap(p)}
        if p["cap"]
        else _("%(limit)s instead of %(asked)s.")
        % {"limit": money_of(p["limit"]), "asked": money_of(p["asked"])}
    ),
    "limit": lambda p: (
        _("Limit by the policy: %(limit)s. %(cap)s.") % {"limit": money_of(p["limit"]), "cap": _cap(p)}
    ),
    "nothing_left": lambda p: _("The limit policy leaves no room: a person decides."),
    "shorter_terms": lambda p: (
        _("%(days)s days to pay instead of %(asked)s: the longest for grade %(grade)s.") % p
    ),
    "guarantees": lambda p: (
        _("%(percent)s of the limit is to be guaranteed: %(amount)s, of which %(held)s on file.")
        % {
            "percent": percent_of_100(p["percent"]),
            "amount": money_of(p["amount"]),
            "held": money_of(p["held"]),
        }
    ),
}
