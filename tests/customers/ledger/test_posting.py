from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from creditdesk.core.money import Money
from customers.events import ledger_changed
from customers.exposure import exposures, instalments_open_at
from customers.ledger import (
    InstalmentTerms,
    LedgerError,
    allocate_payment,
    apply_credit_note,
    correct_document,
    move_payment,
    post_document,
    refund_payment,
    return_payment,
    reverse_allocation,
    write_off,
)
from customers.ledger.checking import check_ledger
from customers.ledger.counters import recount
from customers.models import Allocation, CreditAccount, DocumentKind, Instalment, Payment
from tests.factories import ACTOR, invoice, make_account, make_company, pay, receive

pytestmark = pytest.mark.django_db
D = date


@pytest.fixture
def account():
    return make_account(make_company(complete_through=D(2026, 3, 31)))


def sound():
    assert [str(f) for f in check_ledger()] == []


def open_then(row, on):
    return instalments_open_at(on).filter(pk=row.pk).values_list("open_then", flat=True).first() or 0


def test_payment_settles_and_past_dates_stay(account):
    row = invoice(account, "100.10", D(2026, 1, 1))
    pay(row, D(2026, 2, 10), "100.00")
    pay(row, D(2026, 2, 20))
    assert row.open_amount == Money(0, "EUR")
    assert (row.settled_on, row.settled_by) == (D(2026, 2, 20), "cash")
    assert [open_then(row, D(2026, 2, d)) for d in (9, 10, 19, 20)] == [10010, 10, 10, 0]
    assert open_then(row, D(2025, 12, 31)) == 0
    assert list(Allocation.objects.order_by("pk").values_list("days_late", flat=True)) == [10, 20]
    sound()


def test_what_becomes_alike_is_stored_at_once(account):
    """A payment of many instalments, one of them in part; and of few: the same counters, told row by row only then."""
    for count, plain in ((42, 2), (3, 0)):
        document = post_document(
            account,
            account.company.sources.get(),
            f"many-{count}",
            issued_on=D(2026, 1, 1),
            instalments=[InstalmentTerms(D(2026, 2, 1 + n % 20), Decimal(10)) for n in range(count)],
            actor=ACTOR,
        )
        rows = list(document.instalments.order_by("pk"))
        payment = receive(account, str(10 * count - 4), D(2026, 2, 10))
        parts = [(row, Decimal(10)) for row in rows[1:]] + [(rows[0], Decimal(6))]
        with CaptureQueriesContext(connection) as queries:
            allocate_payment(payment, parts, actor=ACTOR)
        stores = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "customers_instalment"')]
        assert len([sql for sql in stores if "CASE" not in sql]) == plain and len(stores) == (plain or 1)
        found = list(
            document.instalments.order_by("pk").values_list("open_amount", "settled_on", "settled_by")
        )
        assert found == [(400, None, ""), *[(0, D(2026, 2, 10), "cash")] * (count - 1)]
    sound()


def test_nothing_is_ever_over_allocated(account):
    row = invoice(account, "50", D(2026, 1, 1))
    payment = receive(account, "80", D(2026, 1, 5))
    with pytest.raises(LedgerError, match="less than"):
        allocate_payment(payment, [(row, Decimal("50.01"))], actor=ACTOR)
    allocate_payment(payment, [(row, Decimal(50))], actor=ACTOR)
    other = invoice(account, "100", D(2026, 1, 1))
    with pytest.raises(LedgerError, match="left"):
        allocate_payment(payment, [(other, Decimal("30.01"))], actor=ACTOR)
    assert Allocation.objects.count() == 1
    sound()


@pytest.mark.parametrize("change", [{"open_amount": -1}, {"open_amount": 6000}, {"open_amount": 0}])
def test_the_database_refuses_impossible_counters(account, change):
    row = invoice(account, "50", D(2026, 1, 1))
    with pytest.raises(IntegrityError), transaction.atomic():
        Instalment.objects.filter(pk=row.pk).update(**change)


@pytest.mark.parametrize(
    "change", [{"amount": 1}, {"due_on": D(2026, 9, 9)}, {"effective_on": D(2020, 1, 1)}]
)
def test_the_database_refuses_to_edit_a_fact(account, change):
    row = invoice(account, "50", D(2026, 1, 1))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Instalment.objects.filter(pk=row.pk).update(**change)


