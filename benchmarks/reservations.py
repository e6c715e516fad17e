"""Credit checks on a big book, and many reservations at the same moment against one limit.

First the time of one check for random accounts (queries counted), then `--reservations` threads' worth of reservations
of one hundredth more than fits: exactly what fits must be held, the rest refused with a reason, none lost. A third of
the callers sends its reference twice, as a client does whose connection broke: that must not hold anything twice.
Function level; over HTTP see benchmarks/api.py.
"""

from __future__ import annotations

import argparse
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.book import Book

NEEDS = "postgresql"
AMOUNT = 10_000  # minor units of one reservation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check-accounts", type=int, default=100_000, help="credit accounts of the book")
    parser.add_argument("--checks", type=int, default=500, help="credit checks timed")
    parser.add_argument("--reservations", type=int, default=500, help="reservations at the same moment")
    parser.add_argument("--reservation-threads", type=int, default=40, help="connections they come over")


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    fresh()
    book = Book(options.check_accounts)
    started = time.perf_counter()
    book.build()
    give_limits()
    say(
        f"{options.check_accounts:,} accounts, {20 * options.check_accounts:,} invoices: {time.perf_counter() - started:.0f} s"
    )
    _checks(book, options.checks, say)
    for room in (options.reservations // 2, options.reservations * 2):
        _reservations(book, options.reservations, room, options.reservation_threads, say)


def give_limits() -> None:
    """Every account may owe 50,000.00; written as an import opens limits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO customers_limitchange (account_id, kind, currency, new_amount, valid_from, reason_code, "
            "reason_params, comment, evidence, as_of, proposer_kind, proposer_name, proposed_at, status, is_automatic, "
            "decided_at, decision_reason) SELECT id, 'base', currency, 5000000, DATE '2020-01-01', 'opening_limit', '{}', "
            "'', '{}', DATE '2020-01-01', 'import', 'bench', now(), 'applied', TRUE, now(), '' FROM customers_creditaccount"
        )
        cursor.execute(
            "INSERT INTO customers_creditlimit (account_id, kind, currency, amount, valid_from, change_id, recorded_at) "
            "SELECT account_id, kind, currency, new_amount, valid_from, id, now() FROM customers_limitchange"
        )
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('customers_customer', 'id'), (SELECT max(id) FROM customers_customer))"
        )
        cursor.execute("ANALYZE")


def _checks(book: Book, count: int, say: Callable[[str], None]) -> None:
    from creditdesk.core.money import Money
    from customers.models import CreditAccount
    from scoring.checks.check import check_credit

    chance = random.Random(11)
    ids = [chance.randint(1, book.accounts) for _n in range(count)]
    times, queries, passed, spent = [], Counter(), 0, 0.0
    for pk in ids:
        account = CreditAccount.objects.get(pk=pk)
        started, before = time.perf_counter(), time.process_time()
        result = check_credit(account, Money(AMOUNT, "EUR"), as_of=book.as_of, at=timezone.now())
        times.append(time.perf_counter() - started)
        spent += time.process_time() - before
        passed += result.passes
    for pk in ids[:20]:
        account = CreditAccount.objects.get(pk=pk)
        with CaptureQueriesContext(connection) as seen:
            check_credit(account, Money(AMOUNT, "EUR"), as_of=book.as_of, at=timezone.now())
        queries[len(seen)] += 1
    times.sort()
    say(
        f"{count} checks: median {1000 * times[count // 2]:.1f} ms, p95 {1000 * times[count * 95 // 100]:.1f} ms, "
        f"p99 {1000 * times[count * 99 // 100]:.1f} ms "
        f"(of it {1000 * spent / count:.1f} ms processor time of Python); queries {dict(queries)}; {passed} pass"
    )


def _reservations(book: Book, count: int, room: int, threads: int, say: Callable[[str], None]) -> None:
    """`count` reservations at once where `room` of them fit."""
    from creditdesk.core.audit import Actor
    from creditdesk.core.money import Money
    from customers.models import CreditAccount, CreditSegment, Customer, Reservation
    from customers.reservations import ReservationError, reserve, reserved

    customer = Customer.objects.create(code=f"RACE-{room}", name="Race")
    account = CreditAccount.objects.create(
        customer=customer, segment=CreditSegment.objects.get(), company_id=1, currency="EUR"
    )
    _limit(account, room * AMOUNT + AMOUNT // 100)
    now, actor = timezone.now(), Actor.job("bench")
    work: queue.Queue[int] = queue.Queue()
    for n in range(count):
        work.put(n)
        if n % 3 == 0:
            work.put(n)
    barrier = threading.Barrier(threads)
    outcomes: Counter[str] = Counter()
    made: dict[int, set[int]] = {}
    waits: list[float] = []
    lock = threading.Lock()

    def worker() -> None:
        connections["default"].ensure_connection()
        barrier.wait()
        while True:
            try:
                n = work.get_nowait()
            except queue.Empty:
                break
            started = time.perf_counter()
            what: Any
            try:
                row = reserve(
                    account,
                    Money(AMOUNT, "EUR"),
                    reference=f"{room}-{n}",
                    actor=actor,
                    as_of=book.as_of + timedelta(days=1),
                    at=now,
                )
                what, pk = "held", row.pk
            except ReservationError as error:
                what, pk = error.code, 0
            except Exception as error:  # a benchmark tells what went wrong instead of dying in a thread
                what, pk = type(error).__name__, 0
            with lock:
                outcomes[what] += 1
                waits.append(time.perf_counter() - started)
                if pk:
                    made.setdefault(n, set()).add(pk)
        connections.close_all()

    started = time.perf_counter()
    runners = [threading.Thread(target=worker) for _n in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    took = time.perf_counter() - started
    stored = Reservation.objects.filter(account=account).count()
    held = reserved([account.pk], now).get((account.pk, "EUR"), 0)
    fits = min(room, count)
    assert stored == len(made) == fits, f"{stored} stored, {len(made)} answered, {fits} fit"
    assert held == fits * AMOUNT, f"{held} held, {fits * AMOUNT} fit"
    assert all(len(pks) == 1 for pks in made.values()), "a reference held twice"
    waits.sort()
    say(
        f"{count} reservations ({len(waits)} calls) over {threads} connections, room for {room}: {fits} held, none over, "
        f"none lost; {dict(outcomes)}; {took:.1f} s, {len(waits) / took:.0f}/s, median wait {1000 * waits[len(waits) // 2]:.0f} ms"
    )


def _limit(account: Any, minor: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO customers_limitchange (account_id, kind, currency, new_amount, valid_from, reason_code, "
            "reason_params, comment, evidence, as_of, proposer_kind, proposer_name, proposed_at, status, is_automatic, "
            "decided_at, decision_reason) VALUES (%s, 'base', 'EUR', %s, DATE '2020-01-01', 'opening_limit', '{}', '', "
            "'{}', DATE '2020-01-01', 'import', 'bench', now(), 'applied', TRUE, now(), '') RETURNING id",
            [account.pk, minor],
        )
        change = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO customers_creditlimit (account_id, kind, currency, amount, valid_from, change_id, recorded_at) "
            "VALUES (%s, 'base', 'EUR', %s, DATE '2020-01-01', %s, now())",
            [account.pk, minor, change],
        )
