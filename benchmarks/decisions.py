"""A decision from stored data on a large book: latency of `scoring.decisions.decide`, queries, and what they cost.

Asked one after the other, then paced at so many a second from two threads, as a web process answers. Each decision
is stored. Groups of five tie a tenth of the customers together. HTTP on top of it: benchmarks/api.py.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.book import Book

Say = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--decision-accounts", type=int, default=100_000)
    parser.add_argument("--decision-invoices", type=int, default=12, help="per account")
    parser.add_argument("--decision-rate", type=int, default=20, help="a second")
    parser.add_argument("--decision-seconds", type=int, default=30)


def run(options: Any, fresh: Callable[[], None], say: Say) -> None:
    from creditdesk.core.audit import Actor
    from creditdesk.core.money import Money
    from scoring.book_figures import store_book_figures
    from scoring.decisions import decide
    from scoring.engine import rescore

    fresh()
    book = Book(options.decision_accounts, options.decision_invoices)
    started = time.perf_counter()
    book.build()
    _group(options.decision_accounts, book)
    rescore(book.as_of, keep_history=False)
    say(f"{options.decision_accounts:,} accounts built and scored in {time.perf_counter() - started:.0f} s")
    started = time.perf_counter()
    store_book_figures(book.as_of)
    say(f"receivables of the book kept in {time.perf_counter() - started:.2f} s (every night)")

    draw = random.Random(4)
    asked_by = Actor.policy("benchmark")

    def once(account: int) -> float:
        start = time.perf_counter()
        decide(
            account,
            book.as_of,
            asked_by=asked_by,
            requested=Money.of(draw.randrange(1_000, 50_000), "EUR"),
        )
        return time.perf_counter() - start

    accounts = [draw.randrange(1, options.decision_accounts + 1) for _ in range(500)]
    for account in accounts[:20]:
        once(account)
    say(f"statements: {_statements(lambda: once(accounts[21]))}")
    _tell("one after the other", [once(account) for account in accounts], say)
    _tell(f"{options.decision_rate} a second", _paced(once, options, draw), say)
    _explain(say)


def _group(accounts: int, book: Book) -> None:
    """Every fifty customers a head with four members."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE customers_customer SET parent_id = id - id %% 50 + 1 "
            "WHERE id %% 50 BETWEEN 2 AND 5 AND id - id %% 50 + 1 <= %s",
            [accounts],
        )
        cursor.execute("ANALYZE customers_customer")


def _paced(once: Callable[[int], float], options: Any, draw: random.Random) -> list[float]:
    """Latency from the moment each was due, so that queueing counts."""
    from django.db import connections

    total, gap = options.decision_rate * options.decision_seconds, 1 / options.decision_rate
    begin = time.perf_counter() + 0.5

    def at(place: int, account: int) -> float:
        due = begin + place * gap
        time.sleep(max(due - time.perf_counter(), 0))
        once(account)
        return time.perf_counter() - due

    def closing(_worker: int) -> None:
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                at, range(total), [draw.randrange(1, options.decision_accounts + 1) for _ in range(total)]
            )
        )
        list(pool.map(closing, range(4)))
    return found


def _statements(act: Callable[[], Any]) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        act()
    return len(queries)


def _tell(what: str, seconds: list[float], say: Say) -> None:
    ranked = sorted(seconds)

    def at(share: float) -> str:
        return f"{1000 * ranked[min(int(len(ranked) * share), len(ranked) - 1)]:.1f}"

    say(f"{what}: {len(ranked)} decisions, p50 {at(0.5)} ms, p95 {at(0.95)} ms, p99 {at(0.99)} ms")


def _explain(say: Say) -> None:
    """Rows kept per decision."""
    from scoring.models import Decision, ScoreHistory

    say(f"{Decision.objects.count():,} decisions and {ScoreHistory.objects.count():,} scores kept with them")
