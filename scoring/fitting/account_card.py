"""From what was learned to a scorecard: whole points on 0..100 that add up, odds, grades, a reason per bin.

The scale is the expert card's wherever the learned card fits on it: 12 points double the odds, 50 points stand for
12 to 1 (Siddiqi, Credit Risk Scorecards, ch. 6). A card that tells customers further apart doubles its odds in fewer
points, so that no sum ever leaves 0..100. After rounding, the odds are set so that the mean PD is the observed rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, exp, log, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring import rationale
from scoring.card import Bin, Card
from scoring.fitting.account_fit import Learned, level_for
from scoring.fitting.binning import Binning
from scoring.fitting.measures import Floats
from scoring.fitting.observations import Observations
from scoring.signals import BY_NAME

DOUBLING, ANCHOR, ODDS = 12, 50, 12.0
LEAST_DOUBLING = 2
GRADE_PD = {"A": 0.015, "B": 0.045, "C": 0.10, "D": 0.25}
"""Highest PD of each grade: the shipped card's cut-offs read as probabilities, so that a grade keeps its meaning."""


@dataclass(frozen=True)
class PointBin:
    """Points of [lower, upper) and what was observed in it."""

    lower: float | None
    upper: float | None
    points: int
    rows: int
    bad: int


@dataclass(frozen=True)
class Row:
    """One signal of the card: bins in order of value, and the bin of a missing value."""

    signal: str
    bins: tuple[PointBin, ...]
    missing: PointBin
    shares_thin: bool = False

    def points(self, values: Floats) -> NDArray[np.int64]:
        edges = np.array([b.upper for b in self.bins[:-1]], dtype=np.float64)
        place = np.searchsorted(edges, values, side="right")
        place[np.isnan(values)] = len(self.bins)
        return np.array([*(b.points for b in self.bins), self.missing.points])[place]


@dataclass(frozen=True)
class PointCard:
    """The learned card in points. `odds`: good to bad at `anchor`; `doubling` points double them."""

    base: int
    rows: tuple[Row, ...]
    doubling: int
    anchor: int
    odds: float
    portfolio: float

    def score(self, obs: Observations) -> NDArray[np.int64]:
        return self.base + sum(
            (row.points(obs.column(row.signal)) for row in self.rows), np.zeros(obs.rows, np.int64)
        )

    def pd(self, score: NDArray[Any]) -> Floats:
        """Rounded to four decimals, as the engine stores it."""
        odds = round(self.odds, 2) * 2.0 ** ((np.asarray(score) - self.anchor) / self.doubling)
        return np.round(1 / (1 + odds), 4)

    def grades(self) -> dict[str, int]:
        """Least score of each grade: the first whose PD is within the grade's band."""
        found, above = {}, 101
        for n, (grade, most) in enumerate(GRADE_PD.items()):
            least = ceil(self.anchor + self.doubling * log2((1 - most) / most / self.odds))
            # Room for the grades below, and each strictly below the one before.
            found[grade] = above = max(min(least, above - 1), len(GRADE_PD) - 1 - n)
        return found

    def as_card(self, **numbers: Any) -> Card:
        """The Card the engine takes, with the numbers that are not learned (thin_below, review zone, ...)."""
        grades = self.grades()
        return Card(
            base_points=self.base,
            grades=tuple((grades[g], g) for g in GRADE_PD),
            anchor_score=self.anchor,
            odds_at_anchor=Decimal(str(round(self.odds, 2))),
            points_to_double=Decimal(self.doubling),
            bins={
                row.signal: tuple(
                    Bin(_exact(b.lower), _exact(b.upper), b.points, self.reason(b)) for b in row.bins
                )
                for row in self.rows
            },
            missing={row.signal: row.missing.points for row in self.rows},
            missing_rationale={row.signal: self.reason(row.missing, row.shares_thin) for row in self.rows},
            **numbers,
        )

    def reason(self, b: PointBin, shared: bool = False) -> str:
        return rationale.observed(b.rows, b.bad, self.portfolio, shared=shared)


def in_points(learned: Learned, obs: Observations) -> PointCard:
    """Put a learned card on the scale. `obs`: the observations it was learned from, for level and reasons."""
    nats = {name: _contributions(learned, name) for name in learned.coef}
    for doubling in range(DOUBLING, LEAST_DOUBLING - 1, -1):
        factor = doubling / log(2)
        points = {name: [round(factor * c) for c in some] for name, some in nats.items()}
        least = sum(min(some) for some in points.values())
        greatest = sum(max(some) for some in points.values())
        if greatest - least <= 100:
            break
    else:
        raise ValueError("the learned card tells customers further apart than 0..100 can show")
    wanted = round(ANCHOR + factor * (-learned.intercept - log(ODDS)))
    base = min(max(wanted, -least), 100 - greatest)
    rows = tuple(
        _row(name, learned, points[name], obs) for name in learned.coef if len(set(points[name])) > 1
    )
    base += sum(some[0] for name, some in points.items() if len(set(some)) == 1)
    card = PointCard(base, rows, doubling, ANCHOR, ODDS, float(obs.bad.mean()) if obs.rows else 0.0)
    return _with_odds(card, obs)


def _with_odds(card: PointCard, obs: Observations) -> PointCard:
    """The odds at which the mean PD is the observed rate, told at the score where they are about 12 to 1."""
    rest = -(card.score(obs) - card.anchor) * log(2) / card.doubling
    odds = exp(-level_for(rest, obs.bad))
    anchor = min(max(round(card.anchor + card.doubling * log2(ODDS / odds)), 0), 100)
    moved = odds * 2.0 ** ((anchor - card.anchor) / card.doubling)
    return PointCard(card.base, card.rows, card.doubling, anchor, max(moved, 0.01), card.portfolio)


def _contributions(learned: Learned, name: str) -> list[float]:
    """Log-odds of being good per bin, the missing one last."""
    binning, weight = learned.binnings[name], learned.coef[name]
    found = [weight * b.woe for b in binning.bins]
    if name == learned.anchor:
        return [*found, -learned.thin]
    return [*found, weight * binning.missing.woe]


def _row(name: str, learned: Learned, points: list[int], obs: Observations) -> Row:
    binning: Binning = learned.binnings[name]
    place = binning.index(obs.column(name))
    count = np.bincount(place, minlength=len(binning.bins) + 1)
    bad = np.bincount(place, weights=obs.bad, minlength=len(binning.bins) + 1)
    made: list[PointBin] = []
    for n, b in enumerate(binning.bins):
        new = PointBin(b.lower, b.upper, points[n], int(count[n]), round(bad[n]))
        if made and made[-1].points == new.points:
            last = made.pop()
            new = PointBin(last.lower, new.upper, new.points, last.rows + new.rows, last.bad + new.bad)
        made.append(new)
    missing = PointBin(None, None, points[-1], int(count[-1]), round(bad[-1]))
    return Row(name, tuple(made), missing, BY_NAME[name].needs_depth and name != learned.anchor)


def _exact(bound: float | None) -> Decimal | None:
    return None if bound is None else Decimal(str(round(bound, 6)))
