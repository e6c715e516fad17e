"""What was known of a payer on any day, without replaying the days: running sums, looked up.

A fact enters a running sum on the day it could be known (an open invoice becomes late on the day after it is
due) and leaves it when something better is known. The sum of one account at a day is then one look-up, for any
number of days. Cost per measure: a sort, a running sum, a binary search per question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scoring.fitting.measures import Floats
from scoring.invoices.ledger import ELECTRONIC, NEVER, UNKNOWN, Days, Ledger

SHIFT = 24
SPAN = 1 << SHIFT
"""More than the days of any ledger: an account and a day make one sortable key."""
NOTHING = 2.0**-60
EARLIEST, LATEST = -30, 90
"""A delay counts in averages as at least and at most so many days: one lost invoice must not drown the rest."""


@dataclass(frozen=True, slots=True)
class Part:
    """What rows count for from `begin` until before `end`. since: the day from which it fades, where that is before
    `begin`. measures: a value or one per row."""

    begin: Days
    end: Days
    measures: tuple[ArrayLike, ...]
    since: Days | None = None

    def values(self, half_life: float | None, which: Any = slice(None)) -> Floats:
        """(rows of `which`, measures), as they count on the day they begin."""
        begin = self.begin[which]
        parts = [np.broadcast_to(np.asarray(m, np.float64), self.begin.shape)[which] for m in self.measures]
        found = np.column_stack(parts)
        if self.since is not None and half_life is not None:
            found = found * faded(np.clip(begin - self.since[which], 0, SPAN), half_life)[:, None]
        return found


def faded(age: Days, half_life: float | None) -> Floats:
    """What is left of 1 after `age` days; without a half-life all of it."""
    if half_life is None:
        return np.ones(age.shape)
    return np.exp2(-np.minimum(age / half_life, 900))


class Spans:
    """Sums of values that hold for a time, per account, at any day: fill with `add`, then `close`, then ask `at`.

    half_life: days after which a value counts half (None: it counts for ever).
    """

    def __init__(self, half_life: float | None = None) -> None:
        self.half_life = half_life
        self._width = 0
        self._events: dict[tuple[int, bool], list[tuple[Days, Floats]]] = {}

    def add(self, account: Days, part: Part, number: int = 0) -> None:
        """number: place of the part among those of a measure; rows may come in blocks."""
        begin, end = part.begin, part.end
        there = np.flatnonzero((begin < end) & (begin < NEVER))
        values = part.values(self.half_life, there)
        self._width = values.shape[1]
        self._put(number, False, account[there] * SPAN + begin[there], values)
        leaves = np.flatnonzero(end[there] < NEVER)
        gone = there[leaves]
        left = -values[leaves] * faded(end[gone] - begin[gone], self.half_life)[:, None]
        self._put(number, True, account[gone] * SPAN + end[gone], left)

    def _put(self, number: int, gone: bool, key: Days, values: Floats) -> None:
        self._events.setdefault((number, gone), []).append((key, values))

    def close(self, *, compact: bool = False) -> Spans:
        """compact: keep one entry per account and day (what is asked often and kept for long)."""
        events = [pair for place in sorted(self._events) for pair in self._events[place]]
        self._events = {}
        key = np.concatenate([k for k, _v in events]) if events else np.zeros(0, dtype=np.int64)
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        values = np.concatenate([v for _k, v in events]) if events else np.zeros((0, self._width))
        del events
        self._sums = self._running(values[order])
        if compact:
            last = np.r_[self._key[1:] != self._key[:-1], True][: self._key.size]
            self._key, self._sums = self._key[last], self._sums[last]
        return self

    def _running(self, values: Floats) -> Floats:
        """Sum of an account's values up to each row, faded to the row's day.

        Each row takes over twice as many rows before it with every step. (One long sum whose weights count back from
        the last day loses what lies some forty half-lives before it.)
        """
        whose, day = self._key >> SHIFT, self._key & (SPAN - 1)
        size = whose.size
        same = np.r_[False, whose[1:] == whose[:-1]][:size]
        if self.half_life is None and (values == np.rint(values)).all():
            # Whole numbers add up exactly in any order: one pass.
            first = np.maximum.accumulate(np.where(same, 0, np.arange(size))) if size else np.zeros(0, int)
            total = np.cumsum(values, axis=0)
            return total - (total - values)[first]
        weight = np.where(same, faded(np.where(same, np.diff(day, prepend=day[:1]), 0), self.half_life), 0.0)
        step = 1
        while step < size:
            rows = np.flatnonzero(weight[step:]) + step
            if not rows.size:
                break
            if rows.size * 4 < size:
                values[rows] += weight[rows, None] * values[rows - step]
                left = weight[rows] * weight[rows - step]
                # Sixty half-lives: nothing of it shows, and tiny numbers are slow.
                weight[rows] = np.where(left < NOTHING, 0.0, left)
            else:
                values[step:] += weight[step:, None] * values[:-step]
                weight[step:] = weight[step:] * weight[:-step]
                weight[weight < NOTHING] = 0.0
            step *= 2
        return values

    def at(self, account: Days, day: Days) -> Floats:
        """(observations, measures): what holds for the account on the day."""
        if not self._key.size:
            return np.zeros((day.size, self._width))
        end = np.searchsorted(self._key, account * SPAN + day, side="right")
        latest = np.maximum(end - 1, 0)
        found = self._key[latest]
        there = (end > 0) & (found >> SHIFT == account)
        age = np.where(there, day - (found & (SPAN - 1)), 0)
        return self._sums[latest] * (there * faded(age, self.half_life))[:, None]


def without(sums: Floats, parts: Iterator[Part], day: Days, half_life: float | None) -> Floats:
    """The sums without what the row of each observation itself counts for on the day."""
    for part in parts:
        own = (part.begin <= day) & (day < part.end)
        age = np.where(own, day - part.begin, 0)
        sums = sums - part.values(half_life) * (own * faded(age, half_life))[:, None]
    return sums


class Known:
    """Rows of a ledger with the days on which something became known of them, and what they count for."""

    def __init__(self, ledger: Ledger, origin: int) -> None:
        """origin: the day from which days are counted in sums of days."""
        led = self.ledger = ledger
        self.origin = origin
        self.gone = np.minimum(led.until, np.minimum(led.paid_known, led.closed_known))
        self.paid_from = np.maximum(led.paid_known, led.known)
        self.closed_from = np.where(led.paid_known < NEVER, NEVER, np.maximum(led.closed_known, led.known))

    def open_late_from(self, days: int) -> Days:
        """Day from which an open row counts as more than `days` late: not while it is disputed."""
        led = self.ledger
        late = np.maximum(led.due + days + 1, led.known)
        in_dispute = (led.disputed <= late) & (late < led.undisputed)
        return np.where(in_dispute, led.undisputed, late)

    def beyond(self, days: int, above: int | None) -> Iterator[Part]:
        """(invoices decided, those of them more than `days` late); above: of those more than `above` days late."""
        yield from self._decided(days, above, (1.0, 0.0), (0.0, 1.0))

    def sent(self, days: int, above: int | None) -> Iterator[Part]:
        """Of the invoices `beyond` counts: (those of which it is known how they were sent, those sent electronically)."""
        channel = self.ledger.channel
        measures = (channel != UNKNOWN).astype(np.float64), (channel == ELECTRONIC).astype(np.float64)
        yield from self._decided(days, above, measures)

    def _decided(
        self, days: int, above: int | None, each: tuple[ArrayLike, ...], if_late: tuple[ArrayLike, ...] = ()
    ) -> Iterator[Part]:
        """Invoices decided, each counting `each`; once more `if_late` for those more than `days` late."""
        led = self.ledger
        overdue = self.open_late_from(days)
        # An invoice enters once, when it is decided; that a late one is paid at last does not make it newer.
        is_paid = self.paid_from < NEVER
        final = np.where(is_paid, self.paid_from, self.closed_from)
        decided = np.minimum(overdue, final)
        delay = np.where(is_paid, led.paid - led.due, led.at_least)
        late = delay > days
        counts = late if above is None else delay > above
        counts = np.where(is_paid, True if above is None else counts, late)
        for value, holds in ((each, counts), (if_late, late)):
            if not value:
                continue
            yield Part(np.where(holds, decided, NEVER), led.until, value)
            # Until it is known better, an open invoice counts as it stands.
            yield Part(np.where(holds & (final < NEVER), NEVER, overdue), self.gone, value)

    def delays(self) -> Iterator[Part]:
        """Count, days that stand still, days that grow (count of them, their due days)."""
        led = self.ledger
        late, capped = self.open_late_from(0), led.due + LATEST
        due = (led.due - self.origin).astype(np.float64)
        yield Part(late, np.minimum(capped, self.gone), (1, 0, 1, due))
        yield Part(np.maximum(late, capped), self.gone, (1, LATEST, 0, 0))
        delay = np.clip(led.paid - led.due, EARLIEST, LATEST)
        since = np.minimum(late, self.paid_from)
        yield Part(self.paid_from, led.until, (1, delay, 0, 0), since)
        lost = np.where(led.at_least > 0, led.until, 0)
        yield Part(self.closed_from, lost, (1, np.clip(led.at_least, EARLIEST, LATEST), 0, 0))

    def payments(self) -> Iterator[Part]:
        """Count, days late with early as 0, days from issue to payment."""
        led = self.ledger
        late = np.clip(led.paid - led.due, 0, 2 * LATEST)
        took = np.clip(led.paid - led.issued, 0, 4 * LATEST)
        yield Part(self.paid_from, led.until, (1, late, took))

    def standing(self) -> Iterator[Part]:
        """Open and not due, overdue, due days of the overdue."""
        led = self.ledger
        due = (led.due - self.origin).astype(np.float64)
        yield Part(led.known, np.minimum(self.gone, led.due + 1), (1, 0, 0))
        yield Part(self.open_late_from(0), self.gone, (0, 1, due))

    def sizes(self) -> Iterator[Part]:
        """Count, logarithms of the amounts."""
        led = self.ledger
        yield Part(led.known, led.until, (1, np.log(np.maximum(led.amount, 0.01))))

    def disputes(self) -> Iterator[Part]:
        """Count, those known to have been disputed."""
        led = self.ledger
        yield Part(led.known, led.until, (1, 0))
        yield Part(np.maximum(led.disputed, led.known), led.until, (0, 1))
