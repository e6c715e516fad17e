"""The bank-flow signals as a person says them: short sentences with their figures, the worrying ones marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.wording import number, percent
from scoring.signals import Unit
from scoring.signals.bank import MOST_MONTHS, SIGNALS


@dataclass(frozen=True, slots=True)
class Sentence:
    """tone: good, bad or mute."""

    text: str
    tone: str = "mute"


def _one(value: float) -> str:
    return number(round(value, 1))


def sentences(values: dict[str, Any], currency: str) -> list[Sentence]:
    """What the signals of one customer say; a signal that is missing says nothing."""
    known = {name.removeprefix("bank_"): value for name, value in values.items() if value is not None}
    return [*_balances(known, currency), *_flows(known, currency), *_incidents(known), *_sources(known)]


def _balances(v: dict[str, Any], currency: str) -> Iterator[Sentence]:
    if {"balance_now", "balance_low", "low_balance_90"} <= v.keys():
        # Below zero there is nothing to last: months of what goes out would be a negative time.
        text = (
            _("The balance is %(now)s %(currency)s; its lowest in 90 days was %(low)s %(currency)s.")
            if v["balance_low"] < 0
            else _(
                "The balance is %(now)s %(currency)s; its lowest in 90 days was %(low)s %(currency)s, "
                "%(months)s months of what goes out."
            )
        )
        figures = {"now": number(round(v["balance_now"])), "low": number(round(v["balance_low"]))}
        tone = "bad" if v["low_balance_90"] < 0.1 else "good" if v["low_balance_90"] >= 1 else "mute"
        yield Sentence(text % {**figures, "currency": currency, "months": _one(v["low_balance_90"])}, tone)
    if "days_below_zero_180" in v:
        n = v["days_below_zero_180"]
        text = ngettext(
            "The accounts ended %(n)s day of the last 180 below zero.",
            "The accounts ended %(n)s days of the last 180 below zero.",
            n,
        ) % {"n": n}
        yield (
            Sentence(_("Not one day below zero in the last 180."), "good")
            if n == 0
            else Sentence(text, "bad")
        )
    if "runway" in v:
        if v["runway"] <= 0:
            yield Sentence(_("Nothing is left on the accounts: what goes out is borrowed."), "bad")
        elif v["runway"] >= MOST_MONTHS:
            yield Sentence(_("The money does not run out at this pace."), "good")
        else:
            text = _("At the pace of the last 90 days the money lasts %(months)s months.")
            tone = "bad" if v["runway"] < 3 else "mute"
            yield Sentence(text % {"months": _one(v["runway"])}, tone)


def _flows(v: dict[str, Any], currency: str) -> Iterator[Sentence]:
    if {"inflow_month", "outflow_month"} <= v.keys():
        text = _("In 30 days about %(inflow)s %(currency)s come in and %(outflow)s %(currency)s go out.")
        tone = "bad" if v["outflow_month"] > v["inflow_month"] * 1.1 else "mute"
        figures = {k: number(round(v[f"{k}_month"])) for k in ("inflow", "outflow")}
        yield Sentence(text % {**figures, "currency": currency}, tone)
    if "inflow_trend" in v:
        text = _("Inflow is %(share)s of what it was in the 90 days before.")
        tone = "bad" if v["inflow_trend"] < 0.8 else "good" if v["inflow_trend"] >= 1.25 else "mute"
        yield Sentence(text % {"share": percent(v["inflow_trend"], 0)}, tone)
    if "sudden_change" in v:
        z = v["sudden_change"]
        if z <= -3:
            text = _(
                "A sudden change: the net flow of the last four weeks is %(z)s deviations below the usual."
            )
            yield Sentence(text % {"z": _one(-z)}, "bad")
        else:
            yield Sentence(_("The last four weeks are in line with the account's own history."))
    if "volatility" in v:
        text = _("From week to week the net flow swings by %(share)s of the weekly inflow.")
        yield Sentence(
            text % {"share": percent(v["volatility"], 0)}, "bad" if v["volatility"] > 1.2 else "mute"
        )
    if "days_since_inflow" in v:
        n = v["days_since_inflow"]
        # The data may end some days before today, and the windows end with it.
        text = ngettext(
            "Money last came in %(n)s day before the data ends.",
            "Money last came in %(n)s days before the data ends.",
            n,
        ) % {"n": n}
        yield Sentence(
            text if n else _("Money came in on the last day of the data."), "bad" if n > 31 else "mute"
        )
    if "inflow_floor" in v:
        text = _("The weakest of the last six months brought %(share)s of an average one.")
        yield Sentence(
            text % {"share": percent(v["inflow_floor"], 0)}, "bad" if v["inflow_floor"] < 0.3 else "mute"
        )


def _incidents(v: dict[str, Any]) -> Iterator[Sentence]:
    if "rejected_180" in v:
        n = v["rejected_180"]
        text = ngettext(
            "%(n)s payment was returned or refused in 180 days.",
            "%(n)s payments were returned or refused in 180 days.",
            n,
        ) % {"n": n}
        none = Sentence(_("No payment was returned or refused in 180 days."), "good")
        yield none if n == 0 else Sentence(text, "bad")
    if v.get("sanction_interest_180"):
        n = v["sanction_interest_180"]
        text = ngettext(
            "The bank charged sanction interest %(n)s time in 180 days.",
            "The bank charged sanction interest %(n)s times in 180 days.",
            n,
        )
        yield Sentence(text % {"n": n}, "bad")


def _sources(v: dict[str, Any]) -> Iterator[Sentence]:
    if "top_source_share" in v:
        text = _("The largest source brings %(share)s of the inflow that can be traced.")
        yield Sentence(
            text % {"share": percent(v["top_source_share"], 0)},
            "bad" if v["top_source_share"] > 0.6 else "mute",
        )
    if v.get("cash_share"):
        yield Sentence(_("%(share)s of all that moved was cash.") % {"share": percent(v["cash_share"], 0)})
    if "largest_outflow" in v:
        text = _("The largest single outflow was %(share)s of what came in during 90 days.")
        yield Sentence(
            text % {"share": percent(v["largest_outflow"], 0)},
            "bad" if v["largest_outflow"] > 0.8 else "mute",
        )


def table(values: dict[str, Any], currency: str) -> list[dict[str, Any]]:
    """Every signal with its value, its formula and what a missing one means."""
    return [
        {
            "label": signal.label,
            "value": _shown(values.get(signal.name), signal.unit, currency),
            "formula": signal.formula,
            "missing": signal.missing,
        }
        for signal in SIGNALS
    ]


def _shown(value: Any, unit: str, currency: str) -> str:
    if value is None:
        return ""
    if unit == Unit.SHARE:
        return percent(value)
    if unit == Unit.MONEY:
        return f"{number(round(value))} {currency}"
    if unit == Unit.DAYS:
        return ngettext("%(n)s day", "%(n)s days", value) % {"n": number(value)}
    if unit == Unit.MONTHS:
        return _("%(n)s months") % {"n": _one(value)}
    return number(round(value, 2))
