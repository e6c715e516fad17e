"""Above which amount a long overdue residue is a default: a setting, per currency or converted at a rate.

The default is about EUR 100, the absolute threshold European supervisors use for retail debtors (a trade debtor's
500 is a setting away: DEFAULT_MATERIALITY="EUR:500"), as a round amount in the currencies listed here; any other
currency is converted from the first one named, at the rate of the date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.conf import settings
from django.db.models import Q

from creditdesk.core.money import Money
from customers.models import ExchangeRate
from customers.rates import MissingRate, RateTable

ROUND_AMOUNTS: dict[str, int] = {
    "EUR": 100, "USD": 100, "GBP": 100, "CHF": 100, "CAD": 150, "AUD": 150, "SEK": 1000, "NOK": 1000, "DKK": 750,
    "PLN": 400, "CZK": 2500, "RON": 500, "HUF": 40_000, "BGN": 200, "JPY": 15_000, "MXN": 2000, "BRL": 500,
}  # fmt: skip


@dataclass(frozen=True)
class Materiality:
    """Thresholds in major units per currency; the first is the one that others are converted from."""

    amounts: Mapping[str, Decimal]

    @classmethod
    def from_settings(cls) -> Materiality:
        """settings.DEFAULT_MATERIALITY ({currency: amount}); empty: the amounts above."""
        named = getattr(settings, "DEFAULT_MATERIALITY", None) or ROUND_AMOUNTS
        return cls({code: Decimal(str(amount)) for code, amount in named.items()})

    def of(self, currencies: Iterable[str], on: date) -> dict[str, int]:
        """Threshold of each currency in minor units. Raises MissingRate for one neither named nor convertible.

        Of days before a currency's first rate that first one counts: a threshold need not be exact, and a single old
        invoice should not keep the rest of the ledger from being learned from.
        """
        base, amount = next(iter(self.amounts.items()))
        found, rates = {}, None
        for code in sorted(currencies):
            if code in self.amounts:
                found[code] = Money.of(self.amounts[code], code).minor
            else:
                rates = rates or RateTable.at(on)
                try:
                    found[code] = rates.convert(Money.of(amount, base), code).minor
                except MissingRate:
                    found[code] = _first_rate(code, on).convert(Money.of(amount, base), code).minor
        return found


def _first_rate(code: str, after: date) -> RateTable:
    """Rates of the first day after `after` that has one of the currency; of `after` itself where none ever does."""
    later = ExchangeRate.objects.filter(Q(base=code) | Q(quote=code), on__gt=after)
    day = later.order_by("on").values_list("on", flat=True).first()
    return RateTable.at(day or after)
