"""Sentences of bank flows and of the days the customer takes to pay its suppliers."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from creditdesk.core.wording import day, fixed, percent

from .wording import Sentence, counted, either, one_decimal, share_of, two_decimals


def _history(value: float, _as_of: date, _judged: date) -> str:
    return ngettext("%s day of bank data.", "%s days of bank data.", int(value)) % int(value)


def _age(value: float, as_of: date, _judged: date) -> str:
    return _("The bank data ends on %s.") % day(as_of - timedelta(days=int(value)))


def _runway(value: float, _as_of: date, _judged: date) -> str:
    if value >= 24:
        return _("The money does not run out at this pace.")
    if value <= 0:
        return _("Nothing is left on the accounts: what goes out is borrowed.")
    return _("At the pace of the last 90 days the money lasts %s months.") % fixed(value, 1)


def _change(value: float, _as_of: date, _judged: date) -> str:
    figure = fixed(abs(value), 1)
    if value <= -3:
        return _("A sudden change: the net flow of four weeks is %s deviations below the usual.") % figure
    return (
        _("The net flow of four weeks is in line with the account's own history (%s deviations off).")
        % figure
    )


def _inflow(value: float, as_of: date, _judged: date) -> str:
    if not value:
        return _("Money came in on the last day of the bank data.")
    return ngettext(
        "Money last came in %s day before the bank data ends.",
        "Money last came in %s days before the bank data ends.",
        int(value),
    ) % int(value)


def _net(value: float, _as_of: date, _judged: date) -> str:
    figure = percent(abs(value))
    if value >= 0:
        return _("More came in than went out: the difference is %s of all that moved.") % figure
    return _("More went out than came in: the difference is %s of all that moved.") % figure


def _rise(value: float, _as_of: date, _judged: date) -> str:
    if value > 0:
        return _("It takes %s days longer to pay its suppliers than two quarters before.") % int(value)
    return _("It pays its suppliers no later than two quarters before.")


def _money(text: str) -> Sentence:
    return lambda value, _as_of, _judged: _(text) % fixed(round(value))


SENTENCES: dict[str, Sentence] = {
    "bank_history_days": _history,
    "bank_data_age": _age,
    "bank_avg_balance_30": one_decimal(
        gettext_noop("The average balance of 30 days covers %s months of outflow.")
    ),
    "bank_avg_balance_90": one_decimal(
        gettext_noop("The average balance of 90 days covers %s months of outflow.")
    ),
    "bank_avg_balance_180": one_decimal(
        gettext_noop("The average balance of 180 days covers %s months of outflow.")
    ),
    "bank_low_balance_30": one_decimal(
        gettext_noop("The lowest balance of 30 days covers %s months of outflow.")
    ),
    "bank_low_balance_90": one_decimal(
        gettext_noop("The lowest balance of 90 days covers %s months of outflow.")
    ),
    "bank_low_balance_180": one_decimal(
        gettext_noop("The lowest balance of 180 days covers %s months of outflow.")
    ),
    "bank_days_below_zero_90": counted(
        gettext_noop("Not one day of 90 ended below zero."),
        gettext_noop("Days of 90 that ended below zero: %s."),
    ),
    "bank_days_below_zero_180": counted(
        gettext_noop("Not one day of 180 ended below zero."),
        gettext_noop("Days of 180 that ended below zero: %s."),
    ),
    "bank_runway": _runway,
    "bank_inflow_trend": share_of(gettext_noop("Inflow is %s of what it was in the 90 days before.")),
    "bank_outflow_trend": share_of(gettext_noop("Outflow is %s of what it was in the 90 days before.")),
    "bank_net_flow_90": _net,
    "bank_net_flow_180": _net,
    "bank_volatility": two_decimals(
        gettext_noop("The weekly net flow swings by %s times the weekly inflow.")
    ),
    "bank_inflow_volatility": two_decimals(gettext_noop("The weekly inflow swings by %s times its average.")),
    "bank_rejected_180": counted(
        gettext_noop("No payment was returned or refused in 180 days."),
        gettext_noop("Payments returned or refused in 180 days: %s."),
    ),
    "bank_sanction_interest_180": counted(
        gettext_noop("The bank charged no sanction interest in 180 days."),
        gettext_noop("Times the bank charged sanction interest in 180 days: %s."),
    ),
    "bank_top_source_share": share_of(gettext_noop("The largest source brings %s of the traceable inflow.")),
    "bank_cash_share": share_of(gettext_noop("%s of all that moved was cash.")),
    "bank_largest_outflow": share_of(gettext_noop("The largest outflow was %s of the inflow of 90 days.")),
    "bank_days_since_inflow": _inflow,
    "bank_inflow_weeks_share": share_of(gettext_noop("Money came in in %s of the weeks.")),
    "bank_inflow_floor": share_of(gettext_noop("The weakest of six months brought %s of an average one.")),
    "bank_sudden_change": _change,
    "bank_balance_now": _money(gettext_noop("Balance on the accounts: %s.")),
    "bank_balance_low": _money(gettext_noop("Lowest balance of 90 days: %s.")),
    "bank_inflow_month": _money(gettext_noop("Average inflow of 30 days: %s.")),
    "bank_outflow_month": _money(gettext_noop("Average outflow of 30 days: %s.")),
    "supplier_days": one_decimal(gettext_noop("It takes %s days to pay its suppliers.")),
    "supplier_days_rise": _rise,
    "supplier_days_slow": either(
        gettext_noop("It did not take more than 60 days to pay its suppliers two quarters running."),
        gettext_noop("It took more than 60 days to pay its suppliers two quarters running."),
    ),
}
