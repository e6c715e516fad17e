"""What customers have done lately against what the card had said of them: a level that moves with the book.

Every forecast whose outcome is known by a day counts, weighed down with its age; the level is the shift in log-odds
that makes forecasts and outcomes agree, pulled to 0 by a prior. How fast forecasts age and how far the level may move is
weighed by how well each setting foretold later parts of the training period; "no level" is among them, so a book
that stands still keeps (nearly) none. The observed payer's own invoices are left out: its record has points of its
own, and being late must never lower its chance of being late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.fitting.logistic import sigmoid
from scoring.fitting.measures import Floats
from scoring.invoices.ledger import NEVER, Days, Ledger
from scoring.invoices.sums import NOTHING, SHIFT, SPAN, faded

Setting = tuple[float, float, float, float]
"""(half-life of a forecast in days, standard deviation of the level in log-odds, and of the slope less 1, and 1 where
the slope moves above the centre only: the worst become more punctual, the others stay as they are)"""
SETTINGS: tuple[Setting, ...] = (
    (20.0, 0.3, 0.0, 0.0),
    (20.0, 1.0, 0.0, 0.0),
    (40.0, 0.15, 0.0, 0.0),
    (40.0, 0.3, 0.0, 0.0),
    (40.0, 1.0, 0.0, 0.0),
    (80.0, 0.3, 0.0, 0.0),
    (80.0, 1.0, 0.0, 0.0),
    (40.0, 0.3, 0.2, 0.0),
    (80.0, 0.3, 0.2, 0.0),
    (80.0, 1.0, 0.2, 0.0),
    (160.0, 0.3, 0.2, 0.0),
    (160.0, 0.3, 0.4, 0.0),
    (40.0, 0.3, 0.3, 1.0),
    (80.0, 0.3, 0.3, 1.0),
    (160.0, 0.3, 0.4, 1.0),
)
USUAL: Setting = (40.0, 0.3, 0.0, 0.0)
"""The setting under which the ridges are weighed."""
EDGES = np.linspace(-3.5, 3.5, 8)
CELLS = EDGES.size + 1
STEPS, SETTLED = 8, 1e-13
REACH, FLATTEST = 4.0, 0.8
"""Beyond REACH from the centre the slope stays 1; it never moves further than FLATTEST from 1, so no order turns."""


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What the card said of some rows on their day, and from when the outcome was known.

    begin, end: days between which the outcome was believed to be `happened`. Rows may occur twice, where a payment
    became known late.
    """

    account: Days
    begin: Days
    end: Days
    odds: Floats
    happened: Floats

    def cells(self) -> Days:
        """Per row, the cell its log-odds lie in."""
        return np.searchsorted(EDGES, self.odds)

    def columns(self) -> tuple[Floats, Floats, Floats]:
        """What is summed in each cell: count, outcomes and log-odds."""
        return np.ones(self.odds.size), self.happened, self.odds

    def measures(self, which: Days) -> Floats:
        """(rows of `which`, 3 * CELLS): count, outcomes and log-odds, each in the cell of the log-odds."""
        cell, rows = np.searchsorted(EDGES, self.odds[which]), np.arange(which.size)
        found = np.zeros((which.size, 3 * CELLS))
        for n, values in enumerate(self.columns()):
            found[rows, n * CELLS + cell] = values[which]
        return found


