"""One generated ledger with known truth for the tests that read the database."""

from datetime import date

import pytest
from django.db import transaction

from benchmarks.truth import TrueBook


@pytest.fixture(scope="module")
def true_book(django_db_setup, django_db_blocker):
    """300 customers over 30 months, in a transaction rolled back at the module's end."""
    with django_db_blocker.unblock():
        atomic = transaction.atomic()
        atomic.__enter__()
        try:
            book = TrueBook(seed=5, customers=300, months=30, start=date(2023, 1, 1))
            book.load(first_id=100_001)
            yield book
        finally:
            transaction.set_rollback(True)
            atomic.__exit__(None, None, None)
