"""A card from very few events: bins, selection and weights that a handful of defaults can carry.

Ten defaults do not tell which of thirty signals matters, nor by how much. So nothing is left to one look at the data:
the direction of each signal is given, its bins are few and their weights of evidence pulled to zero; a signal is kept
for how it separates rows that were *not* used to bin it (out-of-bag, over many redraws); and the regression pulls every
weight toward the same value, that of signals half of whose evidence is shared. Monotone throughout: worse never scores
better. The recipe has no choice left to make, so nothing can be chosen by looking at a test.

Two of its numbers follow from the data themselves: more events carry more bins (three, and one more for every 25, up to
six), and the weight that the regression pulls a signal to is what its evidence was worth on the rows left out (the slope of
the outcome on it there): nothing for a signal whose bins only repeat what they were made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from scoring.fitting.binning import Binning, monotone_bins
from scoring.fitting.logistic import Coefficients, FitError, fit_logistic
from scoring.fitting.measures import Floats, auc, floats

MOST_SIGNALS = 6
DRAWS = 30
SMOOTHING = 20.0
ALIKE = 0.9
"""Of two signals whose weights of evidence correlate more than this, only the better one is kept."""
MIN_EVENTS = 5
LEAST_BINS, MOST_BINS, EVENTS_PER_BIN = 3, 6, 25
LEAST_WORTH, MOST_WORTH = 0.05, 1.2
"""Of evidence on rows left out, per unit of it: below the least a signal is dropped, above the most it counts as that."""


@dataclass(frozen=True)
class SmallCard:
    """`names` in order of their out-of-bag AUC (`separation`); risk = log-odds of bad."""

    names: tuple[str, ...]
    binnings: dict[str, Binning]
    coefficients: Coefficients
    separation: dict[str, float]

    def risk(self, values: Mapping[str, ArrayLike]) -> Floats:
        return self.coefficients.log_odds(self._evidence(values))

    def _evidence(self, values: Mapping[str, ArrayLike]) -> Floats:
        return np.column_stack([-self.binnings[name].woe(values[name]) for name in self.names])


@dataclass(frozen=True, slots=True)
class Worth:
    """Of one signal on rows left out of its bins: mean and standard deviation of its AUC over the redraws, and the slope
    of the outcome on its weight of evidence (1: worth what it says, 0: nothing)."""

    auc: float
    spread: float
    slope: float


def bins_for(events: float) -> int:
    return int(min(MOST_BINS, LEAST_BINS + events // EVENTS_PER_BIN))


def _bins(values: ArrayLike, bad: Floats, direction: int, most: int) -> Binning:
    size = floats(values).size
    return monotone_bins(
        values,
        bad,
        direction=direction,
        max_bins=most,
        min_share=0.05,
        min_rows=max(8, size // 20),
        min_chi2=1.0,
        smoothing=SMOOTHING,
    )


def out_of_bag(
    values: Mapping[str, ArrayLike],
    bad: ArrayLike,
    directions: Mapping[str, int],
    *,
    draws: int,
    seed: int,
    most: int = LEAST_BINS,
) -> dict[str, Worth]:
    """What each signal is worth on rows left out of a redraw, binned on those drawn.

    Redraws are stratified by outcome, so that every one has events on both sides.
    """
    outcome = floats(bad)
    given = {name: floats(some) for name, some in values.items()}
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(outcome == c) for c in (0, 1)]
    seen: dict[str, list[float]] = {name: [] for name in given}
    # One Newton step from no slope at all: covariance with the outcome over the evidence's own variance.
    said, moved = dict.fromkeys(given, 0.0), dict.fromkeys(given, 0.0)
    rate = float(outcome.mean())
    for _draw in range(draws):
        drawn = np.concatenate([rng.choice(rows, rows.size) for rows in classes])
        left = np.setdiff1d(np.arange(outcome.size), drawn)
        if not 0 < outcome[left].sum() < left.size:
            continue
        for name, some in given.items():
            evidence = -_bins(some[drawn], outcome[drawn], directions[name], most).woe(some[left])
            found = auc(outcome[left], evidence)
            seen[name].append(0.5 if found is None else found)
            centred = evidence - evidence.mean()
            said[name] += float((centred * outcome[left]).sum())
            moved[name] += float((centred * centred).sum()) * rate * (1 - rate)
    return {
        name: Worth(
            float(np.mean(some)) if some else 0.5,
            float(np.std(some)) if some else 0.0,
            said[name] / moved[name] if moved[name] > 0 else 0.0,
        )
        for name, some in seen.items()
    }


def fit_small(
    values: Mapping[str, ArrayLike],
    bad: ArrayLike,
    directions: Mapping[str, int],
    *,
    most: int = MOST_SIGNALS,
    draws: int = DRAWS,
    seed: int = 20,
) -> SmallCard:
    """Fit a card of at most `most` signals. directions: +1 where higher is worse, -1 where it is better.

    Raises FitError with fewer than 5 events (or non-events), or when no signal separates what it has not seen.
    """
    outcome = floats(bad)
    events = float(outcome.sum())
    if min(events, outcome.size - events) < MIN_EVENTS:
        raise FitError(
            f"{events:g} events among {outcome.size} rows: at least {MIN_EVENTS} of each are needed"
        )
    finest = bins_for(min(events, outcome.size - events))
    found = out_of_bag(values, outcome, directions, draws=draws, seed=seed, most=finest)
    # One standard error above chance, over the redraws.
    able = sorted(
        (
            name
            for name, worth in found.items()
            if worth.auc - worth.spread / sqrt(max(draws, 1)) > 0.5 and worth.slope > LEAST_WORTH
        ),
        key=lambda name: (-found[name].auc, name),
    )
    binnings = {name: _bins(values[name], outcome, directions[name], finest) for name in able}
    chosen: list[str] = []
    evidence: list[Floats] = []
    for name in able:
        one = -binnings[name].woe(values[name])
        if np.ptp(one) == 0 or any(abs(np.corrcoef(one, other)[0, 1]) > ALIKE for other in evidence):
            continue
        chosen.append(name)
        evidence.append(one)
        if len(chosen) == most:
            break
    if not chosen:
        raise FitError("no signal separates rows it has not seen")
    worth = np.minimum([found[name].slope for name in chosen], MOST_WORTH)
    coefficients = fit_logistic(
        np.column_stack(evidence),
        outcome,
        l2=max(min(events, outcome.size - events), 10.0),
        nonnegative=True,
        # Independent evidence adds up (what each is worth), the same evidence told k times counts once (1/k of it each).
        toward=worth / sqrt(max(1.0, float(worth.sum()))),
    )
    return SmallCard(
        tuple(chosen), {n: binnings[n] for n in chosen}, coefficients, {n: found[n].auc for n in chosen}
    )
