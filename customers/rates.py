"""Exchange rates of a date: dated rows with a source, the newest not after the date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from creditdesk.core.money import Money, round_minor
from creditdesk.core.sentences import Sentence
from creditdesk.core.sentences import gettext as _
from customers.models import ExchangeRate


class MissingRate(LookupError):
    """No rate between two currencies on or before a date."""

    def __init__(self, base: str, quote: str, on: date) -> None:
        super().__init__(base, quote, on)
        self.base, self.quote, self.on = base, quote, on

    @property
    def sentence(self) -> Sentence:
        return _(
            "No exchange rate %(base)s/%(quote)s on or before %(day)s: import one (Exchange rates, or import_rates)"
        ) % {"base": self.base, "quote": self.quote, "day": self.on}

    def __str__(self) -> str:
        """In the language of whoever reads it, which need not be that of where it was raised."""
        return str(self.sentence)


@dataclass(frozen=True)
class RateTable:
    """The rates in force on a day: {(base, quote): row}. One query, then pure arithmetic."""

    on: date
    rows: dict[tuple[str, str], ExchangeRate]

    @classmethod
    def at(cls, on: date, *, recorded_by=None) -> RateTable:
        """The newest rate of each pair not after `on` (and, for a reprint, recorded by then)."""
        rates = ExchangeRate.objects.filter(on__lte=on)
        if recorded_by is not None:
            rates = rates.filter(recorded_at__lte=recorded_by)
        newest = rates.annotate(
            rank=Window(
                RowNumber(), partition_by=[F("base"), F("quote")], order_by=[F("on").desc(), F("id").desc()]
            )
        ).filter(rank=1)
        return cls(on, {(row.base, row.quote): row for row in newest})

    def rate(self, base: str, quote: str) -> Decimal:
        """Units of `quote` for one unit of `base`: direct, inverse, or across one common currency.

        Raises MissingRate.
        """
        if base == quote:
            return Decimal(1)
        direct = self._leg(base, quote)
        if direct is not None:
            return direct
        for middle in sorted(
            {currency for pair in self.rows for currency in pair}, key=lambda c: (c != "EUR", c)
        ):
            first, second = self._leg(base, middle), self._leg(middle, quote)
            if first is not None and second is not None:
                return first * second
        raise MissingRate(base, quote, self.on)

    def _leg(self, base: str, quote: str) -> Decimal | None:
        if base == quote:
            return Decimal(1)
        if (base, quote) in self.rows:
            return self.rows[base, quote].rate
        if (quote, base) in self.rows:
            return 1 / self.rows[quote, base].rate
        return None

    def convert(self, money: Money, quote: str) -> Money:
        """The amount in `quote`, rounded half to even to its minor unit."""
        if money.currency == quote:
            return money
        return Money(round_minor(money.amount * self.rate(money.currency, quote), quote), quote)

    def rows_used(self, currencies: set[str], quote: str) -> list[ExchangeRate]:
        """The rate rows behind a conversion of these currencies, for the foot of an export."""
        wanted = currencies | {quote, "EUR"}
        return [
            row for pair, row in sorted(self.rows.items()) if set(pair) <= wanted and currencies - {quote}
        ]
