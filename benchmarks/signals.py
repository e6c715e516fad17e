"""Scoring against the best hand-written statement (floor.sql): whole book, history, growth, one account.

The machine is noisy, so runs are interleaved and only ratios of medians within one run are printed: of wall time,
and of the server's own processor time where it runs on this machine (other work disturbs that much less).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from django.db import connection, transaction
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from benchmarks.book import Book
from benchmarks.evidence import add_evidence
from scoring.engine import rescore
from scoring.models import AccountScore
from scoring.peers import store_peer_figures
from scoring.ranges import account_ranges
from scoring.statement import Scope

NEEDS = "postgresql"
FLOOR = Path(__file__).with_name("floor.sql").read_text()
COLUMNS = (
    "account_id bigint PRIMARY KEY, as_of date, stamp timestamptz, d12 float8, d3 float8, l0 float8, l15 float8, "
    "l30 float8, mx int, oldest int, od float8, od60 float8, n_od int, broken int, broken_share float8, "
    "disputed float8, dispute_rate float8, credited float8, lost float8, returned int, n_due int, months int, idle int, "
    "signed_days float8, counted int, late int, late15 int, late30 int, late60 int, largest int, punctual "
    "float8, spread float8, trend float8, rolled30 float8, rolled60 float8, receipts float8, parts int, "
    "od30 float8, od90 float8, od_age float8, unapplied float8, paid int, still int, oldest_dispute int, "
    "credit_rate float8, open_months float8, turnover float8, quarters int, swing float8 "
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--per-account", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)


def _floor(day: date, *, forbid: bool) -> None:
    """forbid: index scans forbidden and the memory our own pass takes; else the planner's defaults."""
    with transaction.atomic(), connection.cursor() as cursor:
        if forbid:
            cursor.execute(
                "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; "
                "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"
            )
        cursor.execute(FLOOR, {"d": day})


def _chunks(day: date) -> None:
    for low, high in account_ranges():
        rescore(day, Scope.between(low, high))


def _processor_seconds() -> float:
    """Processor time our server process has taken so far; 0 where it is not to be seen (another host)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        process = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    if not process.exists():
        return 0.0
    fields = process.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _medians(
    shapes: dict[str, Callable[[date], Any]], last: date, runs: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Wall and processor seconds by shape: every shape in turn, `runs` times, each run on a day of its own (never a
    month-end but where asked)."""
    wall: dict[str, list[float]] = {name: [] for name in shapes}
    processor: dict[str, list[float]] = {name: [] for name in shapes}
    for number in range(runs):
        day = last - timedelta(days=1 + runs - number)
        for name, run in shapes.items():
            started, before = time.perf_counter(), _processor_seconds()
            run(day)
            wall[name].append(time.perf_counter() - started)
            processor[name].append(_processor_seconds() - before)
    return (
        {name: median(values) for name, values in wall.items()},
        {name: median(values) for name, values in processor.items()},
    )


def _tell(
    seconds: dict[str, float], processor: dict[str, float], floor: str, say: Callable[[str], None]
) -> None:
    """A line per shape; `floor` names the one whose seconds are 1."""
    for name, value in seconds.items():
        cpu = (
            f"{processor[name]:8.2f} s   {processor[name] / processor[floor]:5.2f} x"
            if processor[floor]
            else ""
        )
        say(f"  {name:<32}{value:8.2f} s   {value / seconds[floor]:5.2f} x floor   processor{cpu}")


