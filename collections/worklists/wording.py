"""Amounts and days as a person reads them inside a sentence, in the active language."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from babel.dates import format_date

from creditdesk.core.money import exponent, to_decimal
from creditdesk.core.wording import fixed, locale


def amount(minor: int, currency: str) -> str:
    """Whole units where the amount is large (nobody reads cents of 18,200), exact below 1,000: '18,200 EUR'."""
    value = to_decimal(int(minor), currency)
    cents = exponent(currency) and abs(value) < 1000 and value != value.to_integral_value()
    if not cents:
        value = value.quantize(Decimal(1))
    return f"{fixed(value, 2 if cents else 0)}\u00a0{currency}"


def day(value: date | str, *, year: bool = False) -> str:
    """12 Nov, with the year when asked: rows speak of the last weeks, where a year is only noise."""
    if isinstance(value, str):
        value = date.fromisoformat(value)
    return format_date(value, "d MMM y" if year else "d MMM", locale=locale())


def said(text: str, values: dict[str, Any]) -> str:
    return text % values
