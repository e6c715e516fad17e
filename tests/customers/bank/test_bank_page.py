"""The tab Bank flows: what it shows under a consent, why it shows nothing without, and the log each opening leaves."""

from __future__ import annotations

from datetime import date, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.bank.consents import record_consent, revoke_consent
from customers.models import (
    BankAccount,
    BankConsent,
    BankDataAccess,
    BankTransaction,
    FinancialStatement,
    SupplierPaymentDays,
)
from tests.factories import ACTOR

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def _today(settings):
    settings.BUSINESS_DATE = TODAY


def consent(customer, until=date(2099, 1, 1)):
    return record_consent(
        customer, purpose="credit assessment", effective_on=date(2025, 1, 1), expires_on=until, actor=ACTOR
    )


def fill(customer, days=200, *, each=1, opening=100_000, category=""):
    account = BankAccount.objects.create(
        consent=consent(customer), customer=customer, iban="IT1", currency="EUR"
    )
    balance, rows = opening, []
    for n in range(days):
        for part in range(each):
            amount = 9_000 if n % 7 == 0 else -1_300
            balance += amount
            rows.append(
                BankTransaction(
                    bank_account=account,
                    key=f"{n}-{part}",
                    effective_on=TODAY - timedelta(days=days - n),
                    known_on=TODAY,
                    amount=amount,
                    balance=balance,
                    is_rejected=n == days - 10,
                    category=category if n == days - 10 else "",
                    counterparty="abcdef0123456789",
                )
            )
    BankTransaction.objects.bulk_create(rows)


def page(client, cast, **query):
    url = reverse("desk:customer", args=[cast.account.customer_id])
    return client.get(url, {"tab": "bank", **query})


def test_under_a_consent_the_flows_are_shown_and_the_read_is_logged(client, cast):
    fill(cast.account.customer)
    client.force_login(cast.controller)
    response = page(client, cast)
    text = unescape(response.content.decode())
    assert "consent in force" in text
    assert "1 payment was returned or refused in 180 days." in text
    assert "Balance at the end of the day, EUR" in text
    assert "transactions and balances" in text and "transactions,balances" not in text
    # The data ends before today, and what is counted back is counted from there.
    assert "The newest line is of 19 Nov 2026." in text
    assert "Money last came in 3 days before the data ends." in text
    assert text.count("rejected</span>") == 1
    row = BankDataAccess.objects.get()
    assert (row.customer, row.user, row.what) == (cast.account.customer, cast.controller, "page")
    assert row.purpose == "credit assessment"
    page(client, cast, page=2)
    assert BankDataAccess.objects.count() == 2


def test_what_the_bank_charged_is_no_rejected_payment_and_no_debt_lasts_for_months(client, cast):
    fill(cast.account.customer, opening=-500_000, category="sanction")
    client.force_login(cast.controller)
    text = unescape(page(client, cast).content.decode())
    assert "sanction interest: the account was overdrawn" in text and "rejected</span>" not in text
    lowest = next(line for line in text.split("<li") if "its lowest in 90 days" in line)
    assert "-4,808 EUR" in lowest and "months of what goes out" not in lowest


def test_without_a_consent_the_page_says_why_and_reads_nothing(client, cast):
    client.force_login(cast.controller)
    assert "has not consented" in page(client, cast).content.decode()
    fill(cast.account.customer)
    given = BankConsent.objects.get()
    revoke_consent(given, by=ACTOR, reason="asked", on=TODAY)
    text = page(client, cast).content.decode()
    assert "The consent was revoked on 20 Nov 2026" in text
    assert "abcdef" not in text
    assert not BankDataAccess.objects.exists()


def test_an_expired_consent_shows_nothing(client, cast, settings):
    fill(cast.account.customer)
    given = BankConsent.objects.get()
    settings.BUSINESS_DATE = given.expires_on + timedelta(days=1)
    client.force_login(cast.controller)
    assert "The consent expired on 1 Jan 2099" in page(client, cast).content.decode()
    assert not BankDataAccess.objects.exists()


def test_a_collector_does_not_see_the_tab(client, cast):
    fill(cast.account.customer)
    client.force_login(cast.collector)
    response = page(client, cast)
    assert response.status_code == 200
    assert response.context["tab"].slug != "bank"
    assert not BankDataAccess.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_lines(client, cast):
    client.force_login(cast.controller)
    fill(cast.account.customer, 120)
    page(client, cast)
    with CaptureQueriesContext(
        connection,
    ) as few:
        page(client, cast)
    account = BankAccount.objects.get()
    BankTransaction.objects.bulk_create(
        BankTransaction(
            bank_account=account, key=f"x{n}", effective_on=TODAY, known_on=TODAY, amount=1, balance=n
        )
        for n in range(300)
    )
    with CaptureQueriesContext(connection) as many:
        page(client, cast)
    assert len(many) == len(few)


def test_accounts_stand_side_by_side_with_z_and_supplier_days(client, cast):
    customer = cast.account.customer
    shared = {"customer": customer, "currency": "EUR", "source": "register"}
    for year, ebit in ((2024, 8_000), (2025, -20_000)):
        FinancialStatement.objects.create(
            **shared,
            effective_on=date(year, 12, 31),
            known_on=date(year + 1, 5, 1),
            total_assets=100_000,
            current_assets=50_000,
            current_liabilities=35_000,
            total_liabilities=60_000,
            equity=40_000,
            retained_earnings=20_000,
            ebit=ebit,
        )
    SupplierPaymentDays.objects.create(
        customer=customer,
        effective_on=date(2026, 9, 30),
        known_on=date(2026, 10, 20),
        days=61,
        source="filing",
    )
    client.force_login(cast.controller)
    url = reverse("desk:customer", args=[customer.pk])
    text = unescape(client.get(url, {"tab": "events"}).content.decode())
    assert "2.87" in text  # the published example: 2.8736
    assert "distress" in text
    assert "61 days" in text
