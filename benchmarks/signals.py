"""Scoring against the best hand-written statement (floor.sql): whole book, history, growth, one account.

The machine is noisy, so runs are interleaved and only ratios of medians within one run are printed: of wall time,
and of the server's own processor time where it runs on this machine (other work disturbs that much less).

Every bar is printed with its goal as soon as it is measured. Parts can be run by themselves: `--sizes 10000` one size
(growth needs two), `--parts payment,one` what of it. `--minutes` bounds the runs: once they are over no further run
begins, and what has been measured is told.
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
from creditdesk.core.audit import Actor
from scoring.beside import keep_beside
from scoring.engine import rescore
from scoring.models import AccountScore, Scorecard
from scoring.peers import store_peer_figures
from scoring.publishing import LIFE
from scoring.ranges import account_ranges
from scoring.statement import Scope

NEEDS = "postgresql"
PARTS = ("payment", "one", "all")
GOALS = {
    "payment signals and score": 1.5,
    "the same with history": 2.0,
    "all families, score, history": 4.0,
    "growth beside the floor's": 1.3,
}
QUERIES, P99 = 3, 20.0
"""Of one account after a payment: queries, milliseconds."""
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
    parser.add_argument(
        "--sizes",
        type=_numbers,
        help="accounts of the books, A,B,.. (default: a tenth of --accounts, and those)",
    )
    parser.add_argument(
        "--parts", type=_names, default=PARTS, help=f"which of {','.join(PARTS)} (signals; default all)"
    )
    parser.add_argument(
        "--minutes", type=float, default=120.0, help="after so many no further run of a book begins (120)"
    )


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: one of {', '.join(PARTS)}")
    return names


class Told:
    """Says each figure as it comes, keeps the bars for the end, and knows when the time is over."""

    def __init__(self, say: Callable[[str], None], minutes: float) -> None:
        self.say, self.bars = say, list[str]()
        self._until = time.monotonic() + 60 * minutes

    @property
    def over(self) -> bool:
        return time.monotonic() > self._until

    def bar(self, what: str, value: float, goal: float, unit: str) -> None:
        met = "met" if value <= goal else "MISSED"
        self.bars.append(f"  {what:<52}{value:8.2f} {unit:<9} goal {goal:g}: {met}")
        self.say(self.bars[-1])


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
    shapes: dict[str, Callable[[date], Any]], last: date, runs: int, told: Told
) -> tuple[dict[str, float], dict[str, float]]:
    """Wall and processor seconds by shape: every shape in turn, `runs` times, each run on a day of its own (never a
    month-end but where asked). Once the time is over no further turn begins."""
    wall: dict[str, list[float]] = {name: [] for name in shapes}
    processor: dict[str, list[float]] = {name: [] for name in shapes}
    for number in range(runs):
        if number and told.over:
            told.say(f"  time is over: {number} of {runs} runs")
            break
        day = last - timedelta(days=1 + runs - number)
        for name, run in shapes.items():
            started, before = time.perf_counter(), _processor_seconds()
            run(day)
            wall[name].append(time.perf_counter() - started)
            processor[name].append(_processor_seconds() - before)
        told.say(
            f"  run {number + 1} of {runs}: "
            + ", ".join(f"{name} {values[-1]:.1f} s" for name, values in wall.items())
        )
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


def _make_floor() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP TABLE IF EXISTS bench_floor; CREATE TABLE bench_floor ({COLUMNS}) WITH (fillfactor = 45)"
        )


def measure(book: Book, runs: int, told: Told) -> dict[str, float]:
    """Processor seconds by shape (wall where the server's are not to be seen), and the better floor's."""
    say = told.say
    _make_floor()
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
    seconds, processor = _medians(shapes, month_end, runs, told)
    floors = ("floor, planner's default", "floor, index scans forbidden")
    taken = processor if all(processor.values()) else seconds
    best = min(floors, key=taken.__getitem__)
    floor = seconds[best]
    _tell(seconds, processor, best, say)
    size = f", {book.accounts} accounts"
    told.bar(
        "payment signals and score" + size, taken["signals and score"] / taken[best],
        GOALS["payment signals and score"], "x floor",
    )  # fmt: skip
    told.bar(
        "the same with history" + size, taken["signals, score and history"] / taken[best],
        GOALS["the same with history"], "x floor",
    )  # fmt: skip
    started = time.perf_counter()
    kept = rescore(month_end).kept
    value = time.perf_counter() - started
    _floor(month_end, forbid=True)
    say(f"  rows where floor and score disagree: {_agree()} of {book.accounts}")
    say(f"  month-end, {kept} rows kept{'':<9}{value:8.2f} s   {value / floor:5.2f} x floor")
    return taken | {"floor": taken[best]}


def measure_all(book: Book, runs: int, told: Told) -> dict[str, float]:
    """All families, on a book whose evidence tables are filled; the floor is that of the payment signals."""
    say = told.say
    _make_floor()
    add_evidence(book)
    started = time.perf_counter()
    stored = store_peer_figures(book.as_of - timedelta(days=20))
    say(f"  {stored} peer figures stored in {time.perf_counter() - started:.2f} s")
    rescore(book.as_of - timedelta(days=25), go_back=True)
    _make_challenger(book.as_of - timedelta(days=400))
    shapes: dict[str, Callable[[date], Any]] = {
        "floor, planner's default": lambda day: _floor(day, forbid=False),
        "floor, index scans forbidden": lambda day: _floor(day, forbid=True),
        "all families and score": lambda day: rescore(day, keep_history=False, go_back=True),
        "all families, score, history": lambda day: rescore(day, go_back=True),
        "a card beside, after the pass": lambda day: keep_beside(day, Scope.everyone()),
        "the same in nightly ranges": _chunks,
    }
    # The same floor, measured again between these runs.
    seconds, processor = _medians(shapes, book.as_of, runs, told)
    taken = processor if all(processor.values()) else seconds
    best = min(("floor, planner's default", "floor, index scans forbidden"), key=taken.__getitem__)
    _tell(seconds, processor, best, say)
    told.bar(
        f"all families, score, history, {book.accounts} accounts",
        taken["all families, score, history"] / taken[best],
        GOALS["all families, score, history"],
        "x floor",
    )
    covered = AccountScore.objects.aggregate(
        bank=Count("bank_history_days"),
        accounts=Count("equity_ratio"),
        group=Count("group_score"),
        agencies=Count("bureau_standing"),
    )
    say(f"  accounts with bank flows, annual accounts, a scored group, an agency's rating: {covered}")
    return taken | {"floor": taken[best]}


def _make_challenger(since: date) -> None:
    """A copy of the card in use that runs beside it."""
    used = Scorecard.objects.get(status=Scorecard.Status.ACTIVE, kind=Scorecard.Kind.FULL)
    card = LIFE.copy_by_job(used, actor=Actor.job("benchmark"), as_of=since)
    Scorecard.objects.filter(pk=card.pk).update(beside_since=since)


def measure_one(book: Book, told: Told, what: str, times: int = 300) -> None:
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
    statements = [
        q for q in queries if q["sql"].split()[0] in {"SELECT", "INSERT", "EXECUTE", "WITH", "UPDATE"}
    ]
    told.say(f"  one account, {what}: p50 {median(taken):.1f} ms")
    told.bar(f"one account, {what}: queries", len(statements), QUERIES, "")
    told.bar(f"one account, {what}: p99", quantiles(taken, n=100)[98], P99, "ms")


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    """`fresh` empties the database; a tenth of the accounts goes first, for growth."""
    sizes = options.sizes or [max(options.accounts // 10, 100), options.accounts]
    told = Told(say, options.minutes)
    results, full = [], []
    for accounts in sizes:
        if results and told.over:
            say(f"time is over: {accounts} accounts were not measured")
            break
        fresh()
        book = Book(accounts, options.per_account)
        started = time.perf_counter()
        book.build()
        say(
            f"{accounts} accounts, {accounts * options.per_account} invoices, "
            f"built in {time.perf_counter() - started:.0f} s"
        )
        if "payment" in options.parts:
            results.append((accounts, measure(book, options.runs, told)))
        if "one" in options.parts:
            rescore(book.as_of - timedelta(days=31), go_back=True)
            measure_one(book, told, "payment signals")
        if "all" in options.parts:
            full.append((accounts, measure_all(book, options.runs, told)))
            if "one" in options.parts:
                measure_one(book, told, "all families")
        assert AccountScore.objects.count() == accounts
    _growth("payment signals", "signals, score and history", results, told)
    _growth("all families", "all families, score, history", full, told)
    say("bars:")
    for line in told.bars:
        say(line)


def _growth(what: str, shape: str, found: list[tuple[int, dict[str, float]]], told: Told) -> None:
    """From the smallest to the largest book."""
    if len(found) < 2:
        return
    (few, small), (many, large) = found[0], found[-1]
    growth, floor = large[shape] / small[shape], large["floor"] / small["floor"]
    told.say(f"from {few} to {many} accounts, {what}: {growth:.1f} x, the floor's own {floor:.1f} x")
    told.bar(f"growth beside the floor's, {what}", growth / floor, GOALS["growth beside the floor's"], "x")
