"""Exposures of a whole book and of one account, against the bare sums of the same rows in SQL.

Besides the ledger: an order for every second account (half of them closed), two deliveries for every third of those,
billed in part by invoices of the ledger, insurance for every fifth account, a group of five for every tenth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median, quantiles
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks.book import Book, _numbers
from customers.exposure import exposures, totals_now
from customers.groups import group_of, tree_at
from customers.headroom import headrooms
from customers.models import CreditAccount

FLOOR = """
SELECT account_id, currency, sum(CASE WHEN kind = 'invoice' THEN open_amount ELSE -open_amount END)
FROM customers_instalment WHERE superseded_at IS NULL AND open_amount > 0 AND effective_on <= %(d)s GROUP BY 1, 2
UNION ALL SELECT account_id, currency, -sum(open_amount) FROM customers_payment
WHERE superseded_at IS NULL AND open_amount > 0 AND effective_on <= %(d)s GROUP BY 1, 2
UNION ALL SELECT account_id, currency, sum(amount) FROM customers_openorder
WHERE superseded_at IS NULL AND (closed_on IS NULL OR closed_on > %(d)s) AND effective_on <= %(d)s GROUP BY 1, 2
UNION ALL SELECT account_id, currency, sum(amount) FROM customers_delivery
WHERE superseded_at IS NULL AND (invoiced_on IS NULL OR invoiced_on > %(d)s) AND effective_on <= %(d)s GROUP BY 1, 2
"""


def add_business(book: Book) -> None:
    facts, now = "effective_on, known_on, recorded_at", "CURRENT_TIMESTAMP"
    accounts, per = _numbers(book.accounts), book.per_account
    day = book.day("700 - n % 60")
    closed = book.day("720")
    statements = [
        f"INSERT INTO customers_openorder ({facts}, account_id, number, expected_on, currency, amount, closed_on) "
        f"SELECT {day}, {day}, {now}, n, 'O-' || n, {book.day('745')}, 'EUR', 900000, "
        f"CASE WHEN n % 4 = 0 THEN {closed} END FROM {accounts} AS t WHERE n % 2 = 0",
        f"INSERT INTO customers_delivery ({facts}, account_id, number, order_number, currency, amount) "
        f"SELECT {book.day('705')}, {book.day('705')}, {now}, n, 'L-' || n || '-' || k, 'O-' || n, 'EUR', 200000 "
        f"FROM {accounts} AS t CROSS JOIN (SELECT 1 AS k UNION ALL SELECT 2) AS two WHERE n % 6 = 0",
        f"INSERT INTO customers_billedpart ({facts}, account_id, order_number, delivery_number, invoice_number, "
        f"currency, amount) SELECT {book.day('705')}, {book.day('705')}, {now}, n, 'O-' || n, 'L-' || n || '-1', "
        f"'F-' || (n + {book.accounts} * {per - 1}), 'EUR', 150000 FROM {accounts} AS t WHERE n % 6 = 0",
        f"INSERT INTO customers_cover ({facts}, account_id, kind, provider, currency, amount, percent, "
        f"haircut_percent, terms, max_extension_days, notify_days) SELECT {book.day('0')}, {book.day('0')}, {now}, n, "
        f"'insurance', 'Insurer', 'EUR', 2000000, 90, 0, '{{}}', 90, 60 FROM {accounts} AS t WHERE n % 5 = 0",
        f"INSERT INTO customers_groupmembership ({facts}, customer_id, parent_id) SELECT {book.day('0')}, "
        f"{book.day('0')}, {now}, n, n - n % 10 + (n % 10) / 2 FROM {accounts} AS t "
        f"WHERE (n / 10) % 10 = 0 AND n % 10 BETWEEN 1 AND 4 AND n > 10",
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _floor(book: Book) -> int:
    with connection.cursor() as cursor:
        cursor.execute(FLOOR, {"d": book.as_of})
        return len(cursor.fetchall())


def measure_book(book: Book, runs: int, say: Callable[[str], None]) -> None:
    every = CreditAccount.objects.all()
    past = book.as_of - timedelta(days=200)
    shapes: dict[str, Callable[[], Any]] = {
        "bare sums of the rows in SQL": lambda: _floor(book),
        "totals_now, whole book": lambda: totals_now(every.order_by().values("pk"), book.as_of),
        "exposures, whole book, cover": lambda: exposures(every, book.as_of),
        "exposures, 200 days ago": lambda: exposures(every, past),
        "all group trees": lambda: tree_at(book.as_of),
    }
    taken: dict[str, list[float]] = {name: [] for name in shapes}
    for _number in range(runs):
        for name, shape in shapes.items():
            started = time.perf_counter()
            shape()
            taken[name].append(time.perf_counter() - started)
    floor = median(taken["bare sums of the rows in SQL"])
    for name, values in taken.items():
        say(f"  {name:<32}{median(values):8.2f} s   {median(values) / floor:6.2f} x floor")


def measure_one(book: Book, say: Callable[[str], None], times: int = 300) -> None:
    shapes: dict[str, Callable[[CreditAccount], Any]] = {
        "exposure of one account": lambda account: exposures([account], book.as_of),
        "exposure and headroom": lambda account: headrooms([account], book.as_of),
        "group of one customer": lambda account: group_of(account.customer_id, book.as_of),
    }
    ids = [1 + number * 7919 % book.accounts for number in range(times + 20)]
    accounts = [CreditAccount.objects.get(pk=pk) for pk in ids]
    for name, shape in shapes.items():
        taken = []
        for number, account in enumerate(accounts):
            started = time.perf_counter()
            shape(account)
            if number >= 20:
                taken.append((time.perf_counter() - started) * 1000)
        with CaptureQueriesContext(connection) as queries:
            shape(accounts[0])
        say(
            f"  {name:<32}{len(queries):3d} queries, p50 {median(taken):6.1f} ms, "
            f"p99 {quantiles(taken, n=100)[98]:6.1f} ms"
        )


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    fresh()
    book = Book(options.accounts, options.per_account)
    say(f"{book.accounts} accounts, {book.accounts * book.per_account} invoices")
    book.build()
    add_business(book)
    measure_book(book, 3, say)
    measure_one(book, say)
