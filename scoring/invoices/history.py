"""What was known of a payer on any day, without replaying the days: running sums, looked up.

A fact enters a running sum on the day it could be known (an open invoice becomes late on the day after it is
due) and leaves it when something better is known. The sum of one account at a day is then one look-up, for any
number of days. Cost per measure: a sort, a running sum, a binary search per question.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scoring.fitting.measures import Floats
from scoring.invoices.ledger import NEVER, Days, Ledger

SPAN = 1 << 24
"""More than the days of any ledger: an account and a day make one sortable key."""
NOTHING = 2.0**-60
EARLIEST, LATEST = -30, 90
"""A delay counts in averages as at least and at most so many days: one lost invoice must not drown the rest."""


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


class Spans:
    """Sums of values that hold from `begin` until before `end`, per account, at any day.

    values: (rows, measures). half_life: days after which a value counts half (None: it counts for ever).
    """

    def __init__(self, half_life: float | None = None) -> None:
        self.half_life = half_life
        self._parts: list[tuple[Days, Days, Days, Floats]] = []

    def add(
        self, account: Days, begin: Days, end: Days, *measures: ArrayLike, since: Days | None = None
    ) -> None:
        """since: the day from which the values fade, where that is before `begin`."""
        values = np.column_stack(
            [np.broadcast_to(np.asarray(m, dtype=np.float64), begin.shape) for m in measures]
        )
        if since is not None and self.half_life is not None:
            values = values * self._faded(np.clip(begin - since, 0, SPAN))[:, None]
        self._parts.append((account, begin, end, values))

    def close(self, *, alone: bool = True) -> None:
        """alone: the observed row will be left out of what is asked (its place is its place in what was added)."""
        account, day, values = [], [], []
        for whose, begin, end, value in self._parts:
            there = (begin < end) & (begin < NEVER)
            gone = there & (end < NEVER)
            account += [whose[there], whose[gone]]
            day += [begin[there], end[gone]]
            values += [value[there], -value[gone] * self._faded(end[gone] - begin[gone])[:, None]]
        whose, moments = np.concatenate(account), np.concatenate(day)
        key = whose * SPAN + moments
        order = np.argsort(key, kind="stable")
        self._key, self._moment = key[order], moments[order]
        self._sums = self._running(np.concatenate(values)[order], whose[order])
        if not alone:
            self._parts = []

    def _running(self, values: Floats, whose: Days) -> Floats:
        """Sum of an account's values up to each row, faded to the row's day.

        Each row takes over twice as many rows before it with every step. (One long sum whose weights count back from
        the last day loses what lies some forty half-lives before it.)
        """
        same = np.r_[False, whose[1:] == whose[:-1]][: whose.size]
        ages = np.diff(self._moment, prepend=self._moment[:1])
        weight = np.where(same, self._faded(np.where(same, ages, 0)), 0.0)
        step = 1
        while step < whose.size and weight[step:].any():
            values[step:] += weight[step:, None] * values[:-step]
            weight[step:] = weight[step:] * weight[:-step]
            # Sixty half-lives: nothing of it shows, and tiny numbers are slow.
            weight[weight < NOTHING] = 0.0
            step *= 2
        return values

    def _faded(self, age: Days) -> Floats:
        if self.half_life is None:
            return np.ones(age.shape)
        return np.exp2(-np.minimum(age / self.half_life, 900))

    def at(self, seen: Moment) -> Floats:
        """(observations, measures): what holds on the day, without the observed row itself."""
        end = np.searchsorted(self._key, seen.account * SPAN + seen.day, side="right")
        begin = np.searchsorted(self._key, seen.account * SPAN, side="left")
        there = end > begin
        if not self._key.size:
            return np.zeros((seen.day.size, self._sums.shape[1]))
        latest = np.maximum(end - 1, 0)
        age = np.where(there, seen.day - self._moment[latest], 0)
        sums = self._sums[latest] * (there * self._faded(age))[:, None]
        for _whose, first, last, value in self._parts:
            begin_own, end_own = first[seen.place], last[seen.place]
            own = (begin_own <= seen.day) & (seen.day < end_own)
            age = np.where(own, seen.day - begin_own, 0)
            sums = sums - value[seen.place] * (own * self._faded(age))[:, None]
        return sums


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


class History:
    """The payment behaviour recorded in a ledger, to be asked for any account at any day."""

    def __init__(self, ledger: Ledger, levels: BookLevels | None = None) -> None:
        self.ledger, self._levels = ledger, levels
        self._known: dict[tuple[object, ...], Spans] = {}
        self._book: History | None = None
        self._kinds: dict[str, Days] = {}
        self._alike: dict[str, History] = {}
        self.remembered: dict[int, tuple[object, Any]] = {}
        """What a card worked out from this history once, by the card's identity (and the card, so that it stays)."""
        led = ledger
        self._gone = np.minimum(led.until, np.minimum(led.paid_known, led.closed_known))
        self._paid_from = np.maximum(led.paid_known, led.known)
        self._closed_from = np.where(led.paid_known < NEVER, NEVER, np.maximum(led.closed_known, led.known))

    def _open_late_from(self, days: int) -> Days:
        """Day from which an open row counts as more than `days` late: not while it is disputed."""
        led = self.ledger
        late = np.maximum(led.due + days + 1, led.known)
        in_dispute = (led.disputed <= late) & (late < led.undisputed)
        return np.where(in_dispute, led.undisputed, late)

    def beyond(
        self, days: int, above: int | None, half_life: float | None, seen: Moment
    ) -> tuple[Floats, Floats]:
        """(how many invoices were decided by then, how many of them were more than `days` late).

        Decided: paid, or open for longer. above: only of those that were more than `above` days late.
        """
        key = ("beyond", days, above, half_life)
        if key not in self._known:
            led, spans = self.ledger, Spans(half_life)
            overdue = self._open_late_from(days)
            # An invoice enters once, when it is decided; that a late one is paid at last does not make it newer.
            final = np.where(self._paid_from < NEVER, self._paid_from, self._closed_from)
            decided = np.minimum(overdue, final)
            is_paid = self._paid_from < NEVER
            delay = np.where(is_paid, led.paid - led.due, led.at_least)
            late = delay > days
            counts = late if above is None else delay > above
            counts = np.where(is_paid, True if above is None else counts, late)
            for measure, holds in ((0, counts), (1, late)):
                value = np.array([measure == 0, measure == 1], dtype=np.float64)
                spans.add(led.account, np.where(holds, decided, NEVER), led.until, *value)
                # Until it is known better, an open invoice counts as it stands.
                spans.add(led.account, np.where(holds & (final < NEVER), NEVER, overdue), self._gone, *value)
            spans.close()
            self._known[key] = spans
        sums = np.maximum(self._known[key].at(seen), 0)
        return sums[:, 0], np.minimum(sums[:, 1], sums[:, 0])

    def alike(self, kind: str, days: int, above: int | None, seen: Moment) -> tuple[Floats, Floats]:
        """`beyond`, of those of the payer's invoices that are of the observed one's kind (see `kinds`)."""
        if kind not in self._alike:
            account = self.ledger.account * KINDS + self.kinds(kind)
            self._alike[kind] = History(replace(self.ledger, account=account))
        account = seen.account * KINDS + self._kind_then(kind, seen)
        return self._alike[kind].beyond(days, above, None, Moment(account, seen.day, seen.place))

    def kinds(self, kind: str) -> Days:
        """Per row, what is known of it when it is first heard of. "month": the third of the month in which it falls
        due (0, 1, 2); "size": 1 where it is larger than the payer's usual one so far."""
        if kind not in self._kinds:
            led = self.ledger
            if kind == "month":
                self._kinds[kind] = third_of_month(led.due)
            else:
                self._kinds[kind] = self._larger(moments_at_issue(led, np.arange(len(led))))
        return self._kinds[kind]

    def _kind_then(self, kind: str, seen: Moment) -> Days:
        """The kind of each observed row. Seen before the row itself was heard of (a backtest looks at its day of
        issue), it is told by what was known then."""
        of_row = self.kinds(kind)[seen.place]
        early = seen.day < self.ledger.known[seen.place]
        if kind == "month" or not early.any():
            return of_row
        return np.where(early, self._larger(seen), of_row)

    def _larger(self, seen: Moment) -> Days:
        """1 where the observed row is larger than the payer's usual one, as known on the day."""
        count, total = self.sizes(seen)
        size = np.log(np.maximum(self.ledger.amount[seen.place], 0.01))
        return ((count > 0) & (size * count > total)).astype(np.int64)

    def delays(self, half_life: float | None, seen: Moment) -> tuple[Floats, Floats]:
        """(invoices paid or overdue, their days late added up): early payment counts negative, an overdue one
        with its age; each between EARLIEST and LATEST."""
        key = ("delays", half_life)
        if key not in self._known:
            led, spans = self.ledger, Spans(half_life)
            late, capped = self._open_late_from(0), led.due + LATEST
            # Measures: count, days that stand still, days that grow (count of them, their due days).
            growing_until = np.minimum(capped, self._gone)
            due = (led.due - self._origin()).astype(np.float64)
            spans.add(led.account, late, growing_until, 1, 0, 1, due)
            spans.add(led.account, np.maximum(late, capped), self._gone, 1, LATEST, 0, 0)
            delay = np.clip(led.paid - led.due, EARLIEST, LATEST)
            since = np.minimum(late, self._paid_from)
            spans.add(led.account, self._paid_from, led.until, 1, delay, 0, 0, since=since)
            lost = led.at_least > 0
            spans.add(
                led.account,
                self._closed_from,
                np.where(lost, led.until, 0),
                1,
                np.clip(led.at_least, EARLIEST, LATEST),
                0,
                0,
            )
            spans.close()
            self._known[key] = spans
        sums = self._known[key].at(seen)
        growing = sums[:, 2] * (seen.day - self._origin()) - sums[:, 3]
        return np.maximum(sums[:, 0], 0), sums[:, 1] + growing

    def _origin(self) -> int:
        return int(self.ledger.due.min()) if len(self.ledger) else 0

    def payments(self, seen: Moment) -> tuple[Floats, Floats, Floats]:
        """(invoices paid, days late of them added up with early as 0, days from issue to payment added up)."""
        key = ("payments",)
        if key not in self._known:
            led, spans = self.ledger, Spans()
            late = np.clip(led.paid - led.due, 0, 2 * LATEST)
            took = np.clip(led.paid - led.issued, 0, 4 * LATEST)
            spans.add(led.account, self._paid_from, led.until, 1, late, took)
            spans.close()
            self._known[key] = spans
        count, late, took = self._known[key].at(seen).T
        return np.maximum(count, 0), late, took

    def standing(self, seen: Moment) -> tuple[Floats, Floats, Floats]:
        """(other invoices open and not due, overdue, days overdue added up)."""
        key = ("standing",)
        if key not in self._known:
            led, spans = self.ledger, Spans()
            late = self._open_late_from(0)
            due = (led.due - self._origin()).astype(np.float64)
            spans.add(led.account, led.known, np.minimum(self._gone, led.due + 1), 1, 0, 0)
            spans.add(led.account, late, self._gone, 0, 1, due)
            spans.close()
            self._known[key] = spans
        running, overdue, due = self._known[key].at(seen).T
        days = overdue * (seen.day - self._origin()) - due
        return np.maximum(running, 0), np.maximum(overdue, 0), np.maximum(days, 0)

    def sizes(self, seen: Moment) -> tuple[Floats, Floats]:
        """(other invoices issued, the logarithms of their amounts added up)."""
        key = ("sizes",)
        if key not in self._known:
            led, spans = self.ledger, Spans()
            spans.add(led.account, led.known, led.until, 1, np.log(np.maximum(led.amount, 0.01)))
            spans.close()
            self._known[key] = spans
        count, total = self._known[key].at(seen).T
        return np.maximum(count, 0), total

    def disputes(self, seen: Moment) -> tuple[Floats, Floats]:
        """(other invoices issued, those of them known to have been disputed at some time)."""
        key = ("disputes",)
        if key not in self._known:
            led, spans = self.ledger, Spans()
            spans.add(led.account, led.known, led.until, 1, 0)
            spans.add(led.account, np.maximum(led.disputed, led.known), led.until, 0, 1)
            spans.close()
            self._known[key] = spans
        count, disputed = self._known[key].at(seen).T
        return np.maximum(count, 0), np.clip(disputed, 0, np.maximum(count, 0))

    def book(self, days: int, above: int | None, half_life: float, seen: Moment) -> tuple[Floats, Floats]:
        """`beyond` over the whole book: how punctual everybody is lately."""
        if self._levels is not None:
            return self._levels.beyond(days, above, half_life, seen)
        return self._whole().beyond(days, above, half_life, _anyone(seen))

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
            count, total = self._whole().delays(half_life, _anyone(seen))
        own, own_total = self.delays(half_life, seen)
        count = count - own
        # What is left of two sums that fade must not be divided where it is nothing but rounding.
        there = count > 1e-6
        total = np.where(there, total - own_total, 0.0)
        count = np.where(there, count, 0.0)
        return count, np.clip(total, EARLIEST * count, LATEST * count)

    def _whole(self) -> History:
        if self._book is None:
            self._book = History(replace(self.ledger, account=np.zeros_like(self.ledger.account)))
        return self._book


def _anyone(seen: Moment) -> Moment:
    return Moment(np.zeros_like(seen.account), seen.day, seen.place)
