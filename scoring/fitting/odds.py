"""The odds of a card fitted to outcomes, the card as it is: how common default is, and how fast it falls with the score.

log-odds of default = shift + slope * (the expert's log-odds at the score). With enough defaulting customers both are
fitted; with fewer only the shift, pulled toward 0. The expert's word counts like PRIOR defaults: of the slope in the
first case (pulled toward 1), of the level in the second. A slope never turns the order around.

Evidence is counted in customers: rows of one customer overlap, so all rows together weigh so much that the defaults in
them weigh as many as customers defaulted. What a row says is its score, so everything is told from counts by score.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.card import MOST_PD
from scoring.fitting.clustered import share_by_customer
from scoring.fitting.logistic import fit_logistic, logit, sigmoid
from scoring.fitting.measures import Z95, Floats, floats

LEVEL_FROM, SLOPE_FROM = 10, 30
"""Defaulting customers from which the level, and from which the slope too, can be told."""
PRIOR = 2.0
"""Defaults the expert's odds count like: an expert's level is right within a factor of two or so (a standard deviation of
ln 2 in log-odds), and that is what two defaults tell."""
LEAST_SLOPE = 0.1
"""Share of the expert's slope below which the score tells nobody apart and no odds can be given to it."""
DRAWS = 200
Ints = NDArray[np.int64]


class NoOrder(ValueError):
    """In these outcomes a better score is no safer: the card is wrong, not its odds."""


@dataclass(frozen=True, slots=True)
class Odds:
    """Good to bad `odds` at the score `anchor`; `doubling` points double them. As a card stores them: 4 decimals."""

    anchor: int
    odds: float
    doubling: float

    def log_odds(self, score: Any) -> Floats:
        """Of default."""
        return -(
            log(self.odds) + (np.asarray(score, dtype=np.float64) - self.anchor) * log(2) / self.doubling
        )

    def pd(self, score: Any) -> Floats:
        """Rounded as the engine stores it."""
        return np.minimum(np.round(sigmoid(self.log_odds(score)), 4), float(MOST_PD))

    def moved(self, shift: float, slope: float) -> Odds:
        odds = exp(min(max(slope * log(self.odds) - shift, -9.0), 18.0))
        return Odds(self.anchor, round(max(odds, 1e-4), 4), round(max(self.doubling / slope, 0.01), 4))


@dataclass(frozen=True, slots=True)
class Moved:
    """What was fitted: log-odds = shift + slope * expert's. shares: how much of each comes from the data (0 to 1)."""

    shift: float
    slope: float
    shift_share: float
    slope_share: float


@dataclass(frozen=True)
class Sample:
    """Observations of one card: integer scores, outcomes, whose they are."""

    score: Ints
    bad: Floats
    customer: Ints

    def take(self, chosen: NDArray[Any]) -> Sample:
        return Sample(self.score[chosen], self.bad[chosen], self.customer[chosen])

    @property
    def customers(self) -> int:
        return int(np.unique(self.customer).size)

    @property
    def bad_customers(self) -> int:
        return int(np.unique(self.customer[self.bad > 0]).size)

    @property
    def weight(self) -> float:
        """Of one row: the bad rows together weigh as many as customers defaulted."""
        return self.bad_customers / max(float(self.bad.sum()), 1.0)


def tells(sample: Sample) -> str:
    """What the outcomes can tell: "fitted" (level and slope), "level", or "" (neither)."""
    bad = sample.bad_customers
    good = int(np.unique(sample.customer[sample.bad == 0]).size)
    return "" if bad < LEVEL_FROM or good < LEVEL_FROM else "level" if bad < SLOPE_FROM else "fitted"


def fit(sample: Sample, expert: Odds, *, level_only: bool, times: Floats | None = None) -> Moved:
    """Fit to the sample; `times`: how often each row's customer was drawn. Raises NoOrder, FitError."""
    weight = np.full(sample.bad.size, sample.weight)
    weight = weight if times is None else weight * times
    size = floats(np.bincount(sample.score, weights=weight))
    bad = np.bincount(sample.score, weights=weight * sample.bad)
    seen = np.flatnonzero(size)
    given, size, share = expert.log_odds(seen), size[seen], bad[seen] / size[seen]
    if level_only:
        return _level(given, size, share)
    around = np.average(given, weights=size)
    p = np.average(share, weights=size)
    spread = float(np.average((given - around) ** 2, weights=size))
    ridge = max(PRIOR * (1 - p) * spread, 1e-6)
    found = fit_logistic(given[:, None], share, weights=size, l2=ridge, toward=[1.0], nonnegative=True)
    if found.coef[0] < LEAST_SLOPE:
        raise NoOrder("the outcomes show no order of the scores")
    at = sigmoid(found.intercept + found.coef[0] * given)
    bend = size * at * (1 - at)
    held = float((bend * (given - np.average(given, weights=bend)) ** 2).sum())
    return Moved(found.intercept, found.coef[0], 1.0, held / (held + ridge))


