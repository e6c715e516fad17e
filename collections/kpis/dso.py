"""Days sales outstanding and its relatives, as plain functions on amounts.

Every amount is in one currency and on one basis (receivables with VAT need sales with VAT): ints of minor
units, Decimals or Fractions. Results are exact Fractions; None means the denominator is 0, so there is
nothing to measure. The formulas are the Credit Research Foundation's; docs/kpis.md shows each with numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

Amount = int | Decimal | Fraction

PERIOD_DAYS = 90


def ratio(numerator: Amount, denominator: Amount) -> Fraction | None:
    """numerator / denominator, exact; None when the denominator is 0."""
    return Fraction(numerator) / Fraction(denominator) if denominator else None


def dso_simple(closing_receivables: Amount, sales: Amount, days: int = PERIOD_DAYS) -> Fraction | None:
    """Closing receivables / credit sales of the last `days` days x days."""
    share = ratio(closing_receivables, sales)
    return None if share is None else share * days


def best_possible_dso(not_due: Amount, sales: Amount, days: int = PERIOD_DAYS) -> Fraction | None:
    """The DSO if everybody paid on the due date: receivables not yet due / credit sales x days."""
    return dso_simple(not_due, sales, days)


def average_days_delinquent(dso: Fraction | None, best_possible: Fraction | None) -> Fraction | None:
    """DSO minus best possible DSO: the part of the DSO that lateness makes."""
    return None if dso is None or best_possible is None else dso - best_possible


def collection_effectiveness(
    opening: Amount, sales: Amount, closing: Amount, closing_not_due: Amount
) -> Fraction | None:
    """CEI as a fraction, period form: (opening + sales - closing) / (opening + sales - closing not due).

    `sales` are those of the whole period between opening and closing (not of an average month).
    """
    return ratio(
        Fraction(opening) + Fraction(sales) - Fraction(closing),
        Fraction(opening) + Fraction(sales) - Fraction(closing_not_due),
    )


@dataclass(frozen=True, slots=True)
class MonthSales:
    """Net credit sales of one calendar month and the days it counts (elapsed ones, if it is not over)."""

    first_day: date
    days: int
    sales: Amount


@dataclass(frozen=True, slots=True)
class CountBack:
    """`days` is None when there are no sales at all, or when history ran out: then the DSO exceeds `exceeds`."""

    days: Fraction | None
    exceeds: int | None = None


def dso_count_back(closing_receivables: Amount, months: Iterable[MonthSales]) -> CountBack:
    """Take whole months of sales off the receivables, last month first, adding their days; the last one pro rata.

    `months` run backwards from the one of the as-of date to the first with any document. When they end before
    the receivables are used up nothing is extrapolated: `exceeds` says how many days were counted. A month
    whose credit notes outweigh its invoices adds its days and what it adds to the receivables.
    """
    left = Fraction(closing_receivables)
    days = Fraction(0)
    history = False
    for month in months:
        history = True
        if left <= 0:
            return CountBack(days)
        sales = Fraction(month.sales)
        if sales >= left:
            return CountBack(days + left / sales * month.days)
        left -= sales
        days += month.days
    if not history:
        return CountBack(None)
    return CountBack(days) if left <= 0 else CountBack(None, exceeds=int(days))


def months_back(as_of: date, first: date) -> Iterable[tuple[date, date]]:
    """(first day, last day counted) of the calendar months from that of `as_of` back to that of `first`."""
    last = as_of
    while (last.year, last.month) >= (first.year, first.month):
        start = last.replace(day=1)
        yield start, last
        last = start - timedelta(days=1)
