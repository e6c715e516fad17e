"""Whose payment terms and guarantees a version of the terms would change, counted over the live book.

Every account with a score of the last month is asked what a decision would offer it today (scoring/decisions.py): the
customer's own terms, else the usual ones, at most the longest of the grade; and, where the score asks for guarantees,
the share of its grade. Accounts alike in all of this are counted together: two statements, whatever the book's size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import Count

from customers.models import Customer
from scoring.limit_inputs import SCORE_MAX_AGE
from scoring.models import AccountScore, Grade, Recommendation, TermsPolicy
from scoring.overrides import effective, standing
from scoring.segment_policies import accounts_decided_by, replaced_by

Alike = tuple[str, str, int | None, str, int]
"""(grade, recommendation, the customer's terms, its kind, how many accounts)."""


def effect(policy: TermsPolicy, as_of: date) -> dict[str, Any]:
    """Counts of what a version would change against what is in force, at a date.

    grades: {grade: {"accounts", "shorter", "longer", "more_guarantees", "less_guarantees", "persons"}}; persons: natural
    persons with shorter terms, whom a named human tells. unscored: no score of the last month, so nothing is offered.
    """
    against = replaced_by(policy, as_of)
    then = {row.grade: row for row in against.grades.all()} if against else {}
    now = {row.grade: row for row in policy.grades.all()}
    grades: dict[str, Counter[str]] = {grade: Counter() for grade in Grade.values}
    scope = accounts_decided_by(policy, as_of)
    for grade, recommendation, own, kind, count in _alike(scope, as_of):
        counts = grades[grade]
        counts["accounts"] += count
        if (
            grade not in then
            or grade not in now
            or recommendation == Recommendation.DECLINED
            or against is None
        ):
            continue
        before = min(own if own is not None else against.usual_days, then[grade].longest_days)
        after = min(own if own is not None else policy.usual_days, now[grade].longest_days)
        counts["shorter"] += count * (after < before)
        counts["longer"] += count * (after > before)
        counts["persons"] += count * (after < before and kind == Customer.Kind.SOLE_TRADER)
        if recommendation == Recommendation.GUARANTEES:
            share = now[grade].guarantee_percent - then[grade].guarantee_percent
            counts["more_guarantees"] += count * (share > 0)
            counts["less_guarantees"] += count * (share < 0)
    accounts = scope.count()
    return {
        "against": against.pk if against else None,
        "accounts": accounts,
        "unscored": accounts - sum(counts["accounts"] for counts in grades.values()),
        "grades": {grade: dict(sorted(counts.items())) for grade, counts in grades.items()},
    }


def _alike(scope: Any, as_of: date) -> Iterator[Alike]:
    rows = AccountScore.objects.filter(
        account__in=scope.values("pk"), as_of__lte=as_of, as_of__gte=as_of - SCORE_MAX_AGE
    )
    overridden = {row.account_id: row for row in standing(as_of)}
    grouped = (
        rows.exclude(account__in=list(overridden))
        .order_by()
        .values("grade", "recommendation", "account__customer__terms_days", "account__customer__kind")
        .annotate(count=Count("pk"))
    )
    yield from grouped.values_list(
        "grade", "recommendation", "account__customer__terms_days", "account__customer__kind", "count"
    )
    for row in rows.filter(account__in=list(overridden)).select_related("account__customer"):
        grade, recommendation = effective(row, overridden[row.account_id])
        customer = row.account.customer
        yield grade, recommendation, customer.terms_days, customer.kind, 1
