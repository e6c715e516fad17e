from datetime import date
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from creditdesk.core.money import Money
from customers.models import ExchangeRate
from customers.rates import MissingRate, RateTable

pytestmark = pytest.mark.django_db
D = date


def rate(base, quote, on, value):
    return ExchangeRate.objects.create(base=base, quote=quote, on=on, rate=Decimal(value), source="test")


def test_the_newest_rate_not_after_the_day_counts():
    rate("EUR", "USD", D(2026, 1, 1), "1.10")
    rate("EUR", "USD", D(2026, 1, 10), "1.20")
    assert RateTable.at(D(2026, 1, 9)).rate("EUR", "USD") == Decimal("1.10")
    assert RateTable.at(D(2026, 1, 10)).rate("EUR", "USD") == Decimal("1.20")
    with pytest.raises(MissingRate, match="on or before 31 Dec 2025"):
        RateTable.at(D(2025, 12, 31)).rate("EUR", "USD")


def test_inverse_and_cross_rates():
    rate("EUR", "USD", D(2026, 1, 1), "1.25")
    rate("EUR", "GBP", D(2026, 1, 1), "0.80")
    table = RateTable.at(D(2026, 1, 2))
    assert table.convert(Money.of(100, "USD"), "EUR") == Money.of(80, "EUR")
    assert table.convert(Money.of(80, "GBP"), "USD") == Money.of(125, "USD")
    assert table.convert(Money.of("0.01", "EUR"), "EUR") == Money(1, "EUR")


def test_import_is_whole_or_not_at_all_and_repeatable(tmp_path, capsys):
    good = tmp_path / "rates.csv"
    good.write_text("base,quote,on,rate,source\nEUR,USD,2026-01-02,1.0825,ECB\nEUR,GBP,2026-01-02,0.84,ECB\n")
    call_command("import_rates", good)
    call_command("import_rates", good)
    assert "0 rates stored, 2 known already" in capsys.readouterr().out
    bad = tmp_path / "bad.csv"
    bad.write_text("base,quote,on,rate,source\nEUR,CHF,2026-01-02,0.95,ECB\nEURO,USD,02/01/2026,x,\n")
    with pytest.raises(CommandError, match="row 3: base 'EURO' is not a currency"):
        call_command("import_rates", bad)
    assert ExchangeRate.objects.count() == 2
