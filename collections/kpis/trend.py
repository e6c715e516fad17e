"""Which days a trend shows and what a figure is compared with."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

MONTHS = 12


def month_ends(as_of: date, months: int = MONTHS) -> list[date]:
    """The last `months` month-ends before `as_of`, oldest first (as_of itself is not among them)."""
    days = []
    last = as_of
    for _number in range(months):
        last = last.replace(day=1) - timedelta(days=1)
        days.append(last)
    return days[::-1]


def comparison_day(as_of: date) -> date:
    """The same day a month earlier (the month's last day where it has no such day); month-end with month-end."""
    previous = as_of.replace(day=1) - timedelta(days=1)
    if as_of.day == monthrange(as_of.year, as_of.month)[1]:
        return previous
    return previous.replace(day=min(as_of.day, previous.day))