def decided(ledger: Ledger, places: Days, odds: Floats, days: int) -> Forecasts:
    """Forecasts of the rows at `places` with what became known of "more than `days` late".

    An outcome counts from the day after the last day on which it could have been prevented, however early the row
    was paid: otherwise the prompt would come in first.
    """
    account, until = ledger.account[places], ledger.until[places]
    ripe = np.maximum(ledger.due[places] + days + 1, ledger.known[places])
    paid, known = ledger.paid[places], ledger.paid_known[places]
    punctual = paid - ledger.due[places] <= days
    gone = ledger.closed_known[places] <= ripe
    in_time, told_late = known <= ripe, punctual & (known > ripe) & (known < NEVER)
    # Unpaid as far as was known, until the payment was heard of.
    late_until = np.where(told_late, np.minimum(known, until), until)
    # Credited after that: nobody knows any more. Written off: it was late, and stays so.
    late_until = np.where(
        ledger.at_least[places] > days, late_until, np.minimum(late_until, ledger.closed_known[places])
    )
    late = ~gone & ~(in_time & punctual)
    prompt = ~gone & punctual & (known < NEVER)
    parts = [
        (account[late], ripe[late], late_until[late], odds[late], np.ones(int(late.sum()))),
        (
            account[prompt],
            np.maximum(ripe, known)[prompt],
            until[prompt],
            odds[prompt],
            np.zeros(int(prompt.sum())),
        ),
    ]
    return Forecasts(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class Ordered:
    """Rows that hold from `begin` until before `end`, in the order of payer and day: sorted once, summed often.

    The sums of one payer at a day are then a running sum looked up, and those of everybody one over days; what is
    summed (the forecasts of one card or another) and how fast it fades may differ from time to time.
    """

    def __init__(self, account: Days, begin: Days, end: Days) -> None:
        there = (begin < end) & (begin < NEVER)
        gone = there & (end < NEVER)
        row = np.r_[np.flatnonzero(there), np.flatnonzero(gone)]
        key = account[row] * SPAN + np.r_[begin[there], end[gone]]
        order = np.argsort(key, kind="stable")
        self.key, self.row = key[order], row[order].astype(np.int32)
        self.leaves = (np.arange(row.size) >= there.sum())[order]
        self._begin = begin
        day = self.day()
        self.first = int(day.min(initial=NEVER))
        self.days = int(day.max(initial=self.first)) - self.first + 1 if row.size else 0

    def day(self, which: Any = slice(None)) -> Days:
        return self.key[which] & (SPAN - 1)

    def signs(self, half_life: float, which: Any = slice(None)) -> Floats:
        """With what each entry counts on its day: a row that leaves takes away what is left of it."""
        leaves = self.leaves[which]
        held = np.where(leaves, self.day(which) - self._begin[self.row[which]], 0)
        return np.where(leaves, -faded(held, half_life), 1.0)

    def of(self, account: Days) -> Days:
        """Places of all entries of these payers, in order."""
        names = np.unique(account)
        begin, end = (np.searchsorted(self.key, (names + n) * SPAN) for n in (0, 1))
        count = end - begin
        return np.repeat(begin - np.cumsum(count) + count, count) + np.arange(count.sum())


class Others:
    """Faded sums of forecasts and outcomes of all payers but the observed one, at any day.

    Everybody's sums are kept by day; those of the payers asked about are made when they are asked for, and let go.
    """

    def __init__(self, forecasts: Forecasts, half_life: float, ordered: Ordered | None = None) -> None:
        """ordered: of the same rows, where several cards or half-lives are summed."""
        self._life, self._forecasts = half_life, forecasts
        self._order = ordered or Ordered(forecasts.account, forecasts.begin, forecasts.end)
        self._everybody = self._by_day()

    def _by_day(self) -> Floats:
        """Sums of everybody at the end of each day, from the first on."""
        order, told, width = self._order, self._forecasts, 3 * CELLS
        signs = order.signs(self._life)
        place = (order.day() - order.first) * width + told.cells()[order.row]
        sums = np.zeros(order.days * width)
        for n, values in enumerate(told.columns()):
            sums += np.bincount(place + n * CELLS, values[order.row] * signs, minlength=order.days * width)
        step = np.full(order.days, float(faded(np.ones(1, dtype=np.int64), self._life)[0]))
        step[:1] = 0.0
        return running(sums.reshape(order.days, width), step)

    def _own(self, account: Days, day: Days) -> Floats:
        """Sums of each observation's own payer."""
        order = self._order
        some = order.of(account)
        if not some.size:
            return np.zeros((day.size, 3 * CELLS))
        key, days = order.key[some], order.day(some)
        values = self._forecasts.measures(order.row[some]) * order.signs(self._life, some)[:, None]
        same = np.r_[False, np.diff(key >> SHIFT) == 0]
        ages = np.where(same, np.diff(days, prepend=days[:1]), 0)
        sums = running(values, np.where(same, faded(ages, self._life), 0.0))
        latest = np.maximum(np.searchsorted(key, account * SPAN + day, side="right") - 1, 0)
        there = (key[latest] >> SHIFT == account) & (days[latest] <= day)
        age = np.where(there, day - days[latest], 0)
        return sums[latest] * (there * faded(age, self._life))[:, None]

    def at(self, account: Days, day: Days) -> Floats:
        """(observations, 3 * CELLS)"""
        order = self._order
        if not order.row.size:
            return np.zeros((day.size, 3 * CELLS))
        last = np.clip(day - order.first, -1, order.days - 1)
        known = faded(np.maximum(day - order.first - last, 0), self._life) * (last >= 0)
        return self._everybody[np.maximum(last, 0)] * known[:, None] - self._own(account, day)


def running(values: Floats, weight: Floats) -> Floats:
    """Sum up to each row, what came before weighed down by the row's weight (0: a new sum begins). In place.

    Each row takes over twice as many rows before it with every step. (One long sum whose weights count back from
    the last day loses what lies some forty half-lives before it.)
    """
    weight, step = weight.copy(), 1
    while step < weight.size and weight[step:].any():
        values[step:] += weight[step:, None] * values[:-step]
        weight[step:] = weight[step:] * weight[:-step]
        # Sixty half-lives: nothing of it shows, and tiny numbers are slow.
        weight[weight < NOTHING] = 0.0
        step *= 2
    return values


def shift(sums: Floats, odds: Floats, setting: Setting, center: float) -> Floats:
    """How far the log-odds of each row are to be moved, from its row of sums.

    A level and, where the setting lets it, a slope around or above `center`: the most likely ones under normal priors (Newton's
    method), so that forecasts and outcomes agree.
    """
    _life, spread, bend, above = setting
    lowest = 0.0 if above else -REACH
    count, happened, total = np.split(sums, 3, axis=1)
    count = np.where(count > 1e-6, count, 0.0)
    happened = np.clip(np.where(count > 0, happened, 0.0), 0.0, count)
    middle = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    away = np.clip(middle - center, lowest, REACH) if bend else np.zeros_like(middle)
    level, tilt = np.zeros(sums.shape[0]), np.zeros(sums.shape[0])
    for _step in range(STEPS):
        chance = sigmoid(middle + level[:, None] + tilt[:, None] * away)
        gap, weight = happened - count * chance, count * chance * (1 - chance)
        rise, curve = gap.sum(axis=1) - level / spread**2, weight.sum(axis=1) + 1 / spread**2
        if bend:
            turn = (gap * away).sum(axis=1) - tilt / bend**2
            both, own = (weight * away).sum(axis=1), (weight * away**2).sum(axis=1) + 1 / bend**2
            room = curve * own - both**2
            bent = np.clip((curve * turn - both * rise) / room, -0.5, 0.5)
            tilt = np.clip(tilt + bent, -FLATTEST, FLATTEST)
            move = np.clip((own * rise - both * turn) / room, -1.0, 1.0)
        else:
            move = np.clip(rise / curve, -1.0, 1.0)
        level = level + move
        if np.abs(move).max(initial=0) < SETTLED and (not bend or np.abs(bent).max(initial=0) < SETTLED):
            break
    return level + tilt * np.clip(odds - center, lowest, REACH)


@dataclass(frozen=True, slots=True)
class Drift:
    """How level and slope follow the book: (*setting, weight) each; what is missing to 1 is the weight of no move.
    center: the log-odds around which the slope turns (the portfolio's)."""

    settings: tuple[tuple[float, float, float, float, float], ...] = ()
    center: float = 0.0

    @property
    def lives(self) -> tuple[float, ...]:
        return tuple(sorted({life for life, *_rest in self.settings}))

    def move(self, sums: dict[float, Floats], odds: Floats) -> Floats:
        """Per row, from the sums by half-life and the log-odds before the move; 0 without settings."""
        parts = [
            weight * shift(sums[life], odds, (life, spread, bend, above), self.center)
            for life, spread, bend, above, weight in self.settings
        ]
        return np.sum(parts, axis=0) if parts else np.zeros(odds.size)

    @classmethod
    def weighed(cls, still: float, losses: Sequence[float], rows: int, center: float) -> Drift:
        """still: mean log-loss of the forecasts without a move, losses: under each of SETTINGS."""
        weights = weigh([still, *losses], rows)[1:]
        kept = tuple((*s, float(w)) for s, w in zip(SETTINGS, weights, strict=True) if w > 0.01)
        return cls(kept, center)

    def as_dict(self) -> dict[str, Any]:
        return {"center": self.center, "settings": [list(setting) for setting in self.settings]}

    @classmethod
    def from_dict(cls, data: Any) -> Drift:
        """Cards stored before the slope moved hold a list of (half-life, spread, weight); those stored before it
        moved above the centre alone, no word of that."""
        held, center = (data["settings"], float(data["center"])) if isinstance(data, Mapping) else (data, 0.0)
        found = []
        for *how, weight in held:
            life, spread, bend, above = (float(value) for value in [*how, 0.0, 0.0][:4])
            found.append((life, spread, bend, above, float(weight)))
        return cls(tuple(found), center)


def weigh(losses: Sequence[float], rows: int) -> Floats:
    """Weights of models by the likelihood of what they foretold (square root: rows of a payer are not independent)."""
    gap = np.array(losses) - min(losses)
    weight = np.exp(-gap * rows / 2)
    return weight / weight.sum()
