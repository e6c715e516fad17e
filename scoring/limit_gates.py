"""The gates of a rise: each with what was found and what the policy asks. One that fails, and the limit stays.

Gates a policy does not ask about are not shown. A first limit and a cut need none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.money import Money
from creditdesk.core.wording import day, percent_of_100
from scoring.limit_terms import LimitInputs, PolicyTerms, floored, share

Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of a rise; `params` say what was found and what is asked."""

    code: str
    passed: bool
    params: Params

    @property
    def sentence(self) -> str:
        return gate_sentence(self.code, self.params)


def gates_of(inputs: LimitInputs, policy: PolicyTerms) -> tuple[Gate, ...]:
    """The gates a policy asks of a rise, in the order they are checked."""
    return tuple(
        Gate(code, *found) for code, check in _GATES.items() if (found := check(inputs, policy)) is not None
    )


def yearly_bound(inputs: LimitInputs, policy: PolicyTerms) -> Money | None:
    """Up to where the limit may rise within a year of its level then; None: any amount."""
    if policy.year_rise_percent is None or inputs.limit_year_ago is None or not inputs.limit_year_ago.minor:
        return None
    return floored(share(inputs.limit_year_ago, 100 + policy.year_rise_percent), policy.step)


def _hold(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params]:
    return not inputs.on_hold, {}


def _overdue(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params]:
    found, asked = inputs.oldest_days_past_due, policy.rise_max_days_past_due
    return found <= asked, {"found": found, "asked": asked}


def _cool_down(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params]:
    passed = _outside(inputs.last_rise_on, inputs.as_of, policy.cool_down_days)
    return passed, {"on": _iso(inputs.last_rise_on), "asked": policy.cool_down_days}


def _year_rises(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params] | None:
    if policy.year_rises is None:
        return None
    return inputs.rises_in_year < policy.year_rises, {
        "found": inputs.rises_in_year,
        "asked": policy.year_rises,
    }


def _yearly(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params] | None:
    if policy.year_rise_percent is None:
        return None
    bound = yearly_bound(inputs, policy)
    passed = bound is None or inputs.current is None or bound > inputs.current
    return passed, {
        "asked": policy.year_rise_percent,
        "then": None if inputs.limit_year_ago is None else _param(inputs.limit_year_ago),
        "bound": None if bound is None else _param(bound),
    }


def _promise(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params] | None:
    if not policy.gate_promise_days:
        return None
    passed = _outside(inputs.promise_broken_on, inputs.as_of, policy.gate_promise_days)
    return passed, {"on": _iso(inputs.promise_broken_on), "asked": policy.gate_promise_days}


def _event(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params] | None:
    if not policy.gate_event_days:
        return None
    passed = _outside(inputs.event_on, inputs.as_of, policy.gate_event_days)
    return passed, {"on": _iso(inputs.event_on), "asked": policy.gate_event_days}


def _score_fall(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params] | None:
    if not policy.gate_score_fall:
        return None
    fall = max((inputs.score_before or 0) - (inputs.score or 0), 0) if inputs.score_before is not None else 0
    return fall < policy.gate_score_fall, {"found": fall, "asked": policy.gate_score_fall}


def _use(inputs: LimitInputs, policy: PolicyTerms) -> tuple[bool, Params] | None:
    if not policy.gate_use_percent or inputs.current is None or inputs.exposure is None:
        return None
    limit = inputs.current.minor
    used = max(inputs.exposure.minor, 0) * 100 // limit if limit else 100
    return used >= policy.gate_use_percent, {"found": used, "asked": policy.gate_use_percent}


_GATES: dict[str, Callable[[LimitInputs, PolicyTerms], tuple[bool, Params] | None]] = {
    "on_hold": _hold,
    "overdue": _overdue,
    "cool_down": _cool_down,
    "year_rises": _year_rises,
    "yearly": _yearly,
    "promise": _promise,
    "event": _event,
    "score_fall": _score_fall,
    "use": _use,
}


def gate_sentence(code: str, params: Params) -> str:
    """What a gate asks and what was found, in the reader's language."""
    return _SENTENCES[code](params)


def _outside(then: date | None, as_of: date, days: int) -> bool:
    return then is None or as_of >= then + timedelta(days=days)


def _iso(on: date | None) -> str | None:
    return on.isoformat() if on else None


def _day(params: Params) -> str:
    return day(date.fromisoformat(params["on"])) if params["on"] else _("none")


def _param(money: Money) -> Params:
    return {"minor": money.minor, "currency": money.currency}


def _yearly_sentence(p: Params) -> str:
    asked = percent_of_100(p["asked"])
    if not p["bound"]:
        return _("at most %(asked)s a year; no limit of a year ago to count from") % {"asked": asked}
    then, bound = (Money(int(p[name]["minor"]), p[name]["currency"]) for name in ("then", "bound"))
    return _("at most %(asked)s above the %(then)s of a year ago: up to %(bound)s") % {
        "asked": asked,
        "then": then,
        "bound": bound,
    }


_SENTENCES: dict[str, Callable[[Params], str]] = {
    "on_hold": lambda p: _("not on hold, nothing stops new business"),
    "overdue": lambda p: _("oldest overdue item %(found)s days, at most %(asked)s allowed") % p,
    "cool_down": lambda p: (
        _("last rise: %(day)s; %(asked)s days between rises") % {"day": _day(p), "asked": p["asked"]}
    ),
    "year_rises": lambda p: _("%(found)s rises in a year, at most %(asked)s") % p,
    "yearly": _yearly_sentence,
    "promise": lambda p: (
        _("last broken promise: %(day)s; none allowed in %(asked)s days")
        % {"day": _day(p), "asked": p["asked"]}
    ),
    "event": lambda p: (
        _("last adverse public event: %(day)s; none allowed in %(asked)s days")
        % {"day": _day(p), "asked": p["asked"]}
    ),
    "score_fall": lambda p: _("the score lost %(found)s points in 90 days, fewer than %(asked)s allowed") % p,
    "use": lambda p: (
        _("%(found)s of the limit is used, at least %(asked)s asked")
        % {"found": percent_of_100(p["found"]), "asked": percent_of_100(p["asked"])}
    ),
}
