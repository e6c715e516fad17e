"""Shapes of sentences that many signals share; the text is an English msgid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from django.utils.translation import gettext as _

from creditdesk.core.wording import fixed, percent

Sentence = Callable[[float, date, date], str]
"""(value, as of, judged on) -> the sentence."""


def share_of(text: str) -> Sentence:
    """`text` with the value as a percentage."""
    return lambda value, _as_of, _judged: _(text) % percent(value)


def per_hundred(text: str) -> Sentence:
    return lambda value, _as_of, _judged: _(text) % fixed(value * 100, 0)


def one_decimal(text: str) -> Sentence:
    return lambda value, _as_of, _judged: _(text) % fixed(value, 1)


def two_decimals(text: str) -> Sentence:
    return lambda value, _as_of, _judged: _(text) % fixed(value, 2)


def counted(none: str, some: str) -> Sentence:
    """`none` for zero, else `some` with the number; worded so that it needs no plural."""
    return lambda value, _as_of, _judged: _(some) % int(value) if value else _(none)


def either(no: str, yes: str) -> Sentence:
    return lambda value, _as_of, _judged: _(yes if value else no)


def moved(up: str, down: str) -> Sentence:
    """A change in percentage points: `up` or `down` with its size."""
    return lambda value, _as_of, _judged: _(up if value >= 0 else down) % fixed(abs(value) * 100, 1)
