"""A scorecard ready for use: loaded once, checked, and the rules that follow from its numbers.

The same rules are written twice, as Python for one score and as SQL for a book; tests hold them equal.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from math import log2, nan
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.text import capfirst

from creditdesk.core.models import AuditEntry
from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import in_a_row
from scoring.models import Depth, Grade, Recommendation, Scorecard, ScorecardBin
from scoring.signals import BY_NAME, WORSE, Signal

THIN_EVIDENCE = "bank_history_days"
"""The signal that says whether a thin card has enough to stand on: days of bank lines."""
AGENCY_EVIDENCE = "bureau_standing"
"""A thin card that prices it stands on an agency's rating just as well, where nothing has fallen due yet."""
FEW_PAYMENTS = "late_count_12m"
"""A thin card that prices it, too, reads what one to three instalments say: a rating is enough beside them."""

MOST_PD = Decimal("0.9999")
"""Of an account that is not insolvent: a PD of 1 says insolvent wherever it is read."""


class CardError(ValueError):
    """A scorecard that may not be used; the text lists what is wrong."""


class NoActiveCard(CardError):
    """No scorecard is active, so nothing can be scored."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Points of values in [lower, upper); None: unbounded."""

    lower: Decimal | None
    upper: Decimal | None
    points: int
    rationale: str

    def holds(self, value: float | int | Decimal) -> bool:
        return (self.lower is None or value >= self.lower) and (self.upper is None or value < self.upper)


