"""Expert card 3, for those who buy agency reports: what agencies say counts beside payment behaviour, uncalibrated.

It arrives as a draft and stays one until two persons publish it: without reports it would only price what is missing.
An agency's standing is worth up to five points between best and worst, less than a payer's own delays with us: the agency
sees other suppliers and registers, we see our own invoices. Room was made where card 2 counted the same lateness
twice, so that a customer without reports scores as before within a few points. Agencies' probability of default stays out: it is told from the same facts as the standing.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scoring.default_card import NOTHING, Bins
from scoring.default_card_2 import BASE_POINTS, repriced
from scoring.default_card_2 import BINS as SECOND

__all__ = ["AGENCIES", "BASE_POINTS", "BINS", "NAME", "VERSION"]

NAME, VERSION = "Expert scorecard 3", 3
LEFT_OUT = ("largest_days_late_12m", "overdue90_share", "broken_promise_share")

# signal: points of its bins in order, where card 2 gave others; bounds and reasons stay.
CHANGED = {
    "days_late_3m": (5, 4, 1, -3, -4, -5),
    "late_share_12m": (1, 1, 0, -1),
    "late30_share_12m": (2, 1, -1, -2, -2),
    "max_days_late_12m": (2, 1, 0, -1, -1),
}

AGENCIES: Bins = {
    "bureau_standing": (
        (0, NOTHING),
        [
            (20, -3, _("Agencies see a failure as likely.")),
            (40, -1, _("Agencies rate it well below the usual firm.")),
            (60, 0, _("Agencies rate it about like the usual firm.")),
            (80, 1, _("Agencies rate it above the usual firm.")),
            (None, 2, _("Agencies rate it among the safest.")),
        ],
    ),
    "bureau_days_beyond_terms": (
        (0, NOTHING),
        [
            (30, 0, _("Others are paid in time or within a month, as agencies see it.")),
            (None, -1, _("Others wait a month or more beyond terms: we may be next.")),
        ],
    ),
    "bureau_inactive": (
        (0, NOTHING),
        [
            (1, 0, _("In business, as agencies see it.")),
            (None, -1, _("Dormant or ceased, as an agency sees it: who will pay?")),
        ],
    ),
    "bureau_ceased": (
        (0, NOTHING),
        [
            (1, 0, _("No agency says that its business has ceased.")),
            (None, -1, _("An agency says that its business has ceased.")),
        ],
    ),
}

BINS: Bins = {
    **{name: repriced(SECOND[name], CHANGED.get(name)) for name in SECOND if name not in LEFT_OUT},
    **AGENCIES,
}