def test_returned_payment_reopens_what_it_settled(account):
    row = invoice(account, "100", D(2026, 1, 1))
    payment = pay(row, D(2026, 2, 1))
    return_payment(payment, actor=ACTOR, on=D(2026, 2, 8), reason_code="nsf")
    row.refresh_from_db()
    payment.refresh_from_db()
    assert row.open_amount == Money.of(100, "EUR")
    assert (row.settled_on, row.settled_by, row.reopened) == (None, "", True)
    assert payment.open_amount.minor == 0
    assert [open_then(row, D(2026, 2, d)) for d in (1, 7, 8)] == [0, 0, 10000]
    assert sum(Allocation.objects.filter(instalment=row).values_list("amount", flat=True)) == 0
    pay(row, D(2026, 3, 1))
    assert row.settled_on == D(2026, 3, 1)
    assert [open_then(row, d) for d in (D(2026, 2, 5), D(2026, 2, 20), D(2026, 3, 1))] == [0, 10000, 0]
    sound()


def test_an_allocation_is_reversed_once(account):
    row = invoice(account, "100", D(2026, 1, 1))
    pay(row, D(2026, 2, 1))
    allocation = row.allocations.get()
    with pytest.raises(LedgerError, match="before the day"):
        reverse_allocation(allocation, actor=ACTOR, on=D(2026, 1, 31), reason_code="error")
    reverse_allocation(allocation, actor=ACTOR, on=D(2026, 2, 3), reason_code="error")
    with pytest.raises(LedgerError, match="already"):
        reverse_allocation(allocation, actor=ACTOR, on=D(2026, 2, 4), reason_code="error")
    sound()


def test_credit_note_settles_without_counting_as_cash(account):
    row = invoice(account, "100", D(2026, 1, 1))
    credit = invoice(account, "120", D(2026, 1, 20), days=0, kind=DocumentKind.CREDIT_NOTE)
    with pytest.raises(LedgerError, match="less than"):
        apply_credit_note(credit, [(row, Decimal(101))], actor=ACTOR, on=D(2026, 1, 25))
    apply_credit_note(credit, [(row, Decimal(100))], actor=ACTOR, on=D(2026, 1, 25))
    row.refresh_from_db()
    credit.refresh_from_db()
    assert (row.settled_by, row.settled_on) == ("credit", D(2026, 1, 25))
    assert credit.open_amount == Money.of(20, "EUR")
    assert open_then(credit, D(2026, 1, 24)) == 12000
    sound()


def test_write_off_and_refund_and_move(account):
    row = invoice(account, "100", D(2026, 1, 1))
    pay(row, D(2026, 2, 1), "99.95")
    write_off(
        [(row, Decimal("0.05"))], actor=ACTOR, on=D(2026, 2, 2), reason_code="bank_charge", is_small=True
    )
    row.refresh_from_db()
    assert row.settled_by == "write_off"
    payment = receive(account, "70", D(2026, 2, 3))
    refund_payment(payment, Decimal(20), actor=ACTOR, on=D(2026, 2, 4), reason_code="overpaid")
    right = make_account(make_company("beta"))
    moved = move_payment(payment, right, actor=ACTOR, on=D(2026, 2, 5), reason_code="wrong_company")
    payment.refresh_from_db()
    assert payment.open_amount.minor == 0
    assert (moved.account, moved.open_amount, moved.transferred_from) == (right, Money.of(50, "EUR"), payment)
    sound()


def test_correction_supersedes_and_carries_the_cash_along(account):
    row = invoice(account, "100", D(2026, 1, 1), number="F-1")
    pay(row, D(2026, 2, 10), "40")
    new = correct_document(
        row.invoice,
        actor=ACTOR,
        corrected_on=D(2026, 2, 15),
        instalments=[InstalmentTerms(D(2026, 2, 20), Decimal(90))],
    )
    row.refresh_from_db()
    fresh = new.instalments.get()
    assert row.superseded_at and row.known_until == D(2026, 2, 15)
    assert fresh.open_amount == Money.of(50, "EUR")
    assert fresh.allocations.get().days_late == -10
    assert new.corrects == row.invoice
    with pytest.raises(LedgerError, match=r"40\.00 EUR is allocated"):
        correct_document(
            new,
            actor=ACTOR,
            corrected_on=D(2026, 2, 16),
            instalments=[InstalmentTerms(D(2026, 2, 20), Decimal(39))],
        )
    sound()


def test_a_backtest_sees_the_version_known_then(account):
    from creditdesk.core.facts import View

    row = invoice(account, "100", D(2026, 1, 1))
    correct_document(
        row.invoice,
        actor=ACTOR,
        corrected_on=D(2026, 2, 15),
        instalments=[InstalmentTerms(D(2026, 2, 20), Decimal(90))],
    )

    def known(on):
        rows = instalments_open_at(D(2026, 2, 28), view=View(known_at=on))
        return list(rows.values_list("open_then", flat=True))

    assert (known(D(2026, 2, 14)), known(D(2026, 2, 15))) == ([10000], [9000])
    assert list(instalments_open_at(D(2026, 1, 2)).values_list("open_then", flat=True)) == [9000]


