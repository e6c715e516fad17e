"""The bank-flow signals against brute force, in every view, and the rules about when they exist at all."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from django.db import connection

from creditdesk.core.facts import CURRENT, View
from customers.bank.consents import record_consent, revoke_consent
from customers.models import BankAccount, BankConsent, BankTransaction, ExchangeRate, ImportBatch, Source
from scoring.bank_flows import NAMES, bank_values
from scoring.statement import Scope
from tests.factories import ACTOR, make_account, make_company
from tests.scoring.bank_reference import values as by_hand

pytestmark = pytest.mark.django_db
AS_OF = date(2026, 6, 30)
STAMP = datetime(2026, 1, 1, tzinfo=UTC)


def consent(customer, since=date(2024, 1, 1), until=date(2027, 1, 1)):
    return BankConsent.objects.create(
        customer=customer,
        purpose="x",
        effective_on=since,
        known_on=since,
        expires_on=until,
        recorded_at=STAMP,
    )


def bank(given, iban="IT1", currency="EUR"):
    return BankAccount.objects.create(
        consent=given, customer=given.customer, iban=iban, currency=currency, recorded_at=STAMP
    )


def line(account, day, amount, balance, **more):
    given = {"known_on": day, "recorded_at": STAMP + timedelta(hours=1)} | more
    key = f"k{BankTransaction.objects.count()}"
    return BankTransaction(
        bank_account=account,
        key=given.pop("key", key),
        effective_on=day,
        amount=amount,
        balance=balance,
        **given,
    )


def random_feed(rng: Random, given, iban, currency, batch) -> list[BankTransaction]:
    account = bank(given, iban, currency)
    start = AS_OF - timedelta(days=rng.choice([20, 45, 70, 100, 130, 160, 200, 400]))
    end = AS_OF - timedelta(days=rng.choice([-20, 0, 0, 10, 30, 70]))
    balance = rng.randint(-50_000, 500_000)
    without = rng.random() < 0.1
    rows, day, n = [], start, 0
    while day <= end:
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
            amount = rng.choice([1, -1]) * rng.randint(100, rng.choice([5_000, 90_000]))
            balance += amount
            n += 1
            rows.append(
                BankTransaction(
                    bank_account=account,
                    key=f"k{n}",
                    effective_on=day,
                    known_on=day + timedelta(days=rng.choice([0, 1, 5])),
                    recorded_at=STAMP + timedelta(hours=rng.randint(1, 90)),
                    amount=amount,
                    balance=None if without and rng.random() < 0.3 else balance,
                    category=rng.choice(["", "cash", "sanction", "transfer", "returned"]),
                    is_rejected=rng.random() < 0.1,
                    counterparty=rng.choice(["", "a", "b", "c"]),
                    batch=batch if rng.random() < 0.5 else None,
                    superseded_at=STAMP + timedelta(days=3) if rng.random() < 0.05 else None,
                    known_until=day + timedelta(days=9) if rng.random() < 0.05 else None,
                )
            )
        day += timedelta(days=1)
    return rows


@pytest.fixture(scope="module")
def kept_world(module_database):
    company = make_company()
    source = Source.objects.create(company=company, code="bank", name="Bank", is_ledger=False)
    batch = ImportBatch.objects.create(source=source, complete_through=AS_OF + timedelta(days=3))
    for base, quote, rate in (("EUR", "CHF", "0.93170000"), ("JPY", "EUR", "0.00612340")):
        ExchangeRate.objects.create(base=base, quote=quote, on=date(2026, 1, 5), rate=rate, source="ECB")
    rng, rows, accounts = Random(7), [], []
    for n in range(60):
        account = make_account(company, currency=rng.choice(["EUR", "EUR", "CHF", "JPY"]))
        accounts.append(account)
        if n % 12 == 0:
            continue
        until = AS_OF - timedelta(days=1) if n % 11 == 0 else date(2027, 1, 1)
        given = consent(account.customer, until=until if until > STAMP.date() else date(2027, 1, 1))
        currencies = rng.choice(
            [["EUR"], ["EUR"], ["CHF"], ["JPY"], ["EUR", "EUR"], ["EUR", "CHF"], ["USD", "EUR"]]
        )
        for place, currency in enumerate(currencies):
            rows += random_feed(rng, given, f"I{place}", currency, batch)
    BankTransaction.objects.bulk_create(rows, batch_size=2000)
    if connection.vendor == "postgresql":
        # Rolled-back rows of the modules before lie in these files, too: without figures the planner counts them in.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE customers_banktransaction, customers_bankaccount, customers_bankconsent")
    return accounts


@pytest.fixture
def world(kept_world, db):
    return deepcopy(kept_world)


@pytest.mark.parametrize(
    ("as_of", "view"),
    [
        (AS_OF, CURRENT),
        (AS_OF - timedelta(days=37), CURRENT),
        (AS_OF - timedelta(days=10), View(known_at=AS_OF - timedelta(days=10))),
        (AS_OF, View(recorded_by=STAMP + timedelta(hours=50))),
    ],
)
def test_every_signal_equals_brute_force(world, as_of, view):
    found = bank_values(as_of, view=view)
    told = set()
    for account in world:
        expected = by_hand(account, as_of, view)
        if expected is None:
            assert account.pk not in found
            continue
        row = found[account.pk]
        assert set(expected) == set(NAMES)
        for name, value in expected.items():
            if value is None:
                assert row[name] is None, (account.pk, name)
            else:
                assert row[name] == pytest.approx(float(value), abs=2e-6, rel=1e-7), (account.pk, name)
                told.add(name)
    assert told == set(NAMES), "each signal was told of somebody"


def test_one_account_is_as_in_the_whole_book(world):
    everybody = bank_values(AS_OF)
    for pk in list(everybody)[:5]:
        assert bank_values(AS_OF, Scope.of([pk])) == {pk: everybody[pk]}


def test_nothing_is_told_without_a_consent_in_force():
    account = make_account(make_company("second"))
    given = consent(account.customer, until=AS_OF)
    rows = bank(given)
    BankTransaction.objects.bulk_create([line(rows, AS_OF - timedelta(days=40), 100, 100)])
    assert account.pk in bank_values(AS_OF)
    assert account.pk not in bank_values(AS_OF + timedelta(days=1))
    assert account.pk not in bank_values(given.effective_on - timedelta(days=1))
    revoke_consent(given, by=ACTOR, reason="asked", on=AS_OF)
    assert account.pk not in bank_values(AS_OF)


def test_a_consent_renewed_for_transactions_alone_keeps_balances_from_the_signals():
    account = make_account(make_company("third"), "Rossi")
    given = consent(account.customer)
    held, day = bank(given), AS_OF - timedelta(days=200)
    rows = [
        line(held, day + timedelta(days=n), 10_000, 10_000 * (n + 1), key=f"k{n}") for n in range(0, 200, 5)
    ]
    BankTransaction.objects.bulk_create(rows)
    before = bank_values(AS_OF)[account.pk]
    renewed = record_consent(
        account.customer,
        purpose="x",
        scope="transactions",
        effective_on=AS_OF - timedelta(days=10),
        expires_on=date(2028, 1, 1),
        actor=ACTOR,
    )
    assert before["bank_balance_low"] is not None
    after = bank_values(AS_OF)[account.pk]
    assert after["bank_balance_low"] is None and after["bank_runway"] is None
    assert after["bank_inflow_month"] == before["bank_inflow_month"]
    earlier = bank_values(renewed.effective_on - timedelta(days=1))[account.pk]
    assert earlier["bank_balance_low"] is not None, "on days before the renewal balances might be read"


def test_a_sudden_stop_of_income_is_seen_within_four_weeks():
    """Robust: one odd week does not hide it, and a steady account stays near zero."""
    company = make_company("second")
    found = {}
    for name, dry in (("steady", 0), ("stopped", 4)):
        account = make_account(company, name)
        rows, balance = [], 1_000_000
        bank_account = bank(consent(account.customer))
        for week in range(30):
            day = AS_OF - timedelta(days=7 * week + 3)
            odd = 500_000 if week == 15 else 0
            for amount in ((0 if week < dry else 100_000 + 1_000 * (week % 5)) + odd, -95_000):
                if amount:
                    balance += amount
                    rows.append(line(bank_account, day, amount, balance, key=f"{week}{amount}"))
        rows.append(line(bank_account, AS_OF - timedelta(days=220), -1, balance, key="first"))
        rows.append(line(bank_account, AS_OF, -1, balance, key="last"))
        BankTransaction.objects.bulk_create(rows)
        found[name] = account.pk
    values = bank_values(AS_OF)
    assert abs(values[found["steady"]]["bank_sudden_change"]) < 1.5
    assert values[found["stopped"]]["bank_sudden_change"] < -10


def test_ratios_do_not_depend_on_the_currency():
    company = make_company("second")
    made = []
    for currency, scale in (("EUR", 1), ("JPY", 160), ("KWD", 3)):
        account = make_account(company, currency=currency)
        rows, balance, rng = [], 900_000 * scale, Random(1)
        bank_account = bank(consent(account.customer), currency=currency)
        for n in range(200):
            amount = rng.randint(-40_000, 45_000) * scale
            balance += amount
            rows.append(line(bank_account, AS_OF - timedelta(days=199 - n), amount, balance, key=str(n)))
        BankTransaction.objects.bulk_create(rows)
        made.append(account.pk)
    values = bank_values(AS_OF)
    money = {"bank_balance_now", "bank_balance_low", "bank_inflow_month", "bank_outflow_month"}
    first = {k: v for k, v in values[made[0]].items() if k not in money}
    for other in made[1:]:
        assert {k: v for k, v in values[other].items() if k not in money} == pytest.approx(first, abs=2e-6)
