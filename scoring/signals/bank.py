"""The customer's bank flows: read under a consent in force, scale-free wherever points may hang on them.

Windows of 30, 90 and 180 days end where the feed ends. `bk` is one row per customer with bank data
(scoring/families/bank.py); a customer without a consent in force, or whose data ended more than 60 days ago, has none.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from scoring.families.bank import minor_units

from .base import BETTER, WORSE, Family, Signal, Unit

MIN_DAYS_90, MIN_DAYS_180, MIN_DAYS_TREND = 60, 120, 150
MIN_WEEKS, MIN_HISTORY = 13, 13
MOST_MONTHS = 24
"""Cover and runway beyond two years say the same thing."""
STANDARD = "1.4826"
"""A median absolute deviation times this estimates the standard deviation of normal flows."""

_LINES = _("bank lines of the customer's own accounts, under its consent")
_BALANCES = _("balances at the end of each day on the customer's own accounts, under its consent")
_FRESH = _("ends with the last statement taken in; data older than 60 days counts as missing")
_NO_DATA = _("no consent in force, no bank data, or data that ended more than 60 days ago")
_SHORT = _("no consent in force, or too few days of bank data for the window")
_NO_BALANCE = _("no consent in force, too few days of bank data, or a feed without balances")
_NO_HISTORY = _("no consent in force, or less than 20 weeks of bank data to hold the last 4 weeks against")


def _if(condition: str, then: str) -> str:
    return f"CASE WHEN {condition} THEN {then} END"


def _months_of_outflow(balance: str, days: int) -> str:
    """A balance in months of average outflow, between minus and plus MOST_MONTHS."""
    window, least_days = (90, MIN_DAYS_90) if days <= 90 else (180, MIN_DAYS_180)
    minimum = 30 if days == 30 else least_days
    month = f"(bk.out_{window} * 30.0 / least(bk.days, {window}))"
    months = f"least({MOST_MONTHS}, greatest(-{MOST_MONTHS}, ratio({balance}, {month})))"
    return _if(f"bk.days >= {minimum} AND bk.held_{days} > 0 AND bk.out_{window} > 0", months)


def _money(amount: str, condition: str) -> str:
    """Minor units of the customer's bank data as units of the credit account's currency, at the newest rate."""
    unit = minor_units("a.currency")
    own = f"ratio({amount}, CAST({unit} AS numeric))"
    rate = "(SELECT r.to_eur FROM bk_rate r WHERE r.currency = a.currency)"
    other = f"ratio(({amount}) * bk.to_eur, CAST({rate} * {unit} AS numeric))"
    return _if(condition, f"CASE WHEN bk.unit = a.currency THEN {own} ELSE {other} END")


def _signal(
    name: str,
    label: object,
    unit: str,
    formula: object,
    higher_is: int,
    expression: str,
    *,
    source: object = _LINES,
    missing: object = _SHORT,
    **more: bool,
) -> Signal:
    texts = (label, unit, formula, source, _FRESH, missing)
    return Signal(f"bank_{name}", Family.BANK, *texts, higher_is, expression, **more)  # type: ignore[arg-type]


_D90, _D180 = f"bk.days >= {MIN_DAYS_90}", f"bk.days >= {MIN_DAYS_180}"
_IN_90_DAILY, _OUT_90_DAILY = "bk.in_90 / 90.0", "bk.out_90 / 90.0"
_BEFORE = "(least(bk.days, 180) - 90)"
_WEAKEST = f"least({', '.join(f'bk.month_{n}' for n in range(6))})"
_RUNWAY_BURN = "((bk.out_90 - bk.in_90) * 30.0 / least(bk.days, 90))"

SIGNALS: tuple[Signal, ...] = (
    _signal(
        "history_days",
        _("days of bank data"),
        Unit.DAYS,
        _("days from the first line of the feed to its end, both counted"),
        BETTER,
        "bk.days",
        missing=_NO_DATA,
    ),
    _signal(
        "data_age",
        _("days since the bank data ends"),
        Unit.DAYS,
        _("days from the end of the feed to the date of the score"),
        WORSE,
        "bk.age",
        missing=_NO_DATA,
        carries_points=False,
    ),
    *(
        _signal(
            f"avg_balance_{days}",
            label,
            Unit.MONTHS,
            _("average balance at the end of the day, divided by the average outflow of 30 days; at most 24"),
            BETTER,
            _months_of_outflow(f"(bk.sum_{days} * 1.0 / bk.held_{days})", days),
            source=_BALANCES,
            missing=_NO_BALANCE,
        )
        for days, label in (
            (30, _("average balance of 30 days, in months of outflow")),
            (90, _("average balance of 90 days, in months of outflow")),
            (180, _("average balance of 180 days, in months of outflow")),
        )
    ),
    *(
        _signal(
            f"low_balance_{days}",
            label,
            Unit.MONTHS,
            _("lowest balance at the end of a day, divided by the average outflow of 30 days; within 24"),
            BETTER,
            _months_of_outflow(f"bk.low_{days}", days),
            source=_BALANCES,
            missing=_NO_BALANCE,
        )
        for days, label in (
            (30, _("lowest balance of 30 days, in months of outflow")),
            (90, _("lowest balance of 90 days, in months of outflow")),
            (180, _("lowest balance of 180 days, in months of outflow")),
        )
    ),
    *(
        _signal(
            f"days_below_zero_{days}",
            label,
            Unit.DAYS,
            _("days of the window that ended with less than nothing on the accounts together"),
            WORSE,
            _if(f"bk.days >= {minimum} AND bk.held_{days} > 0", f"bk.below_{days}"),
            source=_BALANCES,
            missing=_NO_BALANCE,
        )
        for days, minimum, label in (
            (90, MIN_DAYS_90, _("days below zero in 90 days")),
            (180, MIN_DAYS_180, _("days below zero in 180 days")),
        )
    ),
    _signal(
        "runway",
        _("runway: months the balance lasts"),
        Unit.MONTHS,
        _(
            "balance now, divided by what goes out net in 30 days of the last 90; 24 when more comes in; 0 below zero"
        ),
        BETTER,
        _if(
            f"{_D90} AND bk.now IS NOT NULL",
            f"CASE WHEN bk.now <= 0 THEN 0.0 WHEN bk.out_90 <= bk.in_90 THEN {MOST_MONTHS}.0 "
            f"ELSE least({MOST_MONTHS}, ratio(bk.now, {_RUNWAY_BURN})) END",
        ),
        source=_BALANCES,
        missing=_NO_BALANCE,
    ),
    _signal(
        "inflow_trend",
        _("inflow of 90 days against the 90 before"),
        Unit.NUMBER,
        _("inflow a day in the last 90 days, divided by inflow a day in the 90 days before; at most 10"),
        BETTER,
        _if(
            f"bk.days >= {MIN_DAYS_TREND} AND bk.in_before > 0",
            f"least(10, ratio({_IN_90_DAILY}, bk.in_before * 1.0 / {_BEFORE}))",
        ),
    ),
    _signal(
        "outflow_trend",
        _("outflow of 90 days against the 90 before"),
        Unit.NUMBER,
        _("outflow a day in the last 90 days, divided by outflow a day in the 90 days before; at most 10"),
        WORSE,
        _if(
            f"bk.days >= {MIN_DAYS_TREND} AND bk.out_before > 0",
            f"least(10, ratio({_OUT_90_DAILY}, bk.out_before * 1.0 / {_BEFORE}))",
        ),
        # Paying suppliers late slows the outflow, which would look better.
        carries_points=False,
    ),
    _signal(
        "net_flow_90",
        _("net flow of 90 days, of all that moved"),
        Unit.SHARE,
        _("inflow less outflow, divided by inflow plus outflow, of 90 days: from -1 to 1"),
        BETTER,
        _if(f"{_D90} AND bk.in_90 + bk.out_90 > 0", "ratio(bk.in_90 - bk.out_90, bk.in_90 + bk.out_90)"),
    ),
    _signal(
        "net_flow_180",
        _("net flow of 180 days, of all that moved"),
        Unit.SHARE,
        _("inflow less outflow, divided by inflow plus outflow, of 180 days: from -1 to 1"),
        BETTER,
        _if(
            f"{_D180} AND bk.in_180 + bk.out_180 > 0", "ratio(bk.in_180 - bk.out_180, bk.in_180 + bk.out_180)"
        ),
    ),
    _signal(
        "volatility",
        _("volatility of the weekly net flow"),
        Unit.NUMBER,
        _(
            "mean absolute deviation of the weekly net flow over 26 weeks, divided by the mean weekly inflow; at most 10"
        ),
        WORSE,
        _if(
            f"bk.weeks >= {MIN_WEEKS} AND bk.inflow_weeks > 0",
            "least(10, ratio(bk.net_off * 1.0 / bk.weeks, bk.inflow_weeks))",
        ),
    ),
    _signal(
        "inflow_volatility",
        _("volatility of the weekly inflow"),
        Unit.NUMBER,
        _("mean absolute deviation of the weekly inflow over 26 weeks, divided by its mean"),
        WORSE,
        _if(
            f"bk.weeks >= {MIN_WEEKS} AND bk.inflow_weeks > 0",
            "ratio(bk.in_off * 1.0 / bk.weeks, bk.inflow_weeks)",
        ),
    ),
    _signal(
        "rejected_180",
        _("returned or refused payments in 180 days"),
        Unit.COUNT,
        _("bookings of 180 days that are a payment returned, refused or reversed"),
        WORSE,
        _if(_D90, "bk.rejected_180"),
    ),
    _signal(
        "sanction_interest_180",
        _("sanction interest in 180 days"),
        Unit.COUNT,
        _("bookings of 180 days of interest or fees for an overdrawn account"),
        WORSE,
        _if(_D90, "bk.sanction_180"),
    ),
    _signal(
        "top_source_share",
        _("largest source of inflow"),
        Unit.SHARE,
        _(
            "inflow of 180 days from the largest counterparty, divided by all inflow with a known counterparty"
        ),
        WORSE,
        # Told only when at least half of what came in can be traced.
        _if(
            f"{_D90} AND bk.named_180 * 2 >= bk.in_180 AND bk.named_180 > 0",
            "ratio(bk.largest, bk.named_180)",
        ),
        missing=_("no consent in force, too few days of bank data, or most inflow without a counterparty"),
    ),
    _signal(
        "cash_share",
        _("share moved in cash"),
        Unit.SHARE,
        _("cash paid in and drawn in 180 days, divided by all that moved"),
        WORSE,
        _if(f"{_D90} AND bk.in_180 + bk.out_180 > 0", "ratio(bk.cash_180, bk.in_180 + bk.out_180)"),
    ),
    _signal(
        "largest_outflow",
        _("largest outflow, of the inflow of 90 days"),
        Unit.SHARE,
        _("largest single outflow of 90 days, divided by the inflow of 90 days; at most 10"),
        WORSE,
        _if(
            f"{_D90} AND bk.in_90 + bk.out_90 > 0",
            "CASE WHEN bk.largest_out IS NULL THEN 0.0 WHEN bk.in_90 = 0 THEN 10.0 "
            "ELSE least(10, ratio(bk.largest_out, bk.in_90)) END",
        ),
    ),
    _signal(
        "days_since_inflow",
        _("days since money last came in"),
        Unit.DAYS,
        _("days from the last inflow to the end of the feed; the days of the feed when there was none"),
        WORSE,
        _if("bk.days >= 30", "COALESCE(bk.inflow_ago, bk.days)"),
    ),
    _signal(
        "inflow_weeks_share",
        _("weeks with inflow"),
        Unit.SHARE,
        _("weeks of the last 26 in which money came in, divided by all of them"),
        BETTER,
        _if(f"bk.weeks >= {MIN_WEEKS}", "ratio(bk.with_inflow, bk.weeks)"),
    ),
    _signal(
        "inflow_floor",
        _("weakest month of inflow"),
        Unit.SHARE,
        _("least inflow of the last six periods of 30 days, divided by their average"),
        BETTER,
        _if("bk.days >= 180 AND bk.in_180 > 0", f"ratio({_WEAKEST} * 6.0, bk.in_180)"),
    ),
    _signal(
        "sudden_change",
        _("sudden change of the weekly net flow"),
        Unit.NUMBER,
        _(
            "net flow of the last 4 weeks less the median of the net flow of 4 weeks ending in each of up to 23 weeks "
            "before them, divided by 1.4826 times their median absolute deviation; between -20 and 20"
        ),
        BETTER,
        _if(
            f"bk.history >= {MIN_HISTORY} AND bk.spread > 0",
            f"greatest(-20, least(20, ratio(4 * bk.recent - 2 * bk.median_twice, bk.spread * {STANDARD})))",
        ),
        missing=_NO_HISTORY,
    ),
    *(
        _signal(
            name,
            label,
            Unit.MONEY,
            formula,
            higher_is,
            _money(amount, condition),
            source=source,
            missing=_NO_BALANCE,
            # Money is not scale-free: it informs people, and no card gives it points.
            carries_points=False,
        )
        for name, label, formula, higher_is, amount, condition, source in (
            (
                "balance_now",
                _("balance at the end of the bank data"),
                _("balance of all accounts together, in the account's currency"),
                BETTER,
                "bk.now",
                "bk.now IS NOT NULL",
                _BALANCES,
            ),
            (
                "balance_low",
                _("lowest balance of 90 days"),
                _("lowest balance at the end of a day in 90 days, in the account's currency"),
                BETTER,
                "bk.low_90",
                f"{_D90} AND bk.low_90 IS NOT NULL",
                _BALANCES,
            ),
            (
                "inflow_month",
                _("inflow of 30 days"),
                _("average inflow of 30 days over the last 90, in the account's currency"),
                BETTER,
                "bk.in_90 * 30.0 / least(bk.days, 90)",
                _D90,
                _LINES,
            ),
            (
                "outflow_month",
                _("outflow of 30 days"),
                _("average outflow of 30 days over the last 90, in the account's currency"),
                WORSE,
                "bk.out_90 * 30.0 / least(bk.days, 90)",
                _D90,
                _LINES,
            ),
        )
    ),
)
