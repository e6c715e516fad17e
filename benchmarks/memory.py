"""Peak memory of the processes that score at night and learn, at a tenth of the book and at the whole of it.

Each piece runs in a process of its own, as a worker would run it; what is printed is the most that process ever
held. PostgreSQL's own share is bounded by its settings: `work_mem` per sort or hash of the
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


def _learned() -> None:
    from scoring.fitting.account_card import in_points
    from scoring.fitting.account_fit import NotEnoughEvents, Options, fit_accounts
    from scoring.fitting.drafting import figures
    from scoring.fitting.observations import observe

    seen = observe([date(2025, 8, 31), date(2025, 9, 30)])
    try:
        fit = fit_accounts(seen, None, Options(min_events=5))
        figures(seen, fit, in_points(fit.learned, seen), date(2026, 9, 30))
        print(seen.rows)
    except NotEnoughEvents:
        print("refused,", seen.rows)


def _ledger() -> None:
    from scoring.invoices.load import learned_accounts, load_ledger

    print(len(load_ledger(learned_accounts())))


def _card() -> None:
    from scoring.invoices.fitting import fit_invoices
    from scoring.invoices.load import learned_accounts, load_ledger

    ledger = load_ledger(learned_accounts())
    fit_invoices(ledger, date(2026, 9, 1).toordinal())
    print(len(ledger))


def _backtest() -> None:
    """The invoices of two months, without the scores of the card in use (their statement is the nightly pass's)."""
    from scoring.invoices import backtest
    from scoring.invoices.load import load_ledger

    backtest._scores = lambda *_: None  # type: ignore[assignment]
    ledger = load_ledger()
    period = backtest.Period(date(2026, 5, 1), date(2026, 5, 1), date(2026, 6, 30))
    rows = backtest.replay(period, ledger, draws=50).predictions
    print(sum(1 for _row in rows.rows()) if rows else 0)


PIECES: dict[str, Callable[[], None]] = {
    "nothing (Django and its apps)": lambda: None,
    "nightly pass in its ranges": _nightly,
    "weekly peer figures": _peers,
    "observations of two days for a scorecard": _observed,
    "scorecard learned from them": _learned,
    "ledger of the invoice card": _ledger,
    "invoice card learned from it": _card,
    "backtest of two months of invoices": _backtest,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pieces",
        help="memory: only the pieces with one of these words in their names, A,B,.. (default: all)",
    )
    parser.add_argument(
        "--piece-minutes", type=float, default=15.0, help="memory: a piece is stopped after so many (15)"
    )


def held() -> float:
    """The most this process ever held, in MB. Linux' getrusage begins with what the parent held at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def peak(piece: str, minutes: float = 15.0) -> tuple[float, float, str] | None:
    """(peak memory in MB, processor seconds, rows) of a piece in a process of its own, on the database of DATABASE_URL.

    None where it failed (its error stands on the screen) or did not end in time: the process is then stopped, and the
    database is dropped with what it still does.
    """
    command = [sys.executable, "-m", "benchmarks.memory", piece]
    path = os.pathsep.join([str(ROOT), str(ROOT / "collections")])
    env = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            out, _nothing = process.communicate(timeout=60 * minutes)
        except BaseException as error:
            process.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                return None
            raise
    if process.returncode:
        return None
    *rows, megabytes, seconds = out.split()
    return float(megabytes), float(seconds), " ".join(rows)


def run(options: argparse.Namespace, fresh: Callable[[], None], say: Callable[[str], None]) -> None:
    """`fresh` empties the database; --accounts, --sizes and --per-account as for the signals.

    At most --piece-minutes for each piece and size, and some minutes to build each book.
    """
    words = (options.pieces or "").split(",")
    wanted = [piece for piece in PIECES if any(word in piece for word in words)]
    peaks: list[dict[str, float]] = []
    for accounts in options.sizes or (max(options.accounts // 10, 100), options.accounts):
        fresh()
        book = Book(accounts, options.per_account)
        book.build()
        add_evidence(book)
        connection.close()
        say(f"{accounts} accounts, {accounts * options.per_account} invoices")
        peaks.append({})
        for piece in wanted:
            found = peak(piece, options.piece_minutes)
            if found is None:
                say(f"  {piece:<42}failed, or stopped after {options.piece_minutes:g} minutes")
                continue
            peaks[-1][piece], seconds, rows = found
            say(f"  {piece:<42}{found[0]:8.1f} MB {seconds:8.1f} s processor   {rows and rows + ' rows'}")
    if len(peaks) > 1:
        few, many = peaks[0], peaks[-1]
        both = [piece for piece in wanted if piece in few and piece in many]
        say(
            "from the smallest to the largest: "
            + ", ".join(f"{piece} {many[piece] / few[piece]:.2f}x" for piece in both)
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "creditdesk.settings")
    import django

    django.setup()
    PIECES[sys.argv[1]]()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(held(), used.ru_utime + used.ru_stime)
