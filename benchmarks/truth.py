"""Generated ledgers whose true probability of default is known: what a fitted PD is held to.

Each customer carries a risk index: a fixed part (quality, sector, size) and stress that drifts from month to month.
The index drives the monthly chance of trouble, and shows itself, noisily, in how late invoices are paid, in broken
promises and in disputes; a payment habit that means nothing (`habit`) blurs it. Trouble is either an insolvency, or
payments stop: then the customer recovers within 80 days, or what falls due from that day on is never paid, and the
first such item passes 90 days (or is written off before). That is DESIGN.md's event, with a date that is known.

`true_pd` is the exact chance, given everything but the future (the customer's index, and whether it has stopped
paying, which no ledger shows yet), that the event falls within a year: the best any score could know. Averages of
it over any group of customers are what happens in that group, so predictions can be checked against it without the
noise of outcomes. Truths differ by seed: how much each driver weighs, how common default is, how much habit blurs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from benchmarks._truth_rows import SECTORS, Rows, share_of
from creditdesk.demo.book import Book, Writer, reset_sequences

Floats = NDArray[np.float64]

RECOVERS, LOST_BEFORE_90, BECOMES_INSOLVENT = 0.4, 0.2, 0.2
"""Shares: of stopped payers who recover; of the others, whose debt is written off half-way; of all troubles."""
EARLY_LOSS_DAYS = 45
RECOVERY_DAYS = (20, 80)
STALL_MONTHS = 3


@dataclass(frozen=True)
class Truth:
    """How risk works in one book. Weights are log-odds of trouble per standard deviation."""

    quality: float
    stress: float
    sector: float
    size: float
    persistence: float
    monthly_trouble: float
    habit_days: float
    shown_days: float

    @classmethod
    def of_seed(cls, seed: int) -> Truth:
        draw = np.random.default_rng([seed, 1]).uniform
        return cls(
            quality=draw(0.7, 1.2),
            stress=draw(0.6, 1.1),
            sector=draw(0.1, 0.4),
            size=draw(0.0, 0.3),
            persistence=draw(0.88, 0.96),
            monthly_trouble=draw(0.004, 0.010),
            habit_days=draw(3, 8),
            shown_days=draw(6, 12),
        )


class TrueBook:
    """`customers` customers over `months` months; the same seed gives the same book and truth.

    The ledger runs from `start` (a first of month) and is complete through `end`. `months` counts from 0.
    """

    def __init__(
        self, seed: int, customers: int = 2000, months: int = 36, start: date = date(2023, 1, 1)
    ) -> None:
        self.seed, self.customers, self.months, self.start = seed, customers, months, start
        self.truth = truth = Truth.of_seed(seed)
        self.firsts = [_month(start, n) for n in range(months + 1)]
        self.end = self.firsts[-1] - timedelta(days=1)
        rng = self.rng = np.random.default_rng([seed, 2])
        n = customers
        self.quality = rng.standard_normal(n)
        self.log_size = rng.normal(0, 1, n)
        self.sector = rng.integers(0, len(SECTORS), n)
        tilt = np.linspace(-1.5, 1.5, len(SECTORS))[rng.permutation(len(SECTORS))]
        self.fixed = (
            truth.quality * self.quality + truth.sector * tilt[self.sector] - truth.size * self.log_size
        )
        self.stress = np.empty((n, months))
        self.stress[:, 0] = rng.standard_normal(n)
        for m in range(1, months):
            shock = rng.standard_normal(n)
            self.stress[:, m] = (
                truth.persistence * self.stress[:, m - 1] + np.sqrt(1 - truth.persistence**2) * shock
            )
        self.level = np.log(truth.monthly_trouble / (1 - truth.monthly_trouble)) - 0.4
        # A fifth of the customers arrives on the way; one in seven buys so seldom that its history stays thin.
        self.arrives = np.where(rng.random(n) < 0.2, rng.integers(0, months - 3, n), 0)
        seldom = rng.random(n) < 0.15
        self.per_month = np.where(seldom, rng.uniform(0.08, 0.25, n), np.exp(rng.normal(0.2, 0.6, n)))
        self.habit = rng.gamma(1.0, truth.habit_days, n)
        self._draw_invoices()
        self._draw_troubles()

    def index(self) -> Floats:
        """The risk index per customer and month, in log-odds of trouble."""
        return self.level + self.fixed[:, None] + self.truth.stress * self.stress

    def _draw_invoices(self) -> None:
        """Per customer (issue day, due day, minor units), by issue day; drawn before any trouble."""
        rng, begin, last = self.rng, self.start.toordinal(), self.end.toordinal()
        self.terms = rng.choice([30, 60], self.customers, p=[0.75, 0.25])
        self.invoices: list[list[tuple[int, int, int]]] = []
        for c in range(self.customers):
            first = self.firsts[self.arrives[c]].toordinal()
            expected = self.per_month[c] * (last - first + 1) / 30.4
            days = np.sort(rng.integers(max(first, begin), last + 1, rng.poisson(expected)))
            amounts = np.maximum(
                20_000, np.exp(rng.normal(11.5 + 0.6 * self.log_size[c], 0.5, days.size))
            ).astype(int)
            self.invoices.append(
                [(int(d), int(d + self.terms[c]), int(a)) for d, a in zip(days, amounts, strict=True)]
            )

    def _first_due(self, c: int, day: int) -> int | None:
        """Due day of the first item due on or after `day`, whoever has issued it by then or will."""
        return next((due for _issued, due, _amount in self.invoices[c] if due >= day), None)

    def _draw_troubles(self) -> None:
        """What happens to whom: per customer a list of (from, to) recoveries, and how it ends, if it does."""
        rng, chance = self.rng, share_of(self.index())
        self.recoveries: list[list[tuple[int, int, int]]] = [[] for _ in range(self.customers)]
        self.insolvent_on: dict[int, int] = {}
        self.stops_on: dict[int, int] = {}
        self.lost_on: dict[int, int] = {}
        self.default_on: dict[int, int] = {}
        self.onset = np.full((self.customers, self.months), -1)
        for c in range(self.customers):
            m = int(self.arrives[c])
            while m < self.months:
                if rng.random() >= chance[c, m]:
                    m += 1
                    continue
                first = self.firsts[m].toordinal()
                if rng.random() < BECOMES_INSOLVENT:
                    length = self.firsts[m + 1].toordinal() - first
                    self.insolvent_on[c] = self.default_on[c] = first + int(rng.integers(0, length))
                    break
                due = self._first_due(c, first)
                if rng.random() < RECOVERS:
                    until = self.firsts[min(m + STALL_MONTHS, self.months)].toordinal()
                    self.onset[c, m : m + STALL_MONTHS] = m
                    if due is not None and due < until:
                        paid = due + int(rng.integers(RECOVERY_DAYS[0], RECOVERY_DAYS[1] + 1))
                        self.recoveries[c].append((first, until, paid))
                    m += STALL_MONTHS
                    continue
                self.onset[c, m:] = m
                self.stops_on[c] = first
                if due is not None:
                    early = rng.random() < LOST_BEFORE_90
                    self.default_on[c] = due + (EARLY_LOSS_DAYS if early else 91)
                    if early:
                        self.lost_on[c] = self.default_on[c]
                break

    def true_pd(self, month: int, horizon: int = 12, paths: int = 200) -> Floats:
        """Chance of default within `horizon` months after the end of `month`, per customer; NaN once in default.

        Exact but for the future of stress, which is averaged over `paths` futures (the same for every customer).
        """
        t, last = month + 1, month + 1 + horizon
        if last > self.months:
            raise ValueError("the horizon ends after the ledger")
        today, until = self.firsts[t].toordinal() - 1, self.firsts[last].toordinal() - 1
        seen_too_late = self._late_chances(t, last, until)
        found = np.empty(self.customers)
        shocks = np.random.default_rng([self.seed, 3, month]).standard_normal((paths, horizon))
        for c in range(self.customers):
            if self.default_on.get(c, until + 1) <= today:
                found[c] = np.nan
                continue
            survive = self._survival(c, month, horizon, shocks, seen_too_late[c])
            onset = int(self.onset[c, month])
            found[c] = 1 - survive[0] if onset < 0 else self._stalled(c, onset, month, today, until, survive)
        return found

    def _late_chances(self, t: int, last: int, until: int) -> Floats:
        """Chance, per customer and month of onset, that payments stopping then cause no default by `until`."""
        chances = np.ones((self.customers, last - t))
        for c in range(self.customers):
            for k in range(t, last):
                due = self._first_due(c, self.firsts[k].toordinal())
                if due is not None:
                    chances[c, k - t] = 1 - _lost_by(until - due)
        return chances

    def _survival(self, c: int, month: int, horizon: int, shocks: Floats, late: Floats) -> Floats:
        """Chance of no default by the horizon's end, for a customer in order at the start of month 0, 1, ..."""
        truth = self.truth
        stress = np.full(shocks.shape[0], self.stress[c, month])
        spread = np.sqrt(1 - truth.persistence**2)
        chance = np.empty((shocks.shape[0], horizon))
        for k in range(horizon):
            stress = truth.persistence * stress + spread * shocks[:, k]
            chance[:, k] = share_of(self.level + self.fixed[c] + truth.stress * stress)
        chance[:, : max(int(self.arrives[c]) - month - 1, 0)] = 0
        live = np.ones((shocks.shape[0], horizon + STALL_MONTHS))
        for k in range(horizon - 1, -1, -1):
            stall = RECOVERS * live[:, k + STALL_MONTHS] + (1 - RECOVERS) * late[k]
            live[:, k] = (1 - chance[:, k]) * live[:, k + 1] + chance[:, k] * (1 - BECOMES_INSOLVENT) * stall
        return live.mean(axis=0)

    def _stalled(self, c: int, onset: int, month: int, today: int, until: int, survive: Floats) -> float:
        """The chance for one who has stopped paying: will it recover, and if not, does the day fall in time?"""
        due = self._first_due(c, self.firsts[onset].toordinal())
        gone = today - due if due is not None else -1
        again = 1 - float(survive[max(onset + STALL_MONTHS - month - 1, 0)])
        if any(
            begin == self.firsts[onset].toordinal() and paid <= today
            for begin, _end, paid in self.recoveries[c]
        ):
            return again
        hidden = (1 - RECOVERS) * (1 - _lost_by(gone))
        low, high = RECOVERY_DAYS
        waiting = min(max((high - gone) / (high - low + 1), 0.0), 1.0)
        recovering = RECOVERS * waiting if month < onset + STALL_MONTHS else 0.0
        lost = (_lost_by(until - due) - _lost_by(gone)) / (1 - _lost_by(gone)) if due is not None else 0.0
        return (hidden * lost + recovering * again) / (hidden + recovering)

    def load(self, first_id: int = 1) -> None:
        """Write the ledger into the database in bulk (COPY on PostgreSQL), in one transaction."""
        book = Book()
        for table in book.tables.values():
            table.ids = count(first_id)
        with transaction.atomic():
            writer = Writer(datetime.fromisoformat(f"{self.end}T12:00:00+00:00"), {})
            Rows(self, book).tell()
            book.flush(writer)
            reset_sequences(book.tables)
            # Without statistics PostgreSQL plans the scoring statement for empty tables.
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")


def _lost_by(days: int) -> float:
    """Chance that a debt nobody will pay has become a default `days` after it fell due."""
    return LOST_BEFORE_90 * (days >= EARLY_LOSS_DAYS) + (1 - LOST_BEFORE_90) * (days >= 91)


def _month(start: date, n: int) -> date:
    total = start.year * 12 + start.month - 1 + n
    return date(total // 12, total % 12 + 1, 1)