def test_exposure_parts_and_currencies(account):
    from customers.models import Cover, Delivery, ExchangeRate, OpenOrder

    dates = {"effective_on": D(2026, 1, 5), "known_on": D(2026, 1, 5)}
    ExchangeRate.objects.create(
        base="EUR", quote="USD", on=D(2026, 1, 1), rate=Decimal("1.25"), source="test"
    )
    invoice(account, "600", D(2026, 1, 1))
    invoice(account, "125", D(2026, 1, 1), currency="USD")
    receive(account, "50", D(2026, 1, 10))
    OpenOrder.objects.create(
        account=account, number="1", expected_on=D(2026, 2, 1), currency="EUR", amount=Decimal(150), **dates
    )
    OpenOrder.objects.create(
        account=account, number="2", expected_on=D(2026, 9, 1), currency="EUR", amount=Decimal(999), **dates
    )
    Delivery.objects.create(account=account, number="1", currency="EUR", amount=Decimal(100), **dates)
    Cover.objects.create(
        account=account,
        kind="insurance",
        currency="EUR",
        amount=Decimal(500),
        percent=90,
        haircut_percent=0,
        **dates,
    )
    found = exposures(CreditAccount.objects.all(), D(2026, 1, 31))[account.pk]
    assert found.open_invoices == Money.of(700, "EUR")
    assert found.total == Money.of(900, "EUR")
    assert found.at_risk == Money.of(450, "EUR")
    assert (found.overdue, found.oldest_days_past_due) == (Money.zero("EUR"), 0)
    later = exposures([account], D(2026, 2, 10))[account.pk]
    assert (later.overdue, later.oldest_days_past_due) == (Money.of(700, "EUR"), 10)
    assert account.instalments.get(currency="USD").account_amount == Money.of(100, "EUR")


def test_exposure_takes_as_many_queries_for_many_accounts_as_for_one(account, django_assert_num_queries):
    others = [make_account(account.company) for _ in range(5)]
    for other in others:
        invoice(other, "10", D(2026, 1, 1))
    with django_assert_num_queries(5):
        exposures(CreditAccount.objects.all(), D(2026, 1, 31))
    with django_assert_num_queries(4):
        exposures([account], D(2026, 1, 31))


def test_a_tendered_bill_stays_exposure_until_it_is_safe(account):
    row = invoice(account, "100", D(2026, 1, 1))
    pay(
        row,
        D(2026, 1, 20),
        instrument=Payment.Instrument.RIBA,
        matures_on=D(2026, 2, 1),
        safe_on=D(2026, 2, 10),
    )
    before = exposures([account], D(2026, 2, 9))[account.pk]
    assert (before.instruments, before.total) == (Money.of(100, "EUR"), Money.of(100, "EUR"))
    assert exposures([account], D(2026, 2, 10))[account.pk].total == Money.zero("EUR")


def test_every_change_is_announced_inside_its_transaction(account):
    seen = []

    def listener(account_ids, **kwargs):
        seen.append((set(account_ids), transaction.get_connection().in_atomic_block))

    ledger_changed.connect(listener)
    try:
        pay(invoice(account, "10", D(2026, 1, 1)), D(2026, 1, 2))
    finally:
        ledger_changed.disconnect(listener)
    assert seen and all(entry == ({account.pk}, True) for entry in seen)


def test_a_correction_carries_promises_and_disputes_along(account):
    from customers.disputes import disputed_at, open_dispute
    from customers.promises import open_promised, take_promise

    row = invoice(account, "100", D(2026, 1, 1))
    take_promise(account, [(row, Decimal(100))], due_on=D(2026, 3, 1), given_on=D(2026, 2, 10), actor=ACTOR)
    open_dispute(account, [(row, Decimal(40))], reason="price", opened_on=D(2026, 2, 10), actor=ACTOR)
    new = correct_document(
        row.invoice,
        actor=ACTOR,
        corrected_on=D(2026, 2, 15),
        instalments=[InstalmentTerms(D(2026, 2, 20), Decimal(90))],
    ).instalments.get()
    assert open_promised([account.pk], D(2026, 2, 20))[new.pk] == 9000
    assert disputed_at([account.pk], D(2026, 2, 20))[new.pk] == 4000
    row.refresh_from_db()
    assert row.superseded_at == new.recorded_at


def test_a_credit_note_settled_between_snapshots_is_open_before(account):
    credit = invoice(account, "30", D(2026, 1, 1), days=0, kind=DocumentKind.CREDIT_NOTE)
    with transaction.atomic():
        Allocation.objects.create(
            kind="inferred",
            account=account,
            instalment=credit,
            currency="EUR",
            amount=Decimal(30),
            account_amount=3000,
            settled_after=D(2026, 1, 10),
            effective_on=D(2026, 1, 20),
            known_on=D(2026, 1, 20),
        )
        recount([credit.pk])
    assert (open_then(credit, D(2026, 1, 19)), open_then(credit, D(2026, 1, 20))) == (3000, 0)
    sound()
