"""Open items at any date, in one statement: the one place that says what was open when, item by item.

An item is open at D when it was issued by D and not all of it was allocated by D:
    current view:  open_amount (stored counter) + allocations after D
    other views:   amount - allocations seen by the view, up to D
The ORM writes the conditions (view, scope); the frame around them, which every drill shares, is SQL that SQLite
and PostgreSQL both read. Sums at many dates (trends) are `kpis.history`'s, which needs no items.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, Q, QuerySet

from creditdesk.core.facts import View
from customers.disputes import open_at
from customers.models import Allocation, DisputeItem, Instalment
from kpis.scope import Scope

SQL = tuple[str, list[Any]]

# MATERIALIZED: SQLite would otherwise work the open amount out anew wherever a query mentions it.
_ITEMS = """
WITH day(as_of, d30, d60, d90) AS (VALUES ({day})),
scoped AS MATERIALIZED ({instalments}),
opened AS MATERIALIZED (
  SELECT d.as_of, d.d30, d.d60, d.d90,
    i.x_id AS id, i.x_invoice AS invoice_id, i.x_account AS account_id, i.x_kind AS kind,
    i.x_currency AS currency, i.x_due AS due_on, {open} AS minor
  FROM scoped i CROSS JOIN day d
),
items AS MATERIALIZED (
  SELECT o.id, o.invoice_id, o.account_id, o.kind, o.currency, o.due_on, o.minor,
    CASE WHEN q.disputed > o.minor THEN o.minor ELSE COALESCE(q.disputed, 0) END AS disputed,
    CASE WHEN o.due_on >= o.as_of THEN 'not_due' WHEN o.due_on >= o.d30 THEN '1-30'
         WHEN o.due_on >= o.d60 THEN '31-60' WHEN o.due_on >= o.d90 THEN '61-90' ELSE '90+' END AS bucket
  FROM opened o
  LEFT JOIN (SELECT y_to, SUM(y_amount) AS disputed FROM ({disputed}) dd GROUP BY y_to) q
    ON q.y_to = o.id
  WHERE o.minor > 0
)
"""


def _sql(rows: QuerySet) -> SQL:
    """The SQL of a queryset; EmptyResultSet when it can hold nothing."""
    sql, params = rows.query.get_compiler(connection=connection).as_sql()
    return sql, list(params)


def _day_row(as_of: date) -> SQL:
    adapt = connection.ops.adapt_datefield_value
    return "%s, %s, %s, %s", [adapt(as_of - timedelta(days=back)) for back in (0, 30, 60, 90)]


def items_cte(as_of: date, scope: Scope, view: View) -> SQL:
    """`WITH day, items`: one row per open instalment, with bucket and disputed part."""
    instalments = Instalment.objects.filter(
        view.q(), scope.q(view, "account__"), effective_on__lte=as_of
    ).order_by()
    if view.is_current:
        # The counter says when the last allocation closed it: nothing after that day can be open.
        instalments = instalments.filter(Q(settled_on__isnull=True) | Q(settled_on__gt=as_of))
    day_sql, day_params = _day_row(as_of)
    rows_sql, rows_params = _sql(
        instalments.annotate(
            x_id=F("id"),
            x_invoice=F("invoice_id"),
            x_account=F("account_id"),
            x_kind=F("kind"),
            x_currency=F("currency"),
            x_due=F("due_on"),
            x_start=F("open_amount" if view.is_current else "amount"),
        ).values(
            *("x_id", "x_invoice", "x_account", "x_kind", "x_currency", "x_due", "x_start"),
        )
    )
    open_sql, open_params = _open_minor(view)
    disputed_sql, disputed_params = _disputed(as_of, view)
    sql = _ITEMS.format(
        day=day_sql,
        open=open_sql,
        disputed=disputed_sql,
        instalments=rows_sql,
    )
    return sql, [*day_params, *rows_params, *open_params, *disputed_params]


def _open_minor(view: View) -> SQL:
    """Open minor units of instalment i at day d. Credit notes are used up through `credit`."""
    sign, compare = ("+", ">") if view.is_current else ("-", "<=")
    rows, params = _sql(
        Allocation.objects.filter(view.q())
        .order_by()
        .annotate(
            y_to=F("instalment_id"), y_from=F("credit_id"), y_on=F("effective_on"), y_amount=F("amount")
        )
        .values("y_to", "y_from", "y_on", "y_amount")
    )
    summed = (
        "COALESCE((SELECT SUM(a.y_amount) FROM ({rows}) a WHERE a.{key} = i.x_id AND a.y_on {op} d.as_of), 0)"
    )
    to = summed.format(rows=rows, key="y_to", op=compare)
    used = summed.format(rows=rows, key="y_from", op=compare)
    return (
        f"i.x_start {sign} {to} {sign} CASE WHEN i.x_kind = 'credit_note' THEN {used} ELSE 0 END",
        [*params, *params],
    )


def _disputed(as_of: date, view: View) -> SQL:
    """Amounts in open dispute per instalment (y_to)."""
    return _sql(
        DisputeItem.objects.filter(open_at(as_of, view, "dispute__"))
        .order_by()
        .annotate(y_to=F("instalment_id"), y_amount=F("amount"))
        .values("y_to", "y_amount")
    )


def select(as_of: date, scope: Scope, view: View, body: str, params: Sequence[Any] = ()) -> list[tuple]:
    """Rows of `body`, a SELECT over the tables `items` and `day`. Empty when the scope holds no account."""
    try:
        sql, cte_params = items_cte(as_of, scope, view)
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql + body, [*cte_params, *params])
        return cursor.fetchall()


@dataclass(frozen=True, slots=True)
class Position:
    """Sums over the open items of one kind, currency and bucket; or (bucket empty) a count of documents."""

    kind: str
    currency: str
    bucket: str
    minor: int
    disputed: int
    items: int
    documents: int


def positions(as_of: date, scope: Scope, view: View) -> Iterator[Position]:
    """Open items summed by kind, currency and bucket, with the documents (distinct) behind them."""
    body = """
        SELECT kind, currency, bucket, SUM(minor), SUM(disputed), COUNT(*), 0
        FROM items GROUP BY kind, currency, bucket
        UNION ALL
        SELECT kind, currency, '', 0, 0, 0, COUNT(DISTINCT invoice_id)
        FROM items WHERE kind = 'invoice' GROUP BY kind, currency
    """
    for kind, currency, bucket, minor, disputed, count, documents in select(as_of, scope, view, body):
        yield Position(kind, currency, bucket, int(minor), int(disputed), count, documents)
