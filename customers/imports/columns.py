"""A cell's text to a value: dates, amounts, names of things. Each converter remembers what it has seen.

Values are what both databases take as they are: text, int (minor units), ISO dates as text, None for empty.
A cell that cannot be read becomes a `Bad`, never an exception: the row goes on to be reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from creditdesk.core.money import exponent

_UNDECODABLE = re.compile("[\x00\ud800-\udfff\ufffd]")
_LIMIT = 20_000
_SPACES = " \u00a0\u202f\u2009"
MAX_MINOR = 10**15


def storable(text: str) -> str:
    """The text as both databases take it: bytes that could not be read show as a replacement character."""
    return _UNDECODABLE.sub("\ufffd", text)


class Bad:
    """Why a cell could not be read."""

    __slots__ = ("code", "params")

    def __init__(self, code: str, **params: Any) -> None:
        self.code, self.params = code, params


class Converter(dict):
    """Text to value, remembered; forgets all when it has seen too many (memory stays flat)."""

    def parse(self, text: str) -> Any:
        raise NotImplementedError

    def __missing__(self, raw: str) -> Any:
        text = raw.strip()
        value = self.parse(text) if text else None
        if len(self) >= _LIMIT:
            self.clear()
        self[raw] = value
        return value

    def column(self, texts: Iterable[str]) -> list[Any]:
        """The values of a whole column."""
        return list(map(self.__getitem__, texts))


class Text(Converter):
    def __init__(self, length: int, encoding: str = "utf-8") -> None:
        self.length, self.encoding = length, encoding

    def column(self, texts: Iterable[str]) -> list[Any]:
        """Most columns are clean throughout, which a few looks at all cells together show."""
        texts = list(texts)
        joined = "".join(texts)
        plain = joined.isascii() and "\0" not in joined and all(texts)
        if plain and max(map(len, texts)) <= self.length and list(map(str.strip, texts)) == texts:
            return texts
        return super().column(texts)

    def parse(self, text: str) -> Any:
        if _UNDECODABLE.search(text):
            return Bad("undecodable", encoding=self.encoding)
        return text if len(text) <= self.length else Bad("too_long", length=self.length)


class Day(Converter):
    """A date in one of the mapping's formats, as ISO text."""

    def __init__(self, formats: tuple[str, ...]) -> None:
        self.formats = formats

    def parse(self, text: str) -> Any:
        for pattern in self.formats:
            try:
                day = datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a date has no time zone
            except ValueError:
                continue
            return day.isoformat() if 1970 <= day.year <= 2100 else Bad("date_out_of_range")
        return Bad("bad_date", formats=", ".join(self.formats))


class Amount(Converter):
    """An amount in the mapping's number format as minor units of one currency; exact, or Bad."""

    def __init__(self, currency: str, decimal: str, thousands: str) -> None:
        self.currency, self.places = currency, exponent(currency)
        d = re.escape(decimal)
        if thousands:
            t = f"[{_SPACES}]" if thousands == " " else re.escape(thousands)
            whole = rf"(?:\d{{1,3}}(?:{t}\d{{3}})+|\d+)"
        else:
            whole = r"\d+"
        self.pattern = re.compile(rf"({whole})(?:{d}(\d+))?\Z", re.ASCII)
        # Digits with exactly the currency's decimals, short enough for any limit: no more to look at.
        digits = len(str(MAX_MINOR)) - 1 - self.places
        self.plain = re.compile(
            rf"[0-9]{{1,{digits}}}{d}[0-9]{{{self.places}}}" if self.places else r"[0-9]{1,15}"
        )
        self.decimal = decimal
        self.example = f"1{thousands}234{decimal}56"

    def column(self, texts: Iterable[str]) -> list[Any]:
        plain, point = self.plain.fullmatch, self.decimal
        return [int(text.replace(point, "")) if plain(text) else self[text] for text in texts]

    def parse(self, text: str) -> Any:
        negative = False
        # Minus in front, behind (SAP) or brackets (accountants).
        if text[0] in "-\u2212":
            negative, text = True, text[1:].lstrip(_SPACES)
        elif text[-1] in "-\u2212":
            negative, text = True, text[:-1].rstrip(_SPACES)
        elif text[0] == "(" and text[-1] == ")":
            negative, text = True, text[1:-1].strip(_SPACES)
        found = self.pattern.match(text)
        if not found:
            return Bad("bad_number", example=self.example)
        whole, fraction = found[1], found[2] or ""
        if len(fraction) > self.places:
            if fraction[self.places :].strip("0"):
                return Bad("too_many_decimals", currency=self.currency, decimals=self.places)
            fraction = fraction[: self.places]
        digits = whole if whole.isdigit() else re.sub(r"\D", "", whole)
        minor = int(digits + fraction.ljust(self.places, "0"))
        if minor > MAX_MINOR:
            return Bad("number_too_large")
        return -minor if negative else minor


class Amounts(dict):
    """One Amount converter per currency of the file."""

    def __init__(self, decimal: str, thousands: str) -> None:
        self.decimal, self.thousands = decimal, thousands

    def __missing__(self, currency: Any) -> Amount:
        code = currency if isinstance(currency, str) else "EUR"
        self[currency] = Amount(code, self.decimal, self.thousands)
        return self[currency]


class Whole(Converter):
    def __init__(self, lowest: int, highest: int) -> None:
        self.lowest, self.highest = lowest, highest

    def parse(self, text: str) -> Any:
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not self.lowest <= int(text) <= self.highest:
            return Bad("bad_integer")
        return int(text)


class Known(Converter):
    """One of a list of values: the mapping's words to ours, compared without regard to case."""

    def __init__(self, words: dict[str, Any]) -> None:
        self.words = {str(word).strip().casefold(): value for word, value in words.items()}
        self.shown = ", ".join(str(word) for word in words)[:200]

    def parse(self, text: str) -> Any:
        return self.words.get(text.casefold(), Bad("unknown_value", known=self.shown))


class Code(Converter):
    """An upper-case code of letters (currency, country)."""

    def __init__(self, length: int, bad: str) -> None:
        self.length, self.bad = length, bad

    def parse(self, text: str) -> Any:
        code = text.upper()
        return code if re.fullmatch(f"[A-Z]{{{self.length}}}", code) else Bad(self.bad)


class Years(dict):
    """ISO date text to its year; nothing for no date."""

    def __missing__(self, day: str | None) -> int | None:
        self[day] = int(day[:4]) if day else None
        return self[day]


class Ordinals(dict):
    """ISO date text to its day number, for differences in days."""

    def __missing__(self, day: str) -> int:
        self[day] = date.fromisoformat(day).toordinal()
        return self[day]


YES_NO = {
    **dict.fromkeys(["yes", "true", "1", "y", "x"], 1),
    **dict.fromkeys(["no", "false", "0", "n"], 0),
}
