"""Import of ledger rows against a bare COPY and against django-import-export's bulk mode; memory by file size.

    python -m benchmarks.import_ledger [--rows 200000] [--runs 5] [--library-rows 20000]

All run on one PostgreSQL database (a private server unless DATABASE_URL names one), interleaved, every run
into an emptied ledger with the customers already there; medians are printed. The file has 0.4 % bad rows,
which our import reports and leaves out. The floor gets the same file without them: COPY into a staging
table, INSERT ... SELECT into invoices and instalments, no checks at all. The library stores the same rows
(instalments with each bulk), with foreign keys cached, bulk mode, no diff and no checks.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CUSTOMERS = 2000
TODAY = date(2026, 11, 20)
HEADER = ["customer", "number", "issued", "due", "currency", "amount", "settled"]
COMMON: dict[str, Any] = {
    "company": {"code": "bench", "name": "Bench", "country": "IT", "currency": "EUR"},
    "source": {"code": "bench", "name": "Bench"},
    "segment": {"code": "all", "name": "All"},
    "known_on": "own",
}
COLUMNS = {
    "customer": "customer",
    "number": "number",
    "issued_on": "issued",
    "due_on": "due",
    "currency": "currency",
    "amount": "amount",
}


@contextlib.contextmanager
def booted() -> Iterator[None]:
    """Django on PostgreSQL: the one DATABASE_URL names, or a private server for this run."""
    server = None
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        from tests.plugins.postgres_server import PostgresServer

        server = PostgresServer().start()
        os.environ["DATABASE_URL"] = server.url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
    sys.path[:0] = [str(ROOT), str(ROOT / "collections")]
    import django

    django.setup()
    try:
        yield
    finally:
        from django.db import connections

        connections.close_all()
        if server is not None:
            server.stop()
            os.environ.pop("DATABASE_URL", None)


@contextlib.contextmanager
def database() -> Iterator[None]:
    """A migrated database of the benchmark's own."""
    from django.db import connection

    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def write_file(path: Path, rows: int, *, bad: float = 0.004) -> None:
    """Deterministic invoice rows; `bad` of them with an unreadable amount."""
    chance = random.Random(7)
    start = date(2024, 1, 1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for n in range(rows):
            issued = start + timedelta(days=n * 700 // rows)
            due = issued + timedelta(days=chance.choice([30, 60]))
            amount = "n/a" if chance.random() < bad else f"{chance.randint(1000, 5_000_000) / 100:.2f}"
            settled = due + timedelta(days=chance.randint(-5, 40))
            writer.writerow([f"C{n % CUSTOMERS:05d}", f"F{n:08d}", issued, due, "EUR", amount, settled])


def without_bad_rows(path: Path) -> Path:
    clean = path.with_name(f"clean-{path.name}")
    with path.open() as source, clean.open("w") as target:
        target.writelines(line for line in source if "n/a" not in line)
    return clean


def mapping(layout: str) -> Any:
    from customers.models import ImportMapping

    columns = COLUMNS | ({"settled_on": "settled"} if layout == "settled" else {})
    constants = {"record": "invoice"} if layout == "transactions" else {}
    spec = {**COMMON, "columns": columns, "constants": constants}
    found = ImportMapping.objects.filter(slug=f"bench-{layout}").first()
    return found or ImportMapping.objects.create(slug=f"bench-{layout}", layout=layout, spec=spec)


def prepare(folder: Path) -> None:
    """Company and customers, made by a first small import."""
    small = folder / "customers.csv"
    write_file(small, CUSTOMERS, bad=0)
    ours(small, "transactions")
    empty()


def empty() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE customers_invoice, customers_instalment, customers_payment, customers_allocation, "
            "customers_refusedrow, customers_importbatch CASCADE"
        )


def ours(path: Path, layout: str) -> int:
    from customers.imports.run import Options, run_import

    report = run_import(path, mapping(layout), Options(today=TODAY, latest_day=date(2030, 1, 1), commit=True))
    return report.counts["documents"]


def copy_floor(path: Path, layout: str) -> int:
    """What PostgreSQL itself needs to take the rows in: COPY and INSERT ... SELECT, no question asked."""
    from django.db import connection, transaction

    from customers.models import Source

    source = Source.objects.get(code="bench")
    ids = {"source": source.pk, "company": source.company_id}
    with transaction.atomic(), connection.cursor() as cursor:
        columns = ", ".join(f"{name} text" for name in HEADER)
        cursor.execute(f"CREATE TEMP TABLE floor ({columns}) ON COMMIT DROP")
        with cursor.copy("COPY floor FROM STDIN WITH (FORMAT csv, HEADER)") as copy, path.open("rb") as file:
            while block := file.read(1 << 20):
                copy.write(block)
        cursor.execute("ANALYZE floor")
        cursor.execute(
            """INSERT INTO customers_invoice (effective_on, known_on, recorded_at, number, fiscal_year, kind,
                currency, amount, account_id, company_id, source_id)
            SELECT issued::date, issued::date, now(), f.number, extract(year FROM issued::date), 'invoice',
                f.currency, (f.amount::numeric * 100)::bigint, a.id, %(company)s, %(source)s
            FROM floor f JOIN customers_customerkey k ON k.source_id = %(source)s AND k.key = f.customer
            JOIN customers_creditaccount a ON a.customer_id = k.customer_id""",
            ids,
        )
        count = cursor.rowcount
        cursor.execute("ANALYZE customers_invoice")
        settled = layout == "settled"
        cursor.execute(
            f"""INSERT INTO customers_instalment (effective_on, known_on, recorded_at, number, kind, due_on,
                currency, amount, account_amount, open_amount, settled_on, settled_by, reopened, account_id,
                company_id, invoice_id)
            SELECT i.effective_on, i.known_on, now(), 1, 'invoice', f.due::date, i.currency, i.amount, i.amount,
                {"0, f.settled::date, 'cash'" if settled else "i.amount, NULL, ''"}, FALSE, i.account_id,
                i.company_id, i.id
            FROM floor f JOIN customers_invoice i ON i.source_id = %(source)s AND i.number = f.number""",
            ids,
        )
        cursor.execute("ANALYZE customers_instalment")
        if settled:
            cursor.execute(
                """INSERT INTO customers_payment (effective_on, known_on, recorded_at, key, instrument, currency,
                    amount, open_amount, account_id, company_id, source_id)
                SELECT f.settled::date, f.settled::date, now(), i.number, 'transfer', i.currency, i.amount, 0,
                    i.account_id, i.company_id, i.source_id
                FROM floor f JOIN customers_invoice i ON i.source_id = %(source)s AND i.number = f.number""",
                ids,
            )
            cursor.execute("ANALYZE customers_payment")
            cursor.execute(
                """INSERT INTO customers_allocation (effective_on, known_on, recorded_at, kind, currency, amount,
                    account_amount, days_late, account_id, instalment_id, payment_id)
                SELECT y.effective_on, y.known_on, now(), 'cash', y.currency, y.amount, y.amount,
                    y.effective_on - t.due_on, y.account_id, t.id, y.id
                FROM customers_payment y JOIN customers_invoice i ON i.source_id = y.source_id AND i.number = y.key
                JOIN customers_instalment t ON t.invoice_id = i.id WHERE y.source_id = %(source)s""",
                ids,
            )
    return count


def library(path: Path) -> int:
    from benchmarks.library import library as run_library

    return run_library(path)


def timed(action: Any, *arguments: Any) -> tuple[float, int]:
    empty()
    start = time.perf_counter()
    stored = action(*arguments)
    return time.perf_counter() - start, stored


def compare(folder: Path, rows: int, runs: int, library_rows: int) -> dict[str, float]:
    path, small = folder / "rows.csv", folder / "library.csv"
    write_file(path, rows)
    write_file(small, library_rows)
    clean = without_bad_rows(path)
    times: dict[str, list[float]] = {}
    for _run in range(runs):
        for layout in ("transactions", "settled"):
            for name, action, file in (("copy", copy_floor, clean), ("ours", ours, path)):
                seconds, stored = timed(action, file, layout)
                times.setdefault(f"{name} {layout}", []).append(seconds)
                print(
                    f"  {name:8} {layout:13} {stored:>8,} rows {seconds:7.2f} s  {stored / seconds:>9,.0f} rows/s"
                )
        # No more rows than it can hold: it keeps data set and results in memory, its speed does not depend on them.
        seconds, stored = timed(library, small)
        times.setdefault("library", []).append(seconds)
        print(
            f"  {'library':8} {'invoices':13} {stored:>8,} rows {seconds:7.2f} s  {stored / seconds:>9,.0f} rows/s"
        )
    median = {name: statistics.median(values) for name, values in times.items()}
    rate = rows / median["ours transactions"]
    return {
        "copy transactions": median["ours transactions"] / median["copy transactions"],
        "copy settled": median["ours settled"] / median["copy settled"],
        "library": rate / (library_rows / median["library"]),
        "ceiling": rows / median["copy transactions"] / (library_rows / median["library"]),
    }


def peak(path: Path) -> float:
    """Peak memory in MB of one import in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.import_ledger", "--measure", str(path)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def memory(folder: Path, rows: int) -> dict[str, float]:
    from django.db import connection

    few, many = folder / "few.csv", folder / "many.csv"
    write_file(few, rows // 10)
    write_file(many, rows)
    settings = connection.settings_dict
    os.environ["BENCH_DATABASE"] = settings["NAME"]
    peaks = []
    for path in (few, many):
        empty()
        peaks.append(peak(path))
        print(f"  peak memory {sum(1 for _ in path.open()) - 1:>8,} rows: {peaks[-1]:6.1f} MB")
    return {"memory": peaks[1] / peaks[0]}


def measure(path: Path) -> None:
    with booted():
        from django.db import connection

        connection.settings_dict["NAME"] = os.environ["BENCH_DATABASE"]
        ours(path, "transactions")
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(used / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the imported file")
    parser.add_argument("--library-rows", type=int, default=20_000, help="rows given to import-export")


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    """As one of `python -m benchmarks`."""
    fresh()
    report(options, say)


def report(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        ratios = compare(folder, options.rows, options.runs, options.library_rows)
        ratios |= memory(folder, options.rows)
    goals = {"copy transactions": "<= 3", "copy settled": "<= 3", "library": ">= 10", "memory": "<= 1.2"}
    texts = {
        "copy transactions": "invoices: time against bare COPY and INSERT",
        "copy settled": "settled invoices with payments: time against bare COPY and INSERT",
        "library": "rows per second against import-export's bulk mode",
        "ceiling": "the bare COPY's own rows per second against import-export's bulk mode",
        "memory": "peak memory against a tenth of the rows",
    }
    for key, ratio in ratios.items():
        goal = f" (goal {goals[key]}x)" if key in goals else ""
        say(f"import: {texts[key]}: {ratio:.2f}x{goal}")
    return ratios


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv or [])
    if options.measure:
        measure(options.measure)
        return {}
    with booted(), database():
        return report(options, print)


if __name__ == "__main__":
    main(sys.argv[1:])
