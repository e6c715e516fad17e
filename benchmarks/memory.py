"""Peak memory of the processes that score at night and learn, at a tenth of the book and at the whole of it.

Each piece runs in a process of its own, as a worker would run it; what is printed is the most that process ever
held (resource.getrusage). PostgreSQL's own share is bounded by its settings: `work_mem` per sort or hash of the
one statement at a time.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from django.db import connection

from benchmarks.book import Book
from benchmarks.evidence import add_evidence

NEEDS = "postgresql"
ROOT = Path(__file__).resolve().parent.parent
AS_OF = date(2026, 10, 30)


def _nightly() -> None:
    from creditdesk.core.audit import Actor
    from scoring.ranges import account_ranges
    from scoring.tasks import score_accounts

    for low, high in account_ranges():
        score_accounts(AS_OF, low, high, actor=Actor.job("benchmark"), go_back=True)


def _peers() -> None:
    from scoring.peers import store_peer_figures

    store_peer_figures(date(2026, 9, 1))


def _observed() -> None:
    from scoring.fitting.observations import observe

    print(observe([date(2025, 8, 31), date(2025, 9, 30)]).rows)


def _ledger() -> None:
    from scoring.invoices.load import learned_accounts, load_ledger

    print(len(load_ledger(learned_accounts())))


PIECES: dict[str, Callable[[], None]] = {
    "nothing (Django and its apps)": lambda: None,
    "nightly pass in its ranges": _nightly,
    "weekly peer figures": _peers,
    "observations of two days for a scorecard": _observed,
    "ledger of the invoice card": _ledger,
}


def peak(piece: str) -> float:
    """Peak memory in MB of a piece in a process of its own, on the database of DATABASE_URL."""
    command = [sys.executable, "-m", "benchmarks.memory", piece]
    path = os.pathsep.join([str(ROOT), str(ROOT / "collections")])
    env = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=env)
    return float(done.stdout.split()[-1])


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    """`fresh` empties the database; --accounts and --per-account as for the signals."""
    peaks: list[dict[str, float]] = []
    for accounts in (max(options.accounts // 10, 100), options.accounts):
        fresh()
        book = Book(accounts, options.per_account)
        book.build()
        add_evidence(book)
        connection.close()
        peaks.append({piece: peak(piece) for piece in PIECES})
        for piece, megabytes in peaks[-1].items():
            say(f"  {accounts:>8} accounts  {piece:<42}{megabytes:8.1f} MB")
    few, many = peaks
    say("tenfold: " + ", ".join(f"{piece} {many[piece] / few[piece]:.2f}x" for piece in PIECES))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
    import django

    django.setup()
    PIECES[sys.argv[1]]()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(used / (1 << 20 if sys.platform == "darwin" else 1 << 10))
