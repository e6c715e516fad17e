"""Bins of a signal whose bad rate only rises or only falls, with weight of evidence; 'missing' is a bin of its own.

Fine bins of equal share are merged until the bad rate is monotone (pool adjacent violators, Ayer et al. 1955),
every bin is large enough, neighbours differ by more than chance, and there are no more than asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.fitting.calibration import pool_adjacent
from scoring.fitting.measures import Floats, floats

RISING, FALLING, EITHER = 1, -1, 0
"""Direction of the bad rate as the signal rises; RISING is a signal's WORSE, FALLING its BETTER."""


@dataclass(frozen=True, slots=True)
class Bin:
    """lower <= value < upper (None: no bound). woe = ln(share of good / share of bad): positive is safer."""

    lower: float | None
    upper: float | None
    count: float
    bad: float
    woe: float

    @property
    def rate(self) -> float:
        return self.bad / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Binning:
    """`bins` in order of value cover every number; `missing` is for NaN. iv: information value, missing included."""

    bins: tuple[Bin, ...]
    missing: Bin
    direction: int
    iv: float

    @property
    def edges(self) -> tuple[float, ...]:
        return tuple(b.lower for b in self.bins[1:] if b.lower is not None)

    def index(self, values: ArrayLike) -> NDArray[np.int64]:
        """Place of each value's bin; len(bins) where it is missing."""
        given = floats(values)
        place = np.searchsorted(np.array(self.edges), given, side="right").astype(np.int64)
        place[np.isnan(given)] = len(self.bins)
        return place

    def woe(self, values: ArrayLike) -> Floats:
        return np.array([*(b.woe for b in self.bins), self.missing.woe])[self.index(values)]

    def as_dict(self) -> dict[str, Any]:
        def plain(b: Bin) -> dict[str, Any]:
            return {"lower": b.lower, "upper": b.upper, "count": b.count, "bad": b.bad, "woe": b.woe}

        return {
            "bins": [plain(b) for b in self.bins],
            "missing": plain(self.missing),
            "direction": self.direction,
            "iv": self.iv,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Binning:
        return cls(
            tuple(Bin(**b) for b in data["bins"]), Bin(**data["missing"]), data["direction"], data["iv"]
        )


def weight_of_evidence(
    bad: float, count: float, total_bad: float, total: float, smoothing: float = 0.0
) -> float:
    """ln(share of all good / share of all bad) of one bin. `smoothing` adds that many rows at the portfolio's
    rate, so a bin with few rows lies close to 0 and an empty one at 0. Without smoothing an all-good or all-bad
    bin is infinite. Total without both classes: 0."""
    total_good = total - total_bad
    if not (total_bad > 0 and total_good > 0):
        return 0.0
    rate = total_bad / total
    bad, good = bad + smoothing * rate, count - bad + smoothing * (1 - rate)
    if bad <= 0 and good <= 0:
        return 0.0
    if bad <= 0 or good <= 0:
        return float("inf") if bad <= 0 else float("-inf")
    return log(good / total_good) - log(bad / total_bad)


def information_value(bads: ArrayLike, counts: ArrayLike) -> float:
    """Sum of (share of good - share of bad) * WoE over bins; a bin with one class only counts half a row of the
    other, the usual correction."""
    bad, count = floats(bads), floats(counts)
    good = count - bad
    if not (bad.sum() > 0 and good.sum() > 0):
        return 0.0
    used = count > 0
    bad, good = bad[used], good[used]
    one_sided = (bad <= 0) | (good <= 0)
    bad, good = np.where(one_sided, bad + 0.5, bad), np.where(one_sided, good + 0.5, good)
    g, b = good / good.sum(), bad / bad.sum()
    return float(((g - b) * np.log(g / b)).sum())


@dataclass(slots=True)
class _Group:
    """Neighbouring values taken together while merging: [least, greatest], weight and bad weight, rows."""

    least: float
    greatest: float
    weight: float
    bad: float
    rows: int

    def with_(self, other: _Group) -> _Group:
        return _Group(
            self.least,
            other.greatest,
            self.weight + other.weight,
            self.bad + other.bad,
            self.rows + other.rows,
        )

    @property
    def rate(self) -> float:
        return self.bad / self.weight if self.weight else 0.0


def monotone_bins(
    values: ArrayLike,
    bad: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    direction: int = EITHER,
    max_bins: int = 6,
    min_share: float = 0.05,
    min_rows: int = 20,
    min_chi2: float = 2.0,
    smoothing: float = 10.0,
    fine: int = 40,
) -> Binning:
    """Bins of `values` (NaN: missing) by how often `bad` happened.

    direction: RISING, FALLING, or EITHER (the one that separates better). A bin holds at least `min_share` of
    the weight and `min_rows` rows; neighbours that differ by less than `min_chi2` (chi-square, one degree of
    freedom) are one bin. smoothing: rows at the portfolio's rate added to each bin's WoE. Constant values, one
    class only, or fewer rows than two bins need: one bin with WoE 0. Equal values are never parted.
    """
    given, outcome = floats(values), floats(bad)
    weight = np.ones(given.size) if weights is None else floats(weights)
    if not given.size == outcome.size == weight.size:
        raise ValueError(f"{given.size} values, {outcome.size} outcomes, {weight.size} weights")
    known = ~np.isnan(given) & (weight > 0)
    groups = _fine_groups(given[known], outcome[known], weight[known], fine)
    total, total_bad = float(weight.sum()), float((weight * outcome).sum())
    gone = np.isnan(given) & (weight > 0)
    parts = {
        way: _merged(groups, way, max_bins, min_share * sum(g.weight for g in groups), min_rows, min_chi2)
        for way in ((RISING, FALLING) if direction == EITHER else (direction,))
    }
    way = max(parts, key=lambda w: information_value([g.bad for g in parts[w]], [g.weight for g in parts[w]]))
    found = parts[way]

    def woe(b: float, n: float) -> float:
        return weight_of_evidence(b, n, total_bad, total, smoothing)

    edges = [_short(left.greatest, right.least) for left, right in pairwise(found)]
    evidence = np.array([woe(g.bad, g.weight) for g in found])
    if len(found) < 2 and not gone.any():
        evidence = np.zeros(len(found))
    # Small bins are smoothed more than large ones, which may turn two neighbours around.
    evidence = -way * pool_adjacent(-way * evidence, [g.weight for g in found])
    bins = tuple(
        Bin(low, high, g.weight, g.bad, float(e))
        for (low, high), g, e in zip(pairwise([None, *edges, None]), found, evidence, strict=False)
    ) or (Bin(None, None, 0.0, 0.0, 0.0),)
    lost, lost_bad = float(weight[gone].sum()), float((weight * outcome)[gone].sum())
    missing = Bin(None, None, lost, lost_bad, woe(lost_bad, lost) if lost else 0.0)
    iv = information_value([*(b.bad for b in bins), lost_bad], [*(b.count for b in bins), lost])
    return Binning(bins, missing, way, iv)


def _fine_groups(values: Floats, bad: Floats, weight: Floats, fine: int) -> list[_Group]:
    """At most `fine` groups of neighbouring values with about equal weight; equal values stay together."""
    if not values.size:
        return []
    order = np.argsort(values, kind="stable")
    values, bad, weight = values[order], bad[order], weight[order]
    middle = np.cumsum(weight) - weight / 2
    target = np.minimum((middle / weight.sum() * fine).astype(np.int64), fine - 1)
    distinct = np.r_[True, np.diff(values) > 0]
    # A value belongs to the group of its first row.
    target = np.maximum.accumulate(np.where(distinct, target, 0))[np.flatnonzero(distinct)][
        np.cumsum(distinct) - 1
    ]
    starts = np.flatnonzero(np.r_[True, np.diff(target) > 0])
    ends = np.r_[starts[1:], values.size] - 1
    weights, bads = np.add.reduceat(weight, starts), np.add.reduceat(weight * bad, starts)
    return [
        _Group(float(values[s]), float(values[e]), float(w), float(b), int(e - s + 1))
        for s, e, w, b in zip(starts, ends, weights, bads, strict=True)
    ]


def _merged(
    groups: list[_Group], way: int, max_bins: int, min_weight: float, min_rows: int, min_chi2: float
) -> list[_Group]:
    parts = _pooled(groups, way)
    while len(parts) > 1:
        small = [n for n, g in enumerate(parts) if g.weight < min_weight or g.rows < min_rows]
        gaps = [_chi2(a, b) for a, b in pairwise(parts)]
        if small:
            n = min(small, key=lambda n: parts[n].weight)
            beside = [m for m in (n - 1, n) if 0 <= m < len(gaps)]
            place = min(beside, key=lambda m: gaps[m])
        else:
            place = int(np.argmin(gaps))
            if len(parts) <= max_bins and gaps[place] >= min_chi2:
                break
        # Joining two neighbours keeps a monotone row of rates monotone.
        parts[place : place + 2] = [parts[place].with_(parts[place + 1])]
    return parts


def _pooled(groups: list[_Group], way: int) -> list[_Group]:
    """Pool adjacent violators: rates end up strictly moving `way`."""
    parts: list[_Group] = []
    for group in groups:
        parts.append(group)
        while len(parts) > 1 and way * (parts[-1].rate - parts[-2].rate) <= 1e-12:
            last = parts.pop()
            parts[-1] = parts[-1].with_(last)
    return parts


def _chi2(a: _Group, b: _Group) -> float:
    """Chi-square of equal rates in two groups."""
    both = a.with_(b)
    spread = both.rate * (1 - both.rate) * (1 / a.weight + 1 / b.weight)
    return (a.rate - b.rate) ** 2 / spread if spread > 0 else 0.0


def _short(below: float, least: float) -> float:
    """The shortest decimal number above `below` and at most `least`, with up to 6 decimals where that suffices."""
    for digits in range(-9, 7):
        step = 10.0**-digits
        candidate = round(ceil(floor(below / step) + 1) * step, max(digits, 0))
        if below < candidate <= least:
            return float(candidate)
    return float(least)
