"""The one statement that scores: families -> signals -> points -> score, for any date, view and set of accounts.

Compiled once per shape (vendor, card, view, scope) and kept; dates and ids are parameters. `compile_select`
reads, `compile_upsert` writes the same rows to AccountScore, `compile_history` keeps those worth keeping.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from creditdesk.core.facts import CURRENT, View
from scoring import families
from scoring.card import MOST_PD, Card, Cards
from scoring.dialect import Dialect, dialect
from scoring.families import accounts, bureau
from scoring.models import AccountScore, BesideScore, ScoreHistory
from scoring.packing import Packed, pack
from scoring.signals import RECENT_DAYS, SIGNALS, WINDOW_DAYS, WRITE_OFF_DAYS

NEVER = date(1900, 1, 1)
"""Judged day of a company whose ledger is complete to no day: nothing has fallen due before it."""

WHERE_SEEN = {
    "current": "{x}.superseded_at IS NULL",
    "known": "({x}.known_on <= %(known_at)s AND ({x}.known_until IS NULL OR {x}.known_until > %(known_at)s))",
    "recorded": "({x}.recorded_at <= %(recorded_by)s "
    "AND ({x}.superseded_at IS NULL OR {x}.superseded_at > %(recorded_by)s))",
}
# Rows of our own passes (kept scores, peer figures) are never corrected; they count by when they were stored.
KEPT_SEEN = {"current": "TRUE", "known": "TRUE", "recorded": "{x}.recorded_at <= %(recorded_by)s"}
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
        "as_of_q1": as_of - timedelta(days=91),
        "as_of_q2": as_of - timedelta(days=182),
        "as_of_q3": as_of - timedelta(days=273),
        "as_of_18m": as_of - timedelta(days=548),
        "as_of_statements": as_of - timedelta(days=2 * accounts.VALID_DAYS),
        "as_of_reports": as_of - timedelta(days=bureau.VALID_DAYS + bureau.YEAR_BEFORE_DAYS),
        "as_of_peers": as_of - timedelta(days=WINDOW_DAYS),
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

    def __init__(
        self, using: str, cards: Cards, view: str, shape: str, by_company: bool, given: bool = False
    ) -> None:
        self.speech = dialect(using)
        self.cards, self.view, self.given = cards, view, given
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
        sql = sql.format(
            window=WINDOW_DAYS,
            recent=RECENT_DAYS,
            **{name: f"%({name})s" for name in dates(NEVER, None)},
        )
        sql = _between_words(sql, "seen", lambda x: WHERE_SEEN[self.view].format(x=x))
        sql = _between_words(
            sql, "dispute_open", lambda x: DISPUTE_OPEN[self.view].format(x=x, as_of="%(as_of)s")
        )
        sql = _between_words(sql, "given", lambda name: self.speech.given(f"given_{name}", GIVEN[name]))
        sql = _between_words(sql, "kept", lambda x: KEPT_SEEN[self.view].format(x=x))
        sql = _between_words(sql, "customer_scope", lambda column: self.customers.format(column=column))
        sql = _between_words(sql, "scope", lambda column: self.scope.format(column=column))
        return self.speech.expand(sql)

    def with_clause(self) -> str:
        return "WITH " + ",\n".join(
            f"{name} AS {self.speech.materialized}({self.family(sql)})"
            for name, sql in families.ctes(self.view, self.given)
        )

    def signals(self, also: str = "", names: Collection[str] = ()) -> str:
        """The signals (or only those named) of every account; `also`: more columns over the same families.

        Only the families that are spoken of are joined, so that the others are not read at all.
        """
        card = self.cards.full
        values = {"as_of": "%(as_of)s", "thin": card.thin_below, "thin_recent": card.thin_recent_below}
        columns = ", ".join(
            f"{self.speech.expand(s.expression.format(**values))} AS {s.name}"
            for s in SIGNALS
            if not names or s.name in names
        )
        columns = f"{families.EXPOSURE} AS exposure, {also}{columns}"
        joins = " ".join(
            f"LEFT JOIN {join}" for name, join in families.JOINS if re.search(rf"\b{name}\.", columns)
        )
        return (
            f"SELECT a.id AS account_id, {columns} "
            f"FROM customers_creditaccount a JOIN c ON c.customer_id = a.customer_id {joins} "
            f"WHERE {self.speech.expand(self.scope.format(column='a.id'))}"
        )

    def rows(self) -> str:
        """Signals, score and what follows from it, per account. Every level is computed once (fenced)."""
        fenced, cards = self.speech.fenced, self.cards
        full = pack(cards.full, "s")
        thin = pack(cards.thin, "s") if cards.thin and cards.is_thin_sql("s") else None
        names = [f"g{n}" for n in range(1, max(len(full.groups), len(thin.groups) if thin else 0) + 1)]
        groups = ", ".join(
            f"{self._either(*self._group(full, thin, n), row='s')} AS {name}" for n, name in enumerate(names)
        )
        score = self._either(full.score("p", names), thin.score("p", names) if thin else None)
        bins = " || ' ' || ".join(f"CAST(p.{name} AS {self.speech.text})" for name in names)
        packed = fenced(f"SELECT s.*, {groups} FROM {fenced(self.signals())} s")
        summed = fenced(
            f"SELECT p.*, CAST({score} AS integer) AS score, {bins} AS bins, {cards.depth_sql('p')} AS depth "
            f"FROM {packed} p"
        )
        by_full = self._follows(cards.full)
        by_thin = self._follows(cards.thin) if thin and cards.thin else {}
        columns = ", ".join(
            f"{self._either(sql, by_thin.get(name), row='f')} AS {name}" for name, sql in by_full.items()
        )
        return f"SELECT f.*, {columns} FROM {summed} f"

    def _follows(self, card: Card) -> dict[str, str]:
        """SQL of what a card makes of a score, over row f."""
        doublings = self.speech.quotient(f"(f.score - {card.anchor_score})", str(card.points_to_double))
        odds = self.speech.odds(str(card.odds_at_anchor), doublings)
        return {
            "card_id": str(card.pk or 0),
            "grade": card.grade_sql("f"),
            "pd": f"CASE WHEN f.insolvent = 1 THEN 1 ELSE {self.speech.least(self.speech.probability(odds), str(MOST_PD))} END",
            "recommendation": card.recommendation_sql("f"),
        }

    @staticmethod
    def _group(full: Packed, thin: Packed | None, n: int) -> tuple[str, str | None]:
        def nth(packed: Packed) -> str:
            return packed.groups[n] if n < len(packed.groups) else "0"

        return nth(full), nth(thin) if thin else None

    def _either(self, full: str, thin: str | None, row: str = "p") -> str:
        if thin is None or thin == full:
            return full
        return f"CASE WHEN {self.cards.is_thin_sql(row)} THEN {thin} ELSE {full} END"


class _Stored(_Builder):
    """Reads the signals of a pass instead of the facts: those it stored for the same day."""

    def signals(self, also: str = "", names: Collection[str] = ()) -> str:
        columns = ", ".join(f"t.{s.name}" for s in SIGNALS)
        return (
            f"SELECT t.account_id, t.exposure, {columns} FROM {AccountScore._meta.db_table} t "
            f"WHERE t.as_of = %(as_of)s AND {self.speech.expand(self.scope.format(column='t.account_id'))}"
        )


COPIED = ["card_id", *"score grade pd recommendation depth exposure bins".split(), *(s.name for s in SIGNALS)]


GIVEN = {
    "peers": {
        "company_id": "bigint",
        "sector": "text",
        "accounts": "bigint",
        "late_share": "double precision",
        "days_late": "double precision",
        "z_median": "double precision",
        "invoiced": "bigint",
        "currency": "text",
    },
    "members": {
        "account_id": "bigint",
        "score": "integer",
        "insolvent": "integer",
        "days_late_12m": "double precision",
        "overdue_share": "double precision",
        "weight": "bigint",
    },
}
"""Stand-ins for what no pass had stored by a past day (scoring/bygone.py), as JSON parameters."""


@lru_cache(maxsize=64)
def compile_select(
    using: str, cards: Cards, view: str, shape: str, by_company: bool, given: bool = False
) -> str:
    builder = _Builder(using, cards, view, shape, by_company, given)
    columns = ", ".join(["account_id", *COPIED])
    return f"{builder.with_clause()} SELECT {columns} FROM ({builder.rows()}) r ORDER BY account_id"


def compile_unscored(using: str, cards: Cards, view: str, shape: str) -> str:
    """Ids of the accounts of the other members of groups that no pass had scored before the day."""
    builder = _Builder(using, cards, view, shape, False)
    needed = {"heads", "candidates", "members", "others"}
    speech = builder.speech
    ctes = ", ".join(
        f"{name} AS {speech.materialized}({builder.family(sql)})"
        for name, sql in families.ctes(view)
        if name in needed
    )
    return f"WITH {ctes} {builder.family(families.group.UNSCORED)} ORDER BY 1"


PEER_SIGNALS = ("late_share_12m", "days_late_12m", "altman_z")


@lru_cache(maxsize=16)
def compile_peers(using: str, cards: Cards, shape: str, by_company: bool) -> str:
    """(company, division, currency, invoiced, days-late signals, Z'') per account, for scoring/peers.py."""
    builder = _Builder(using, cards, "known", shape, by_company)
    also = "a.company_id, a.currency, c.division, COALESCE(b.invoiced, 0) AS invoiced, "
    return (
        f"{builder.with_clause()} SELECT company_id, division, currency, invoiced, late_share_12m, days_late_12m, "
        f"altman_z FROM ({builder.signals(also, PEER_SIGNALS)}) r ORDER BY account_id"
    )


@lru_cache(maxsize=64)
def compile_upsert(using: str, cards: Cards, shape: str, by_company: bool) -> str:
    """INSERT .. SELECT .. ON CONFLICT of the current rows; rows are taken in id order, so passes never deadlock.

    A row computed from a newer ledger (stamp), or for a later business date, is left alone.
    """
    builder = _Builder(using, cards, "current", shape, by_company)
    table, speech = AccountScore._meta.db_table, builder.speech
    columns = ["account_id", "as_of", "judged_on", "stamp", "pass_id", "moved", *COPIED]
    differs = f"(t.card_id, t.bins) {speech.changed} (excluded.card_id, excluded.bins)"
    sets = [f"{c} = excluded.{c}" for c in columns if c not in {"account_id", "moved"}]
    sets.append(f"moved = CASE WHEN {differs} THEN 'changed' ELSE '' END")
    return (
        f"INSERT INTO {table} AS t ({', '.join(columns)}) {builder.with_clause()} "
        f"SELECT account_id, %(as_of)s, %(judged_on_or_null)s, {speech.now}, %(pass_id)s, 'first', "
        f"{', '.join(COPIED)} FROM ({builder.rows()}) r WHERE TRUE ORDER BY account_id "
        f"ON CONFLICT (account_id) DO UPDATE SET {', '.join(sets)} "
        f"WHERE t.stamp <= excluded.stamp AND (t.as_of <= excluded.as_of OR %(go_back)s = 1)"
    )


def compile_beside(
    using: str, cards: Cards, challenger: Card, shape: str, by_company: bool, *, stored: bool
) -> str:
    """INSERT .. SELECT of what a card says that is not in use, of the accounts it would score. stored: from the signals
    of the pass of that day."""
    builder = (_Stored if stored else _Builder)(using, cards, "current", shape, by_company)
    table = BesideScore._meta.db_table
    return (
        f"INSERT INTO {table} (card_id, account_id, as_of, score, pd) {'' if stored else builder.with_clause()} "
        f"SELECT r.card_id, r.account_id, %(as_of)s, r.score, r.pd FROM ({builder.rows()}) r "
        f"WHERE r.card_id = {challenger.pk} ORDER BY r.account_id "
        "ON CONFLICT (card_id, as_of, account_id) DO UPDATE SET score = excluded.score, pd = excluded.pd"
    )


KEPT = ["as_of", "judged_on", *(name for name in COPIED if name != "bins")]
"""What a kept score copies from the current one: the very same columns, so that nothing is lost or reshaped."""


@lru_cache(maxsize=64)
def compile_history(using: str, shape: str) -> str:
    """Keep the rows this pass wrote whose points changed and, at month-end, every row not kept that day."""
    speech = dialect(using)
    table, current = ScoreHistory._meta.db_table, AccountScore._meta.db_table
    scope = speech.expand((_SCOPES[shape] or "TRUE").format(column="t.account_id"))
    return (
        f"INSERT INTO {table} (account_id, {', '.join(KEPT)}, because, signals, points, recorded_at, entry_id) "
        f"SELECT t.account_id, {', '.join(f't.{c}' for c in KEPT)}, "
        "CASE WHEN t.moved <> '' THEN t.moved ELSE 'month_end' END, '{}', '{}', "
        f"t.stamp, CAST(%(entry)s AS bigint) FROM {current} t "
        f"LEFT JOIN {table} h ON h.account_id = t.account_id AND h.as_of = t.as_of AND t.moved = '' "
        "AND %(month_end)s = 1 "
        f"WHERE {scope} AND t.pass_id = %(pass_id)s "
        "AND (t.moved <> '' OR %(month_end)s = 1 AND h.id IS NULL)"
    )
