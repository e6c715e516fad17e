"""What differs between two scorecards, in words: settings, signals with their lines aligned, weights. No HTTP here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from creditdesk.core.wording import percent
from scoring.card import Bin, Card, as_card, fingerprint, span_of
from scoring.card_pages import span
from scoring.models import CardReport, Scorecard, ScorecardBin
from scoring.policy_sections import Setting
from scoring.rationale import shown
from scoring.signals import SIGNALS

ADDED, REMOVED, CHANGED, SAME = "added", "removed", "changed", "same"
SHOWN_SCORES = (30, 50, 70, 90)


@dataclass(frozen=True, slots=True)
class Line:
    """The same values in both cards; None: that card does not use the signal."""

    span: str
    first: int | None
    second: int | None
    why: str
    is_missing: bool = False

    @property
    def step(self) -> int:
        return (self.second or 0) - (self.first or 0)


@dataclass(frozen=True, slots=True)
class Weight:
    """What a signal can do in a card: least and most points, and its share of all the card's range."""

    least: int
    most: int
    share: float


@dataclass(frozen=True, slots=True)
class SignalDifference:
    signal: str
    label: str
    state: str
    first: Weight | None
    second: Weight | None
    lines: tuple[Line, ...]

    @property
    def word(self) -> str:
        words = {ADDED: _("added"), REMOVED: _("removed"), CHANGED: _("changed")}
        return words.get(self.state, _("the same"))

    @property
    def tone(self) -> str:
        return {ADDED: "info", REMOVED: "warn", CHANGED: "warn"}.get(self.state, "mute")


def settings(a: Scorecard, b: Scorecard) -> list[tuple[str, list[Setting]]]:
    """Cut-offs, numbers and probabilities of both, line by line."""
    old, new = _settings(a), _settings(b)
    return [
        (title, [Setting(label, dict(old[title])[label], value) for label, value in lines])
        for title, lines in new.items()
    ]


def _settings(card: Scorecard) -> dict[str, list[tuple[str, str]]]:
    ready = as_card(card, list(card.bins.all()))
    least, most = span_of(ready)
    label = {field.name: str(field.verbose_name) for field in Scorecard._meta.fields}

    def plain(*names: str) -> list[tuple[str, str]]:
        return [(label[name], _number(getattr(card, name))) for name in names]

    found = {
        _("Score"): [
            *plain("base_points"),
            (_("can come out"), _("%(least)s to %(most)s") % {"least": least, "most": most}),
            (_("signals"), str(len(ready.bins))),
        ],
        _("Grades and decisions"): plain(
            *("grade_a_from", "grade_b_from", "grade_c_from", "grade_d_from"),
            *("review_from", "review_to", "guarantees_below", "thin_below", "thin_recent_below"),
        ),
        _("Probability"): [
            (_("stands on"), card.calibration_label),
            *plain("anchor_score", "odds_at_anchor", "points_to_double"),
            *(
                (_("at score %s") % score, percent(ready.pd_of(score, insolvent=False)))
                for score in SHOWN_SCORES
            ),
        ],
    }
    if card.kind == Scorecard.Kind.THIN:
        found[_("Grades and decisions")] += plain("evidence_from")
    return found


def _number(value: Any) -> str:
    return str(number_format(value.normalize() if isinstance(value, Decimal) else value, use_l10n=True))


def signals(a: Scorecard, b: Scorecard) -> list[SignalDifference]:
    """Every signal either card uses in catalogue order, the lines of both cut at all bounds of either."""
    first, second = (as_card(card, list(card.bins.all())) for card in (a, b))
    weights = [_weights(card) for card in (first, second)]
    found = []
    for signal in SIGNALS:
        name = signal.name
        if name not in first.bins and name not in second.bins:
            continue
        lines = _lines(name, first, second)
        if name not in first.bins:
            state = ADDED
        elif name not in second.bins:
            state = REMOVED
        else:
            state = CHANGED if any(line.step for line in lines) else SAME
        found.append(
            SignalDifference(
                name, str(signal.label), state, weights[0].get(name), weights[1].get(name), tuple(lines)
            )
        )
    return found


def _weights(card: Card) -> dict[str, Weight]:
    points = {name: [*(b.points for b in bins), card.missing[name]] for name, bins in card.bins.items()}
    total = sum(max(some) - min(some) for some in points.values()) or 1
    return {
        name: Weight(min(some), max(some), (max(some) - min(some)) / total) for name, some in points.items()
    }


def _lines(name: str, first: Card, second: Card) -> list[Line]:
    bounds = sorted(
        {b.upper for card in (first, second) for b in card.bins.get(name, ()) if b.upper is not None}
    )
    pieces: list[tuple[Decimal | None, Decimal | None, Bin | None, Bin | None]] = []
    for lower, upper in zip([None, *bounds], [*bounds, None], strict=True):
        one, other = _at(first, name, lower), _at(second, name, lower)
        if pieces and _points(pieces[-1][2]) == _points(one) and _points(pieces[-1][3]) == _points(other):
            pieces[-1] = (pieces[-1][0], upper, pieces[-1][2], pieces[-1][3])
        else:
            pieces.append((lower, upper, one, other))
    found = [
        Line(_span(name, lower, upper), _points(one), _points(other), shown((other or one).rationale))  # type: ignore[union-attr]
        for lower, upper, one, other in pieces
    ]
    ours, theirs = first.missing.get(name), second.missing.get(name)
    why = second.missing_rationale.get(name) or first.missing_rationale.get(name, "")
    return [*found, Line(_("missing"), ours, theirs, shown(why), True)]


def _at(card: Card, name: str, lower: Decimal | None) -> Bin | None:
    """The bin that holds the values just from `lower` on (None: from below any bound)."""
    bins = card.bins.get(name)
    if not bins:
        return None
    return bins[0] if lower is None else next(b for b in bins if b.holds(lower))


def _points(found: Bin | None) -> int | None:
    return None if found is None else found.points


def _span(name: str, lower: Decimal | None, upper: Decimal | None) -> str:
    return span(ScorecardBin(signal=name, lower=lower, upper=upper))


def report_of(a: Scorecard, b: Scorecard) -> CardReport | None:
    """The newest measurement of `b` beside `a`, from the loaded reports of `b`."""
    return next(
        (
            report
            for report in b.reports.all()
            if report.kind == CardReport.Kind.COMPARED and report.figures["against"] == a.pk
        ),
        None,
    )


def is_stale(report: CardReport, a: Scorecard, b: Scorecard) -> bool:
    """Whether a draft among the two was changed since."""
    return report.figures["said"] != [fingerprint(as_card(card, list(card.bins.all()))) for card in (a, b)]


def usual_pair(cards: list[Scorecard]) -> tuple[Scorecard, Scorecard] | None:
    """The card in use and what waits to take its place, else the newest other card of its kind. `cards` as listed."""
    for champion in cards:
        if champion.status == Scorecard.Status.ACTIVE and champion.kind == Scorecard.Kind.FULL:
            others = [card for card in cards if card.kind == champion.kind and card.pk != champion.pk]
            return (champion, others[0]) if others else None
    return None
