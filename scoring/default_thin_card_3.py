"""The thin card that ships now: whatever is known of a customer with little or no history, in one score.

Bank flows, agencies, annual accounts, group, and what one to three instalments say. Each instalment that could be judged
earns a point and loses it again when paid late, more the later: as much as so few are worth beside the 25 points and more
a full history moves, so the score is pulled toward the portfolio and never past it. Known facts (old debt, broken
promises, write-offs, returned payments, protests) only ever count against, and debt more than 90 days overdue outweighs
whatever speaks for a customer. Nothing known leaves the base, in the middle, where a person decides. Expert judgement,
uncalibrated, tuned to no data.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scoring.default_card import BINS as FULL
from scoring.default_card import NOTHING, Bins
from scoring.default_card_2 import BINS as SECOND
from scoring.default_card_2 import repriced
from scoring.default_thin_card import BINS as FIRST
from scoring.default_thin_card_2 import AGENCIES

__all__ = ["BASE_POINTS", "BINS", "NAME", "VERSION"]

NAME, VERSION = "Expert thin card 3: all that is known", 3
BASE_POINTS = 60

# What the worst bins of the rest need, taken where card 1 tells the same overdraft three times.
BANK = {
    "bank_history_days": (-1, 0, 2),
    "bank_low_balance_90": (-3, -2, 0, 3, 6),
    "bank_avg_balance_180": (-2, -1, 1, 3),
    "bank_days_below_zero_180": (3, -1, -2, -2),
    "bank_sanction_interest_180": (1, -1, -2),
    "bank_rejected_180": (2, -1, -2, -3),
    "bank_runway": (-2, -1, 0, 2),
    "bank_inflow_trend": (-2, -1, 1, 2),
    "bank_volatility": (2, 0, -1),
    "bank_days_since_inflow": (1, 0, -2),
    "bank_sudden_change": (-1, -1, 0),
}

RATED = {
    "bureau_standing": (-5, -2, 0, 2, 5),
    "bureau_days_beyond_terms": (0, 0, -1, -1),
    "bureau_inactive": (0, -1),
    "bureau_ceased": (0, -1),
}

# What is known without a history: never a reason for points, only against them. A debt more than 90 days overdue, by most
# definitions a default, outweighs all that may speak for a customer: no such file comes out as an A, so everything else
# together moves 79 points at most. Open insolvency proceedings need no points: they are an E whatever the score.
KNOWN = {
    "oldest_overdue_days": (0, 0, -2, -5, -9, -17),
    "broken_promises_12m": (0, -1, -1),
    "written_off_share": (0, -1, -1, -1),
    "returned_payments_12m": (0, -1, -1),
    "legal_marks_24m": (0, -2),
}

# Of the full card, where it reads what a thin file has as well. Equity tells of negative equity, too.
ALIKE = {
    "altman_z": (-1, 0, 1),
    "equity_ratio": (-1, 0, 1),
    "company_age_months": (-1, 0),
    "group_score": (-1, -1, 0),
    "group_insolvent": (0, -1),
}

FEW: Bins = {
    "judged_count_12m": (
        (0, NOTHING),
        [
            (1, 0, _("No payment can be judged yet.")),
            (2, 1, _("One payment can be judged: a first sign; lateness takes it back.")),
            (3, 2, _("Two payments can be judged: a sign; lateness takes it back.")),
            (None, 3, _("Three payments or more can be judged: a beginning; lateness takes it back.")),
        ],
    ),
    "late_count_12m": (
        (0, NOTHING),
        [
            (1, 0, _("No payment was late.")),
            (2, -1, _("One payment was late: of so few that counts.")),
            (3, -2, _("Two payments were late: of so few that is most of what is known.")),
            (None, -3, _("Three payments or more were late: it begins as late payers do.")),
        ],
    ),
    "late30_count_12m": (
        (0, NOTHING),
        [
            (1, 0, _("No payment was more than a month late.")),
            (2, -1, _("One payment was more than a month late.")),
            (None, -1, _("Several payments were more than a month late.")),
        ],
    ),
    "relationship_months": (
        (0, _("No relationship yet.")),
        [
            (24, 0, _("A relationship of up to two years.")),
            (None, 1, _("Known for more than two years, if not from many invoices.")),
        ],
    ),
}

BINS: Bins = {
    **FEW,
    **{name: repriced(FULL[name], points) for name, points in KNOWN.items()},
    **{name: repriced(FIRST[name], BANK.get(name)) for name in FIRST},
    **{name: repriced(AGENCIES[name], points) for name, points in RATED.items()},
    **{name: repriced(SECOND[name], points) for name, points in ALIKE.items()},
}
# Somebody whom only an agency knows: what is missing counts like the portfolio.
BINS["bank_history_days"] = (
    (0, _("No bank data that may be read: counted like the portfolio.")),
    BINS["bank_history_days"][1],
)
