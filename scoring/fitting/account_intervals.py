"""How sure a learned PD is: customers drawn again, weights of evidence, coefficients and level learned anew.

The bins and the choice of signals stay (choosing again would take an hour and changes little), so the intervals speak
of the estimate, not of another card. Percentile bootstrap by customer (Efron 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.account_fit import AccountFit, Learned, level_for
from scoring.fitting.binning import Binning, weight_of_evidence
from scoring.fitting.logistic import fit_logistic, sigmoid
from scoring.fitting.measures import Floats
from scoring.fitting.observations import Observations
from scoring.signals import BY_NAME


def group_intervals(
    fit: AccountFit,
    train: Observations,
    rows: Observations,
    groups: Sequence[NDArray[np.int64]],
    *,
    draws: int = 100,
    seed: int = 20,
    level: float = 0.95,
) -> list[tuple[float, float]]:
    """Interval of the mean PD of each group of positions in `rows`, for a card learned on `train`."""
    _names, place = np.unique(train.customer, return_inverse=True)
    customers = int(place.max()) + 1
    random = np.random.default_rng(seed)
    inside = {name: fit.learned.binnings[name].index(train.column(name)) for name in fit.learned.coef}
    outside = {name: fit.learned.binnings[name].index(rows.column(name)) for name in fit.learned.coef}
    means = []
    for _draw in range(draws):
        times = np.bincount(random.integers(0, customers, customers), minlength=customers)
        drawn = _relearned(fit, train, inside, times[place].astype(np.float64))
        pd = sigmoid(_log_odds(drawn, rows, outside))
        means.append([float(pd[group].mean()) if group.size else np.nan for group in groups])
    tail = (1 - level) / 2
    low, high = np.quantile(np.array(means), [tail, 1 - tail], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _relearned(
    fit: AccountFit, train: Observations, places: dict[str, NDArray[np.int64]], times: Floats
) -> Learned:
    weights = times * (train.customers / train.rows)
    old, pull = fit.learned, fit.options.pull_events / max(float(train.bad.mean()), 1e-9)
    binnings = {
        name: _reweighed(old.binnings[name], places[name], train.bad, weights, pull, name)
        for name in old.coef
    }
    new = replace(old, binnings=binnings)
    columns = [-_woe(binnings[name], places[name]) for name in old.coef]
    bounded = [True] * len(columns)
    if old.anchor:
        columns.append(np.isnan(train.column(old.anchor)).astype(np.float64))
        bounded.append(False)
    X = np.column_stack(columns) if columns else np.zeros((train.rows, 0))
    found = fit_logistic(X, train.bad, l2=fit.ridge, weights=weights, nonnegative=bounded)
    new = replace(
        new,
        coef=dict(zip(old.coef, found.coef, strict=False)),
        thin=found.coef[-1] if old.anchor else 0.0,
    ).stretched(fit.slope, 0.0)
    return replace(new, intercept=level_for(_log_odds(new, train, places), train.bad, weights))


def _reweighed(
    old: Binning, place: NDArray[np.int64], bad: Floats, weights: Floats, pull: float, name: str
) -> Binning:
    """The same bins with the evidence of the drawn customers."""
    count = np.bincount(place, weights=weights, minlength=len(old.bins) + 1)
    happened = np.bincount(place, weights=weights * bad, minlength=len(old.bins) + 1)
    shared = BY_NAME[name].needs_depth
    total, total_bad = float(count.sum()), float(happened.sum())
    if shared:
        total, total_bad = total - float(count[-1]), total_bad - float(happened[-1])

    def woe(n: int) -> float:
        return weight_of_evidence(float(happened[n]), float(count[n]), total_bad, total, pull)

    return replace(
        old,
        bins=tuple(replace(b, woe=woe(n)) for n, b in enumerate(old.bins)),
        missing=replace(old.missing, woe=0.0 if shared else woe(len(old.bins))),
    )


def _woe(binning: Binning, place: NDArray[np.int64]) -> Floats:
    return np.array([*(b.woe for b in binning.bins), binning.missing.woe])[place]


def _log_odds(learned: Learned, rows: Observations, places: dict[str, NDArray[np.int64]]) -> Floats:
    found = np.full(rows.rows, learned.intercept)
    for name, weight in learned.coef.items():
        found -= weight * _woe(learned.binnings[name], places[name])
    if learned.anchor:
        found += learned.thin * np.isnan(rows.column(learned.anchor))
    return found
