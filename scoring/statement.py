"""The one statement that scores: families -> signals -> points -> score, for any date, view and set of accounts.

Compiled once per shape (vendor, card, view, scope) and kept; dates and ids are parameters. `compile_select`
reads, `compile_upsert` writes the same rows to AccountScore, `compile_history` keeps those worth keeping.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from creditdesk.core.facts import CURRENT, View
from scoring import families
from scoring.card import Card
from scoring.dialect import Dialect, dialect
from scoring.models import AccountScore, ScoreHistory
from scoring.signals import RECENT_DAYS, SIGNALS, WINDOW_DAYS, WRITE_OFF_DAYS

NEVER = date(1900, 1, 1)
"""Judged day of a company whose ledger is complete to no day: nothing has fallen due before it."""

WHERE_SEEN = {
    "current": "{x}.superseded_at IS NULL",
    "known": "({x}.known_on <= %(known_at)s AND ({x}.known_until IS NULL OR {x}.known_until > %(known_at)s))",
    "recorded": "({x}.recorded_at <= %(recorded_by)s "
    "AND ({x}.superseded_at IS NULL OR {x}.superseded_at > %(recorded_by)s))",
}
DISPUTE_OPEN = {
    "current": "({x}.closed_on IS NULL OR {x}.closed_on > {as_of})",
    "known": "({x}.closed_on IS NULL OR {x}.closed_on > {as_of} OR {x}.closed_known_on > %(known_at)s)",
    "recorded": "({x}.closed_on IS NULL OR {x}.closed_on > {as_of} OR {x}.closed_recorded_at > %(recorded_by)s)",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts: the whole book, a range of ids (inclusive), a list, or one."""

    shape: str = "all"
    low: int = 0
    high: int = 0
    ids: tuple[int, ...] = ()

    @classmethod
    def everyone(cls) -> Scope:
        return cls()

    @classmethod
    def between(cls, low: int, high: int) -> Scope:
        return cls("range", low, high)

    @classmethod
    def of(cls, ids: Collection[int]) -> Scope:
        ids = tuple(sorted(set(ids)))
        return cls("one", ids=ids) if len(ids) == 1 else cls("ids", ids=ids)

    @property
    def is_bulk(self) -> bool:
        return self.shape in {"all", "range"}

    def parameters(self, speech: Dialect) -> dict[str, Any]:
        if self.shape == "range":
            return {"low": self.low, "high": self.high}
        if self.shape == "one":
            return {"account": self.ids[0]}
        return {"accounts": speech.ids(self.ids)} if self.shape == "ids" else {}


_SCOPES = {
    "all": "",
    "range": "{column} BETWEEN %(low)s AND %(high)s",
    "ids": "isin({column}, %(accounts)s)",
    "one": "{column} = %(account)s",
}


def dates(as_of: date, judged_on: date | None) -> dict[str, date]:
    """Every date the statement needs; windows end at the judged day or at as_of."""
    judged = judged_on or NEVER
    return {
        "as_of": as_of,
        "as_of_window": as_of - timedelta(days=WINDOW_DAYS),
        "as_of_long": as_of - timedelta(days=WRITE_OFF_DAYS),
        "judged": judged,
        "judged_window": judged - timedelta(days=WINDOW_DAYS),
        "judged_recent": judged - timedelta(days=RECENT_DAYS),
    }


def view_name(view: View) -> str:
    return "current" if view.is_current else "known" if view.known_at else "recorded"


def parameters(
    speech: Dialect,
    as_of: date,
    judged_on: date | None,
    view: View = CURRENT,
    scope: Scope | None = None,
    companies: Collection[int] = (),
    **others: Any,
) -> dict[str, Any]:
    values: dict[str, Any] = {name: speech.moment(day) for name, day in dates(as_of, judged_on).items()}
    if view.known_at:
        values["known_at"] = speech.moment(view.known_at)
    if view.recorded_by:
        values["recorded_by"] = speech.moment(view.recorded_by)
    if companies:
        values["companies"] = speech.ids(companies)
    return values | (scope or Scope()).parameters(speech) | others


