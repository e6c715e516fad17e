"""What an import costs grows with its rows, also when all of them are one customer's. Counted in SQLite's steps, no clock."""

from collections import Counter

import pytest
from django.db import connection

from .conftest import TRANSACTIONS, take

pytestmark = [
    pytest.mark.django_db,
    # PostgreSQL hashes what SQLite would look through for each row, and counts no steps.
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="counts SQLite's steps"),
]

HEADER = ["type", "customer", "number", "instalment", "date", "due", "currency", "amount", "settles"]
EACH = 100


def ledger(customer, count):
    """Invoices of one customer, every other one paid."""
    for n in range(count):
        number = f"{customer}-{n}"
        yield ["invoice", customer, number, "1", "2026-01-10", "2026-02-10", "EUR", "50.00", ""]
        if n % 2:
            yield paid(customer, f"P{number}", number)


def paid(customer, key, settles):
    return ["payment", customer, key, "", "2026-02-20", "", "EUR", "50.00", settles]


def steps(work):
    """Steps of SQLite's machine that the work takes, in hundreds."""
    counted = Counter()
    connection.ensure_connection()
    connection.connection.set_progress_handler(lambda: counted.update(steps=1), EACH)
    try:
        work()
    finally:
        connection.connection.set_progress_handler(None, EACH)
    return counted["steps"]


def test_twice_the_rows_of_one_customer_take_about_twice_the_work(mapping, csv_file):
    spec = mapping("transactions", TRANSACTIONS)
    first, again = {}, {}
    for customer, count in (("C1", 200), ("C2", 400)):
        rows = list(ledger(customer, count))
        file = csv_file(HEADER, rows, name=f"{customer}.csv")
        first[count] = steps(lambda file=file: take(file, spec))
        # The same again, but for one amount, with a payment of a document that is stored already.
        rows[-2][7] = "60.00"
        rows.append(paid(customer, f"{customer}-new", f"{customer}-0"))
        file = csv_file(HEADER, rows, name=f"{customer}-again.csv")
        again[count] = steps(lambda file=file: take(file, spec))
    for taken in (first, again):
        assert taken[400] < 2.3 * taken[200], taken
