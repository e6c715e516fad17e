"""Sentences of the customer's bank flows."""

from __future__ import annotations

from datetime import date

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from creditdesk.core.wording import percent

from .wording import Sentence, counted, one_decimal, share_of, two_decimals


def _days(value: float, _as_of: date, _judged: date) -> str:
    return ngettext("Its bank data covers %s day.", "Its bank data covers %s days.", int(value)) % int(value)


def _net(days: int) -> Sentence:
    def write(value: float, _as_of: date, _judged: date) -> str:
        figures = {"share": percent(abs(value)), "days": days}
        if value >= 0:
            return _("In %(days)s days more came in than went out: %(share)s of all that moved.") % figures
        return _("In %(days)s days more went out than came in: %(share)s of all that moved.") % figures

    return write


def _runway(value: float, _as_of: date, _judged: date) -> str:
    if value <= 0:
        return _("Nothing is left on its accounts.")
    if value >= 24:
        return _("Its accounts last for two years or more as money moves now.")
    return _("Its accounts last %s months as money moves now.") % number_format(value, 1)


def _against_before(flow: str) -> Sentence:
    return lambda value, _as_of, _judged: _(flow) % percent(value, 0)


def _since(value: float, _as_of: date, _judged: date) -> str:
    if not value:
        return _("Money came in on the last day of its bank data.")
    return ngettext(
        "Money last came in %s day before its bank data ends.",
        "Money last came in %s days before its bank data ends.",
        int(value),
    ) % int(value)


def _sudden(value: float, _as_of: date, _judged: date) -> str:
    figure = number_format(abs(value), 1)
    if value < 0:
        return _("The net flow of four weeks lies %s normal swings below its own history.") % figure
    return _("The net flow of four weeks lies %s normal swings above its own history.") % figure


_AVERAGE = {
    30: gettext_noop("The average balance of 30 days covers %s months of outflow."),
    90: gettext_noop("The average balance of 90 days covers %s months of outflow."),
    180: gettext_noop("The average balance of 180 days covers %s months of outflow."),
}
_LOWEST = {
    30: gettext_noop("The lowest balance of 30 days covers %s months of outflow."),
    90: gettext_noop("The lowest balance of 90 days covers %s months of outflow."),
    180: gettext_noop("The lowest balance of 180 days covers %s months of outflow."),
}

SENTENCES: dict[str, Sentence] = {
    "bank_history_days": _days,
    "bank_data_age": counted(
        gettext_noop("Its bank data is of today."),
        gettext_noop("Its bank data ends %s days before the date."),
    ),
    **{f"bank_avg_balance_{days}": one_decimal(text) for days, text in _AVERAGE.items()},
    **{f"bank_low_balance_{days}": one_decimal(text) for days, text in _LOWEST.items()},
    "bank_days_below_zero_90": counted(
        gettext_noop("Its accounts were never below zero in 90 days."),
        gettext_noop("Days below zero in the last 90: %s."),
    ),
    "bank_days_below_zero_180": counted(
        gettext_noop("Its accounts were never below zero in 180 days."),
        gettext_noop("Days below zero in the last 180: %s."),
    ),
    "bank_runway": _runway,
    "bank_inflow_trend": _against_before(
        gettext_noop("What comes in is %s of what came in during the 90 days before.")
    ),
    "bank_outflow_trend": _against_before(
        gettext_noop("What goes out is %s of what went out during the 90 days before.")
    ),
    "bank_net_flow_90": _net(90),
    "bank_net_flow_180": _net(180),
    "bank_volatility": two_decimals(
        gettext_noop("Its weekly net flow swings by %s times its weekly inflow.")
    ),
    "bank_inflow_volatility": two_decimals(gettext_noop("Its weekly inflow swings by %s times its average.")),
    "bank_rejected_180": counted(
        gettext_noop("No payment was returned or refused in 180 days."),
        gettext_noop("Payments returned or refused in the last 180 days: %s."),
    ),
    "bank_sanction_interest_180": counted(
        gettext_noop("No interest for an overdrawn account in 180 days."),
        gettext_noop("Charges for an overdrawn account in the last 180 days: %s."),
    ),
    "bank_top_source_share": share_of(gettext_noop("Its largest source brings %s of what comes in.")),
    "bank_cash_share": share_of(gettext_noop("%s of what moves on its accounts is cash.")),
    "bank_largest_outflow": share_of(
        gettext_noop("Its largest outflow of 90 days equals %s of what came in.")
    ),
    "bank_days_since_inflow": _since,
    "bank_inflow_weeks_share": share_of(gettext_noop("Money came in during %s of the last 26 weeks.")),
    "bank_inflow_floor": share_of(gettext_noop("Its weakest month of six brought %s of an average one.")),
    "bank_sudden_change": _sudden,
    "bank_balance_now": two_decimals(gettext_noop("The balance of its accounts is %s.")),
    "bank_balance_low": two_decimals(gettext_noop("The lowest balance of 90 days was %s.")),
    "bank_inflow_month": two_decimals(gettext_noop("In 30 days %s came in on average.")),
    "bank_outflow_month": two_decimals(gettext_noop("In 30 days %s went out on average.")),
}
