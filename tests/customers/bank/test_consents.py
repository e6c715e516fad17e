"""Bank data only under a consent: what the database refuses, what revoking deletes, what every read leaves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from customers.bank.access import log_scoring_pass, read_lines
from customers.bank.consents import ConsentError, consent_of, record_consent, revoke_consent
from customers.bank.feeds import Options, run_bank_import
from customers.bank.mapping import find_bank_mapping
from customers.models import BankAccount, BankConsent, BankDataAccess, BankTransaction
from tests.factories import ACTOR, make_account, make_company

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture
def customer():
    return make_account(make_company()).customer


def consent(customer, *, since=TODAY - timedelta(days=30), until=TODAY + timedelta(days=60), at=None):
    row = record_consent(
        customer, purpose="credit assessment", effective_on=since, expires_on=until, actor=ACTOR
    )
    BankConsent.objects.filter(pk=row.pk).update(revoked_on=since)
    # The time stamp is the moment of recording; tests live on a fixed day.
    return BankConsent.objects.create(
        **{
            f.attname: getattr(row, f.attname)
            for f in BankConsent._meta.concrete_fields
            if f.attname not in ("id", "recorded_at")
        },
        recorded_at=at or NOW - timedelta(days=30),
    )


def account(consent, at=NOW):
    return BankAccount.objects.create(
        consent=consent,
        customer=consent.customer,
        iban="IT60X0542811101000000123456",
        currency="EUR",
        recorded_at=at,
    )


def line(bank_account, key="1", at=NOW, **values):
    given = {"effective_on": TODAY, "known_on": TODAY, "amount": 10_00, "balance": 90_00} | values
    return BankTransaction.objects.create(bank_account=bank_account, key=key, recorded_at=at, **given)


def refused(make):
    with pytest.raises(DatabaseError, match="consent"), transaction.atomic():
        make()


def test_the_database_takes_lines_only_while_a_consent_is_in_force(customer):
    given = consent(customer)
    bank = account(given)
    line(bank)
    # On the last day still, the day after no more.
    line(bank, "2", NOW + timedelta(days=60))
    refused(lambda: line(bank, "3", NOW + timedelta(days=61)))
    # Not before it was recorded.
    refused(lambda: line(bank, "4", NOW - timedelta(days=31)))
    assert BankTransaction.objects.count() == 2


def test_an_account_needs_a_consent_of_its_own_customer(customer):
    given = consent(customer)
    other = make_account(make_company("other")).customer
    refused(
        lambda: BankAccount.objects.create(
            consent=given, customer=other, iban="X", currency="EUR", recorded_at=NOW
        )
    )
    refused(lambda: account(given, NOW + timedelta(days=61)))
    bank = account(given)
    refused(lambda: BankAccount.objects.filter(pk=bank.pk).update(consent=consent(other)))


def test_lines_are_never_edited_nor_deleted_while_the_consent_stands(customer):
    row = line(account(consent(customer)))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        BankTransaction.objects.filter(pk=row.pk).update(amount=1)
    refused(lambda: BankTransaction.objects.filter(pk=row.pk).delete())


def test_revoking_deletes_the_data_and_keeps_the_consent_and_the_trail(customer):
    given = consent(customer)
    bank = account(given)
    for n in range(3):
        line(bank, str(n))
    read_lines(customer, reader=Actor.job("test"), what="page", on=TODAY)
    assert revoke_consent(given, by=ACTOR, reason="asked by letter", on=TODAY) == {"lines": 3, "accounts": 1}
    assert not BankTransaction.objects.exists()
    assert not BankAccount.objects.exists()
    given.refresh_from_db()
    assert given.revoked_on == TODAY
    entry = AuditEntry.objects.get(act="bank_consent.revoke")
    assert entry.data == {"lines": 3, "accounts": 1}
    assert BankDataAccess.objects.filter(customer=customer).count() == 1
    # Nothing comes back under it, and it is revoked once.
    refused(lambda: account(given))
    with pytest.raises(ConsentError):
        revoke_consent(given, by=ACTOR, reason="again", on=TODAY)


def test_an_expired_consent_reads_nothing_and_logs_nothing(customer):
    given = consent(customer)
    line(account(given))
    with pytest.raises(ConsentError):
        read_lines(customer, reader=ACTOR, what="page", on=given.expires_on + timedelta(days=1))
    assert not BankDataAccess.objects.exists()
    assert consent_of(customer, given.expires_on) is not None
    assert consent_of(customer, given.expires_on + timedelta(days=1)) is None


def test_a_renewal_carries_the_accounts_on(customer):
    given = record_consent(
        customer,
        purpose="credit assessment",
        effective_on=date(2026, 1, 1),
        expires_on=date(2099, 1, 1),
        actor=ACTOR,
    )
    bank = BankAccount.objects.create(consent=given, customer=customer, iban="X", currency="EUR")
    newer = record_consent(
        customer,
        purpose="credit assessment",
        effective_on=date(2026, 6, 1),
        expires_on=date(2099, 6, 1),
        actor=ACTOR,
    )
    bank.refresh_from_db()
    assert bank.consent_id == newer.pk


def test_what_is_stored_stays_under_the_consent_it_is_read_under(customer):
    day = timedelta(days=1)
    today = datetime.now(UTC).date()

    def given(since, until):
        return record_consent(
            customer, purpose="x", effective_on=since, expires_on=until, actor=ACTOR, known_on=today
        )

    def held():
        bank = BankAccount.objects.create(consent=now, customer=customer, iban="X", currency="EUR")
        BankTransaction.objects.create(
            bank_account=bank, key="1", effective_on=today, known_on=today, amount=1
        )
        return bank

    now = given(today - 30 * day, today + 5 * day)
    bank, renewal = held(), given(today + 6 * day, today + 400 * day)
    # A renewal taken back before it begins deletes nothing.
    gone = revoke_consent(renewal, by=ACTOR, reason="x", on=today)
    assert (gone, read_lines(customer, reader=ACTOR, what="page", on=today).count()) == (
        {"lines": 0, "accounts": 0},
        1,
    )
    renewal.refresh_from_db()
    assert renewal.revoked_on == renewal.effective_on and consent_of(customer, today + 6 * day) is None
    # The consent in force taken back deletes everything, whatever renewal waits (and wherever old rows hang).
    renewal = given(today + 6 * day, today + 400 * day)
    bank.refresh_from_db()
    assert bank.consent_id == now.pk
    BankAccount.objects.filter(pk=bank.pk).update(consent=renewal)
    assert revoke_consent(now, by=ACTOR, reason="x", on=today) == {"lines": 1, "accounts": 1}
    # On the day a renewal begins, with nothing come in since, it is the one that holds what is read.
    now = given(today - 30 * day, today)
    held()
    assert revoke_consent(renewal, by=ACTOR, reason="x", on=today + 6 * day)["lines"] == 1
    revoke_consent(now, by=ACTOR, reason="x", on=today)
    # Two in force: what is read under the other one stays, under that one.
    now = given(today, today)
    bank, other = held(), given(today, today + 9 * day)
    bank.refresh_from_db()
    assert bank.consent_id == other.pk
    assert revoke_consent(other, by=ACTOR, reason="x", on=today)["lines"] == 0
    bank.refresh_from_db()
    assert bank.consent_id == now.pk
    assert revoke_consent(now, by=ACTOR, reason="x", on=today)["lines"] == 1


def test_a_feed_goes_on_under_the_renewal_from_the_day_it_begins(customer, tmp_path):
    given = consent(customer, until=TODAY, at=NOW - timedelta(days=9))
    account(given)
    tomorrow = TODAY + timedelta(days=1)
    renewal = record_consent(
        customer,
        purpose="x",
        effective_on=tomorrow,
        expires_on=date(2099, 1, 1),
        actor=ACTOR,
        known_on=TODAY,
    )
    assert BankAccount.objects.get().consent_id == given.pk
    path = tmp_path / "a.csv"
    path.write_text(
        "account,date,amount,currency\nIT60X0542811101000000123456,2026-11-20,10.00,EUR\n", encoding="utf-8"
    )
    report = run_bank_import(
        path,
        find_bank_mapping("bank-lines"),
        Options(today=tomorrow, commit=True, customer=customer),
    )
    assert report.counts["lines"] == 1
    assert BankAccount.objects.get().consent_id == renewal.pk


def test_a_read_and_a_scoring_pass_leave_one_row_each(customer):
    assert log_scoring_pass(reader=ACTOR, as_of=TODAY) == 0
    line(account(consent(customer)))
    assert len(read_lines(customer, reader=ACTOR, what="export", on=TODAY, purpose="review")) == 1
    assert log_scoring_pass(reader=ACTOR, as_of=TODAY) == 1
    row = BankDataAccess.objects.get(what="scoring")
    assert (row.customer, row.what, row.purpose, row.data["customers"]) == (None, "scoring", "scoring", 1)
    logged = BankDataAccess.objects.get(customer=customer)
    assert (logged.what, logged.purpose, logged.actor_name) == ("export", "review", ACTOR.name)
    with pytest.raises(DatabaseError), transaction.atomic():
        BankDataAccess.objects.filter(pk=row.pk).delete()


def test_a_consent_without_purpose_or_sense_is_refused(customer):
    good = {"effective_on": TODAY, "expires_on": TODAY, "actor": ACTOR, "purpose": "x"}
    for bad in ({"purpose": " "}, {"scope": "everything"}, {"expires_on": TODAY - timedelta(days=1)}):
        with pytest.raises(ConsentError):
            record_consent(customer, **(good | bad))
