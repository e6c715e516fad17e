"""Which accounts count on which day, and the amounts of the day."""

from datetime import date
from decimal import Decimal

import pytest

from creditdesk.core.facts import View
from customers.ledger import write_off
from customers.models import ImportBatch
from scoring.fitting.observations import horizon_of, month_ends, observation_days, observe, open_amounts
from tests.factories import ACTOR, invoice, make_account, make_company, pay

pytestmark = pytest.mark.django_db

DAY = date(2024, 6, 30)


def test_no_observation_without_a_complete_year_after_it():
    first = date(2024, 1, 1)
    assert observation_days(first, date(2025, 6, 28)) == []
    assert observation_days(first, date(2025, 6, 30)) == [date(2024, 6, 30)]
    assert observation_days(first, None) == observation_days(None, first) == []
    many = observation_days(first, date(2027, 12, 31))
    assert many[-1] == date(2026, 12, 31) and all(horizon_of(d) <= date(2027, 12, 31) for d in many)
    assert {d.month % 3 for d in many} == {0}


def test_month_ends_and_horizons():
    assert month_ends(date(2024, 1, 31), date(2024, 3, 30)) == [date(2024, 1, 31), date(2024, 2, 29)]
    assert horizon_of(date(2024, 2, 29)) == date(2025, 2, 28)
    assert horizon_of(date(2023, 2, 28)) == date(2024, 2, 29)
    assert horizon_of(date(2024, 2, 28)) == date(2025, 2, 28)


def test_an_account_whose_ledger_stops_early_does_not_count():
    whole = make_company("whole", complete_through=date(2025, 12, 31))
    short = make_company("short", complete_through=date(2025, 6, 29))
    for company in (whole, short):
        pay(invoice(make_account(company), "100", date(2024, 5, 1)), date(2024, 5, 31))
    assert list(observe([DAY]).account) == [whole.accounts.get().pk]
    ImportBatch.objects.create(source=short.sources.get(), complete_through=date(2025, 6, 30))
    assert len(observe([DAY]).account) == 2


def test_only_accounts_with_business_count():
    company = make_company("quiet", complete_through=date(2025, 12, 31))
    asleep, owing, never = (make_account(company) for _n in range(3))
    pay(invoice(asleep, "100", date(2023, 1, 1)), date(2023, 2, 1))
    invoice(owing, "50", date(2023, 1, 1))
    invoice(never, "100", date(2025, 1, 1))
    # Below the threshold and long overdue: it may still default with what it buys next.
    assert set(observe([DAY]).account) == {owing.pk}


def test_loss_and_exposure_are_amounts_of_the_day():
    company = make_company("loss", complete_through=date(2025, 12, 31))
    account = make_account(company)
    row = invoice(account, "1000", date(2024, 6, 1))
    invoice(account, "500", date(2024, 7, 1))
    pay(row, date(2024, 6, 20), "300")
    write_off([(row, Decimal(700))], actor=ACTOR, on=date(2024, 9, 1), reason_code="bad_debt")
    assert open_amounts(DAY, View(known_at=DAY)) == {account.pk: 700.0}
    obs = observe([DAY])
    assert (obs.exposure[0], obs.loss[0], obs.bad[0]) == (700.0, 700.0, 1.0)
    later = observe([date(2024, 8, 31)])
    assert (later.exposure[0], later.loss[0]) == (1200.0, 700.0)