@dataclass(frozen=True, eq=False)
class Card:
    """The numbers of one Scorecard. `bins` are in order of value; `missing` holds the points of a missing value."""

    pk: int
    code: str
    version: int
    base_points: int
    grades: tuple[tuple[int, str], ...]
    review_from: int
    review_to: int
    guarantees_below: int
    thin_below: int
    thin_recent_below: int
    anchor_score: int
    odds_at_anchor: Decimal
    points_to_double: Decimal
    kind: str = "full"
    calibration: str = "uncalibrated"
    calibrated_on: date | None = None
    calibration_events: int | None = None
    calibration_years: int | None = None
    evidence_from: int = 0
    bins: dict[str, tuple[Bin, ...]] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    missing_rationale: dict[str, str] = field(default_factory=dict)

    def bin_of(self, signal: str, value: float | int | None) -> Bin:
        """The bin a value falls into. Values are stored with 6 decimals, so bounds compare exactly."""
        if value is None:
            return Bin(None, None, self.missing[signal], self.missing_rationale[signal])
        exact = Decimal(str(value))
        return next(b for b in self.bins[signal] if b.holds(exact))

    def points_of(self, signal: str, value: float | int | None) -> int:
        return self.bin_of(signal, value).points

    def grade_of(self, score: int, *, insolvent: bool) -> str:
        if insolvent:
            return Grade.E
        return next((grade for least, grade in self.grades if score >= least), Grade.E)

    def pd_of(self, score: int, *, insolvent: bool) -> Decimal:
        """Probability of default from the card's odds; 1 for a customer who has defaulted already."""
        if insolvent:
            return Decimal(1)
        odds = float(self.odds_at_anchor) * 2.0 ** (
            (score - self.anchor_score) / float(self.points_to_double)
        )
        return min(Decimal(str(round(1 / (1 + odds), 4))), MOST_PD)

    def has_evidence(self, days: Any, rating: Any, due: Any) -> Any:
        """May a thin file be scored with this thin card: days of bank lines, the agency's standing and the instalments
        fallen due in 12 months, of one account or columns of them; NaN where missing."""
        enough = days >= self.evidence_from
        if AGENCY_EVIDENCE not in self.bins:
            return enough
        return enough | ((rating == rating) & ((due == 0) | (FEW_PAYMENTS in self.bins)))

    def scores_file(self, values: Mapping[str, float | int | None]) -> bool:
        """Has a file, thin where the card is, what the card stands on? A full card scores any."""
        if self.kind != Scorecard.Kind.THIN:
            return True
        days, rating = (
            nan if (v := values.get(name)) is None else v for name in (THIN_EVIDENCE, AGENCY_EVIDENCE)
        )
        return bool(self.has_evidence(days, rating, values["due_count_12m"] or 0))

    def depth_of(self, due_count: int) -> str:
        """How deep the payment history is; a thin card scores only accounts whose history is not deep enough."""
        if self.kind == Scorecard.Kind.THIN:
            return Depth.THIN if due_count else Depth.NONE
        return Depth.NONE if due_count == 0 else Depth.THIN if due_count < self.thin_below else Depth.FULL

    def grade_sql(self, row: str) -> str:
        whens = " ".join(f"WHEN {row}.score >= {least} THEN '{grade}'" for least, grade in self.grades)
        return f"CASE WHEN {row}.insolvent = 1 THEN 'E' {whens} ELSE 'E' END"

    def recommendation_sql(self, row: str) -> str:
        """The same as scoring.decision.recommend."""
        return (
            f"CASE WHEN {row}.insolvent = 1 THEN '{Recommendation.DECLINED}' "
            f"WHEN {row}.depth <> 'full' THEN '{Recommendation.REVIEW}' "
            f"WHEN {row}.score < {self.review_from} THEN '{Recommendation.DECLINED}' "
            f"WHEN {row}.score <= {self.review_to} THEN '{Recommendation.REVIEW}' "
            f"WHEN {row}.score < {self.guarantees_below} THEN '{Recommendation.GUARANTEES}' "
            f"ELSE '{Recommendation.APPROVED}' END"
        )


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards in use: `full`, and `thin` for accounts with too little payment history but enough bank data, or, where
    the thin card gives points for it, with an agency's rating. No rating takes the place of payments that are known:
    where something has fallen due, the thin card must give points for that, too."""

    full: Card
    thin: Card | None = None

    def depth_sql(self, row: str) -> str:
        return (
            f"CASE WHEN {row}.due_count_12m = 0 THEN 'none' "
            f"WHEN {row}.due_count_12m < {self.full.thin_below} THEN 'thin' ELSE 'full' END"
        )

    def is_thin_sql(self, row: str) -> str:
        """Is the row scored with the thin card? Empty when it never is."""
        if self.thin is None or THIN_EVIDENCE not in BY_NAME:
            return ""
        evidence = f"{row}.{THIN_EVIDENCE} >= {self.thin.evidence_from}"
        if AGENCY_EVIDENCE in self.thin.bins:
            rated = f"{row}.{AGENCY_EVIDENCE} IS NOT NULL"
            none_due = "" if FEW_PAYMENTS in self.thin.bins else f"{row}.due_count_12m = 0 AND "
            evidence = f"({evidence} OR {none_due}{rated})"
        return f"{row}.due_count_12m < {self.full.thin_below} AND {evidence}"

    def card_for(self, values: Mapping[str, float | int | None]) -> Card:
        """The same choice for one account's signals."""
        if self.thin is None or (values["due_count_12m"] or 0) >= self.full.thin_below:
            return self.full
        return self.thin if self.thin.scores_file(values) else self.full

    def with_draft(self, draft: Card) -> Cards:
        """These cards with a draft in the place of its kind, for a try-out."""
        if draft.kind == Scorecard.Kind.THIN:
            return Cards(self.full, draft)
        return Cards(draft, self.thin)


def as_card(row: Scorecard, bins: Sequence[ScorecardBin]) -> Card:
    ranges: dict[str, list[Bin]] = defaultdict(list)
    missing, why = {}, {}
    for b in bins:
        if b.is_missing:
            missing[b.signal], why[b.signal] = b.points, b.rationale
        else:
            ranges[b.signal].append(Bin(b.lower, b.upper, b.points, b.rationale))
    numbers: dict[str, Any] = {
        name: getattr(row, name)
        for name in (
            "pk code version base_points review_from review_to guarantees_below thin_below thin_recent_below "
            "anchor_score odds_at_anchor points_to_double kind calibration "
            "calibrated_on calibration_events calibration_years evidence_from"
        ).split()
    }
    return Card(
        **numbers,
        grades=(
            (row.grade_a_from, "A"),
            (row.grade_b_from, "B"),
            (row.grade_c_from, "C"),
            (row.grade_d_from, "D"),
        ),
        bins={
            name: tuple(sorted(some, key=lambda b: Decimal("-Infinity") if b.lower is None else b.lower))
            for name, some in ranges.items()
        },
        missing=missing,
        missing_rationale=why,
    )


