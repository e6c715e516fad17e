from decimal import Decimal

import pytest

from creditdesk.core.money import CurrencyMismatch, Money, exponent, to_minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.34", "EUR", 1234),
        ("1200", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("-0.01", "GBP", -1),
        ("0", "USD", 0),
    ],
)
def test_minor_units_are_exact(amount, currency, minor):
    money = Money.of(amount, currency)
    assert money.minor == minor
    assert money.amount == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency"), [("0.001", "EUR"), ("0.5", "JPY"), ("NaN", "EUR"), ("Infinity", "EUR")]
)
def test_what_the_currency_cannot_hold_is_refused(amount, currency):
    with pytest.raises(ValueError, match=r"decimals|not an amount"):
        to_minor(Decimal(amount), currency)


def test_currencies_never_mix():
    with pytest.raises(CurrencyMismatch):
        Money.of("1", "EUR") + Money.of("1", "USD")
    with pytest.raises(CurrencyMismatch):
        Money.of("1", "EUR") < Money.of("1", "USD")  # noqa: B015


def test_exponent_defaults_to_two():
    assert (exponent("EUR"), exponent("JPY"), exponent("BHD")) == (2, 0, 3)
