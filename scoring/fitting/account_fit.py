"""Learning a scorecard for the 12-month PD from observations: pure arithmetic on arrays, no database.

1. Monotone bins per signal in the direction of the catalogue, with weight of evidence (WoE).
2. Selection: information value, a signal that separates the same way in every customer fold and in the early and
   late half, no drift between the halves; of correlated signals the one with more information.
3. Ridge logistic regression on the WoE with coefficients that never fall below zero, so that a worse bin never
   earns more; strength of the ridge chosen by folds of customers that repeat steps 1 and 2 inside.
4. The spread is corrected by the slope those held-out folds ask for; the level is the portfolio's.

Evidence is counted in customers: every row weighs customers / rows, because windows of one customer overlap. Small
bins, and above all the missing ones, are pulled to the portfolio: a bin's WoE lies between 0 (the portfolio) and
what was observed, never past either. What thin history as such adds is one coefficient for all averages together,
itself pulled to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.binning import Binning, monotone_bins
from scoring.fitting.calibration import platt
from scoring.fitting.logistic import Coefficients, fit_logistic, log_loss, sigmoid
from scoring.fitting.measures import Floats, Ranking, psi
from scoring.fitting.observations import Observations
from scoring.signals import BY_NAME

NEVER_LEARNED = ("insolvent",)
"""Signals that define the event: whoever shows them has left the population."""


class NotEnoughEvents(ValueError):
    """The ledger holds too few defaults to learn from; the text names the counts."""

    def __init__(self, message: str, counts: dict[str, Any]) -> None:
        super().__init__(message)
        self.counts = counts


@dataclass(frozen=True)
class Options:
    """How a card is learned. pull_events: evidence, in defaults, at which a bin counts half of what it shows."""

    min_events: int = 30
    max_bins: int = 6
    min_share: float = 0.01
    min_chi2: float = 2.0
    pull_events: float = 2.0
    min_iv: float = 0.02
    max_psi: float = 0.25
    max_correlation: float = 0.8
    max_signals: int = 15
    least_coefficient: float = 0.05
    ridges: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0, 30.0)
    folds: int = 5
    seed: int = 20


@dataclass(frozen=True)
class Judged:
    """One candidate signal: kept, or why not (code and the figure that decided)."""

    signal: str
    iv: float
    kept: bool
    reason: str = ""
    figure: float | None = None
    beside: str = ""


@dataclass(frozen=True)
class Learned:
    """Log-odds of default = intercept - sum of coef * WoE (+ thin, where the anchor signal is missing)."""

    binnings: dict[str, Binning]
    coef: dict[str, float]
    intercept: float
    thin: float
    anchor: str | None

    def log_odds(self, obs: Observations) -> Floats:
        found = np.full(obs.rows, self.intercept)
        for name, weight in self.coef.items():
            found -= weight * self.binnings[name].woe(obs.column(name))
        if self.anchor:
            found += self.thin * np.isnan(obs.column(self.anchor))
        return found

    def stretched(self, slope: float, intercept: float) -> Learned:
        return replace(
            self,
            coef={name: weight * slope for name, weight in self.coef.items()},
            thin=self.thin * slope,
            intercept=intercept,
        )


@dataclass(frozen=True)
class AccountFit:
    """What was learned, and how it did on customers it had not seen (held_out: log-odds per row, cross-validated)."""

    learned: Learned
    judged: tuple[Judged, ...]
    ridge: float
    slope: float
    held_out: Floats
    fold: NDArray[np.int64]
    options: Options = field(default_factory=Options)


def check_events(obs: Observations, least: int) -> None:
    """Raises NotEnoughEvents unless `least` customers defaulted and as many did not."""
    counts = {
        "observations": obs.rows,
        "customers": obs.customers,
        "bad_customers": obs.bad_customers,
        "needed": least,
        "dates": [day.isoformat() for day in obs.days],
        "causes": {str(k): v for k, v in obs.causes.items()},
    }
    good = int(np.unique(obs.customer[obs.bad == 0]).size)
    if obs.bad_customers < least or good < least:
        raise NotEnoughEvents(
            f"{obs.bad_customers} of {obs.customers} customers defaulted in {obs.rows} observations "
            f"({len(obs.days)} dates); at least {least} with and {least} without a default are needed",
            counts,
        )


def fit_accounts(
    obs: Observations, candidates: Sequence[str] | None = None, options: Options | None = None
) -> AccountFit:
    """Learn from observations; deterministic. Raises NotEnoughEvents."""
    options = options or Options()
    check_events(obs, options.min_events)
    names = [n for n in (candidates or obs.signals) if n not in NEVER_LEARNED and _may_carry_points(n)]
    fold = customer_folds(obs, options.folds, options.seed)
    held: dict[float, Floats] = {ridge: np.zeros(obs.rows) for ridge in options.ridges}
    for number in range(options.folds):
        inside = obs.take(fold != number)
        outside = obs.take(fold == number)
        binnings, kept, _judged = _chosen(inside, names, options)
        for ridge in options.ridges:
            held[ridge][fold == number] = _regressed(inside, binnings, kept, ridge, options).log_odds(outside)
    ridge = min(options.ridges, key=lambda r: (log_loss(obs.bad, held[r]), -r))
    binnings, kept, judged = _chosen(obs, names, options)
    learned = _regressed(obs, binnings, kept, ridge, options)
    slope = _slope(obs, held[ridge])
    learned = learned.stretched(slope, learned.intercept)
    return AccountFit(_levelled(learned, obs), judged, ridge, slope, held[ridge], fold, options)


def _may_carry_points(signal: str) -> bool:
    """Signals that only inform stay out of cards; names the catalogue does not know are the caller's own."""
    return signal not in BY_NAME or BY_NAME[signal].carries_points