def _agree() -> int:
    """Rows where floor and score disagree on what both define alike; the floor must be the same work."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM bench_floor f JOIN scoring_accountscore s USING (account_id, as_of) "
            "WHERE (f.oldest, f.n_od, f.n_due, f.broken, f.returned) "
            "IS DISTINCT FROM (s.oldest_overdue_days, s.overdue_count, s.due_count_12m, s.broken_promises_12m, "
            "s.returned_payments_12m) OR abs(f.d12 - s.days_late_12m) > 0.00001 "
            "OR abs(f.od - s.overdue_share) > 0.00001 "
            "OR (f.counted, f.late, f.late15, f.late30, f.late60, f.parts, f.still, f.oldest_dispute, f.quarters) "
            "IS DISTINCT FROM (s.judged_count_12m, s.late_count_12m, s.late15_count_12m, s.late30_count_12m, "
            "s.late60_count_12m, s.part_paid_overdue_count, s.disputes_open, s.oldest_dispute_days, "
            "s.active_quarters_12m) OR abs(f.signed_days - s.days_beyond_terms_12m) > 0.00001 "
            "OR abs(f.spread - s.days_late_sd_12m) > 0.0001 OR f.largest <> s.largest_days_late_12m"
        )
        return cursor.fetchone()[0]


def measure(book: Book, runs: int, say: Callable[[str], None]) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP TABLE IF EXISTS bench_floor; CREATE TABLE bench_floor ({COLUMNS}) WITH (fillfactor = 45)"
        )
    month_end = book.as_of
    shapes: dict[str, Callable[[date], Any]] = {
        "floor, planner's default": lambda day: _floor(day, forbid=False),
        "floor, index scans forbidden": lambda day: _floor(day, forbid=True),
        "signals and score": lambda day: rescore(day, keep_history=False, go_back=True),
        "signals, score and history": lambda day: rescore(day, go_back=True),
        "the same in nightly ranges": _chunks,
    }
    rescore(month_end - timedelta(days=30), go_back=True)
    _floor(month_end - timedelta(days=30), forbid=True)
    seconds, processor = _medians(shapes, month_end, runs)
    best = min(("floor, planner's default", "floor, index scans forbidden"), key=seconds.__getitem__)
    floor = seconds[best]
    _tell(seconds, processor, best, say)
    started = time.perf_counter()
    kept = rescore(month_end).kept
    value = time.perf_counter() - started
    _floor(month_end, forbid=True)
    say(f"  rows where floor and score disagree: {_agree()} of {book.accounts}")
    say(f"  month-end, {kept} rows kept{'':<9}{value:8.2f} s   {value / floor:5.2f} x floor")
    return seconds | {"floor": floor}


def measure_all(book: Book, runs: int, say: Callable[[str], None]) -> dict[str, float]:
    """All families, on a book whose evidence tables are filled; the floor is that of the payment signals."""
    add_evidence(book)
    started = time.perf_counter()
    stored = store_peer_figures(book.as_of - timedelta(days=20))
    say(f"  {stored} peer figures stored in {time.perf_counter() - started:.2f} s")
    rescore(book.as_of - timedelta(days=25), go_back=True)
    shapes: dict[str, Callable[[date], Any]] = {
        "floor, index scans forbidden": lambda day: _floor(day, forbid=True),
        "all families and score": lambda day: rescore(day, keep_history=False, go_back=True),
        "all families, score, history": lambda day: rescore(day, go_back=True),
        "the same in nightly ranges": _chunks,
    }
    # The same floor, measured again between these runs.
    seconds, processor = _medians(shapes, book.as_of, runs)
    _tell(seconds, processor, "floor, index scans forbidden", say)
    covered = AccountScore.objects.aggregate(
        bank=Count("bank_history_days"),
        accounts=Count("equity_ratio"),
        group=Count("group_score"),
        agencies=Count("bureau_standing"),
    )
    say(f"  accounts with bank flows, annual accounts, a scored group, an agency's rating: {covered}")
    return seconds


def measure_one(book: Book, say: Callable[[str], None], times: int = 300) -> None:
    """One account after a payment, as the rescore task does it."""
    ids = [1 + number * 7919 % book.accounts for number in range(times + 20)]
    taken = []
    for number, pk in enumerate(ids):
        started = time.perf_counter()
        rescore(book.as_of, Scope.of([pk]))
        if number >= 20:
            taken.append((time.perf_counter() - started) * 1000)
    with CaptureQueriesContext(connection) as queries:
        rescore(book.as_of, Scope.of([ids[0]]))
    statements = [q for q in queries if q["sql"].split()[0] in {"SELECT", "INSERT", "EXECUTE"}]
    say(
        f"  one account: {len(statements)} queries, p50 {median(taken):.1f} ms, "
        f"p99 {quantiles(taken, n=100)[98]:.1f} ms"
    )


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    """`fresh` empties the database; a tenth of the accounts goes first, for growth."""
    results, full = [], []
    for accounts in (max(options.accounts // 10, 100), options.accounts):
        fresh()
        book = Book(accounts, options.per_account)
        say(f"{accounts} accounts, {accounts * options.per_account} invoices")
        book.build()
        results.append(measure(book, options.runs, say))
        measure_one(book, say)
        full.append(measure_all(book, options.runs, say))
        measure_one(book, say)
        assert AccountScore.objects.count() == accounts
    small, large = results
    _growth(
        "payment signals",
        small["signals, score and history"],
        large["signals, score and history"],
        large["floor"] / small["floor"],
        say,
    )
    few, many = full
    own = many["floor, index scans forbidden"] / few["floor, index scans forbidden"]
    _growth(
        "all families", few["all families, score, history"], many["all families, score, history"], own, say
    )


def _growth(what: str, few: float, many: float, floor: float, say: Callable[[str], None]) -> None:
    growth = many / few
    say(f"growth tenfold, {what}: {growth:.1f} x, the floor's own {floor:.1f} x; ratio {growth / floor:.2f}")
