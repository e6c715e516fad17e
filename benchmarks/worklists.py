"""Building the worklists of a day against the best single statement that does the same.

Fifty collectors share a large book. The floor is one statement (worklist_floor.sql) that reads the same evidence,
finds the same leading causes, prices, ranks and writes the same rows into a table with the same columns, indexes
and references; the benchmark stops when its rows differ from ours. It knows only what this book contains: no
groups, insolvencies, hand-overs, blocks, snoozes or foreign currencies, and it speaks only PostgreSQL.

Two smaller statements are measured for comparison: each collector's first fifty customers by money overdue, and
everybody with something overdue. They do less: nobody learns why somebody is on the list, or what holds others back.
Runs are interleaved, each on a day of its own; only ratios of medians within one run count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks.book import Book
from customers.models import CreditAccount
from scoring.engine import rescore
from worklists.models import WorklistRow, WorklistRun
from worklists.runs import build_worklists

NEEDS = "postgresql"
COLLECTORS = 50
TOP = 50

FLOOR = (Path(__file__).parent / "worklist_floor.sql").read_text()
# What the smaller statements write; the same indexes as the table of our rows.
_TABLE = """
DROP TABLE IF EXISTS bench_list;
CREATE TABLE bench_list (id bigserial PRIMARY KEY, as_of date, account_id bigint, collector_id bigint, rank int,
  overdue bigint, at_risk bigint, oldest date, items int, UNIQUE (as_of, account_id));
CREATE INDEX ON bench_list (as_of, collector_id, rank);
"""
_BARE = """
INSERT INTO bench_list (as_of, account_id, collector_id, rank, overdue, at_risk, oldest, items)
SELECT %(day)s, account_id, collector_id, place, overdue, at_risk, oldest, items FROM (
  SELECT o.*, a.collector_id, o.overdue * coalesce(s.pd, 0.05) AS at_risk,
    row_number() OVER (PARTITION BY a.collector_id ORDER BY o.overdue * coalesce(s.pd, 0.05) DESC, o.account_id) AS place
  FROM (
    SELECT i.account_id, sum(i.open_amount) AS overdue, min(i.due_on) AS oldest, count(*) AS items
    FROM customers_instalment i
    WHERE i.open_amount > 0 AND i.superseded_at IS NULL AND i.kind = 'invoice' AND i.due_on < %(day)s
    GROUP BY i.account_id
  ) o JOIN customers_creditaccount a ON a.id = o.account_id
  LEFT JOIN scoring_accountscore s ON s.account_id = o.account_id
) r WHERE place <= %(top)s
ON CONFLICT (as_of, account_id) DO UPDATE SET rank = excluded.rank, overdue = excluded.overdue,
  at_risk = excluded.at_risk, oldest = excluded.oldest, items = excluded.items
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--worklist-accounts", type=int, default=20_000)


def _people() -> None:
    """Fifty collectors, each with every fiftieth account."""
    people = get_user_model().objects.bulk_create(
        get_user_model()(username=f"collector{n}", is_staff=True) for n in range(COLLECTORS)
    )
    first = min(person.pk for person in people)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {CreditAccount._meta.db_table} SET collector_id = %s + id %% %s", [first, COLLECTORS]
        )


def _bare(day: Any, top: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_BARE, {"day": day, "top": top})


def _tables() -> None:
    """Tables for the floors: one for the bare ones, and a twin of ours with all it is checked by."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute("DROP TABLE IF EXISTS bench_row")
        cursor.execute("CREATE TABLE bench_row (LIKE worklists_worklistrow INCLUDING ALL)")
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'worklists_worklistrow'::regclass AND contype = 'f'"
        )
        for (definition,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE bench_row ADD {definition}")
        cursor.execute("VACUUM ANALYZE")


def _floor(day: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        run_of_day, _made = WorklistRun.objects.get_or_create(
            company_id=1, as_of=day, defaults={"policy_version": "floor"}
        )
        cursor.execute(FLOOR, {"day": day, "run": run_of_day.pk})


# Companions of the leading cause are written by both, but the floor finds only those of this book.
_SAME = (
    "account_id, collector_id, lane, rank, currency, at_risk, collectable, probability, minutes, overdue, "
    "oldest_due_on, items, cause_code, step_code, state"
)


def _differing(run_of_day: WorklistRun) -> int:
    """Rows of one day that stand in only one of the two tables."""
    pair = [
        f"SELECT {_SAME} FROM {table} WHERE run_id = {int(run_of_day.pk)}"
        for table in ("bench_row", "worklists_worklistrow")
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (({pair[0]} EXCEPT {pair[1]}) UNION ALL ({pair[1]} EXCEPT {pair[0]})) x"
        )
        return cursor.fetchone()[0]


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    fresh()
    book = Book(options.worklist_accounts, options.per_account)
    book.build()
    _people()
    rescore(book.as_of)
    _tables()
    shapes: dict[str, Callable[[Any], Any]] = {
        "floor": _floor,
        f"bare, first {TOP} of each": lambda day: _bare(day, TOP),
        "bare, everybody overdue": lambda day: _bare(day, 10**9),
        "worklists": build_worklists,
    }
    taken: dict[str, list[float]] = {name: [] for name in shapes}
    for number in range(options.runs + 1):  # the first one warms up
        day = book.as_of - timedelta(days=options.runs - number)
        for name, shape in shapes.items():
            started = time.perf_counter()
            shape(day)
            taken[name].append(time.perf_counter() - started)
    seconds = {name: median(values[1:]) for name, values in taken.items()}
    run_of_day = WorklistRun.objects.latest("as_of")
    rows = WorklistRow.objects.filter(run=run_of_day).count()
    say(f"{options.worklist_accounts} accounts, {COLLECTORS} collectors, {rows} rows on the last day")
    floor, *_bare_ones, ours = seconds.values()
    for name, value in seconds.items():
        say(f"  {name:<32}{value:8.3f} s   {value / floor:6.2f} x floor")
    say(f"worklists: time against the floor: {ours / floor:.2f}x (goal <= 3x)")
    say(f"  rows that differ from the floor's: {_differing(run_of_day)}")
    started = time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        build_worklists(run_of_day.as_of)
    say(f"  again on the same day: {time.perf_counter() - started:.2f} s, {len(queries)} statements")
    assert rows
