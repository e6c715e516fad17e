"""What was open over time: sums by age at many days, from one pass over the instalments and their allocations.

A sum needs no item of its own: an instalment counts on every day from its issue on, an allocation on every day
after it (current view, which starts from the stored counter) or from it on (other views, which start from the
amount). So the database adds both up by due day and by the days they count on, and only these sums, whose
number does not grow with the customers, are spread over the days. `kpis.positions` says the same item by item;
a test holds the two together at any date and in every view.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When

from creditdesk.core.facts import View
from customers.models import Allocation, Instalment
from kpis.scope import Scope

# day number -> (kind, currency, bucket) -> minor units
Sums = list[dict[tuple[str, str, str], int]]

# The last day past due of each bucket; the oldest has none.
_BUCKETS = {"not_due": 0, "1-30": 30, "31-60": 60, "61-90": 90, "90+": 0}
# MIN(x_due) is x_due: grouped by it. A bare column SQLite's driver turns into a date row by row, thousands of times.
_SQL = """
WITH scoped AS MATERIALIZED ({instalments}),
parts AS (
  SELECT x_kind, x_currency, x_due, x_first, {last} AS x_last, x_start AS x_amount FROM scoped
  UNION ALL
  SELECT i.x_kind, i.x_currency, i.x_due, {first_of}, {last_of}, {sign} a.y_amount
  FROM scoped i JOIN ({to}) a ON a.y_instalment = i.x_id
  UNION ALL
  SELECT i.x_kind, i.x_currency, i.x_due, {first_of}, {last_of}, {sign} a.y_amount
  FROM scoped i JOIN ({used}) a ON a.y_instalment = i.x_id WHERE i.x_kind = 'credit_note'
)
SELECT x_kind, x_currency, MIN(x_due), x_first, x_last, SUM(x_amount) FROM parts
WHERE x_first < x_last AND x_amount <> 0 GROUP BY x_due, x_first, x_last, x_kind, x_currency
"""


def amounts_over_time(days: Sequence[date], scope: Scope, view: View) -> Sums:
    """Open minor units at each of the days, by kind, currency and bucket. One query."""
    ordered = sorted(set(days))
    if not ordered:
        return []
    try:
        rows = _rows(ordered, scope, view)
    except EmptyResultSet:
        return [{} for _ in days]
    steps: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * (len(ordered) + 1))
    edges: dict[Any, list[int]] = {}
    for kind, currency, due, start, last, minor in rows:
        amount = int(minor)
        found = edges.get(due) or edges.setdefault(due, _edges(ordered, due))
        for bucket, edge in zip(_BUCKETS, found, strict=True):
            if start < edge:
                end = edge if edge < last else last
                row = steps[kind, currency, bucket]
                row[start] += amount
                row[end] -= amount
                if end == last:
                    break
                start = end
    sums: list[dict[tuple[str, str, str], int]] = [{} for _ in ordered]
    for key, row in steps.items():
        for day_sums, minor in zip(sums, accumulate(row[:-1]), strict=True):
            if minor:
                day_sums[key] = minor
    at = dict(zip(ordered, sums, strict=True))
    return [at[day] for day in days]


def _edges(ordered: list[date], due: Any) -> list[int]:
    """For each bucket one past the number of the last day on which an item due then is in it."""
    due_on = due if isinstance(due, date) else date.fromisoformat(due)
    passed = (bisect_right(ordered, due_on + timedelta(days=days)) for days in _BUCKETS.values())
    return [*passed][:-1] + [len(ordered)]


def _rows(ordered: list[date], scope: Scope, view: View) -> list[tuple[Any, ...]]:
    """(kind, currency, due day, first and one past the last day number it counts on, minor units)."""
    instalments = Instalment.objects.filter(
        view.q(), scope.q(view, "account__"), effective_on__lte=ordered[-1]
    ).order_by()
    allocations = Allocation.objects.filter(view.q()).order_by()
    if view.is_current:
        # The counter says when the last allocation closed it: nothing after that day can be open.
        instalments = instalments.filter(Q(settled_on__isnull=True) | Q(settled_on__gt=ordered[0]))
        allocations = allocations.filter(effective_on__gt=ordered[0])
        first_of, last_of, sign = "i.x_first", "a.y_number", ""
    else:
        allocations = allocations.filter(effective_on__lte=ordered[-1])
        first_of = "CASE WHEN a.y_number > i.x_first THEN a.y_number ELSE i.x_first END"
        last_of, sign = str(len(ordered)), "-"
    scoped = instalments.annotate(
        x_id=F("id"),
        x_kind=F("kind"),
        x_currency=F("currency"),
        x_due=F("due_on"),
        x_first=_day_number(ordered),
        x_start=F("open_amount" if view.is_current else "amount"),
    ).values("x_id", "x_kind", "x_currency", "x_due", "x_first", "x_start")
    to = _numbered(allocations.filter(instalment__isnull=False), "instalment_id", ordered)
    used = _numbered(allocations.filter(credit__isnull=False), "credit_id", ordered)
    parts = [_compiled(rows) for rows in (scoped, to, used)]
    sql = _SQL.format(
        instalments=parts[0][0],
        to=parts[1][0],
        used=parts[2][0],
        first_of=first_of,
        last_of=last_of,
        last=len(ordered),
        sign=sign,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [param for _sql, params in parts for param in params])
        return cursor.fetchall()


def _numbered(allocations: QuerySet[Allocation], key: str, ordered: list[date]) -> QuerySet:
    return allocations.annotate(
        y_instalment=F(key), y_number=_day_number(ordered), y_amount=F("amount")
    ).values("y_instalment", "y_number", "y_amount")


def _day_number(ordered: list[date], first: int = 0) -> Case | Value:
    """How many of the days lie before `effective_on`: the number of the first day it holds on.

    Halving keeps it at a few comparisons a row.
    """
    if not ordered:
        return Value(first)
    middle = len(ordered) // 2
    return Case(
        When(effective_on__lte=ordered[middle], then=_day_number(ordered[:middle], first)),
        default=_day_number(ordered[middle + 1 :], first + middle + 1),
        output_field=IntegerField(),
    )


def _compiled(rows: QuerySet) -> tuple[str, list[Any]]:
    sql, params = rows.query.get_compiler(connection=connection).as_sql()
    return sql, list(params)
