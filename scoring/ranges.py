"""Splitting the book into ranges of account ids that take about the same time to score."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from creditdesk.core.models import Job
from customers.days import dates_now, dates_there
from customers.models import CreditAccount

NIGHTLY = "score"
"""Kind of the jobs that score the book, one per range and night."""

# An account's rows lie scattered over the tables, so every range reads most pages: few ranges, a second or two each.
LEAST, MOST = 1000, 20_000
DUE = 200_000


def account_ranges() -> list[tuple[int, int]]:
    """Inclusive (low, high) id ranges of 1,000 to 20,000 accounts.

    Closed at about 200,000 instalments fallen due in 12 months, as last scored: counting them anew would take
    a fifth of the time that scoring takes.
    """
    return list(_ranges())


def _ranges() -> Iterator[tuple[int, int]]:
    low, last, accounts, due = 0, 0, 0, 0
    book = CreditAccount.objects.order_by("pk").values_list("pk", "score_row__due_count_12m")
    for pk, fallen_due in book.iterator(chunk_size=20_000):
        low = low or pk
        last, accounts, due = pk, accounts + 1, due + (fallen_due or 0)
        if accounts >= MOST or (accounts >= LEAST and due >= DUE):
            yield low, last
            low, accounts, due = 0, 0, 0
    if accounts:
        yield low, last


def nights(job: Job) -> list[tuple[date, list[int] | None]]:
    """Business dates of a night's job with the companies they are of; None: it is the same date for every company."""
    return dates_there(job.business_date, job.created_at)


def dates_asked(asked: date | None) -> list[tuple[date, list[int] | None]]:
    """Dates with their companies for a command that works through the book: each company's own, or the one asked for.

    Raises ValueError for a date that has not come in every company.
    """
    today = dates_now()
    if asked is None:
        return today
    if asked > today[0][0]:
        raise ValueError(f"{asked} has not come yet (today is {today[0][0]})")
    return [(asked, None)]
