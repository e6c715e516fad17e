"""How well a ranking or a probability does. Formulas: shared house list of measures; textbook sources named below.

Every function takes `weights` (None: 1 each), because an interval by customer weighs each row by how often its
customer was drawn. A measure that cannot be told (one class only, nothing lost) is None, never a made-up 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Z95 = 1.959963984540054
PSI_FLOOR = 0.0001
"""Share put in the place of an empty bin, so that the logarithm exists; the result says where it was needed."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval; `draws` of the bootstrap behind it that gave a figure (0: a formula)."""

    low: float
    high: float
    draws: int = 0

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _weights(weights: ArrayLike | None, count: int) -> Floats:
    return np.ones(count) if weights is None else floats(weights)


class Ranking:
    """Rows sorted by risk once, to be measured under many weightings (a bootstrap sorts nothing again)."""

    def __init__(self, bad: ArrayLike, risk: ArrayLike) -> None:
        outcome, risk = floats(bad), floats(risk)
        if outcome.shape != risk.shape:
            raise ValueError(f"{outcome.size} outcomes for {risk.size} risks")
        if np.isnan(risk).any():
            raise ValueError("a risk is missing; leave the row out or give it the portfolio's")
        self._order = np.argsort(risk, kind="stable")
        ordered = risk[self._order]
        self._starts = np.flatnonzero(np.r_[True, np.diff(ordered) > 0]) if risk.size else np.array([], int)
        self._values = ordered[self._starts]
        self._bad = outcome[self._order]
        self._last: tuple[ArrayLike | None, tuple[Floats, Floats]] | None = None

    def _by_value(self, weights: ArrayLike | None) -> tuple[Floats, Floats]:
        """Weight of good and of bad per distinct risk, lowest risk first. Of the weights asked about last, kept."""
        if self._last is None or self._last[0] is not weights:
            self._last = weights, self._summed(weights)
        return self._last[1]

    def _summed(self, weights: ArrayLike | None) -> tuple[Floats, Floats]:
        if not self._starts.size:
            return np.zeros(0), np.zeros(0)
        weight = _weights(weights, self._bad.size)
        weight = weight[self._order] if weights is not None else weight
        bad = np.add.reduceat(weight * self._bad, self._starts)
        return np.add.reduceat(weight, self._starts) - bad, bad

    def auc(self, weights: ArrayLike | None = None) -> float | None:
        """Share of (good, bad) pairs in which the bad one has the higher risk, ties half (Mann-Whitney)."""
        good, bad = self._by_value(weights)
        total = good.sum() * bad.sum()
        if not total > 0:
            return None
        below = np.cumsum(good) - good
        return float((bad * (below + good / 2)).sum() / total)

    def ks(self, weights: ArrayLike | None = None) -> tuple[float, float] | None:
        """(greatest distance of the cumulative shares of good and bad, the least risk of those on its risky side)."""
        good, bad = self._by_value(weights)
        if not (good.sum() > 0 and bad.sum() > 0):
            return None
        gap = np.abs(np.cumsum(good) / good.sum() - np.cumsum(bad) / bad.sum())
        place = int(np.argmax(gap))
        return float(gap[place]), float(self._values[min(place + 1, self._values.size - 1)])


