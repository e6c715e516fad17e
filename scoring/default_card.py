"""The scorecard that shipped first: expert judgement, uncalibrated, every bin with its reason.

Its successor, which builds on it, is scoring/default_card_2.py.

Anchors: bureau payment indices read about 80 for prompt payers, 70 at 15 days beyond terms, 60 at 22, 50 at
30, 40 at 60, 30 at 90. A payer who is always that late, with the overdue debt this implies, lands near them.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_noop as _

from scoring.card import activate
from scoring.models import Scorecard, ScorecardBin

CODE = "expert"
BASE_POINTS = 62

THIN = _("Too little history for an average: counted like the portfolio's average.")
NOTHING = _("Nothing to judge here: it neither helps nor hurts.")

# signal: (points and reason when missing, [(upper bound, points, reason), ...]); the last bound is None.
Row = tuple[float | int | None, int, str]
SignalBins = tuple[tuple[int, str], list[Row]]
Bins = dict[str, SignalBins]
BINS: Bins = {
    "days_late_12m": (
        (2, THIN),
        [
            (2, 8, _("Pays on the day: the best sign of being able and willing to pay.")),
            (6, 5, _("A few days late on average: payment runs and bank days, no distress.")),
            (11, 2, _("About a week late: uses some credit beyond terms.")),
            (16, 0, _("About two weeks late: common in many markets, no cushion left.")),
            (23, -3, _("About three weeks late: finances itself at our expense.")),
            (31, -5, _("About a month late: payment follows our reminders, not the terms.")),
            (61, -7, _("More than a month late on average: cash is short.")),
            (None, -8, _("More than two months late on average: close to default.")),
        ],
    ),
    "days_late_3m": (
        (2, THIN),
        [
            (2, 6, _("Paid on the day in the last 90 days.")),
            (6, 4, _("A few days late in the last 90 days.")),
            (16, 1, _("Up to two weeks late in the last 90 days.")),
            (31, -3, _("Two weeks to a month late in the last 90 days: what is recent weighs most.")),
            (46, -5, _("More than a month late in the last 90 days.")),
            (
                None,
                -7,
                _("More than six weeks late in the last 90 days: the latest debts are not being paid."),
            ),
        ],
    ),
    "late_share_12m": (
        (0, THIN),
        [
            (0.1, 2, _("Nine tenths of the money comes in time.")),
            (0.4, 1, _("Most of the money comes in time.")),
            (0.8, 0, _("Late as often as not.")),
            (None, -1, _("Hardly anything comes in time.")),
        ],
    ),
    "late15_share_12m": (
        (1, THIN),
        [
            (0.05, 3, _("Delays beyond two weeks are rare.")),
            (0.2, 1, _("Some delays beyond two weeks.")),
            (0.5, -1, _("A good part of the money is more than two weeks late.")),
            (None, -2, _("Most of the money is more than two weeks late.")),
        ],
    ),
    "late30_share_12m": (
        (1, THIN),
        [
            (0.02, 4, _("Practically never more than a month late.")),
            (0.1, 1, _("Now and then more than a month late.")),
            (0.3, -1, _("A noticeable part is more than a month late.")),
            (0.6, -3, _("A large part is more than a month late.")),
            (None, -4, _("Most of the money is more than a month late.")),
        ],
    ),
    "max_days_late_12m": (
        (0, THIN),
        [
            (11, 3, _("Never more than ten days late.")),
            (31, 1, _("Never more than a month late.")),
            (61, 0, _("The worst delay was one to two months.")),
            (91, -1, _("The worst delay was two to three months.")),
            (None, -2, _("A delay of more than 90 days: by most definitions a default.")),
        ],
    ),
    "oldest_overdue_days": (
        (0, NOTHING),
        [
            (1, 3, _("Nothing undisputed is overdue.")),
            (16, 1, _("The oldest debt is up to 15 days overdue.")),
            (31, -1, _("The oldest debt is up to a month overdue.")),
            (61, -3, _("The oldest debt is one to two months overdue.")),
            (91, -5, _("The oldest debt is two to three months overdue.")),
            (None, -6, _("A debt is more than 90 days overdue.")),
        ],
    ),
    "overdue_share": (
        (0, NOTHING),
        [
            (0.02, 2, _("Practically nothing of a year's invoices is overdue.")),
            (0.1, 1, _("Less than a tenth of a year's invoices is overdue.")),
            (0.25, -1, _("More than a tenth of a year's invoices is overdue.")),
            (0.5, -2, _("More than a quarter of a year's invoices is overdue.")),
            (None, -3, _("More than half of a year's invoices is overdue.")),
        ],
    ),
    "overdue60_share": (
        (0, NOTHING),
        [
            (0.005, 1, _("Nothing that matters is more than 60 days overdue.")),
            (0.05, -1, _("Something is more than 60 days overdue.")),
            (0.2, -2, _("A noticeable part of a year's invoices is more than 60 days overdue.")),
            (None, -3, _("More than a fifth of a year's invoices is more than 60 days overdue.")),
        ],
    ),
    "overdue_count": (
        (0, NOTHING),
        [
            (1, 1, _("No instalment is overdue.")),
            (4, 0, _("A few instalments are overdue.")),
            (None, -1, _("Many instalments are overdue at once: no oversight of one invoice.")),
        ],
    ),
    "broken_promises_12m": (
        (0, NOTHING),
        [
            (1, 0, _("No promise was broken.")),
            (2, -1, _("One promise to pay was broken.")),
            (None, -2, _("Several promises to pay were broken: their word carries little.")),
        ],
    ),
    "broken_promise_share": (
        (0, NOTHING),
        [
            (0.34, 0, _("Promises are mostly kept.")),
            (None, -1, _("More than a third of the promises were broken.")),
        ],
    ),
    "disputed_share": (
        (0, NOTHING),
        [
            (0.1, 0, _("Little is in dispute.")),
            (None, -1, _("A tenth or more of a year's invoices is in dispute: the money is further away.")),
        ],
    ),
    "dispute_rate": (
        (0, NOTHING),
        [
            (0.2, 0, _("Disputes are the exception.")),
            (None, -1, _("One invoice in five is disputed: complaints may stand in for lack of cash.")),
        ],
    ),
    "credit_share": (
        (0, NOTHING),
        [
            (0.15, 0, _("Few credit notes.")),
            (None, -1, _("Much is credited afterwards: invoices cannot be counted on as billed.")),
        ],
    ),
    "written_off_share": (
        (0, NOTHING),
        [
            (0.000001, 0, _("No debt was written off.")),
            (0.02, -1, _("A little debt was written off.")),
            (0.1, -2, _("Debt was written off: a loss has happened.")),
            (None, -3, _("A tenth or more was written off: a heavy loss has happened.")),
        ],
    ),
    "returned_payments_12m": (
        (0, NOTHING),
        [
            (1, 0, _("No payment came back.")),
            (2, -1, _("One payment came back unpaid.")),
            (None, -2, _("Several payments came back unpaid: the account is not funded.")),
        ],
    ),
    "due_count_12m": (
        (0, NOTHING),
        [
            (4, -1, _("Very little has fallen due: hardly any evidence.")),
            (12, 0, _("Some invoices have fallen due.")),
            (30, 1, _("Good evidence: an invoice or more a month.")),
            (None, 2, _("Broad evidence from many invoices.")),
        ],
    ),
    "relationship_months": (
        (-1, _("No relationship yet.")),
        [
            (6, -1, _("A new relationship: most early losses come from new customers.")),
            (24, 0, _("A relationship of up to two years.")),
            (60, 2, _("A relationship of several years.")),
            (None, 3, _("A relationship of five years and more.")),
        ],
    ),
    "days_since_invoice": (
        (0, NOTHING),
        [
            (91, 0, _("Buys regularly.")),
            (None, -1, _("Has not bought for three months: what is known is ageing.")),
        ],
    ),
    "legal_marks_24m": (
        (0, NOTHING),
        [
            (1, 0, _("No protest, lien or litigation is known.")),
            (None, -2, _("A protest, a lien or litigation: others are not being paid either.")),
        ],
    ),
    "insolvent": (
        (0, NOTHING),
        [
            (1, 0, _("No insolvency proceedings are known.")),
            (
                None,
                -9,
                _("Insolvency proceedings are open: grade E and declined whatever the other points say."),
            ),
        ],
    ),
}


def build_bins(card: Scorecard, table: Bins | None = None) -> list[ScorecardBin]:
    """The bin rows of a shipped table (the first version's by default) for a card."""
    rows = []
    for signal, ((missing_points, missing_reason), bins) in (table or BINS).items():
        rows.append(
            ScorecardBin(
                card=card, signal=signal, is_missing=True, points=missing_points, rationale=missing_reason
            )
        )
        lower: Decimal | None = None
        for bound, points, reason in bins:
            upper = None if bound is None else Decimal(f"{bound:.6f}")
            rows.append(
                ScorecardBin(
                    card=card, signal=signal, lower=lower, upper=upper, points=points, rationale=reason
                )
            )
            lower = upper
    return rows


@transaction.atomic
def ensure_default_card() -> Scorecard:
    """The shipped card of this version of the product. Running it again changes nothing.

    A new installation gets it in use. Where a card is in use already it is left as a draft, for people to try and
    to publish.
    """
    from scoring.default_card_2 import BASE_POINTS as base_points
    from scoring.default_card_2 import BINS as bins
    from scoring.default_card_2 import NAME, VERSION

    card = Scorecard.objects.filter(code=CODE, name=NAME).order_by("pk").first()
    is_new = not Scorecard.objects.filter(status=Scorecard.Status.ACTIVE, kind=Scorecard.Kind.FULL).exists()
    if card is None:
        newest = Scorecard.objects.filter(code=CODE).aggregate(v=Max("version"))["v"] or 0
        card = Scorecard.objects.create(
            code=CODE,
            version=max(newest + 1, VERSION),
            name=NAME,
            base_points=base_points,
            is_shipped=is_new,
        )
        ScorecardBin.objects.bulk_create(build_bins(card, bins))
    if is_new and card.is_shipped and card.status == Scorecard.Status.DRAFT:
        card = activate(card)
    return card
