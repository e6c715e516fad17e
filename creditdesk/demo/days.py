"""Days as ordinals: plain integers while the story is made, ISO text when a row is written."""

from __future__ import annotations

from datetime import date
from functools import cache

from customers.calendars import add_business_days, is_business_day


@cache
def iso(day: int) -> str:
    return date.fromordinal(day).isoformat()


@cache
def on_business_day(day: int, country: str) -> int:
    """`day`, or the next business day of the country."""
    return add_business_days(date.fromordinal(day), 0, country).toordinal()


@cache
def business_days_after(day: int, days: int, country: str) -> int:
    return add_business_days(date.fromordinal(day), days, country).toordinal()


@cache
def previous_business_day(day: int, country: str) -> int:
    """The last business day before `day`."""
    day -= 1
    while not is_business_day(date.fromordinal(day), country):
        day -= 1
    return day


@cache
def month_of(day: int) -> int:
    """The calendar month, 1 to 12."""
    return date.fromordinal(day).month


@cache
def year_of(day: int) -> int:
    return date.fromordinal(day).year


@cache
def month_end(day: int) -> int:
    """The last day of the month of `day`."""
    on = date.fromordinal(day)
    following = date(on.year + on.month // 12, on.month % 12 + 1, 1)
    return following.toordinal() - 1


@cache
def month_start(day: int, months_back: int = 0) -> int:
    """The first day of the month `months_back` months before the month of `day`."""
    on = date.fromordinal(day)
    index = on.year * 12 + on.month - 1 - months_back
    return date(index // 12, index % 12 + 1, 1).toordinal()
