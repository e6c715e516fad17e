"""The six questions, their verdicts and the depth letter, from facts known on a day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from creditdesk.core.audit import Actor
from customers.bank.consents import record_consent, revoke_consent
from customers.models import BankAccount, BankTransaction, FinancialStatement, GroupMembership, ImportBatch
from scoring.completeness import completeness
from tests.factories import invoice, make_account, make_company
from tests.people import Cast

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


def grid(account, as_of=TODAY):
    return completeness([account], as_of)[account.pk]


def known(account, as_of=TODAY) -> set[str]:
    return {answer.code for answer in grid(account, as_of).answers if answer.is_known}


@pytest.fixture
def account():
    company = make_company()
    ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=TODAY)
    return make_account(company)


def feed(account, days: int, last: date = TODAY):
    consent = record_consent(
        account.customer,
        purpose="credit",
        effective_on=last - timedelta(days=400),
        expires_on=last + timedelta(days=400),
        actor=Actor.job("test"),
        known_on=last - timedelta(days=400),
    )
    bank = BankAccount.objects.create(
        consent=consent, customer=account.customer, iban="IT60X0542811101000000123456", currency="EUR"
    )
    for ago in (0, days - 1):
        BankTransaction.objects.create(
            bank_account=bank,
            key=f"k{ago}",
            amount=100,
            effective_on=last - timedelta(days=ago),
            known_on=last - timedelta(days=ago),
        )
    return consent


def test_a_newcomer_without_anything_is_for_a_person(account):
    found = grid(account)
    assert (found.known, found.verdict, found.letter) == (0, "insufficient", "G")
    assert {a.code for a in found.missing} == {a.code for a in found.answers} and len(found.answers) == 6


def test_each_input_answers_its_question(account):
    for number in range(4):
        assert "payments" not in known(account)
        invoice(account, "100", TODAY - timedelta(days=60 + number * 30))
    assert known(account) == {"payments"}
    account.customer.sector = "46.1"
    account.customer.vat_number = "IT00743110157"
    GroupMembership.objects.create(
        customer=account.customer, parent=None, effective_on=TODAY, known_on=TODAY, recorded_at=timezone.now()
    )
    assert known(account) == {"payments", "sector", "registers", "group"}
    assert (grid(account).verdict, grid(account).letter) == ("partial", "C")
    FinancialStatement.objects.create(
        customer=account.customer,
        currency="EUR",
        revenue=100,
        effective_on=TODAY - timedelta(days=300),
        known_on=TODAY - timedelta(days=100),
    )
    feed(account, 90)
    assert (grid(account).known, grid(account).verdict, grid(account).letter) == (6, "reliable", "A")


def test_the_year_of_payments_is_the_one_the_score_judges(account):
    """What fell due after the ledger's last complete day is not judged yet, and not counted here either."""
    for number in range(4):
        invoice(account, "100", TODAY - timedelta(days=60 + number * 30))
    invoice(account, "100", TODAY - timedelta(days=28))
    payments = grid(account, TODAY + timedelta(days=3)).answers[0]
    assert payments.told.startswith("4 instalments")
    assert payments.newest == TODAY
    # As of an earlier day its own year counts, and where no ledger was ever complete nothing is judged.
    assert grid(account, TODAY - timedelta(days=100)).answers[0].told.startswith("1 instalment ")
    ImportBatch.objects.all().delete()
    assert grid(account).answers[0].told.startswith("0 instalments")


def test_accounts_count_from_publication_until_they_are_old(account):
    balance_sheet, published = TODAY - timedelta(days=300), TODAY - timedelta(days=100)
    FinancialStatement.objects.create(
        customer=account.customer, currency="EUR", revenue=1, effective_on=balance_sheet, known_on=published
    )
    assert "accounts" not in known(account, published - timedelta(days=1))
    assert "accounts" in known(account, published)
    assert "accounts" in known(account, balance_sheet + timedelta(days=548))
    assert "accounts" not in known(account, balance_sheet + timedelta(days=549))


def test_bank_lines_count_under_a_consent_in_force_only(account):
    consent = feed(account, 120)
    assert "bank" in known(account)
    assert "bank" not in known(account, TODAY + timedelta(days=46))
    revoke_consent(consent, by=Actor.job("test"), reason="asked for it", on=TODAY)
    assert "bank" not in known(account)


def test_too_few_days_of_bank_lines(account):
    feed(account, 89)
    assert "bank" not in known(account)


def test_queries_do_not_grow_with_the_accounts(cast: Cast, django_assert_num_queries):
    accounts = [cast.account, *(make_account(cast.company) for _n in range(3))]
    for company in {account.company for account in accounts}:
        ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=TODAY)
    with django_assert_num_queries(5):
        completeness(accounts[:1], TODAY)
    for company in {account.company for account in accounts}:
        ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=TODAY)
    with django_assert_num_queries(5):
        completeness(accounts, TODAY)
