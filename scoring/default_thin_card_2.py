"""The thin card for those who buy agency reports: bank flows, an agency's rating, or both, in place of a history.

An agency's rating is the classical evidence on a customer nobody has traded with. A thin card that prices
`bureau_standing` scores those whom an agency has rated, too, where nothing has fallen due (scoring.card.Cards). What
may be known of them all the same (an old debt, a broken promise, a write-off, a protest) is priced about as in the full
card, so that no report makes it forgotten. The bank flows keep their bins, with smaller points.
It arrives as a draft. What is missing counts like the portfolio, so a rating alone stays near the middle: a person decides.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scoring.default_card import BINS as FULL
from scoring.default_card import Bins
from scoring.default_card_2 import repriced
from scoring.default_thin_card import BINS as FIRST

__all__ = ["BASE_POINTS", "BINS", "NAME", "VERSION"]

NAME, VERSION = "Expert thin card 2: bank flows and agencies", 2
BASE_POINTS = 59
NOBODY = _("No agency says so: counted like the portfolio.")

# What the worst bins of the agencies and of known facts need, taken where card 1 tells the same overdraft three times.
CHANGED = {
    "bank_low_balance_90": (-3, -2, 0, 3, 6),
    "bank_avg_balance_180": (-2, -1, 1, 4),
    "bank_days_below_zero_180": (3, -1, -2, -2),
    "bank_sanction_interest_180": (1, -1, -2),
    "bank_rejected_180": (2, -1, -2, -3),
    "bank_runway": (-2, -1, 0, 2),
    "bank_inflow_trend": (-2, -1, 1, 2),
    "bank_volatility": (2, 0, -2),
    "bank_days_since_inflow": (1, 0, -2),
    "bank_sudden_change": (-2, -1, 0),
}

# What is known without a history: never a reason for points, only against them.
KNOWN = {
    "oldest_overdue_days": (0, -1, -2, -3, -4, -5),
    "broken_promises_12m": (0, -1, -2),
    "written_off_share": (0, -1, -2, -2),
    "returned_payments_12m": (0, -1, -2),
    "legal_marks_24m": (0, -2),
    "insolvent": (0, -2),
}

AGENCIES: Bins = {
    "bureau_standing": (
        (0, NOBODY),
        [
            (20, -10, _("Agencies see a failure as likely.")),
            (40, -5, _("Agencies rate it well below the usual firm.")),
            (60, 0, _("Agencies rate it about like the usual firm.")),
            (80, 5, _("Agencies rate it above the usual firm.")),
            (None, 10, _("Agencies rate it among the safest.")),
        ],
    ),
    "bureau_days_beyond_terms": (
        (0, NOBODY),
        [
            (1, 2, _("Others are paid when they are due, as agencies see it.")),
            (15, 0, _("Others wait up to two weeks beyond terms.")),
            (30, -3, _("Others wait two weeks to a month beyond terms.")),
            (None, -5, _("Others wait a month or more beyond terms: we would, too.")),
        ],
    ),
    "bureau_inactive": (
        (0, NOBODY),
        [
            (1, 0, _("In business, as agencies see it.")),
            (None, -3, _("Dormant or ceased, as an agency sees it: who will pay?")),
        ],
    ),
    "bureau_ceased": (
        (0, NOBODY),
        [
            (1, 0, _("No agency says that its business has ceased.")),
            (None, -2, _("An agency says that its business has ceased.")),
        ],
    ),
}

BINS: Bins = {
    **{name: repriced(FIRST[name], CHANGED.get(name)) for name in FIRST},
    **{name: repriced(FULL[name], points) for name, points in KNOWN.items()},
    **AGENCIES,
}