def auc(bad: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    return Ranking(bad, risk).auc(weights)


def gini(bad: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """2 AUC - 1."""
    area = auc(bad, risk, weights)
    return None if area is None else 2 * area - 1


def ks(bad: ArrayLike, risk: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Kolmogorov-Smirnov: the greatest distance of the cumulative shares of good and bad."""
    found = Ranking(bad, risk).ks(weights)
    return None if found is None else found[0]


def brier(bad: ArrayLike, probability: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Mean squared distance of probability and outcome (Brier 1950)."""
    outcome, p = floats(bad), floats(probability)
    weight = _weights(weights, outcome.size)
    if not weight.sum() > 0:
        return None
    return float(np.average((p - outcome) ** 2, weights=weight))


@dataclass(frozen=True, slots=True)
class Psi:
    """Population stability index; `floored`: bins that were empty on one side and counted as PSI_FLOOR."""

    value: float
    floored: int = 0

    @property
    def reading(self) -> str:
        """The usual reading: below 0.10 stable, to 0.25 watch, above it a shift."""
        return "stable" if self.value < 0.10 else "watch" if self.value <= 0.25 else "shift"


def psi(expected: ArrayLike, actual: ArrayLike) -> Psi | None:
    """Sum of (a - e) ln(a / e) over bins; counts or shares, in the same order. None: one side is empty."""
    e, a = floats(expected), floats(actual)
    if e.shape != a.shape:
        raise ValueError(f"{e.size} bins against {a.size}")
    if not (e.sum() > 0 and a.sum() > 0):
        return None
    e, a = e / e.sum(), a / a.sum()
    in_use = (e > 0) | (a > 0)
    e, a = e[in_use], a[in_use]
    floored = int(((e <= 0) | (a <= 0)).sum())
    e, a = np.maximum(e, PSI_FLOOR), np.maximum(a, PSI_FLOOR)
    return Psi(float(((a - e) * np.log(a / e)).sum()), floored)


def psi_of_values(expected: ArrayLike, actual: ArrayLike, bins: int = 10) -> Psi | None:
    """PSI of a score or a signal, in bins of equal share of the expected values; missing is a bin of its own."""
    e, a = floats(expected), floats(actual)
    known = e[~np.isnan(e)]
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner)) if known.size else np.zeros(0)

    def counts(values: Floats) -> Floats:
        missing = np.isnan(values)
        found = np.bincount(np.searchsorted(edges, values[~missing], side="right"), minlength=edges.size + 1)
        return np.append(found, missing.sum()).astype(np.float64)

    return psi(counts(e), counts(a))


def wilson(happened: float, count: float, z: float = Z95) -> Interval:
    """Interval of a share (Wilson 1927); the whole of 0..1 where nothing was seen."""
    if not count > 0:
        return Interval(0.0, 1.0)
    share, square = happened / count, z * z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = z * sqrt(share * (1 - share) / count + square / (4 * count * count)) / (1 + square / count)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One tenth of the rows by predicted probability."""

    low: float
    high: float
    count: int
    predicted: float
    observed: float
    interval: Interval

    @property
    def agrees(self) -> bool:
        return self.interval.holds(self.predicted)

    def as_dict(self) -> dict[str, Any]:
        return {
            "low": self.low,
            "high": self.high,
            "count": self.count,
            "predicted": self.predicted,
            "observed": self.observed,
            "interval": [self.interval.low, self.interval.high],
            "agrees": self.agrees,
        }


def calibration_table(bad: ArrayLike, probability: ArrayLike, bins: int = 10) -> list[CalibrationRow]:
    """Rows in `bins` parts of equal size by probability (equal probabilities stay together): predicted against
    observed, with the Wilson interval of the observed share."""
    outcome, p = floats(bad), floats(probability)
    if not p.size:
        return []
    order = np.argsort(p, kind="stable")
    starts = np.unique(
        [int(np.searchsorted(p[order], p[order][place])) for place in (np.arange(bins) * p.size) // bins]
    )
    rows = []
    for part in np.split(order, starts[1:]):
        happened = float(outcome[part].sum())
        rows.append(
            CalibrationRow(
                low=float(p[part].min()),
                high=float(p[part].max()),
                count=int(part.size),
                predicted=float(p[part].mean()),
                observed=happened / part.size,
                interval=wilson(happened, part.size),
            )
        )
    return rows


class Captured:
    """Losses in the order of risk, sorted once, to be measured under many weightings."""

    def __init__(self, loss: ArrayLike, risk: ArrayLike) -> None:
        lost, risk = floats(loss), floats(risk)
        self._order = np.argsort(-risk, kind="stable")
        self._starts = np.flatnonzero(np.r_[True, np.diff(-risk[self._order]) > 0])
        self._lost = lost

    def share(self, share: float, weights: ArrayLike | None = None) -> float | None:
        """Share of all loss that lies in the riskiest `share` of the rows; ties at the border count in part."""
        weight = _weights(weights, self._lost.size)
        lost = self._lost * weight
        total = lost.sum()
        if not total > 0:
            return None
        size = np.add.reduceat(weight[self._order], self._starts)
        held = np.add.reduceat(lost[self._order], self._starts)
        room = share * weight.sum() - (np.cumsum(size) - size)
        part = np.clip(np.divide(room, size, out=np.zeros_like(room), where=size > 0), 0, 1)
        return float((held * part).sum() / total)


def capture(
    loss: ArrayLike, risk: ArrayLike, share: float = 0.2, weights: ArrayLike | None = None
) -> float | None:
    """Share of all loss that lies in the riskiest `share` of the rows; ties at the border count in part."""
    return Captured(loss, risk).share(share, weights)


def bootstrap_by_group(
    groups: ArrayLike,
    statistic: Callable[[Floats], float | None],
    *,
    draws: int = 500,
    seed: int = 20,
    level: float = 0.95,
) -> Interval | None:
    """Interval of `statistic(weights)` when whole groups (customers) are drawn again (Efron, percentile method).

    Rows of one customer are no independent evidence; drawing customers gives intervals as wide as they should be.
    None with fewer than two groups, or where fewer than half of the draws give a figure.
    """
    return bootstrap_many(groups, {"": statistic}, draws=draws, seed=seed, level=level)[""]


def bootstrap_many(
    groups: ArrayLike,
    statistics: Mapping[str, Callable[[Floats], float | None]],
    *,
    draws: int = 500,
    seed: int = 20,
    level: float = 0.95,
) -> dict[str, Interval | None]:
    """The same for several statistics on the same draws, so that differences can be told from noise."""
    _names, member = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member.max()) + 1 if member.size else 0
    if count < 2:
        return dict.fromkeys(statistics)
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in statistics}
    for _draw in range(draws):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        weights = times[member].astype(np.float64)
        for name, statistic in statistics.items():
            value = statistic(weights)
            if value is not None:
                found[name].append(value)
    return {name: _percentiles(values, draws, level) for name, values in found.items()}


def _percentiles(values: Sequence[float], draws: int, level: float) -> Interval | None:
    if len(values) < max(2, draws / 2):
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high), len(values))
