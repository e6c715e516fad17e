"""Calendar arithmetic: whole days between two dates in the database, months back in Python."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import Any

from django.db.models import Func, IntegerField


def months_before(day: date, months: int) -> date:
    """The same day of the month `months` earlier; the month's last day where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def month_end(day: date) -> date:
    """The last day of the day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def is_month_end(day: date) -> bool:
    return day == month_end(day)


class Days(Func):
    """Days(a, b): a - b in whole days, negative when a is earlier.

    Django's F(date) - F(date) gives an interval, which SQLite computes by calling back into Python.
    """

    arity = 2
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        left, left_params = compiler.compile(self.source_expressions[0])
        right, right_params = compiler.compile(self.source_expressions[1])
        sql = f"CAST(julianday({left}) - julianday({right}) AS integer)"
        return sql, [*left_params, *right_params]

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        left, left_params = compiler.compile(self.source_expressions[0])
        right, right_params = compiler.compile(self.source_expressions[1])
        # The casts let a date parameter take part: the driver sends it untyped.
        return f"(({left})::date - ({right})::date)", [*left_params, *right_params]