@lru_cache(maxsize=32)
def _loaded(using: str, pk: int, activated_at: datetime | None) -> Card:
    row = Scorecard.objects.using(using).get(pk=pk)
    return as_card(row, list(row.bins.all()))


def card_by_id(pk: int, activated_at: datetime | None = None, using: str = "default") -> Card:
    """A card that was activated: it never changes any more, so it is kept in memory."""
    return _loaded(using, pk, activated_at)


def cards_in_use(as_of: date | None = None) -> QuerySet[Scorecard]:
    """The cards in use, of each kind the one that counts first: one planned for a day that has come by `as_of` counts
    from that day on, whether its state says so yet or not. `since` names what it said then."""
    day_has_come = Q(status=Scorecard.Status.PLANNED, first_day__lte=as_of) if as_of else Q(pk__in=[])
    rows = Scorecard.objects.filter(Q(status=Scorecard.Status.ACTIVE) | day_has_come)
    # "planned" comes after "active" in the alphabet, so a plan whose day has come stands first.
    return rows.order_by("-status", "-first_day", "-pk").annotate(
        since=Coalesce("activated_at", "proposed_at")
    )


def active_cards(using: str = "default", as_of: date | None = None) -> Cards:
    """The cards in use, or those a score of `as_of` takes. Raises NoActiveCard when there is no full one."""
    found: dict[str, Card] = {}
    for kind, pk, since in cards_in_use(as_of).using(using).values_list("kind", "pk", "since"):
        if kind not in found:
            found[kind] = card_by_id(pk, since, using)
    if Scorecard.Kind.FULL not in found:
        raise NoActiveCard(_("No scorecard is active: activate one in the admin."))
    return Cards(found[Scorecard.Kind.FULL], found.get(Scorecard.Kind.THIN))


def cards_of(row: Any, using: str = "default") -> Cards:
    """The cards a stored score was told with. Its own decides which of them scored it; the full one of its day tells a
    thin file how much history makes an average."""
    card = card_by_id(row.card_id, None, using)
    if card.kind != Scorecard.Kind.THIN:
        return Cards(card)
    # A row just computed and not stored yet has no instant: it was told with what is in use on its day.
    stamp = getattr(row, "stamp", None) or getattr(row, "recorded_at", None)
    if stamp is None:
        return Cards(active_cards(using, row.as_of).full, card)
    then = _full_of(row.as_of, stamp, using)
    return Cards(card_by_id(then.pk, then.activated_at, using) if then else active_card(using), card)


def _full_of(as_of: date, stamp: datetime, using: str) -> Scorecard | None:
    """The full card that scores of a day took at an instant, as `cards_in_use` told then: one planned for a day that had
    come counts from that day on, though its state followed later (scoring/version_plans.py)."""
    full = Scorecard.objects.using(using).filter(kind=Scorecard.Kind.FULL)
    waiting = full.filter(Q(activated_at__isnull=True) | Q(activated_at__gt=stamp), first_day__lte=as_of)
    days = {str(card.pk): card for card in waiting.order_by("first_day", "pk")}
    if days:
        # One published at once has its first day, too, and counts from its hour on: only a plan was told beforehand.
        plans = AuditEntry.objects.using(using).filter(
            subject_type=Scorecard._meta.label_lower,
            subject_pk__in=days,
            act="scorecard.published",
            at__lte=stamp,
        )
        told = {(pk, data.get("first_day")) for pk, data in plans.values_list("subject_pk", "data")}
        if counted := [card for pk, card in days.items() if (pk, str(card.first_day)) in told]:
            return counted[-1]
    return full.filter(activated_at__lte=stamp).order_by("-activated_at", "-pk").first()


def active_card(using: str = "default") -> Card:
    """The full card in use. Raises NoActiveCard."""
    return active_cards(using).full


