"""Which invoices a backtest predicts, what became of them, and the file with a row for each.

An invoice is seen in the version that was believed first; later corrections of it are not what was known on its day.
It is judged by what became of its last version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from customers.models import DocumentKind, Instalment, Invoice
from scoring.fitting.measures import Floats
from scoring.invoices.card import Estimates
from scoring.invoices.ledger import NEVER, Days, Ledger

CHUNK = 5_000
"""Rows named in one query."""


@dataclass(frozen=True, slots=True)
class Versions:
    """same: a number per instalment, shared by the rows of all its versions. first: whether the row belongs to the
    version of its invoice that was believed first. root: the corrected invoice's number, 0 where it never was."""

    same: Days
    first: NDArray[np.bool_]
    root: Days


def versions(ledger: Ledger) -> Versions:
    corrected = Invoice.objects.filter(corrects__isnull=False, kind=DocumentKind.INVOICE)
    before = dict(corrected.values_list("pk", "corrects_id"))
    same, root = ledger.row.astype(np.int64), np.zeros(len(ledger), dtype=np.int64)
    first = np.ones(len(ledger), dtype=bool)
    if not before:
        return Versions(same, first, root)

    def origin(pk: int) -> int:
        while pk in before:
            pk = before[pk]
        return pk

    rows = Instalment.objects.filter(
        Q(invoice__in=corrected) | Q(invoice__in=corrected.values("corrects"))
    ).values_list("pk", "invoice_id", "number")
    numbers: dict[tuple[int, int], int] = {}
    told = [
        (pk, invoice, origin(invoice), numbers.setdefault((origin(invoice), part), pk))
        for pk, invoice, part in rows.order_by("pk")
    ]
    known, invoice, of, shared = np.array(told, dtype=np.int64).reshape(-1, 4).T
    there = np.flatnonzero(np.isin(ledger.row, known))
    place = np.searchsorted(known, ledger.row[there])
    same[there], root[there] = shared[place], of[place]
    # The version entered first, of those that were ever believed.
    begun, which = np.unique(root[there], return_inverse=True)
    least = np.full(begun.size, np.iinfo(np.int64).max)
    np.minimum.at(least, which, invoice[place])
    first[there] = invoice[place] == least[which]
    return Versions(same, first, root)


def test_places(ledger: Ledger, told: Versions, begin: date, end: date) -> Days:
    """Places of the rows of invoices issued from `begin` to `end`, as first known."""
    order = np.lexsort((np.arange(len(ledger)), ledger.known))
    order = order[told.first[order]]
    _rows, first = np.unique(told.same[order], return_index=True)
    places = np.sort(order[first])
    issued = ledger.issued[places]
    return places[(issued >= begin.toordinal()) & (issued <= end.toordinal())]


def final_delays(ledger: Ledger, told: Versions, tests: Days) -> tuple[Days, Days]:
    """(least, greatest) days late as known at last: of the newest version of the same instalment, on the last day
    anything happened. Of one that a correction left out: of the last instalment of the newest version; where there is
    none, nobody knows."""
    happened = [ledger.issued, *(np.where(d < NEVER, d, 0) for d in (ledger.paid_known, ledger.closed_known))]
    last = int(max(days.max() for days in happened))
    order = np.lexsort((np.arange(len(ledger)), ledger.known))[::-1]
    names, newest = np.unique(told.same[order], return_index=True)
    places = order[newest][np.searchsorted(names, told.same[tests])]
    unknown = np.zeros(tests.size, dtype=bool)
    for number in np.flatnonzero(ledger.until[places] < NEVER):
        root = told.root[places[number]]
        others = np.flatnonzero((told.root == root) & (ledger.until >= NEVER)) if root else np.zeros(0, int)
        if others.size:
            places[number] = others[np.lexsort((ledger.row[others], ledger.due[others]))[-1]]
        else:
            unknown[number] = True
    low, high = ledger.delay_at(last)
    return np.where(unknown, -NEVER, low[places]), np.where(unknown, NEVER, high[places])


@dataclass(frozen=True, slots=True)
class Predictions:
    """A row per test invoice: of several instalments the likeliest to be late, days late weighed by amount."""

    invoice: Days
    chances: Floats
    days_late: Floats

    @classmethod
    def of(cls, ledger: Ledger, places: Days, estimates: Estimates) -> Predictions:
        names, first, member = np.unique(
            invoices_of(ledger.row[places]), return_index=True, return_inverse=True
        )
        chances = np.zeros((names.size, 3))
        np.maximum.at(
            chances, member, np.column_stack([estimates.late, estimates.late_15, estimates.late_30])
        )
        amount = ledger.amount[places]
        total = np.bincount(member, amount)
        # An instalment can be worth nothing in the account's currency.
        amount = np.where(total[member] > 0, amount, 1.0)
        days = np.bincount(member, amount * estimates.days_late) / np.bincount(member, amount)
        order = np.argsort(first, kind="stable")
        chances = np.minimum.accumulate(np.clip(chances, 0, 1), axis=1)
        return cls(names[order], chances[order], days[order])

    def __len__(self) -> int:
        return int(self.invoice.size)

    def rows(self) -> Iterator[dict[str, Any]]:
        """In the order of issue, named some thousand at a time."""
        for begin in range(0, len(self), CHUNK):
            some = self.invoice[begin : begin + CHUNK].tolist()
            named = Invoice.objects.filter(pk__in=some).values_list(
                "pk", "account__customer__code", "number", "effective_on"
            )
            names: dict[int, tuple[str, str, date]] = {pk: (c, n, day) for pk, c, n, day in named}
            for place, pk in enumerate(some, begin):
                customer, number, issued = names[pk]
                late, late_15, late_30 = (round(float(p), 6) for p in self.chances[place])
                yield {
                    "customer": customer,
                    "invoice": number,
                    "as_of": issued.isoformat(),
                    "p_late": late,
                    "p_late_15": late_15,
                    "p_late_30": late_30,
                    "expected_days_late": round(float(self.days_late[place]), 2),
                }


def invoices_of(rows: Days) -> Days:
    """The invoice of each instalment."""
    wanted = np.unique(rows)
    found = np.zeros(wanted.size, dtype=np.int64)
    for begin in range(0, wanted.size, CHUNK):
        some = wanted[begin : begin + CHUNK]
        pairs = Instalment.objects.filter(pk__in=some.tolist()).order_by("pk")
        found[begin : begin + CHUNK] = list(pairs.values_list("invoice_id", flat=True))
    return found[np.searchsorted(wanted, rows)]