def relearned(fit: AccountFit, obs: Observations) -> Learned:
    """The same candidates, ridge and slope on other observations: bins, choice, coefficients and level anew."""
    names = [j.signal for j in fit.judged]
    binnings, kept, _judged = _chosen(obs, names, fit.options)
    learned = _regressed(obs, binnings, kept, fit.ridge, fit.options)
    return _levelled(learned.stretched(fit.slope, learned.intercept), obs)


def customer_folds(obs: Observations, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold per row: whole customers, defaulting ones spread evenly over the folds."""
    customers, place = np.unique(obs.customer, return_inverse=True)
    bad = np.zeros(customers.size)
    np.maximum.at(bad, place, obs.bad)
    order = np.random.default_rng(seed).permutation(customers.size)
    order = order[np.argsort(-bad[order], kind="stable")]
    fold = np.empty(customers.size, dtype=np.int64)
    fold[order] = np.arange(customers.size) % folds
    return fold[place]


def _weight(obs: Observations) -> float:
    """What one row weighs, so that all rows weigh as much as there are customers."""
    return obs.customers / max(obs.rows, 1)


def _chosen(
    obs: Observations, names: Sequence[str], options: Options
) -> tuple[dict[str, Binning], list[str], tuple[Judged, ...]]:
    """Bins of every candidate, the signals kept (most informative first), and why each was kept or not."""
    weight = _weight(obs)
    weights = np.full(obs.rows, weight)
    rate = float(obs.bad.mean())
    pull = options.pull_events / max(rate, 1e-9)
    binnings = {
        name: _binned(obs, name, weights, pull, options)
        for name in names
        if np.isfinite(obs.column(name)).any()
    }
    judged: list[Judged] = []
    kept: list[str] = []
    evidence: dict[str, Floats] = {}
    groups = _groups(obs, options)
    for name in sorted(binnings, key=lambda n: (-binnings[n].iv, n)):
        binning = binnings[name]
        verdict = _verdict(obs, name, binning, groups, options)
        if verdict.kept:
            woe = binning.woe(obs.column(name))
            beside = _beside(woe, evidence, options)
            if beside:
                verdict = Judged(name, binning.iv, False, "correlated", beside[1], beside[0])
            elif len(kept) >= options.max_signals:
                verdict = Judged(name, binning.iv, False, "enough")
            else:
                kept.append(name)
                evidence[name] = woe
        judged.append(verdict)
    judged += [Judged(n, 0.0, False, "never_seen") for n in names if n not in binnings]
    return binnings, kept, tuple(judged)


def _binned(obs: Observations, name: str, weights: Floats, pull: float, options: Options) -> Binning:
    """Monotone bins. The missing bin of an average is left to the common coefficient of thin history."""
    values = obs.column(name)
    signal = BY_NAME[name]
    if signal.needs_depth:
        known = ~np.isnan(values)
        found = monotone_bins(
            values[known], obs.bad[known], weights[known], direction=signal.higher_is,
            max_bins=options.max_bins, min_share=options.min_share, min_chi2=options.min_chi2,
            smoothing=pull, fine=200,
        )  # fmt: skip
        missing = found.missing.__class__(
            None, None, float(weights[~known].sum()), float((weights * obs.bad)[~known].sum()), 0.0
        )
        return replace(found, missing=missing)
    return monotone_bins(
        values, obs.bad, weights, direction=signal.higher_is, max_bins=options.max_bins,
        min_share=options.min_share, min_chi2=options.min_chi2, smoothing=pull, fine=200,
    )  # fmt: skip


@dataclass(frozen=True)
class _Groups:
    """Parts of the rows in which a signal must separate the same way; `late`: the later half by date."""

    parts: tuple[NDArray[np.bool_], ...]
    late: NDArray[np.bool_] | None


def _groups(obs: Observations, options: Options) -> _Groups:
    fold = customer_folds(obs, options.folds, options.seed + 1)
    parts = [fold == n for n in range(options.folds)]
    days = np.unique(obs.day)
    late = obs.day >= days[days.size // 2] if days.size > 1 else None
    if late is not None:
        parts += [late, ~late]
    return _Groups(tuple(p for p in parts if 0 < obs.bad[p].sum() < p.sum()), late)


def _verdict(obs: Observations, name: str, binning: Binning, groups: _Groups, options: Options) -> Judged:
    if len(binning.bins) < 2 and binning.missing.woe == 0:
        return Judged(name, binning.iv, False, "flat")
    if binning.iv < options.min_iv:
        return Judged(name, binning.iv, False, "little_information", binning.iv)
    values = obs.column(name)
    risk = -binning.woe(values)
    place = binning.index(values)
    if groups.late is not None:
        count = len(binning.bins) + 1
        early, late = (np.bincount(place[rows], minlength=count) for rows in (~groups.late, groups.late))
        drift = psi(early, late)
        if drift is not None and drift.value > options.max_psi:
            return Judged(name, binning.iv, False, "drifts", drift.value)
    areas = [Ranking(obs.bad[p], risk[p]).auc() for p in groups.parts]
    worst = min((a for a in areas if a is not None), default=0.5)
    if worst <= 0.5:
        return Judged(name, binning.iv, False, "unstable", worst)
    return Judged(name, binning.iv, True)


def _beside(woe: Floats, evidence: dict[str, Floats], options: Options) -> tuple[str, float] | None:
    """The kept signal that says the same, if one does, with the correlation."""
    if woe.std() == 0:
        return None
    for name, other in evidence.items():
        r = float(np.corrcoef(woe, other)[0, 1])
        if abs(r) > options.max_correlation:
            return name, r
    return None


def _regressed(
    obs: Observations, binnings: dict[str, Binning], kept: Sequence[str], ridge: float, options: Options
) -> Learned:
    """Ridge regression on the WoE; signals whose coefficient ends near zero leave, one refit for the rest."""
    weights = np.full(obs.rows, _weight(obs))
    names = list(kept)
    anchor = next((n for n in names if BY_NAME[n].needs_depth), None)
    while True:
        fit = _fit(obs, binnings, names, anchor, weights, ridge, options.pull_events)
        coef = dict(zip(names, fit.coef, strict=False))
        weak = [n for n in names if coef[n] < options.least_coefficient]
        if not weak:
            break
        names = [n for n in names if n not in weak]
        anchor = next((n for n in names if BY_NAME[n].needs_depth), None)
    thin = fit.coef[-1] if anchor else 0.0
    return Learned({n: binnings[n] for n in names}, coef, fit.intercept, thin, anchor)


def _fit(
    obs: Observations,
    binnings: dict[str, Binning],
    names: Sequence[str],
    anchor: str | None,
    weights: Floats,
    ridge: float,
    thin_ridge: float,
) -> Coefficients:
    """thin_ridge: evidence, in defaults, at which thin history as such counts half of what it shows."""
    columns = [-binnings[n].woe(obs.column(n)) for n in names]
    bounded, ridges = [True] * len(names), [ridge] * len(names)
    if anchor:
        columns.append(np.isnan(obs.column(anchor)).astype(np.float64))
        bounded.append(False)
        ridges.append(thin_ridge)
    X = np.column_stack(columns) if columns else np.zeros((obs.rows, 0))
    return fit_logistic(X, obs.bad, l2=ridges, weights=weights, nonnegative=bounded)


def _slope(obs: Observations, held_out: Floats) -> float:
    """How much of the spread of the held-out log-odds was real; 1 where nothing says otherwise, at most 1.25."""
    found = platt(sigmoid(held_out), obs.bad, np.full(obs.rows, _weight(obs)), strength=10.0)
    return float(np.clip(found.a, 0.2, 1.25))


def _levelled(learned: Learned, obs: Observations) -> Learned:
    """The intercept at which the mean prediction is the observed rate."""
    rest = learned.log_odds(obs) - learned.intercept
    return replace(learned, intercept=level_for(rest, obs.bad))


def level_for(rest: Floats, bad: Floats, weights: Floats | None = None) -> float:
    """The intercept that makes mean(sigmoid(intercept + rest)) the observed rate."""
    return fit_logistic(np.zeros((rest.size, 0)), bad, l2=1.0, offset=rest, weights=weights).intercept