def _level(given: Floats, size: Floats, share: Floats) -> Moved:
    """The shift at which expected and observed defaults agree, but for what the expert's level holds back:
    sum(size * (p - share)) + PRIOR * shift = 0, rising in the shift."""
    low, high = -20.0, 20.0
    for _step in range(80):
        middle = (low + high) / 2
        excess = float((size * (sigmoid(given + middle) - share)).sum()) + PRIOR * middle
        low, high = (middle, high) if excess < 0 else (low, middle)
    shift = (low + high) / 2
    at = sigmoid(given + shift)
    held = float((size * at * (1 - at)).sum())
    return Moved(shift, 1.0, held / (held + PRIOR), 0.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """Shifts and slopes over redraws of customers: how sure the odds are. stray: how far groups of the score lie off the
    straight line besides, in log-odds (standard deviation): two numbers cannot follow every bend."""

    shift: Floats
    slope: Floats
    stray: float = 0.0

    def interval(self, values: Floats) -> tuple[float, float]:
        low, high = np.quantile(values, [0.025, 0.975])
        return float(low), float(high)

    def of_mean_pd(self, expert: Odds, scores: Ints, *, part: bool = False) -> tuple[float, float]:
        """95 % interval of the mean PD of rows with these scores; part: of a group of the score, which may stray."""
        count = np.bincount(scores)
        seen = np.flatnonzero(count)
        given = expert.log_odds(seen)
        drawn = sigmoid(self.shift[:, None] + self.slope[:, None] * given[None, :]) @ (
            count[seen] / scores.size
        )
        if part:
            off = self.stray * np.random.default_rng(20).standard_normal(drawn.size)
            drawn = sigmoid(logit(drawn) + off)
        return self.interval(drawn)


def spread(sample: Sample, expert: Odds, found: Moved, *, level_only: bool, seed: int = 20) -> Spread:
    """Customers drawn again. A level pulled toward the expert's: the normal around it with the evidence of both,
    for redraws of a pulled estimate would look surer than it is."""
    random = np.random.default_rng(seed)
    pd = expert.moved(found.shift, found.slope).pd(sample.score)
    stray = straying(sample, pd, told=1 if level_only else 2)
    if level_only:
        error = ((1 - found.shift_share) / PRIOR) ** 0.5
        return Spread(found.shift + error * random.standard_normal(2000), np.ones(2000), stray)
    customers, member = np.unique(sample.customer, return_inverse=True)
    drawn: list[Moved] = []
    for _draw in range(DRAWS):
        times = np.bincount(random.integers(0, customers.size, customers.size), minlength=customers.size)
        weights = times[member].astype(np.float64)
        if not 0 < (weights * sample.bad).sum() < weights.sum():
            continue
        try:
            drawn.append(fit(sample, expert, level_only=False, times=weights))
        except NoOrder:
            drawn.append(Moved(found.shift, LEAST_SLOPE, 1.0, 0.0))
    return Spread(np.array([m.shift for m in drawn]), np.array([m.slope for m in drawn]), stray)


def straying(sample: Sample, pd: Floats, *, told: int) -> float:
    """How far fifths of the score lie off their PD in log-odds, beyond what chance explains (method of moments,
    DerSimonian and Laird 1986). told: numbers already fitted to them."""
    off, noise = [], []
    for rows in fifths(sample.score):
        share = share_by_customer(sample.bad[rows], sample.customer[rows])
        low, high = logit([share.interval.low, share.interval.high], 1e-4)
        happened = (low + high) / 2 if share.value in (0, 1) else float(logit(share.value, 1e-4))
        off.append(happened - float(logit(pd[rows].mean(), 1e-4)))
        noise.append(((high - low) / (2 * Z95)) ** 2)
    distance, weight = np.array(off), 1 / np.array(noise)
    middle = np.average(distance, weights=weight)
    beyond = float((weight * (distance - middle) ** 2).sum()) - (len(off) - told)
    return float(max(beyond / (weight.sum() - (weight**2).sum() / weight.sum()), 0.0)) ** 0.5


def cross_fitted(sample: Sample, expert: Odds, fold: Ints, *, level_only: bool) -> Floats:
    """PD of each row by odds fitted to the other folds' customers. A fold whose others show no order keeps the slope
    of the expert."""
    found = np.empty(sample.bad.size)
    for number in np.unique(fold):
        inside = sample.take(fold != number)
        try:
            moved = fit(inside, expert, level_only=level_only)
        except NoOrder:
            moved = fit(inside, expert, level_only=True)
        found[fold == number] = expert.moved(moved.shift, moved.slope).pd(sample.score[fold == number])
    return found


def by_tenth(sample: Sample, before: Floats, after: Floats, parts: int = 10) -> list[dict[str, Any]]:
    """Rows in tenths by score (equal scores together), riskiest first: PD before and after, what happened, and its
    95 % interval by customer."""
    order = np.argsort(sample.score, kind="stable")
    ranked = sample.score[order]
    starts = np.unique([np.searchsorted(ranked, ranked[n * ranked.size // parts]) for n in range(parts)])
    found = []
    for part in np.split(order, starts[1:]):
        share = share_by_customer(sample.bad[part], sample.customer[part])
        found.append(
            {
                "low": int(sample.score[part].min()),
                "high": int(sample.score[part].max()),
                "count": int(part.size),
                "customers": share.customers,
                "before": float(before[part].mean()),
                "after": float(after[part].mean()),
                "observed": share.value,
                "interval": [share.interval.low, share.interval.high],
                "agreed": share.interval.holds(float(before[part].mean())),
                "agrees": share.interval.holds(float(after[part].mean())),
            }
        )
    return found


def fifths(score: Ints) -> list[Ints]:
    """Positions of the rows in fifths by score, equal scores together."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    starts = np.unique([np.searchsorted(ranked, ranked[n * ranked.size // 5]) for n in range(5)])
    return list(np.split(order, starts[1:]))
