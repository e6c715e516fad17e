"""From a loaded story to a desk at work: scores with their history, limit proposals, today's worklists.

Every step may be run again and then changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from importlib import import_module
from importlib.util import find_spec

from customers.models import CreditAccount
from scoring.engine import rescore
from scoring.models import ScoreHistory
from scoring.statement import Scope

from .progress import Console

HISTORY_MONTHS = 23
HISTORY_UP_TO = 5000


def prepare(as_of: date, console: Console) -> None:
    """Score everyone (the month-ends of two years first), propose limit changes, build the worklists."""
    score_history(as_of, console)
    console.step("scoring everyone")
    rescore(as_of)
    for text, module, name in (
        ("proposing limit changes", "scoring.proposals", "propose_limit_changes"),
        ("building today's worklists", "worklists.runs", "build_worklists"),
    ):
        if find_spec(module) is None:
            continue
        console.step(text)
        step: Callable[[date], object] = getattr(import_module(module), name)
        step(as_of)


def score_history(as_of: date, console: Console) -> None:
    """The score of every past month-end, for the lines on the customer page; only in a book without any.

    Who was no customer yet is not scored. A large book goes without: its nights will make the history.
    """
    since = dict(CreditAccount.objects.values_list("pk", "customer__customer_since"))
    if len(since) > HISTORY_UP_TO or ScoreHistory.objects.exists():
        return
    console.step(f"scoring the last {HISTORY_MONTHS} month-ends")
    for number, day in enumerate(month_ends(as_of, HISTORY_MONTHS), start=1):
        rescore(day, Scope.of([pk for pk, first in since.items() if first is None or first <= day]))
        console(f"{day:%b %Y} ({number} of {HISTORY_MONTHS})")


def month_ends(as_of: date, months: int) -> list[date]:
    """The last `months` month-ends before `as_of`, oldest first."""
    days: list[date] = []
    day = as_of.replace(day=1) - timedelta(days=1)
    while len(days) < months:
        days.append(day)
        day = day.replace(day=1) - timedelta(days=1)
    return days[::-1]
