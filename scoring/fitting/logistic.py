"""Logistic regression by Newton's method, with a ridge penalty and, where asked, coefficients that never fall
below zero. The ridge keeps perfectly separated data finite.

Minimised: sum of w * log-loss + l2 / 2 * |coefficients|^2, the intercept free. Without bounds this is
scikit-learn's LogisticRegression(C=1 / l2); tests in the development environment hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scoring.fitting.measures import Floats, floats

STEPS = 200
CLOSE = 1e-8


class FitError(ValueError):
    """The data cannot carry the fit; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """log-odds = intercept + X @ coef (+ offset). errors: standard errors, intercept first (from the penalised
    Hessian; a coefficient held at its bound has none: NaN)."""

    intercept: float
    coef: tuple[float, ...]
    errors: tuple[float, ...]
    log_loss: float
    rows: int
    events: float
    steps: int

    def log_odds(self, X: ArrayLike, offset: ArrayLike | None = None) -> Floats:
        given = floats(X)
        return (
            self.intercept
            + given.reshape(-1, len(self.coef)) @ np.array(self.coef, dtype=np.float64)
            + (0.0 if offset is None else floats(offset))
        )

    def probability(self, X: ArrayLike, offset: ArrayLike | None = None) -> Floats:
        return sigmoid(self.log_odds(X, offset))

    def as_dict(self) -> dict[str, Any]:
        return {
            "intercept": self.intercept,
            "coef": list(self.coef),
            "errors": [None if np.isnan(e) else e for e in self.errors],
            "log_loss": self.log_loss,
            "rows": self.rows,
            "events": self.events,
            "steps": self.steps,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Coefficients:
        errors = tuple(float("nan") if e is None else e for e in data["errors"])
        return cls(**{**data, "coef": tuple(data["coef"]), "errors": errors})


def sigmoid(x: ArrayLike) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    return 0.5 * (1 + np.tanh(floats(x) / 2))


def logit(p: ArrayLike, least: float = 1e-6) -> Floats:
    """ln(p / (1 - p)); probabilities are kept `least` away from 0 and 1."""
    kept = np.clip(floats(p), least, 1 - least)
    return np.log(kept) - np.log1p(-kept)


def log_loss(bad: ArrayLike, log_odds: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean of -ln(probability given to what happened)."""
    outcome, odds = floats(bad), floats(log_odds)
    loss = np.logaddexp(0, odds) - outcome * odds
    return float(np.average(loss, weights=None if weights is None else floats(weights)))


def fit_logistic(
    X: ArrayLike,
    bad: ArrayLike,
    *,
    l2: float | ArrayLike = 1.0,
    weights: ArrayLike | None = None,
    nonnegative: bool | ArrayLike = False,
    offset: ArrayLike | None = None,
    toward: ArrayLike | None = None,
) -> Coefficients:
    """Fit log-odds of `bad` on the columns of X (rows x columns).

    l2: ridge strength, one or per column; must be above 0 unless the data are known not to separate.
    nonnegative: True, or per column: the coefficient stays at or above 0 (points then never turn around).
    offset: log-odds that are given, per row. toward: values the ridge pulls to (default 0).
    Raises FitError on one class only, on NaN, or on shapes that do not match.
    """
    given, outcome = floats(X), floats(bad)
    if given.ndim != 2 or given.shape[0] != outcome.size:
        raise FitError(f"{outcome.size} outcomes for values of shape {given.shape}")
    weight = np.ones(outcome.size) if weights is None else floats(weights)
    if np.isnan(given).any():
        raise FitError("values are missing: bin them or fill them in first")
    events = float((weight * outcome).sum())
    if not 0 < events < weight.sum():
        raise FitError("only one outcome occurs: nothing can be told apart")
    width = given.shape[1]
    design = np.column_stack([np.ones(outcome.size), given])
    shift = np.zeros(outcome.size) if offset is None else floats(offset)
    ridge = np.r_[0.0, np.broadcast_to(floats(l2), (width,))]
    goal = np.r_[0.0, np.zeros(width) if toward is None else floats(toward)]
    bounded = np.r_[False, np.broadcast_to(np.asarray(nonnegative, dtype=bool), (width,))]

    def value(b: Floats) -> float:
        eta = design @ b + shift
        loss = np.logaddexp(0, eta) - outcome * eta
        return float((weight * loss).sum() + 0.5 * (ridge * (b - goal) ** 2).sum())

    b = goal.copy()
    b[bounded] = np.maximum(b[bounded], 0)
    rate = events / weight.sum()
    b[0] = np.log(rate / (1 - rate)) - float(np.average(shift, weights=weight))
    now, steps = value(b), 0
    for steps in range(1, STEPS + 1):  # noqa: B007
        slope, bend = _derivatives(design, outcome, weight, shift, ridge, goal, b)
        held = bounded & (b <= 0) & (slope > 0)
        free = ~held
        move = np.zeros_like(b)
        move[free] = -_solve(bend[np.ix_(free, free)], slope[free])
        if np.abs(slope[free]).max(initial=0) < CLOSE * max(1.0, weight.sum()):
            break
        length, best = 1.0, None
        while length > 1e-10:
            tried = b + length * move
            tried[bounded] = np.maximum(tried[bounded], 0)
            there = value(tried)
            if there <= now + 1e-4 * float(slope @ (tried - b)):
                best = (tried, there)
                break
            length /= 2
        if best is None or now - best[1] <= 1e-13 * abs(now):
            b, now = best if best else (b, now)
            break
        b, now = best
    slope, bend = _derivatives(design, outcome, weight, shift, ridge, goal, b)
    free = ~(bounded & (b <= 0))
    errors = np.full(width + 1, np.nan)
    errors[free] = np.sqrt(np.maximum(np.diag(np.linalg.pinv(bend[np.ix_(free, free)])), 0))
    return Coefficients(
        intercept=float(b[0]),
        coef=tuple(float(c) for c in b[1:]),
        errors=tuple(float(e) for e in errors),
        log_loss=log_loss(outcome, design @ b + shift, weight),
        rows=int(outcome.size),
        events=events,
        steps=steps,
    )


def _derivatives(
    design: Floats, outcome: Floats, weight: Floats, shift: Floats, ridge: Floats, goal: Floats, b: Floats
) -> tuple[Floats, Floats]:
    p = sigmoid(design @ b + shift)
    slope = design.T @ (weight * (p - outcome)) + ridge * (b - goal)
    bend = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(ridge)
    return slope, bend


def _solve(bend: Floats, slope: Floats) -> Floats:
    """Newton's step; a column that says nothing at all (constant, no ridge) gets none."""
    try:
        step = floats(np.linalg.solve(bend, slope))
        if np.isfinite(step).all():
            return step
    except np.linalg.LinAlgError:
        pass
    return floats(np.linalg.lstsq(bend, slope, rcond=1e-12)[0])
