"""From a loaded story to a desk at work: scores with their history, limit proposals, today's worklists.

Every step may be run again and then changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from importlib import import_module
from importlib.util import find_spec

from scoring.engine import rescore
from scoring.models import ScoreHistory

from .loader import Progress

HISTORY_MONTHS = 23


def prepare(as_of: date, progress: Progress) -> None:
    """Score everyone (the month-ends of two years first), propose limit changes, build the worklists."""
    score_history(as_of, progress)
    progress("scoring everyone")
    rescore(as_of)
    for text, module, name in (
        ("proposing limit changes", "scoring.proposals", "propose_limit_changes"),
        ("building today's worklists", "worklists.runs", "build_worklists"),
    ):
        if find_spec(module) is None:
            continue
        progress(text)
        step: Callable[[date], object] = getattr(import_module(module), name)
        step(as_of)


def score_history(as_of: date, progress: Progress) -> None:
    """The score of every past month-end, for the lines on the customer page; only in a book without any."""
    if ScoreHistory.objects.exists():
        return
    for number, day in enumerate(month_ends(as_of, HISTORY_MONTHS), start=1):
        progress(f"scoring the past: {day:%b %Y} ({number} of {HISTORY_MONTHS})")
        rescore(day)


def month_ends(as_of: date, months: int) -> list[date]:
    """The last `months` month-ends before `as_of`, oldest first."""
    days: list[date] = []
    day = as_of.replace(day=1) - timedelta(days=1)
    while len(days) < months:
        days.append(day)
        day = day.replace(day=1) - timedelta(days=1)
    return days[::-1]
