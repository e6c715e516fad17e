"""Reading an agency's JSON as what it is: somebody else's text. Every value is checked, every error names its place."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from creditdesk.core.sentences import gettext as _
from customers.bureau.adapters import BadAnswer

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CURRENCY = re.compile("[A-Z]{3}")
LARGEST = Decimal(10) ** 15
MAX_PD = 10_000
DAYS = (-365, 3650)


class Document:
    """A parsed answer; values are found by pointer ("report/score/value", "companies/0/id")."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def at(self, pointer: str) -> Any:
        """The value, or None where any step of the way is missing."""
        found = self.data
        for step in pointer.strip("/").split("/") if pointer.strip("/") else ():
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and step.isascii() and step.isdigit() and len(step) < 6:
                found = found[int(step)] if int(step) < len(found) else None
            else:
                return None
        return found

    def text(self, pointer: str, longest: int = 120) -> str:
        """A single line; "" where there is none. Markup is only text to us, and pages escape it."""
        value = self.at(pointer)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise BadAnswer(pointer, _("a text was expected; ask the agency what it means"))
        text = _CONTROL.sub(" ", str(value)[:10_000]).strip()
        if len(text) > longest:
            raise BadAnswer(
                pointer, _("longer than %(most)s characters; correct the pointer") % {"most": longest}
            )
        return text

    def number(self, pointer: str) -> Decimal | None:
        value = self.at(pointer)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int)) or len(str(value)) > 30:
            raise BadAnswer(pointer, _("a number was expected; correct the pointer or ask the agency"))
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation as error:
            raise BadAnswer(
                pointer, _("a number was expected; correct the pointer or ask the agency")
            ) from error
        if not number.is_finite() or abs(number) > LARGEST:
            raise BadAnswer(pointer, _("no possible number; ask the agency"))
        return number

    def whole(self, pointer: str, least: int, most: int) -> int | None:
        number = self.number(pointer)
        if number is None:
            return None
        if number != number.to_integral_value() or not least <= number <= most:
            raise BadAnswer(
                pointer,
                _("a whole number from %(least)s to %(most)s was expected") % {"least": least, "most": most},
            )
        return int(number)

    def basis_points(self, pointer: str, unit: str) -> int | None:
        """A probability given as share (0-1), percent or basis_points, in basis points; half to even."""
        number = self.number(pointer)
        if number is None:
            return None
        points = number * {"share": 10_000, "percent": 100, "basis_points": 1}[unit]
        if not 0 <= points <= MAX_PD:
            raise BadAnswer(pointer, _("no probability: correct its unit (share, percent or basis_points)"))
        return int(points.to_integral_value())

    def day(self, pointer: str, as_of: date, oldest: int = 20 * 366) -> date | None:
        """A date, or the date of an instant; never after the day we ask (a day is forgiven for time zones)."""
        text = self.text(pointer, 40)
        if not text:
            return None
        try:
            found = date.fromisoformat(text[:10])
        except ValueError as error:
            raise BadAnswer(pointer, _("a date like 2026-01-31 was expected")) from error
        if found - as_of == timedelta(days=1):
            return as_of
        if found > as_of or (as_of - found).days > oldest:
            raise BadAnswer(
                pointer, _("%(day)s is no possible date of an assessment") % {"day": found.isoformat()}
            )
        return found

    def money(self, pointer: str, currency: str) -> Decimal | None:
        """An amount that its currency can hold, rounded down to it; never negative."""
        number = self.number(pointer)
        if number is None:
            return None
        if number < 0:
            raise BadAnswer(pointer, _("an amount below zero; ask the agency"))
        if not _CURRENCY.fullmatch(currency):
            raise BadAnswer(pointer, _("%(currency)s is no currency") % {"currency": currency or "?"})
        return number
