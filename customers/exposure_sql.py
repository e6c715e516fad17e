"""The rows behind exposures as SQL, every rule once: read row by row (the drill), or summed by account and part.

A row: account_id, part, currency, minor, on_day, due_on, id, number, about, line (customers/open_items.py says what
they mean). Sums are the same rows under a GROUP BY, so that what a page lists always adds up to what it states. Two
statements: what stands in the ledger, and what is on its way to it (orders and deliveries). Parameters are named:
`day`, `seen` (of the view), and those of the accounts in scope.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections, router
from django.db.models import QuerySet

from creditdesk.core.facts import View
from customers.instruments import TENDERED, SegmentTerms
from customers.models import CreditAccount
from customers.view_sql import view_sql

# Beyond this many ids a list travels as one value.
_WRITTEN_OUT = 50
_FETCHED = 5000


@dataclass(slots=True)
class Ask:
    """What a statement speaks of: some accounts (ids, or a queryset of them) on a day, as a view knows them.

    values: the named parameters, filled while the SQL is written.
    """

    scope: Any
    as_of: date
    view: View
    values: dict[str, Any] = field(default_factory=dict)
    using: str = ""
    _among: str = ""

    def __post_init__(self) -> None:
        self.using = router.db_for_read(CreditAccount)
        self.values["day"] = self.day(self.as_of)
        _text, seen = view_sql(self.view, "x")
        if seen:
            self.values["seen"] = seen[0]
        self._among = self.in_scope("scope", self.scope)

    @property
    def on_server(self) -> bool:
        return connections[self.using].vendor == "postgresql"

    def day(self, value: date) -> Any:
        return connections[self.using].ops.adapt_datefield_value(value)

    def among(self, column: str) -> str:
        """` AND` the condition that a column holds the id of an account in scope; nothing when all are."""
        return f" AND {column} {self._among}" if self._among else ""

    def seen(self, alias: str) -> str:
        return view_sql(self.view, alias)[0].replace("%s", "%(seen)s")

    def fenced(self, query: str) -> str:
        """A subquery whose columns are computed once, not again wherever the outer query names them."""
        return f"({query} {'OFFSET 0' if self.on_server else 'LIMIT -1'})"

    def least(self, *some: str) -> str:
        return f"{'LEAST' if self.on_server else 'MIN'}({', '.join(some)})"

    def greatest(self, *some: str) -> str:
        return f"{'GREATEST' if self.on_server else 'MAX'}({', '.join(some)})"

    def earlier(self, day: str, days: int) -> str:
        return f"({day} - {days})" if self.on_server else f"date({day}, '-{days} days')"

    def in_scope(self, name: str, scope: Any) -> str:
        """`IN (...)` of accounts given by ids or a queryset; "": all of them. Raises EmptyResultSet: none."""
        if isinstance(scope, QuerySet):
            query = scope.query
            if query.model is CreditAccount and not query.where and not query.is_sliced:
                return ""
            sql, params = query.get_compiler(self.using).as_sql()
            names = [f"{name}{number}" for number in range(len(params))]
            self.values.update(zip(names, params, strict=True))
            sql = sql.replace("%%", "%%%%") % tuple(f"%({name})s" for name in names)
            return f"IN ({sql})"
        ids = list(scope)
        if not ids:
            raise EmptyResultSet
        if len(ids) <= _WRITTEN_OUT:
            self.values.update((f"{name}{number}", pk) for number, pk in enumerate(ids))
            return f"IN ({', '.join(f'%({name}{number})s' for number in range(len(ids)))})"
        if self.on_server:
            self.values[name] = ids
            return f"= ANY(%({name})s)"
        self.values[name] = json.dumps(ids)
        return f"IN (SELECT value FROM json_each(%({name})s))"

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        with connections[self.using].cursor() as cursor:
            cursor.execute(query, self.values)
            while found := cursor.fetchmany(_FETCHED):
                yield from found


def as_date(value: Any) -> date | None:
    """A date of a raw row: SQLite gives its text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def ledger_rows(ask: Ask, terms: SegmentTerms, numbers: bool) -> str:
    """Open instalments, unapplied cash, and what was paid by instruments that can still come back."""
    return f"{_due(ask, numbers)} UNION ALL {_cash(ask, terms)} UNION ALL {_tendered(ask, terms)}"


def summed(query: str, listed: str | None) -> str:
    """Such rows summed: account_id, currency, part, id, minor, overdue, oldest_due_on (of what is overdue), on_day,
    due_on, number, about, line.

    listed: `IN (...)` of accounts whose rows stay apart ("": of all, None: of none); of the others id is NULL, and
    what follows oldest_due_on means nothing.
    """
    late = "CASE WHEN part = 'open_invoices' AND due_on < %(day)s THEN {} END"
    apart = "CAST(NULL AS bigint)" if listed is None else "id"
    if listed:
        apart = f"CASE WHEN account_id {listed} THEN id END"
    return (
        f"SELECT account_id, currency, part, {apart} AS row_id, CAST(SUM(minor) AS bigint), "
        f"CAST(SUM({late.format('minor')}) AS bigint), MIN({late.format('due_on')}), "
        f"MIN(on_day), MIN(due_on), MIN(number), MIN(about), MIN(line) FROM ({query}) AS open_rows "
        f"GROUP BY account_id, currency, part{'' if listed is None else ', 4'}"
    )


def _moved(ask: Ask, key: str, owner: str) -> str:
    """What was allocated of one row: after the day where its counter is known, until the day where it is not."""
    when = ">" if ask.view.is_current else "<="
    return (
        f"(SELECT CAST(COALESCE(SUM(x.amount), 0) AS bigint) FROM customers_allocation x "
        f"WHERE x.{key} = {owner} AND {ask.seen('x')} AND x.effective_on {when} %(day)s)"
    )


