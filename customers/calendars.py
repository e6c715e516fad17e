"""Business days of a company's country."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import holidays


@lru_cache(maxsize=64)
def _calendar(country: str) -> holidays.HolidayBase:
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return holidays.HolidayBase()


def is_business_day(day: date, country: str) -> bool:
    return day.weekday() < 5 and day not in _calendar(country)


def add_business_days(day: date, days: int, country: str) -> date:
    """The `days`-th business day after `day` (0: the day itself, or the next business day if it is none)."""
    while not is_business_day(day, country):
        day += timedelta(days=1)
    for _step in range(days):
        day += timedelta(days=1)
        while not is_business_day(day, country):
            day += timedelta(days=1)
    return day
