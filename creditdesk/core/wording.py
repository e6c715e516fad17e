"""Dates and numbers as the reader's language writes them; the one place that asks Babel."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from django.utils.translation import get_language

Value = int | float | Decimal


def locale() -> str:
    """The reader's language as Babel names it."""
    return (get_language() or "en").split("-")[0]


def number(value: Value) -> str:
    return format_decimal(value, format="#,##0.##", locale=locale())


def compact(value: Value) -> str:
    """Short for an axis: 46.3K in English, 46.300 -> 46 Tsd-like forms where the language has them."""
    if -10_000 < value < 10_000:
        return number(value)
    return format_compact_decimal(value, format_type="short", fraction_digits=1, locale=locale())


def day(value: date) -> str:
    """22 Nov 2026, in the reader's language: never a numeric month."""
    return format_date(value, "d MMM y", locale=locale())


def percent(value: float | Decimal | None, places: int = 1) -> str:
    """A share (0.091) as 9.1 %, spaced as the language does."""
    if value is None:
        return "—"
    return format_percent(
        value, format="#,##0." + "0" * places + "%" if places else "#,##0%", locale=locale()
    )
