"""The thin card that shipped first: bank flows in place of a payment history that is not there yet.

What ships now builds on its bins: scoring/default_thin_card_3.py. Installations of before keep this one until they publish
another.

Expert judgement, uncalibrated, written from what an overdraft desk looks at and tuned to no data. It never pretends:
the less bank data, the fewer signals are known, and what is missing counts like the portfolio (zero points), so a
short feed stays near the middle, where a person decides. Thresholds are months, shares, days and counts: they hold in
any currency.
"""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext_noop as _

from scoring.card import activate
from scoring.default_card import Row, build_bins
from scoring.models import Scorecard, ScorecardBin

CODE = "thin-expert"
NAME, VERSION = "Expert thin card: bank flows", 1
BASE_POINTS = 55
EVIDENCE_FROM = 90
"""Days of bank data from which the card is used at all."""

SHORT = _("Not enough bank data to tell: counted like the portfolio.")

BINS: dict[str, tuple[tuple[int, str], list[Row]]] = {
    "bank_history_days": (
        (-2, _("No bank data that may be read: nothing to stand on.")),
        [
            (120, -2, _("Less than four months of bank data: a quarter may be the exception.")),
            (240, 0, _("Four to eight months of bank data.")),
            (None, 2, _("Eight months of bank data or more: the quiet season has been seen as well.")),
        ],
    ),
    "bank_low_balance_90": (
        (0, SHORT),
        [
            (
                0,
                -8,
                _("The accounts went below zero within 90 days: nothing is left when something comes up."),
            ),
            (0.1, -4, _("At its lowest the balance covered less than three days of outflow.")),
            (0.35, 0, _("At its lowest the balance covered three to ten days of outflow.")),
            (1, 3, _("At its lowest the balance covered ten days to a month of outflow.")),
            (None, 6, _("Never less than a month of outflow on the accounts: a real cushion.")),
        ],
    ),
    "bank_avg_balance_180": (
        (0, SHORT),
        [
            (0, -5, _("On average of half a year the accounts are overdrawn.")),
            (0.3, -2, _("On average less than ten days of outflow on the accounts.")),
            (1, 1, _("On average ten days to a month of outflow on the accounts.")),
            (None, 4, _("On average more than a month of outflow on the accounts.")),
        ],
    ),
    "bank_days_below_zero_180": (
        (0, SHORT),
        [
            (1, 3, _("Not one day below zero in half a year.")),
            (6, -3, _("A few days below zero in half a year.")),
            (31, -6, _("Weeks below zero in half a year.")),
            (None, -8, _("More than a month below zero in half a year: lives on the overdraft.")),
        ],
    ),
    "bank_sanction_interest_180": (
        (0, SHORT),
        [
            (1, 1, _("The bank never charged sanction interest.")),
            (2, -4, _("The bank charged sanction interest once: an overdraft that was not agreed.")),
            (None, -6, _("The bank charged sanction interest again and again.")),
        ],
    ),
    "bank_rejected_180": (
        (0, SHORT),
        [
            (1, 2, _("No payment was returned or refused in half a year.")),
            (2, -2, _("One payment was returned or refused in half a year.")),
            (4, -5, _("Several payments were returned or refused in half a year.")),
            (None, -7, _("Payments are returned or refused all the time: others are not being paid either.")),
        ],
    ),
    "bank_runway": (
        (0, SHORT),
        [
            (1, -4, _("At this pace the money is gone within a month.")),
            (3, -2, _("At this pace the money is gone within three months.")),
            (12, 0, _("At this pace the money lasts some months.")),
            (None, 2, _("More comes in than goes out, or the money lasts a year at this pace.")),
        ],
    ),
    "bank_inflow_trend": (
        (0, SHORT),
        [
            (0.5, -4, _("Less than half of the earlier inflow is left.")),
            (0.8, -2, _("Inflow has fallen by a fifth or more.")),
            (1.25, 1, _("Inflow is steady.")),
            (None, 2, _("Inflow has grown by a quarter or more.")),
        ],
    ),
    "bank_volatility": (
        (0, SHORT),
        [
            (0.5, 2, _("The weekly flow is even.")),
            (1.2, 0, _("The weekly flow swings as in most small firms.")),
            (None, -3, _("The weekly flow swings by more than the inflow itself.")),
        ],
    ),
    "bank_days_since_inflow": (
        (0, SHORT),
        [
            (15, 1, _("Money came in within the last two weeks.")),
            (32, 0, _("Money came in within the last month.")),
            (None, -4, _("No money has come in for more than a month.")),
        ],
    ),
    "bank_sudden_change": (
        (0, SHORT),
        [
            (
                -6,
                -4,
                _("The net flow of the last four weeks has broken down against the account's own history."),
            ),
            (-3, -2, _("The net flow of the last four weeks is unusually low for this account.")),
            (None, 0, _("The net flow of the last four weeks is in line with the account's own history.")),
        ],
    ),
    "bank_top_source_share": (
        (0, SHORT),
        [
            (0.6, 1, _("Income comes from several sources.")),
            (None, 0, _("Most income comes from one source: common in a small firm, and a risk of its own.")),
        ],
    ),
}


@transaction.atomic
def ensure_thin_card() -> Scorecard:
    """A new installation gets the thin card of this version of the product in use (default_thin_card_3).

    Where a thin card has ever been, whatever it is, it is left alone: newer ones are added as drafts when a person asks
    (scoring/newer_cards.py). Running it again changes nothing.
    """
    from scoring.default_thin_card_3 import BASE_POINTS as base_points
    from scoring.default_thin_card_3 import BINS as bins
    from scoring.default_thin_card_3 import NAME
    from scoring.default_thin_card_3 import VERSION as version

    cards = Scorecard.objects.filter(kind="thin")
    active = cards.filter(status=Scorecard.Status.ACTIVE).first()
    card = active or cards.filter(is_shipped=True).order_by("pk").first() or cards.order_by("pk").first()
    if card is None:
        card = Scorecard.objects.create(
            code=CODE,
            version=version,
            name=NAME,
            kind="thin",
            base_points=base_points,
            evidence_from=EVIDENCE_FROM,
            is_shipped=True,
        )
        ScorecardBin.objects.bulk_create(build_bins(card, bins))
    if card.is_shipped and card.status == Scorecard.Status.DRAFT:
        card = activate(card)
    return card