def _between_words(sql: str, name: str, write: Any) -> str:
    """Replace `name(argument)` (one argument, no nesting) by write(argument)."""
    parts = sql.split(f"{name}(")
    out = [parts[0]]
    for part in parts[1:]:
        argument, rest = part.split(")", 1)
        out.append(write(argument) + rest)
    return "".join(out)


class _Builder:
    """Puts one shape of the statement together as text."""

    def __init__(self, using: str, card: Card, view: str, shape: str, by_company: bool) -> None:
        self.speech = dialect(using)
        self.card, self.view = card, view
        conditions = [_SCOPES[shape]] if _SCOPES[shape] else []
        if by_company:
            conditions.append(
                "{column} IN (SELECT id FROM customers_creditaccount WHERE isin(company_id, %(companies)s))"
            )
        self.scope = " AND ".join(conditions) or "TRUE"
        self.customers = (
            f"{{column}} IN (SELECT customer_id FROM customers_creditaccount a WHERE {self.scope.format(column='a.id')})"
            if conditions
            else "TRUE"
        )

    def family(self, sql: str) -> str:
        invoices = families.INVOICES_CURRENT if self.view == "current" else families.INVOICES_OTHER
        sql = sql.replace("{invoices}", invoices)
        sql = sql.format(
            window=WINDOW_DAYS,
            recent=RECENT_DAYS,
            **{name: f"%({name})s" for name in dates(NEVER, None)},
        )
        sql = _between_words(sql, "seen", lambda x: WHERE_SEEN[self.view].format(x=x))
        sql = _between_words(
            sql, "dispute_open", lambda x: DISPUTE_OPEN[self.view].format(x=x, as_of="%(as_of)s")
        )
        sql = _between_words(sql, "customer_scope", lambda column: self.customers.format(column=column))
        sql = _between_words(sql, "scope", lambda column: self.scope.format(column=column))
        return self.speech.expand(sql)

    def with_clause(self) -> str:
        moved = families.MOVED_CURRENT if self.view == "current" else families.MOVED_OTHER
        ctes = (("unusual", families.UNUSUAL), ("moved", moved), *families.CTES)
        return "WITH " + ",\n".join(
            f"{name} AS {self.speech.materialized}({self.family(sql)})" for name, sql in ctes
        )

    def signals(self) -> str:
        card = self.card
        names = {"as_of": "%(as_of)s", "thin": card.thin_below, "thin_recent": card.thin_recent_below}
        columns = ", ".join(
            f"{self.speech.expand(s.expression.format(**names))} AS {s.name}" for s in SIGNALS
        )
        joins = " ".join(
            [f"LEFT JOIN {f} ON {f}.account_id = a.id" for f in families.OF_ACCOUNT]
            + [f"LEFT JOIN {f} ON {f}.customer_id = a.customer_id" for f in families.OF_CUSTOMER]
        )
        return (
            f"SELECT a.id AS account_id, {columns} "
            f"FROM customers_creditaccount a JOIN c ON c.customer_id = a.customer_id {joins} "
            f"WHERE {self.speech.expand(self.scope.format(column='a.id'))}"
        )

    def points(self, signal: str) -> str:
        whens = [f"WHEN s.{signal} IS NULL THEN {self.card.missing[signal]}"]
        *bounded, last = self.card.bins[signal]
        whens += [f"WHEN s.{signal} < {b.upper.normalize():f} THEN {b.points}" for b in bounded]
        return f"CASE {' '.join(whens)} ELSE {last.points} END"

    def rows(self) -> str:
        """Signals, points, score and what follows from it, per account."""
        card, names = self.card, [s.name for s in SIGNALS]
        pointed = ", ".join(f"{self.points(name)} AS {name}_points" for name in names)
        total = " + ".join([str(card.base_points), *(f"p.{name}_points" for name in names)])
        doublings = f"(f.score - {card.anchor_score}) * 1.0 / {card.points_to_double}"
        odds = self.speech.odds(str(card.odds_at_anchor), doublings)
        fenced = self.speech.fenced
        signals = fenced(self.signals())
        scored = fenced(f"SELECT s.*, {pointed} FROM {signals} s")
        summed = fenced(f"SELECT p.*, {total} AS score, {card.depth_sql('p')} AS depth FROM {scored} p")
        return (
            f"SELECT f.*, {card.grade_sql('f')} AS grade, "
            f"CASE WHEN f.insolvent = 1 THEN 1 ELSE {self.speech.probability(odds)} END AS pd, "
            f"{card.recommendation_sql('f')} AS recommendation FROM {summed} f"
        )


