"""A limit policy simulated on a large book: wall time, statements per part, memory; and what a killed part costs.

Every account has a limit of 50,000. Parts are run one after the other in this process, as one worker would; two
workers halve the wall time. The report is the same as that of one pass over the whole book (asserted on a small one in
tests/scoring/test_simulations.py).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.book import Book
from benchmarks.reservations import give_limits

Say = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--simulation-accounts", type=int, default=100_000)
    parser.add_argument("--simulation-invoices", type=int, default=6, help="per account")


def run(options: Any, fresh: Callable[[], None], say: Say) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from creditdesk.core.audit import Actor
    from creditdesk.core.jobs import perform
    from creditdesk.core.models import Job
    from scoring import simulations
    from scoring.engine import rescore
    from scoring.models import LimitPolicy

    fresh()
    book = Book(options.simulation_accounts, options.simulation_invoices)
    started = time.perf_counter()
    book.build()
    give_limits()
    rescore(book.as_of, keep_history=False)
    say(f"{options.simulation_accounts:,} accounts built and scored in {time.perf_counter() - started:.0f} s")
    policy = _draft(LimitPolicy.objects.get(status="active"), book)
    before = _memory()
    started = time.perf_counter()
    simulations.simulate(policy, book.as_of, actor=Actor.policy("benchmark"))
    say(f"planned in {time.perf_counter() - started:.2f} s (receivables of the book kept)")
    spent, cpu, memory = [], time.process_time(), []
    jobs = list(Job.objects.filter(kind__startswith="simulate ").order_by("pk").values_list("pk", flat=True))
    for job in jobs:
        begin = time.perf_counter()
        perform(job, "scoring.simulations.simulate_part")
        spent.append(time.perf_counter() - begin)
        memory.append(_memory())
    cpu = time.process_time() - cpu
    report = policy.reports.get()
    counts = report.figures["counts"]["draft"]
    say(f"{len(jobs)} parts: {sum(spent):.1f} s, of it {cpu:.1f} s of CPU here; a part {median(spent):.2f} s")
    say(f"memory: {before} MB before, {memory[0]} MB after the first part, {memory[-1]} MB after the last")
    say(f"figures of {report.figures['accounts']:,} accounts: {counts}")
    with CaptureQueriesContext(connection) as queries:
        simulations.life_of(policy).simulate_range(policy, book.as_of, 1, simulations.PART)
    say(f"statements of a part of {simulations.PART}: {len(queries)}")


def _draft(model: Any, book: Book) -> Any:
    from creditdesk.core.models import User
    from scoring.policy_publishing import change_policy, copy_policy

    person = User.objects.create(username="bench", is_superuser=True)
    draft = copy_policy(model, by=person, as_of=book.as_of)
    return change_policy(
        draft, by=person, as_of=book.as_of, terms={"max_rise_percent": 50, "loss_percent": 40}
    )


def _memory() -> int:
    """The most this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
