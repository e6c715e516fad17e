"""A company's receivables, kept every night: the concentration cap of one decision must not add up the ledger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from customers.models import Company
from scoring.limit_inputs import Receivables, receivables_at
from scoring.models import BookFigure

OLDEST = timedelta(days=7)
"""Older figures are not used: a whole book moves little in a week, and the nightly job keeps one a day."""


@dataclass(frozen=True, slots=True)
class Figures:
    """receivables: as limit_inputs.Book takes them; on: the day of each company's figure."""

    receivables: Receivables
    on: dict[int, date]


def figures_for(company_ids: Collection[int], as_of: date) -> Figures:
    """The newest kept figures of companies, in one query.

    Where the night's job has not run for a week they are added up now, and kept for the next decision.
    """
    found = _kept(company_ids, as_of)
    missing = set(company_ids) - found.on.keys()
    if missing:
        store_book_figures(as_of, sorted(missing))
        rest = _kept(missing, as_of)
        found = Figures(found.receivables | rest.receivables, found.on | rest.on)
    return found


def _kept(company_ids: Collection[int], as_of: date) -> Figures:
    rows = BookFigure.objects.filter(
        company__in=company_ids, as_of__lte=as_of, as_of__gte=as_of - OLDEST
    ).order_by("-as_of", "currency")
    receivables: Receivables = {}
    on: dict[int, date] = {}
    for row in rows:
        if on.setdefault(row.company_id, row.as_of) == row.as_of:
            receivables.setdefault(row.company_id, []).append((row.receivables, row.owing))
    return Figures(receivables, on)


def store_book_figures(as_of: date, company_ids: Collection[int] | None = None) -> int:
    """Keep the figures of a day; returns the rows. Run again for the same day, the first ones stay.

    A company to whom nobody owes anything gets a row of zero: looked at, and nothing found.
    """
    companies = Company.objects.all() if company_ids is None else Company.objects.filter(pk__in=company_ids)
    currencies = dict(companies.values_list("pk", "currency"))
    sums = receivables_at(as_of, None if company_ids is None else list(currencies))
    rows = []
    for pk, home in currencies.items():
        found = {money.currency: (money.minor, owing) for money, owing in sums.get(pk, [])} or {home: (0, 0)}
        rows += [
            BookFigure(company_id=pk, currency=currency, as_of=as_of, receivables=minor, owing=owing)
            for currency, (minor, owing) in found.items()
        ]
    BookFigure.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)
