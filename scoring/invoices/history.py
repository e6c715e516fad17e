"""The payment behaviour recorded in a ledger, to be asked for any account at any day.

A running sum is made for the payers asked about, looked up, and let go; what was found is kept for the last few sets
of observations. Memory grows with the observations asked about at once (some 300 bytes each) and, for what the whole
book does, with its days: never with sums times rows of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.measures import Floats
from scoring.invoices.ledger import Days, Ledger
from scoring.invoices.sums import EARLIEST, LATEST, Known, Part, Spans, without

KINDS = 4
"""More than the kinds an invoice can be of (History.kinds)."""
FIRST_DAY = date(1970, 1, 1).toordinal()


def third_of_month(days: Days) -> Days:
    """0 for the 1st to 10th, 1 to the 20th, 2 to the end."""
    day = (days - FIRST_DAY).astype("datetime64[D]")
    return np.minimum((day - day.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) // 10, 2)


@dataclass(frozen=True, slots=True)
class Moment:
    """Observations: whose invoice, on which day, and its place among the ledger's rows (it does not count itself)."""

    account: Days
    day: Days
    place: Days


def moments_at_issue(ledger: Ledger, which: Days) -> Moment:
    return Moment(ledger.account[which], np.maximum(ledger.issued, ledger.known)[which], which)


def moments_after_due(ledger: Ledger, which: Days) -> Moment:
    return Moment(ledger.account[which], np.maximum(ledger.due + 1, ledger.known)[which], which)


@dataclass(frozen=True, slots=True)
class BookLevels:
    """The whole book in short, where only some of its accounts are loaded: invoices by due and payment day."""

    due: Days
    paid: Days
    count: Days | Floats

    def beyond(self, days: int, above: int | None, half_life: float, seen: Moment) -> tuple[Floats, Floats]:
        """`History.beyond` over the book at each observation's day."""
        late_from = self.due + days + 1
        decided = np.minimum(self.paid, late_from)
        delay = self.paid - self.due
        late = delay > days
        counts = np.ones(late.shape, dtype=bool) if above is None else delay > above
        known, of_day = np.unique(seen.day, return_inverse=True)
        sums = np.zeros((known.size, 2))
        for number, day in enumerate(known):
            there = counts & (decided <= day)
            weight = np.where(there, self.count * np.exp2(-np.maximum(day - decided, 0) / half_life), 0.0)
            sums[number] = weight.sum(), weight[late].sum()
        return sums[of_day, 0], sums[of_day, 1]

    def delays(self, half_life: float, seen: Moment) -> tuple[Floats, Floats]:
        """`History.delays` over the book at each observation's day."""
        known, of_day = np.unique(seen.day, return_inverse=True)
        sums = np.zeros((known.size, 2))
        for number, day in enumerate(known):
            is_paid = self.paid <= day
            late = np.clip(np.where(is_paid, self.paid, day) - self.due, EARLIEST, LATEST)
            since = np.where(is_paid, np.minimum(self.paid, self.due + 1), self.due + 1)
            since = np.where(~is_paid & (late == LATEST), self.due + LATEST, since)
            there = is_paid | (day > self.due)
            weight = np.where(there, self.count * np.exp2(-np.maximum(day - since, 0) / half_life), 0.0)
            sums[number] = weight.sum(), (weight * late).sum()
        return sums[of_day, 0], sums[of_day, 1]


Measure = tuple[Any, ...]
"""Name of a measure of `Known` and its arguments."""
BLOCK = 50_000
"""Rows worked on at once where a measure goes over many."""
KEPT = 2
"""Sets of observations whose sums are kept: a card looks at an invoice on two days."""


class _Asked:
    """Observations somebody asked about, the rows of their payers, and what was found."""

    def __init__(self, seen: Moment, ledger: Ledger, rows: Days | None) -> None:
        self.seen, self.rows = seen, rows
        self.ledger = ledger if rows is None else ledger.take(rows)
        self.own = ledger.take(seen.place)
        self.found: dict[tuple[object, ...], list[NDArray[Any]]] = {}


