"""How many files are decided without a person, against a target of 80 % (the industry's), and why the others are not.

A file is a question for credit: a decision that answers no earlier one. It needed no person when the rules answered it
for good; what they left to a person, or a person decided of their own accord, needed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncMonth

from creditdesk.core.dates import months_before
from customers.models import CreditAccount
from scoring.models import AccountScore, Decision, Depth, Recommendation

TARGET = 0.80
MONTHS = 12
REVIEW = Recommendation.REVIEW


@dataclass(frozen=True, slots=True)
class Share:
    """Files of a time, and how many of them the rules decided alone. share: None without a file."""

    files: int
    alone: int
    month: date | None = None

    @property
    def share(self) -> float | None:
        return self.alone / self.files if self.files else None

    @property
    def is_met(self) -> bool:
        return self.share is not None and self.share >= TARGET


@dataclass(frozen=True, slots=True)
class Book:
    """The scores of now: how many are clear, and why the others go to a person."""

    scores: int
    no_history: int
    thin: int
    grey: int

    @property
    def clear(self) -> int:
        return self.scores - self.no_history - self.thin - self.grey

    @property
    def share(self) -> float | None:
        return self.clear / self.scores if self.scores else None


def files_decided(accounts: QuerySet[CreditAccount], as_of: date) -> tuple[Share, list[Share]]:
    """All files of the twelve months that end with a day, and those of each month with any, the newest first."""
    rows = (
        Decision.objects.filter(
            account__in=accounts,
            answers__isnull=True,
            as_of__gt=months_before(as_of, MONTHS),
            as_of__lte=as_of,
        )
        .annotate(month=TruncMonth("as_of"))
        .order_by("-month")
        .values_list("month")
        .annotate(
            files=Count("pk"), alone=Count("pk", filter=Q(by_kind=Decision.By.RULES) & ~Q(outcome=REVIEW))
        )
    )
    months = [Share(files, alone, month) for month, files, alone in rows]
    return Share(sum(m.files for m in months), sum(m.alone for m in months)), months


def scores_of_now(accounts: QuerySet[CreditAccount]) -> Book:
    """Of the current scores, those that go to a person, by the first reason."""
    counts = AccountScore.objects.filter(account__in=accounts).aggregate(
        scores=Count("pk"),
        no_history=Count("pk", filter=Q(recommendation=REVIEW, depth=Depth.NONE)),
        thin=Count("pk", filter=Q(recommendation=REVIEW, depth=Depth.THIN)),
        grey=Count("pk", filter=Q(recommendation=REVIEW, depth=Depth.FULL)),
    )
    return Book(**counts)