COPIED = (
    "score grade pd recommendation depth".split()
    + [s.name for s in SIGNALS]
    + [s.points_column for s in SIGNALS]
)


@lru_cache(maxsize=64)
def compile_select(using: str, card: Card, view: str, shape: str, by_company: bool) -> str:
    builder = _Builder(using, card, view, shape, by_company)
    columns = ", ".join(["account_id", *COPIED])
    return f"{builder.with_clause()} SELECT {columns} FROM ({builder.rows()}) r ORDER BY account_id"


@lru_cache(maxsize=64)
def compile_upsert(using: str, card: Card, shape: str, by_company: bool) -> str:
    """INSERT .. SELECT .. ON CONFLICT of the current rows; rows are taken in id order, so passes never deadlock.

    A row computed from a newer ledger (stamp), or for a later business date, is left alone.
    """
    builder = _Builder(using, card, "current", shape, by_company)
    table, speech = AccountScore._meta.db_table, builder.speech
    columns = ["account_id", "as_of", "judged_on", "card_id", "stamp", "pass_id", "moved", *COPIED]
    points = ["card_id", *(s.points_column for s in SIGNALS)]
    differs = f"({', '.join(f't.{c}' for c in points)}) {speech.changed} ({', '.join(f'excluded.{c}' for c in points)})"
    sets = [f"{c} = excluded.{c}" for c in columns if c not in {"account_id", "moved"}]
    sets.append(f"moved = CASE WHEN {differs} THEN 'changed' ELSE '' END")
    return (
        f"INSERT INTO {table} AS t ({', '.join(columns)}) {builder.with_clause()} "
        f"SELECT account_id, %(as_of)s, %(judged_on_or_null)s, {card.pk}, {speech.now}, %(pass_id)s, 'first', "
        f"{', '.join(COPIED)} FROM ({builder.rows()}) r WHERE TRUE ORDER BY account_id "
        f"ON CONFLICT (account_id) DO UPDATE SET {', '.join(sets)} "
        f"WHERE t.stamp <= excluded.stamp AND (t.as_of <= excluded.as_of OR %(go_back)s = 1)"
    )


@lru_cache(maxsize=64)
def compile_history(using: str, shape: str) -> str:
    """Keep the rows this pass wrote whose points changed and, at month-end, every row not kept that day."""
    speech = dialect(using)
    table, current = ScoreHistory._meta.db_table, AccountScore._meta.db_table
    scope = speech.expand((_SCOPES[shape] or "TRUE").format(column="t.account_id"))

    def pack(suffix: str) -> str:
        pairs = ", ".join(f"'{s.name}', t.{s.name}{suffix}" for s in SIGNALS)
        return f"{speech.object_function}({pairs})"

    copied = "as_of judged_on card_id score grade pd recommendation depth".split()
    return (
        f"INSERT INTO {table} (account_id, {', '.join(copied)}, because, signals, points, recorded_at, entry_id) "
        f"SELECT t.account_id, {', '.join(f't.{c}' for c in copied)}, "
        f"CASE WHEN t.moved <> '' THEN t.moved ELSE 'month_end' END, {pack('')}, {pack('_points')}, "
        f"t.stamp, CAST(%(entry)s AS bigint) FROM {current} t "
        f"LEFT JOIN {table} h ON h.account_id = t.account_id AND h.as_of = t.as_of AND t.moved = '' "
        "AND %(month_end)s = 1 "
        f"WHERE {scope} AND t.pass_id = %(pass_id)s "
        "AND (t.moved <> '' OR %(month_end)s = 1 AND h.id IS NULL)"
    )
