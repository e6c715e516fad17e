"""From a score to a probability that happens as often as it says.

Every calibration here can only move what the data can carry: each is pulled toward "leave it as it is" by a
stated number of rows, and none ever turns an order around.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scoring.fitting.logistic import fit_logistic, logit, sigmoid
from scoring.fitting.measures import Floats, floats

LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """logit(p') = intercept + a * ln p - b * ln(1 - p); a = b: Platt scaling, a = b = 1 and intercept 0: as it is."""

    intercept: float = 0.0
    a: float = 1.0
    b: float = 1.0

    def apply(self, probability: ArrayLike) -> Floats:
        p = np.clip(floats(probability), LEAST, 1 - LEAST)
        return sigmoid(self.intercept + self.a * np.log(p) - self.b * np.log1p(-p))

    def as_dict(self) -> dict[str, float]:
        return {"intercept": self.intercept, "a": self.a, "b": self.b}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        return cls(**data)


def platt(
    probability: ArrayLike, bad: ArrayLike, weights: ArrayLike | None = None, *, strength: float = 10.0
) -> Calibration:
    """Intercept and slope on the log-odds (Platt 1999), the slope pulled toward 1 with ridge `strength` and kept
    above 0. One class only: as it is."""
    outcome = floats(bad)
    if not 0 < outcome.sum() < outcome.size:
        return Calibration()
    fit = fit_logistic(
        logit(probability)[:, None], outcome, weights=weights, l2=strength, toward=[1.0], nonnegative=True
    )
    return Calibration(fit.intercept, fit.coef[0], fit.coef[0])


def slope_by_part(log_odds: ArrayLike, bad: ArrayLike, part: ArrayLike, *, strength: float = 10.0) -> float:
    """The slope alone, from forecasts made in several parts (folds in time): each part keeps a level of its own, so
    a book that moved between them does not bend the slope. Pulled toward 1, kept above 0."""
    outcome, odds = floats(bad), floats(log_odds)
    _names, number = np.unique(np.asarray(part), return_inverse=True)
    if not 0 < outcome.sum() < outcome.size:
        return 1.0
    levels = (number[:, None] == np.arange(1, number.max() + 1)).astype(np.float64)
    X = np.column_stack([odds, levels])
    ridge = np.r_[strength, np.full(levels.shape[1], 0.1)]
    toward = np.r_[1.0, np.zeros(levels.shape[1])]
    bound = np.r_[True, np.zeros(levels.shape[1], dtype=bool)]
    return fit_logistic(X, outcome, l2=ridge, toward=toward, nonnegative=bound).coef[0]


def at_level(log_odds: ArrayLike, bad: ArrayLike, slope: float) -> Calibration:
    """Log-odds times `slope`, at the level where as many bad are expected as there were."""
    odds, share = slope * floats(log_odds), float(floats(bad).mean())
    low, high = -60.0, 60.0
    for _step in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(odds + middle).mean() < share else (low, middle)
    return Calibration((low + high) / 2, slope, slope)


def beta(
    probability: ArrayLike, bad: ArrayLike, weights: ArrayLike | None = None, *, strength: float = 10.0
) -> Calibration:
    """Beta calibration (Kull, Silva Filho, Flach 2017), both slopes pulled toward 1 and kept above 0."""
    outcome = floats(bad)
    if not 0 < outcome.sum() < outcome.size:
        return Calibration()
    p = np.clip(floats(probability), LEAST, 1 - LEAST)
    X = np.column_stack([np.log(p), -np.log1p(-p)])
    fit = fit_logistic(X, outcome, weights=weights, l2=strength, toward=[1.0, 1.0], nonnegative=True)
    return Calibration(fit.intercept, *fit.coef)


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising line through (given, found): probabilities given and what they became, both rising."""

    given: tuple[float, ...]
    found: tuple[float, ...]

    def apply(self, probability: ArrayLike) -> Floats:
        return np.interp(floats(probability), self.given, self.found)

    def as_dict(self) -> dict[str, list[float]]:
        return {"given": list(self.given), "found": list(self.found)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Isotonic:
        return cls(tuple(data["given"]), tuple(data["found"]))


def pool_adjacent(values: ArrayLike, weights: ArrayLike) -> Floats:
    """The closest rising sequence in weighted least squares (pool adjacent violators, Ayer et al. 1955)."""
    level: list[float] = []
    weight: list[float] = []
    count: list[int] = []
    for value, w in zip(floats(values), floats(weights), strict=True):
        level.append(float(value))
        weight.append(float(w))
        count.append(1)
        while len(level) > 1 and level[-2] >= level[-1]:
            total = weight[-2] + weight[-1]
            mean = (level[-2] * weight[-2] + level[-1] * weight[-1]) / total if total > 0 else level[-2]
            level[-2:], weight[-2:], count[-2:] = [mean], [total], [count[-2] + count[-1]]
    return np.repeat(level, count)


def isotonic(
    probability: ArrayLike,
    bad: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    parts: int = 20,
    strength: float = 20.0,
) -> Isotonic:
    """Rows in up to `parts` groups by probability; each group's share is shrunk toward its mean prediction by
    `strength` rows, then made rising. No rows: as it is."""
    p, outcome = floats(probability), floats(bad)
    weight = np.ones(p.size) if weights is None else floats(weights)
    if not p.size:
        return Isotonic((0.0, 1.0), (0.0, 1.0))
    order = np.argsort(p, kind="stable")
    groups = [g for g in np.array_split(order, min(parts, p.size)) if weight[g].sum() > 0]
    size = np.array([weight[g].sum() for g in groups])
    mean = np.array([np.average(p[g], weights=weight[g]) for g in groups])
    share = np.array([np.average(outcome[g], weights=weight[g]) for g in groups])
    shrunk = pool_adjacent((share * size + mean * strength) / (size + strength), size + strength)
    given, first = np.unique(mean, return_index=True)
    return Isotonic((0.0, *map(float, given), 1.0), (0.0, *map(float, shrunk[first]), 1.0))
