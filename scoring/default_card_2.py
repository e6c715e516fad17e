"""The scorecard that ships now: version 2, expert judgement over all families, uncalibrated.

Payment behaviour stays what decides: it keeps four fifths of the range. What came in is worth a point or two each,
and nothing where it is not known: an account without annual accounts, group or public record scores as before
within a few points. Room was made where version 1 counted the same lateness several times, and by insolvency,
which sets grade E, PD 1 and "declined" by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_noop as _

from scoring.default_card import BINS as FIRST
from scoring.default_card import NOTHING, THIN, Bins, SignalBins

NAME, VERSION = "Expert scorecard 2", 2
BASE_POINTS = 65

# signal: points of its bins in order, where version 1 gave others; bounds and reasons stay.
CHANGED = {
    "days_late_12m": (8, 5, 2, 0, -3, -5, -6, -7),
    "days_late_3m": (5, 4, 1, -3, -5, -6),
    "late15_share_12m": (2, 1, -1, -2),
    "late30_share_12m": (3, 1, -1, -2, -3),
    "max_days_late_12m": (2, 1, 0, -1, -2),
    "oldest_overdue_days": (3, 1, -1, -3, -4, -5),
    "overdue_share": (2, 1, -1, -2, -2),
    "overdue60_share": (1, -1, -2, -2),
    "written_off_share": (0, -1, -2, -2),
    "relationship_months": (-1, 0, 1, 2),
    "insolvent": (0, -3),
}

NEW: Bins = {
    "largest_days_late_12m": (
        (0, THIN),
        [
            (46, 0, _("The largest invoice was not badly late.")),
            (None, -1, _("The largest invoice came more than six weeks late: it is the one that hurts.")),
        ],
    ),
    "overdue90_share": (
        (0, NOTHING),
        [
            (0.02, 0, _("Hardly anything is more than 90 days overdue.")),
            (None, -1, _("Debt of more than 90 days: by most definitions a default.")),
        ],
    ),
    "open_months": (
        (0, NOTHING),
        [
            (4, 0, _("What is open is in proportion to what it buys.")),
            (None, -1, _("More than four months of its purchases are open: more than terms explain.")),
        ],
    ),
    "turnover_trend": (
        (0, NOTHING),
        [
            (0.5, -1, _("Purchases have halved: it shrinks, or buys elsewhere.")),
            (None, 0, _("Purchases hold or grow.")),
        ],
    ),
    "company_age_months": (
        (0, NOTHING),
        [
            (24, -1, _("A company younger than two years: young firms fail most.")),
            (None, 0, _("Past the first two years, in which most young firms fail.")),
        ],
    ),
    "director_changes_18m": (
        (0, NOTHING),
        [
            (2, 0, _("At most one change of director.")),
            (None, -1, _("Two or more changes of director in 18 months: a known early sign.")),
        ],
    ),
    "pledge_after_director": (
        (0, NOTHING),
        [
            (1, 0, _("No pledge right after a change of director.")),
            (
                None,
                -1,
                _("Assets pledged right after a change of director: somebody secures themselves first."),
            ),
        ],
    ),
    "current_ratio": (
        (0, NOTHING),
        [
            (0.8, -1, _("Current assets do not cover what is due within a year.")),
            (None, 0, _("Current assets about cover what is due within a year, or more.")),
        ],
    ),
    "equity_ratio": (
        (0, NOTHING),
        [
            (0.1, -1, _("Less than a tenth of its own money: no cushion.")),
            (0.3, 0, _("Own money within what is usual.")),
            (None, 1, _("Nearly a third or more of its own money: it can stand losses.")),
        ],
    ),
    "negative_equity": (
        (0, NOTHING),
        [
            (1, 0, _("More is owned than owed.")),
            (None, -1, _("More is owed than owned.")),
        ],
    ),
    "altman_z": (
        (0, NOTHING),
        [
            (1.1, -2, _("Altman Z'' in the zone of distress.")),
            (2.6, 0, _("Altman Z'' in the grey zone: it says nothing either way.")),
            (None, 1, _("Altman Z'' in the safe zone.")),
        ],
    ),
    "group_score": (
        (0, NOTHING),
        [
            (
                25,
                -2,
                _("The rest of its group is likely not to pay: contagion, counted with two points at most."),
            ),
            (45, -1, _("The rest of its group pays late or is in doubt: contagion.")),
            (None, 0, _("The rest of its group gives no cause for worry.")),
        ],
    ),
    "group_insolvent": (
        (0, NOTHING),
        [
            (1, 0, _("No other member of its group is insolvent.")),
            (None, -1, _("Another member of its group is insolvent: groups tend to fall together.")),
        ],
    ),
    "sector_late_share": (
        (0, NOTHING),
        [
            (0.6, 0, _("Its sector pays as others do.")),
            (None, -1, _("Most of what its sector owes us comes late.")),
        ],
    ),
}


def repriced(table: SignalBins, points: Sequence[int] | None) -> SignalBins:
    """The bins of a signal with other points; None: as they are."""
    missing, bins = table
    if points is None:
        return table
    return missing, [(bound, p, why) for (bound, _p, why), p in zip(bins, points, strict=True)]


BINS: Bins = {**{signal: repriced(FIRST[signal], CHANGED.get(signal)) for signal in FIRST}, **NEW}
