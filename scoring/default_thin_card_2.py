"""The thin card for those who buy agency reports: bank flows, an agency's rating, or both, in place of a history.

An agency's rating is the classical evidence on a customer nobody has traded with. A thin card that prices
`bureau_standing` scores those whom an agency has rated, too (scoring.card.Cards); the bank flows keep their points.
It arrives as a draft. What is missing counts like the portfolio, so a rating alone stays near the middle: a person decides.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scoring.default_card import Bins
from scoring.default_card_2 import repriced
from scoring.default_thin_card import BASE_POINTS
from scoring.default_thin_card import BINS as FIRST

__all__ = ["BASE_POINTS", "BINS", "NAME", "VERSION"]

NAME, VERSION = "Expert thin card 2: bank flows and agencies", 2
NOBODY = _("No agency says so: counted like the portfolio.")

# What the worst bins of the agencies need, taken where card 1 tells the same overdraft three times.
CHANGED = {
    "bank_low_balance_90": (-4, -3, 0, 3, 6),
    "bank_avg_balance_180": (-3, -2, 1, 4),
    "bank_days_below_zero_180": (3, -2, -3, -3),
    "bank_sanction_interest_180": (1, -2, -3),
    "bank_rejected_180": (2, -1, -3, -5),
    "bank_runway": (-3, -1, 0, 2),
    "bank_inflow_trend": (-3, -1, 1, 2),
    "bank_volatility": (2, 0, -2),
    "bank_days_since_inflow": (1, 0, -3),
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

BINS: Bins = {**{name: repriced(FIRST[name], CHANGED.get(name)) for name in FIRST}, **AGENCIES}