class History:
    """The payment behaviour recorded in a ledger, to be asked for any account at any day."""

    def __init__(self, ledger: Ledger, levels: BookLevels | None = None) -> None:
        self.ledger, self._levels = ledger, levels
        self._origin = int(ledger.due.min()) if len(ledger) else 0
        self._asked: list[_Asked] = []
        self._book: dict[tuple[object, ...], Spans] = {}
        self._kinds: dict[str, Days] = {}
        self._payers: tuple[Days, Days] | None = None
        self.remembered: dict[int, tuple[object, Any]] = {}
        """What a card worked out from this history once, by the card's identity (and the card, so that it stays)."""

    def beyond(
        self, days: int, above: int | None, half_life: float | None, seen: Moment
    ) -> tuple[Floats, Floats]:
        """(how many invoices were decided by then, how many of them were more than `days` late).

        Decided: paid, or open for longer. above: only of those that were more than `above` days late.
        """
        return _counts(self._sums(("beyond", days, above), half_life, seen))

    def alike(self, kind: str, days: int, above: int | None, seen: Moment) -> tuple[Floats, Floats]:
        """`beyond`, of those of the payer's invoices that are of the observed one's kind (see `kinds`)."""
        return _counts(self._sums(("beyond", days, above), None, seen, kind))

    def kinds(self, kind: str) -> Days:
        """Per row, what is known of it when it is first heard of. "month": the third of the month in which it falls
        due (0, 1, 2); "size": 1 where it is larger than the payer's usual one so far."""
        if kind not in self._kinds:
            led = self.ledger
            if kind == "month":
                self._kinds[kind] = third_of_month(led.due)
            else:
                self._kinds[kind] = np.zeros(len(led), dtype=np.int8)
                for some in self._blocks():
                    seen = moments_at_issue(led, some)
                    sums = self._summed(("sizes",), None, _Asked(seen, led, some))
                    self._kinds[kind][some] = self._larger(seen, sums)
        return self._kinds[kind]

    def _kind_then(self, kind: str, seen: Moment) -> Days:
        """The kind of each observed row. Seen before the row itself was heard of (a backtest looks at its day of
        issue), it is told by what was known then."""
        of_row = self.kinds(kind)[seen.place]
        early = seen.day < self.ledger.known[seen.place]
        if kind == "month" or not early.any():
            return of_row
        return np.where(early, self._larger(seen, self._sums(("sizes",), None, seen)), of_row)

    def _larger(self, seen: Moment, sums: Floats) -> Days:
        """1 where the observed row is larger than the payer's usual one, as known on the day."""
        count, total = np.maximum(sums[:, 0], 0), sums[:, 1]
        size = np.log(np.maximum(self.ledger.amount[seen.place], 0.01))
        return ((count > 0) & (size * count > total)).astype(np.int64)

    def sent(
        self, days: int, above: int | None, half_life: float | None, seen: Moment
    ) -> tuple[Floats, Floats]:
        """Of the invoices `beyond` counts: (those of which it is known how they were sent, those sent electronically)."""
        return _counts(self._sums(("sent", days, above), half_life, seen))

    def delays(self, half_life: float | None, seen: Moment) -> tuple[Floats, Floats]:
        """(invoices paid or overdue, their days late added up): early payment counts negative, an overdue one
        with its age; each between EARLIEST and LATEST."""
        return self._growing(self._sums(("delays",), half_life, seen), seen)

    def _growing(self, sums: Floats, seen: Moment) -> tuple[Floats, Floats]:
        growing = sums[:, 2] * (seen.day - self._origin) - sums[:, 3]
        return np.maximum(sums[:, 0], 0), sums[:, 1] + growing

    def payments(self, seen: Moment) -> tuple[Floats, Floats, Floats]:
        """(invoices paid, days late of them added up with early as 0, days from issue to payment added up)."""
        count, late, took = self._sums(("payments",), None, seen).T
        return np.maximum(count, 0), late, took

    def standing(self, seen: Moment) -> tuple[Floats, Floats, Floats]:
        """(other invoices open and not due, overdue, days overdue added up)."""
        running, overdue, due = self._sums(("standing",), None, seen).T
        days = overdue * (seen.day - self._origin) - due
        return np.maximum(running, 0), np.maximum(overdue, 0), np.maximum(days, 0)

    def sizes(self, seen: Moment) -> tuple[Floats, Floats]:
        """(other invoices issued, the logarithms of their amounts added up)."""
        count, total = self._sums(("sizes",), None, seen).T
        return np.maximum(count, 0), total

    def disputes(self, seen: Moment) -> tuple[Floats, Floats]:
        """(other invoices issued, those of them known to have been disputed at some time)."""
        count, disputed = self._sums(("disputes",), None, seen).T
        return np.maximum(count, 0), np.clip(disputed, 0, np.maximum(count, 0))

    def book(self, days: int, above: int | None, half_life: float, seen: Moment) -> tuple[Floats, Floats]:
        """`beyond` over the whole book: how punctual everybody is lately."""
        if self._levels is not None:
            return self._levels.beyond(days, above, half_life, seen)
        return _counts(self._everybody(("beyond", days, above), half_life, seen))

    def others(self, days: int, above: int | None, half_life: float, seen: Moment) -> tuple[Floats, Floats]:
        """`book` without the observed payer: its own record must not speak twice, nor against itself."""
        count, happened = self.book(days, above, half_life, seen)
        own, own_happened = self.beyond(days, above, half_life, seen)
        count = np.maximum(count - own, 0)
        return count, np.clip(happened - own_happened, 0, count)

    def others_delays(self, half_life: float, seen: Moment) -> tuple[Floats, Floats]:
        """`delays` over the whole book without the observed payer."""
        if self._levels is not None:
            count, total = self._levels.delays(half_life, seen)
        else:
            count, total = self._growing(self._everybody(("delays",), half_life, seen), seen)
        own, own_total = self.delays(half_life, seen)
        count = count - own
        # What is left of two sums that fade must not be divided where it is nothing but rounding.
        there = count > 1e-6
        total = np.where(there, total - own_total, 0.0)
        count = np.where(there, count, 0.0)
        return count, np.clip(total, EARLIEST * count, LATEST * count)

    def _sums(self, measure: Measure, half_life: float | None, seen: Moment, kind: str = "") -> Floats:
        """(observations, measures) of the payer (and the kind of invoice) without the observed row; kept."""
        asked = self._of(seen)
        key = (*measure, half_life, kind)
        if key not in asked.found:
            sums = self._summed(measure, half_life, asked, kind)
            # As it was asked about last: working out the kinds may have put others in between.
            asked.found[key] = [_small(column) for column in sums.T]
        return np.column_stack([column.astype(np.float64) for column in asked.found[key]])

    def _summed(self, measure: Measure, half_life: float | None, asked: _Asked, kind: str = "") -> Floats:
        seen = asked.seen
        of_rows, of_seen = asked.ledger.account, seen.account
        if kind:
            kinds = self.kinds(kind)
            of_rows = of_rows * KINDS + (kinds if asked.rows is None else kinds[asked.rows])
            of_seen = of_seen * KINDS + self._kind_then(kind, seen)
        sums = self._filled(measure, half_life, asked.ledger, of_rows).close().at(of_seen, seen.day)
        return without(sums, self._parts(measure, asked.own), seen.day, half_life)

    def _everybody(self, measure: Measure, half_life: float, seen: Moment) -> Floats:
        """The sums of the whole book without the observed row."""
        key = (*measure, half_life)
        if key not in self._book:
            anyone = np.zeros(len(self.ledger), dtype=np.int64)
            self._book[key] = self._filled(measure, half_life, self.ledger, anyone).close(compact=True)
        sums = self._book[key].at(np.zeros_like(seen.account), seen.day)
        return without(sums, self._parts(measure, self._of(seen).own), seen.day, half_life)

    def _filled(self, measure: Measure, half_life: float | None, ledger: Ledger, account: Days) -> Spans:
        spans = Spans(half_life)
        for begin in range(0, max(len(ledger), 1), BLOCK):
            some = slice(begin, begin + BLOCK)
            for number, part in enumerate(self._parts(measure, ledger.take(some))):
                spans.add(account[some], part, number)
        return spans

    def _parts(self, measure: Measure, ledger: Ledger) -> Iterator[Part]:
        name, *arguments = measure
        parts: Iterator[Part] = getattr(Known(ledger, self._origin), name)(*arguments)
        return parts

    def _of(self, seen: Moment) -> _Asked:
        for place, asked in enumerate(self._asked):
            if asked.seen is seen:
                self._asked.append(self._asked.pop(place))
                return asked
        del self._asked[: len(self._asked) - KEPT + 1]
        self._asked.append(_Asked(seen, self.ledger, self._rows_of(seen.account)))
        return self._asked[-1]

    def _members(self) -> tuple[Days, Days]:
        """(numbers of the accounts in order, per row the place of its account among them)"""
        if self._payers is None:
            names, member = np.unique(self.ledger.account, return_inverse=True)
            self._payers = names, member.astype(np.int32)
        return self._payers

    def _rows_of(self, account: Days) -> Days | None:
        """Places of the rows of these accounts, in order; None: all rows."""
        names, member = self._members()
        wanted = np.isin(names, account)
        return None if wanted.all() else np.flatnonzero(wanted[member])

    def _blocks(self) -> Iterator[Days]:
        """Places of all rows, some whole accounts at a time."""
        names, member = self._members()
        order = np.argsort(member, kind="stable")
        ends = np.cumsum(np.bincount(member, minlength=names.size))
        begin = 0
        while begin < order.size:
            last = int(np.searchsorted(ends, begin + BLOCK, side="right"))
            end = int(ends[last - 1]) if last and ends[last - 1] > begin else int(ends[last])
            yield order[begin:end]
            begin = end


def _counts(sums: Floats) -> tuple[Floats, Floats]:
    sums = np.maximum(sums, 0)
    return sums[:, 0], np.minimum(sums[:, 1], sums[:, 0])


def _small(column: Floats) -> NDArray[Any]:
    """In half the room where not a bit is lost by it."""
    half = column.astype(np.float32)
    return half if (half == column).all() else column.copy()
