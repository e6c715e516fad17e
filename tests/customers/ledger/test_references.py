"""What the database refuses about references between the ledger's tables, whoever writes: on both databases."""

from __future__ import annotations

import threading
from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from customers.models import Allocation, CreditAccount, ImportBatch, Instalment, Invoice, Payment
from tests import factories

DAY = date(2026, 3, 2)
postgres = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time")


@pytest.fixture
def account(db) -> CreditAccount:
    return factories.make_account(factories.make_company())


def another(row, **changed):
    """A raw second row like `row`, with other values; what a script behind the application's back might write."""
    values = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if not f.primary_key}
    minor = {name: getattr(value, "minor", value) for name, value in values.items()}
    return type(row)(**{**minor, **changed})


def refuses(*rows) -> None:
    """One INSERT of all rows; SQLite looks at its foreign keys when the constraints are made immediate."""
    with pytest.raises(IntegrityError), transaction.atomic():
        type(rows[0]).objects.bulk_create(rows)
        connection.check_constraints()


def test_an_instalment_belongs_to_a_document_and_repeats_it(account):
    row = factories.invoice(account, "100.00", DAY)
    other = factories.make_account(account.company)
    company = factories.make_company("other")
    refuses(another(row, number=2, invoice_id=999_999))
    refuses(another(row, number=2, account_id=other.pk))
    refuses(another(row, number=2, company_id=company.pk))
    refuses(another(row, number=2, currency="USD"))
    refuses(another(row, number=2, kind="credit_note"))
    # One bad row in a statement of good ones takes them all back.
    refuses(another(row, number=2), another(row, number=3, account_id=other.pk))
    assert Instalment.objects.count() == 1
    Instalment.objects.bulk_create([another(row, number=2), another(row, number=3)])
    assert Instalment.objects.count() == 3


@pytest.mark.parametrize(
    "column", ["company_id", "source_id", "account_id", "orderer_id", "batch_id", "corrects_id"]
)
def test_a_document_names_rows_that_exist(account, column):
    row = factories.invoice(account, "100.00", DAY).invoice
    refuses(another(row, number="F-other", **{column: 999_999}))
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize(
    "column", ["company_id", "source_id", "account_id", "batch_id", "transferred_from_id"]
)
def test_a_payment_names_rows_that_exist(account, column):
    row = factories.receive(account, "100.00", DAY)
    refuses(another(row, key="other", **{column: 999_999}))
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("column", ["account_id", "batch_id", "instalment_id", "payment_id"])
def test_an_allocation_names_rows_that_exist(account, column):
    factories.pay(factories.invoice(account, "100.00", DAY), DAY)
    row = Allocation.objects.get()
    refuses(another(row, **{column: 999_999}))
    assert Allocation.objects.count() == 1


def test_an_allocation_counts_for_its_instalments_account(account):
    factories.pay(factories.invoice(account, "100.00", DAY), DAY)
    row, other = Allocation.objects.get(), factories.make_account(account.company)
    refuses(another(row, account_id=other.pk))
    refuses(another(row, currency="USD"))


@pytest.mark.parametrize("table", ["creditaccount", "source", "company"])
def test_what_the_ledger_names_is_not_deleted(account, table):
    row = factories.invoice(account, "100.00", DAY)
    pk = {
        "creditaccount": account.pk,
        "source": row.invoice.source_id,
        "company": account.company_id,
    }[table]
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM customers_{table} WHERE id = %s", [pk])
        connection.check_constraints()


def test_an_import_with_documents_is_not_deleted_nor_renumbered(account):
    source = account.company.sources.get(code="erp")
    batch, unused = ImportBatch.objects.create(source=source), ImportBatch.objects.create(source=source)
    row = factories.invoice(account, "100.00", DAY).invoice
    Invoice.objects.bulk_create([another(row, number="F-batch", batch_id=batch.pk)])
    for sql in ("DELETE FROM customers_importbatch", "UPDATE customers_importbatch SET id = id + 1000"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"{sql} WHERE id = %s", [batch.pk])
            connection.check_constraints()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM customers_importbatch WHERE id = %s", [unused.pk])
    assert list(ImportBatch.objects.values_list("pk", flat=True)) == [batch.pk]


@postgres
@pytest.mark.django_db(transaction=True)
def test_a_parent_deleted_meanwhile_is_waited_for():
    """As with a foreign key: the insert waits for the open deletion, then finds its parent gone."""
    account = factories.make_account(factories.make_company())
    row = factories.invoice(account, "100.00", DAY).invoice
    batch = ImportBatch.objects.create(source=row.source)
    outcome: list[object] = []

    def insert() -> None:
        try:
            Invoice.objects.bulk_create([another(row, number="F-late", batch_id=batch.pk)])
            outcome.append("stored")
        except IntegrityError as error:
            outcome.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=insert)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM customers_importbatch WHERE id = %s", [batch.pk])
        thread.start()
        thread.join(0.5)
        assert outcome == []
    thread.join(10)
    assert len(outcome) == 1 and isinstance(outcome[0], IntegrityError)
    assert not Invoice.objects.filter(number="F-late").exists()


@postgres
@pytest.mark.django_db(transaction=True)
def test_a_parent_named_meanwhile_is_not_deleted():
    """The deletion waits for the open insert, then is refused."""
    account = factories.make_account(factories.make_company())
    row = factories.invoice(account, "100.00", DAY).invoice
    batch = ImportBatch.objects.create(source=row.source)
    outcome: list[object] = []

    def delete() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM customers_importbatch WHERE id = %s", [batch.pk])
            outcome.append("deleted")
        except IntegrityError as error:
            outcome.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=delete)
    with transaction.atomic():
        Invoice.objects.bulk_create([another(row, number="F-first", batch_id=batch.pk)])
        thread.start()
        thread.join(0.5)
        assert outcome == []
    thread.join(10)
    assert len(outcome) == 1 and isinstance(outcome[0], IntegrityError)
    assert ImportBatch.objects.filter(pk=batch.pk).exists()
