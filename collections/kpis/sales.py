"""Net credit sales: invoices less credit notes by issue date, in any window or calendar month."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import accumulate
from math import lcm

from django.db.models import Count, Sum

from creditdesk.core.facts import View
from customers.models import DocumentKind, Invoice
from kpis.dso import MonthSales, months_back
from kpis.scope import Scope


@dataclass(frozen=True, slots=True)
class DaySales:
    day: date
    currency: str
    minor: int
    documents: int

    @property
    def kind(self) -> str:
        return DocumentKind.INVOICE if self.documents else DocumentKind.CREDIT_NOTE


@dataclass(frozen=True)
class Sales:
    """Sales by day, stated exactly in one currency: running sums in parts (`denominator`) of its minor unit."""

    days: tuple[date, ...]
    running: tuple[int, ...]
    running_documents: tuple[int, ...]
    denominator: int = 1

    @classmethod
    def of(cls, rows: Sequence[DaySales], factors: Mapping[str, Fraction]) -> Sales:
        """factors: minor units of the stated currency for one minor unit of each row's."""
        denominator = lcm(*(factor.denominator for factor in factors.values()))
        parts = {currency: int(factor * denominator) for currency, factor in factors.items()}
        by_day: dict[date, list[int]] = defaultdict(lambda: [0, 0])
        for row in rows:
            sums = by_day[row.day]
            sums[0] += row.minor * parts[row.currency]
            sums[1] += row.documents
        days = tuple(sorted(by_day))
        return cls(
            days,
            tuple(accumulate((by_day[day][0] for day in days), initial=0)),
            tuple(accumulate((by_day[day][1] for day in days), initial=0)),
            denominator,
        )

    def _slice(self, first: date, last: date) -> tuple[int, int]:
        return bisect_left(self.days, first), bisect_right(self.days, last)

    def between(self, first: date, last: date) -> Fraction:
        """Net sales from `first` to `last`, both inclusive."""
        low, high = self._slice(first, last)
        return Fraction(self.running[high] - self.running[low], self.denominator)

    def documents_between(self, first: date, last: date) -> int:
        """Invoices issued in the window (credit notes are not counted)."""
        low, high = self._slice(first, last)
        return self.running_documents[high] - self.running_documents[low]

    def last_days(self, as_of: date, days: int) -> Fraction:
        """Sales of the `days` days that end with `as_of`."""
        return self.between(as_of - timedelta(days=days - 1), as_of)

    def months(self, as_of: date) -> Iterable[MonthSales]:
        """Calendar months from that of `as_of` (its elapsed days) back to that of the first document."""
        if not self.days or self.days[0] > as_of:
            return
        for first, last in months_back(as_of, self.days[0]):
            yield MonthSales(first, (last - first).days + 1, self.between(first, last))


def sales_by_day(until: date, *, scope: Scope, view: View) -> list[DaySales]:
    """Issued by `until`, per day, currency and kind; credit notes negative. One query."""
    rows = (
        Invoice.objects.filter(view.q(), scope.q(view, "account__"), effective_on__lte=until)
        .order_by()
        .values("effective_on", "currency", "kind")
        .annotate(total=Sum("amount"), documents=Count("pk"))
        .values_list("effective_on", "currency", "kind", "total", "documents")
    )
    return [
        DaySales(day, currency, int(total), documents)
        if kind == DocumentKind.INVOICE
        else DaySales(day, currency, -int(total), 0)
        for day, currency, kind, total, documents in rows
    ]


def issued_by(rows: Iterable[DaySales], as_of: date) -> dict[tuple[str, str], int]:
    """The documents of these rows issued by `as_of`: minor units per currency and kind, none of them negative."""
    issued: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        if row.day <= as_of:
            issued[row.currency, row.kind] += abs(row.minor)
    return dict(issued)
