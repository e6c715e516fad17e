"""How sure a learned PD is: customers drawn again, and bins, choice of signals, coefficients and level learned anew.

Learning always fits its own sample a little too well, and a drawn sample shows by how much: the interval is the
basic bootstrap (Davison and Hinkley 1997, ch. 5) on log-odds, which takes that off, by customer. Only the strength
of the ridge and the held-out slope are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.account_fit import AccountFit, relearned
from scoring.fitting.logistic import logit, sigmoid
from scoring.fitting.observations import Observations


def group_intervals(
    fit: AccountFit,
    train: Observations,
    rows: Observations,
    groups: Sequence[NDArray[np.int64]],
    *,
    draws: int = 60,
    seed: int = 20,
    level: float = 0.95,
) -> list[tuple[float, float]]:
    """Interval of the mean PD of each group of positions in `rows`, for a card learned on `train`."""
    customers, place = np.unique(train.customer, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(customers.size + 1))
    random = np.random.default_rng(seed)

    def means(learned_pd: NDArray[np.float64]) -> list[float]:
        return [float(learned_pd[group].mean()) for group in groups]

    found = logit(means(sigmoid(fit.learned.log_odds(rows))))
    drawn = []
    for _draw in range(draws):
        chosen = random.integers(0, customers.size, customers.size)
        positions = np.concatenate([order[starts[c] : starts[c + 1]] for c in chosen])
        sizes = starts[chosen + 1] - starts[chosen]
        # A customer drawn twice is two customers.
        sample = replace(train.take(positions), customer=np.repeat(np.arange(chosen.size), sizes))
        if 0 < sample.bad.sum() < sample.rows:
            drawn.append(logit(means(sigmoid(relearned(fit, sample).log_odds(rows)))))
    tail = (1 - level) / 2
    low, high = np.quantile(np.array(drawn), [tail, 1 - tail], axis=0)
    return [
        (float(a), float(b)) for a, b in zip(sigmoid(2 * found - high), sigmoid(2 * found - low), strict=True)
    ]