def _due(ask: Ask, numbers: bool) -> str:
    current = ask.view.is_current
    start, sign = ("i.open_amount", "+") if current else ("i.amount", "-")
    # A credit note is used through `credit`; one that vanished from a snapshot, like an invoice.
    used = f"CASE WHEN i.kind = 'invoice' THEN 0 ELSE {_moved(ask, 'credit_id', 'i.id')} END"
    settled = " AND (i.settled_on IS NULL OR i.settled_on > %(day)s)" if current else ""
    number = "(SELECT v.number FROM customers_invoice v WHERE v.id = due.invoice_id)" if numbers else "''"
    rows = ask.fenced(
        "SELECT i.id, i.account_id, i.kind, i.currency, i.effective_on, i.due_on, i.invoice_id, "
        f"{start} {sign} {_moved(ask, 'instalment_id', 'i.id')} {sign} {used} AS minor "
        f"FROM customers_instalment i WHERE {ask.seen('i')} AND i.effective_on <= %(day)s{settled}"
        f"{ask.among('i.account_id')}"
    )
    return (
        "SELECT account_id, CASE WHEN kind = 'credit_note' THEN 'open_credits' ELSE 'open_invoices' END AS part, "
        "currency, minor, effective_on AS on_day, CASE WHEN kind <> 'credit_note' THEN due_on END AS due_on, id, "
        f"{number} AS number, CASE WHEN kind <> 'credit_note' THEN id END AS about, '' AS line FROM {rows} AS due WHERE minor > 0"
    )


def _cash(ask: Ask, terms: SegmentTerms) -> str:
    current = ask.view.is_current
    own = ask.among("q.account_id")
    scope = (
        f" AND x.payment_id IN (SELECT q.id FROM customers_payment q WHERE {own.removeprefix(' AND ')})"
        if own
        else ""
    )
    left = "p.open_amount + COALESCE(l.total, 0)" if current else "p.amount - COALESCE(l.total, 0)"
    rows = ask.fenced(
        f"SELECT p.id, p.account_id, p.currency, p.effective_on, p.key, p.safe_on, p.matures_on, p.instrument, "
        f"{left} AS minor FROM customers_payment p LEFT JOIN ("
        "SELECT x.payment_id, CAST(SUM(x.amount) AS bigint) AS total FROM customers_allocation x "
        f"WHERE x.payment_id IS NOT NULL AND {ask.seen('x')} "
        f"AND x.effective_on {'>' if current else '<='} %(day)s{scope} GROUP BY x.payment_id"
        f") l ON l.payment_id = p.id WHERE {ask.seen('p')} AND p.effective_on <= %(day)s{ask.among('p.account_id')}"
    )
    return (
        f"SELECT p.account_id, CASE WHEN {not_safe_sql(ask, terms, 'p')} THEN 'unsafe_cash' ELSE 'unapplied_cash' END, "
        "p.currency, p.minor, p.effective_on, CAST(NULL AS date), p.id, p.key, CAST(NULL AS bigint), '' "
        f"FROM {rows} AS p WHERE p.minor > 0"
    )


def _tendered(ask: Ask, terms: SegmentTerms) -> str:
    payment = "JOIN customers_payment p ON p.id = a.payment_id"
    if ask.on_server and not isinstance(ask.scope, QuerySet):
        # Of some accounts, PostgreSQL would rather read every payment there is than look up those of their rows.
        payment = (
            "CROSS JOIN LATERAL (SELECT q.* FROM customers_payment q WHERE q.id = a.payment_id OFFSET 0) AS p"
        )
    return (
        "SELECT a.account_id, 'instruments', a.currency, a.amount, i.effective_on, p.matures_on, a.id, p.key, "
        f"a.instalment_id, '' FROM customers_allocation a {payment} "
        "JOIN customers_instalment i ON i.id = a.instalment_id "
        f"WHERE {not_safe_sql(ask, terms, 'p')} AND {ask.seen('a')} AND a.kind = 'cash' "
        f"AND a.effective_on <= %(day)s{ask.among('a.account_id')}"
    )


def not_safe_sql(ask: Ask, terms: SegmentTerms, p: str) -> str:
    """Condition on a payment that can still come back (customers/instruments.py)."""
    kinds = ", ".join(f"'{kind.value}'" for kind in TENDERED)
    back = f"COALESCE({p}.matures_on, CASE WHEN {p}.instrument IN ({kinds}) THEN {p}.effective_on END)"
    after = by_segment(ask, "back", terms.still_out(ask.as_of), f"{p}.account_id")
    return (
        f"(({p}.safe_on IS NOT NULL AND {p}.safe_on > %(day)s) OR ({p}.safe_on IS NULL AND {back} > {after}))"
    )


def by_segment(ask: Ask, name: str, days: Mapping[int, date], account: str) -> str:
    """SQL of a day that depends on the segment of an account."""
    different = sorted(set(days.values()))
    for number, day in enumerate(different):
        ask.values[f"{name}{number}"] = ask.day(day)
    if not different:
        return "%(day)s"
    if len(different) == 1:
        return f"%({name}0)s"
    arms = " ".join(
        f"WHEN s.segment_id IN ({', '.join(str(int(pk)) for pk, own in sorted(days.items()) if own == day)}) "
        f"THEN %({name}{number})s"
        for number, day in enumerate(different)
    )
    return f"(SELECT CASE {arms} END FROM customers_creditaccount s WHERE s.id = {account})"


def scoped(scope: Any, as_of: date, view: View) -> Ask | None:
    """None: no account is in scope."""
    try:
        return Ask(scope, as_of, view)
    except EmptyResultSet:
        return None
