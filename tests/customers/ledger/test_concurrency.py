"""Two people apply cash at once: without row locks (PostgreSQL) or the write lock taken at once (SQLite) one would be lost."""

import threading
from datetime import date
from decimal import Decimal

import pytest
from django.db import connections

from customers.ledger import LedgerError, allocate_payment
from customers.ledger.checking import check_ledger
from tests.factories import ACTOR, invoice, make_account, make_company, receive

pytestmark = pytest.mark.django_db(transaction=True)


def test_threads_never_over_allocate_and_lose_nothing():
    account = make_account(make_company())
    row = invoice(account, "100", date(2026, 1, 1))
    payments = [receive(account, "30", date(2026, 1, 5)) for _ in range(6)]
    refused, barrier = [], threading.Barrier(6)

    def work(payment):
        try:
            barrier.wait()
            allocate_payment(payment, [(row, Decimal(30))], actor=ACTOR)
        except LedgerError as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(payment,)) for payment in payments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row.refresh_from_db()
    assert refused == ["over_allocated"] * 3
    assert row.open_amount.amount == Decimal(10)
    assert row.allocations.count() == 3
    assert [str(f) for f in check_ledger()] == []