def problems(card: Card) -> list[str]:
    """Why a card may not be used, as sentences; empty when it may.

    A card may leave signals out: they earn no points. Checked for those it uses: bins cover all values without
    gap or overlap and there are points for 'missing'; points never move against the signal's direction, and
    signals that only inform carry none; the least and the greatest possible sum lie within 0..100, so that
    base + points is the score without clamping.
    """
    named = {*card.bins, *card.missing}
    found: list[str] = [
        _("%s is not a signal of this version.") % name for name in sorted(named - set(BY_NAME))
    ]
    if not named:
        found.append(_("A card needs bins for at least one signal."))
    for name in sorted(named & set(BY_NAME)):
        found += _problems_of(card, BY_NAME[name])
    if found:
        return found
    least, greatest = span_of(card)
    if beyond := odds_beyond(card.anchor_score, card.odds_at_anchor, card.points_to_double):
        found.append(beyond)
    if least < 0 or greatest > 100:
        found.append(
            _(
                "The points add up to %(least)s at least and %(greatest)s at most: they must stay within 0 and 100."
            )
            % {"least": least, "greatest": greatest}
        )
    return found


DOUBLINGS = 1000
"""Odds from 1 to 2 ** 1000 both ways: just within what a float holds. PostgreSQL refuses a power beyond it."""


def odds_beyond(anchor: int, odds: Decimal, doubling: Decimal) -> str:
    """Why no probability can be computed of some score from 0 to 100; empty where one can of each."""
    furthest = max(abs(anchor), abs(100 - anchor))
    if min(odds, doubling) > 0 and furthest / float(doubling) + abs(log2(float(odds))) <= DOUBLINGS:
        return ""
    return _(
        "The odds become too large or too small to compute for some scores from 0 to 100: give more points that double "
        "the odds, or an anchor score between 0 and 100."
    )


def fingerprint(card: Card, *, points_only: bool = False) -> str:
    """Of everything a card scores and decides by, not of its texts: a draft changed since it was measured shows it.

    points_only: of what makes the score alone, which is all that its Gini and its stability hang on.
    """
    said: dict[str, Any] = {
        "base": card.base_points,
        "thin": [card.kind, card.thin_below, card.thin_recent_below, card.evidence_from],
        "missing": card.missing,
        "bins": {
            name: [[_exact(b.lower), _exact(b.upper), b.points] for b in some]
            for name, some in card.bins.items()
        },
    }
    if not points_only:
        said["decides"] = [card.grades, card.review_from, card.review_to, card.guarantees_below]
        said["odds"] = [card.anchor_score, _exact(card.odds_at_anchor), _exact(card.points_to_double)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _exact(value: Decimal | int | None) -> str:
    """The same text for the same number, however many zeros it was stored with."""
    return "" if value is None else f"{Decimal(value).normalize():f}"


def span_of(card: Card) -> tuple[int, int]:
    """The least and the greatest score that can come out of a card."""
    points = [[b.points for b in card.bins[name]] + [card.missing.get(name, 0)] for name in card.bins]
    return card.base_points + sum(map(min, points)), card.base_points + sum(map(max, points))


def _problems_of(card: Card, signal: Signal) -> list[str]:
    bins, label = card.bins.get(signal.name, ()), capfirst(str(signal.label))
    if not bins or signal.name not in card.missing:
        return [_("%s needs bins and points for a missing value.") % label]
    found: list[str] = []
    if bins[0].lower is not None or bins[-1].upper is not None:
        found.append(_("%s: the bins must reach from below any value to above any value.") % label)
    if any(a.upper != b.lower for a, b in itertools.pairwise(bins)):
        found.append(_("%s: the bins leave a gap or overlap.") % label)
    points = [b.points for b in bins]
    if not signal.carries_points and any([*points, card.missing[signal.name]]):
        found.append(_("%s informs only: a worse fact could raise the score by it.") % label)
    if points != sorted(points, reverse=signal.higher_is == WORSE):
        found.append(_("%s: a worse value must never earn more points than a better one.") % label)
    return found


@transaction.atomic
def activate(row: Scorecard) -> Scorecard:
    """Put a draft into use and retire the card of its kind in use. Raises CardError with everything that is wrong."""
    locked = Scorecard.objects.select_for_update().get(pk=row.pk)
    if locked.status != Scorecard.Status.DRAFT:
        raise CardError(_("Only a draft can be activated."))
    wrong = problems(as_card(locked, list(locked.bins.all())))
    if wrong:
        raise CardError(in_a_row(wrong))
    in_use = Scorecard.objects.filter(status=Scorecard.Status.ACTIVE, kind=locked.kind)
    in_use.update(status=Scorecard.Status.RETIRED)
    locked.status, locked.activated_at = Scorecard.Status.ACTIVE, timezone.now()
    locked.save(update_fields=["status", "activated_at"])
    return locked
