"""Whose limit is overdue for a review: the riskier the grade, the sooner somebody looks again.

A review is a decision on the base limit, whichever way it went (applied, or rejected: it stays). It counts from the
day its evidence speaks of. Who has no limit, or one of zero, has nothing to review.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Case, DateField, F, Max, OuterRef, Q, QuerySet, Subquery, Value, When

from creditdesk.core.dates import months_before
from creditdesk.core.money import MoneyField
from customers.models import CreditAccount, CreditLimit, Customer, LimitChange, LimitKind

# Months between reviews by grade; without a score a year, as for good grades.
MONTHS = {"A": 12, "B": 12, "C": 6, "D": 3, "E": 3}
DEFAULT_MONTHS = 12


def overdue_reviews(accounts: QuerySet[CreditAccount], today: date) -> QuerySet[Any]:
    """Accounts whose limit was last decided longer ago than their grade allows, the longest overdue first.

    Rows carry `reviewed_on` and `cutoff` (dates; a decision before the cutoff is too old) and `limit_minor`.
    """
    decided = (
        LimitChange.objects.filter(
            account=OuterRef("pk"),
            kind=LimitKind.BASE,
            status__in=(LimitChange.Status.APPLIED, LimitChange.Status.REJECTED),
            as_of__lte=today,
        )
        .order_by()
        .values("account")
        .annotate(last=Max("as_of"))
        .values("last")
    )
    limits = CreditLimit.objects.filter(account=OuterRef("pk"), kind=LimitKind.BASE, valid_from__lte=today)
    cutoffs = [
        When(score_row__grade=grade, then=Value(months_before(today, months)))
        for grade, months in MONTHS.items()
    ]
    default = Value(months_before(today, DEFAULT_MONTHS))
    ended = (Customer.Status.INSOLVENT, Customer.Status.CLOSED)
    return (
        accounts.filter(joined_into__isnull=True)
        .exclude(customer__status__in=ended)
        .annotate(
            reviewed_on=Subquery(decided, output_field=DateField()),
            limit_minor=Subquery(
                limits.order_by("-valid_from", "-pk").values("amount")[:1], output_field=MoneyField()
            ),
            cutoff=Case(*cutoffs, default=default, output_field=DateField()),
        )
        .filter(Q(limit_minor__gt=0), reviewed_on__lt=F("cutoff"))
        .order_by("reviewed_on", "pk")
    )
