"""Where SQLite and PostgreSQL differ, for the one scoring statement.

The SQL of families and signals is written once with a few macros: `days(a, b)` (a minus b in days),
`plus_days(day, count)` (a number written out), `ratio(a, b)`, `round6(a)` and `root(a)` (rounded to 6 decimals: the
last digits of a float quotient differ between databases and would move accounts across bins), `least(a, b)`,
`greatest(a, b)`, `fenced(query)` (columns computed once), `isin(column, parameter)` for a list of ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class Dialect:
    """SQL fragments of one vendor and how it takes parameters."""

    now: str
    changed: str
    materialized = ""
    text: str

    def __init__(self, using: str) -> None:
        self.connection: BaseDatabaseWrapper = connections[using]

    def macros(self) -> dict[str, Callable[..., str]]:
        raise NotImplementedError

    def odds(self, at_anchor: str, doublings: str) -> str:
        """at_anchor * 2 ** doublings, as a float (a numeric power costs more than all the signals of a row)."""
        return f"{at_anchor} * POWER(2.0, {doublings})"

    def quotient(self, a: str, b: str) -> str:
        """a / b as a float, not rounded."""
        raise NotImplementedError

    def probability(self, odds: str) -> str:
        raise NotImplementedError

    def least(self, a: str, b: str) -> str:
        return f"LEAST({a}, {b})"

    def fenced(self, sql: str) -> str:
        """A subquery whose columns are computed once, not again wherever the outer query names them."""
        raise NotImplementedError

    def ids(self, ids: Collection[int]) -> Any:
        raise NotImplementedError

    def given(self, name: str, columns: Mapping[str, str]) -> str:
        """A table out of the JSON parameter `name`: a list of objects with these columns (name -> SQL type)."""
        raise NotImplementedError

    def keep(self, cursor: Any, sql: str, values: dict[str, Any]) -> None:
        """Execute a statement that runs again and again on this connection."""
        cursor.execute(sql, values)

    def moment(self, value: date | datetime) -> Any:
        """A date or time stamp as this database stores and compares it."""
        return value

    def expand(self, sql: str) -> str:
        """Replace every macro call, innermost last, minding nested parentheses."""
        for name, write in self.macros().items():
            while (start := _find_call(sql, name)) >= 0:
                arguments, end = _arguments(sql, start + len(name))
                sql = sql[:start] + write(*arguments) + sql[end:]
        return sql


class PostgreSQL(Dialect):
    now = "statement_timestamp()"
    changed = "IS DISTINCT FROM"
    text = "text"

    def macros(self) -> dict[str, Callable[..., str]]:
        return {
            "days": lambda a, b: f"(({a}) - ({b}))",
            "plus_days": lambda day, count: f"(({day}) + ({count}))",
            "ratio": lambda a, b: f"CAST(round(CAST({a} AS numeric) / ({b}), 6) AS double precision)",
            "round6": lambda a: f"CAST(round(CAST({a} AS numeric), 6) AS double precision)",
            "root": lambda a: f"CAST(round(CAST(SQRT({a}) AS numeric), 6) AS double precision)",
            "least": lambda *some: f"LEAST({', '.join(some)})",
            "greatest": lambda *some: f"GREATEST({', '.join(some)})",
            "fenced": lambda *some: f"({', '.join(some)} OFFSET 0)",
            "isin": lambda column, parameter: f"{column} = ANY({parameter})",
        }

    def odds(self, at_anchor: str, doublings: str) -> str:
        return f"CAST({at_anchor} AS double precision) * POWER(CAST(2 AS double precision), {doublings})"

    def quotient(self, a: str, b: str) -> str:
        return f"CAST({a} AS double precision) / CAST({b} AS double precision)"

    def probability(self, odds: str) -> str:
        return f"round(CAST(1.0 / (1.0 + {odds}) AS numeric), 4)"

    def fenced(self, sql: str) -> str:
        return f"({sql} OFFSET 0)"

    def ids(self, ids: Collection[int]) -> Any:
        return sorted(ids)

    def given(self, name: str, columns: Mapping[str, str]) -> str:
        shape = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        return f"(SELECT * FROM jsonb_to_recordset(CAST(%({name})s AS jsonb)) AS t({shape}))"

    def keep(self, cursor: Any, sql: str, values: dict[str, Any]) -> None:
        """Planning takes ten times as long as scoring some accounts: the server keeps the plan (PREPARE).

        Not behind a pooler that shares connections between transactions; Django's own switch for those says so. Nor
        where the server binds parameters: then a message holds one statement, and PREPARE takes none.
        """
        settings = self.connection.settings_dict
        if settings.get("DISABLE_SERVER_SIDE_CURSORS") or settings["OPTIONS"].get("server_side_binding"):
            cursor.execute(sql, values)
            return
        plans = _PLANS.setdefault(self.connection.connection, _Plans())
        digest = hashlib.sha1(sql.encode(), usedforsecurity=False).hexdigest()[:16]
        # After a failure nobody knows whether the server has the plan: from then on there are other names.
        name, steps, names = f"score_{digest}_{plans.failures}", [], sorted(values)
        if name not in plans.kept:
            if len(plans.kept) >= MOST_PLANS:
                steps.append(f"DEALLOCATE {plans.kept.pop(0)}")
            types = ", ".join(_type(key) for key in names)
            statement = (sql % {key: f"${n}" for n, key in enumerate(names, start=1)}).replace("%", "%%")
            steps.append(f"PREPARE {name} ({types}) AS {statement}")
        # In one message: the first time costs no query more.
        steps.append(f"EXECUTE {name} ({', '.join(['%s'] * len(names))})")
        try:
            cursor.execute("; ".join(steps), [values[key] for key in names])
        except BaseException:
            plans.failures += 1
            raise
        while cursor.nextset():
            pass
        plans.kept = [*(kept for kept in plans.kept if kept != name), name]


MOST_PLANS = 24
"""Kept per connection, those used last: a plan is some megabytes of the server's, and every card has its own."""


@dataclass(slots=True)
class _Plans:
    kept: list[str] = field(default_factory=list)
    failures: int = 0


# What each connection to a server has prepared; gone with the connection.
_PLANS: WeakKeyDictionary[Any, _Plans] = WeakKeyDictionary()
_TYPES = {
    **dict.fromkeys(("account", "pass_id", "go_back", "month_end", "entry", "low", "high"), "bigint"),
    **dict.fromkeys(("companies", "accounts"), "bigint[]"),
    **dict.fromkeys(("given_peers", "given_members"), "text"),
    "recorded_by": "timestamptz",
}


def _type(parameter: str) -> str:
    """PostgreSQL type of a statement's parameter (scoring/statement.py)."""
    return _TYPES.get(parameter, "date")


class SQLite(Dialect):
    # Microseconds are not to be had; a row of the same millisecond is overwritten, which is right with one writer.
    now = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
    changed = "IS NOT"
    materialized = "MATERIALIZED "
    text = "TEXT"

    def macros(self) -> dict[str, Callable[..., str]]:
        return {
            "days": lambda a, b: f"CAST(julianday({a}) - julianday({b}) AS INTEGER)",
            "plus_days": lambda day, count: (
                f"date({day}, '{'' if count.startswith('-') else '+'}{count} days')"
            ),
            "ratio": lambda a, b: f"round(CAST({a} AS REAL) / ({b}), 6)",
            "round6": lambda a: f"round({a}, 6)",
            "root": lambda a: f"round(SQRT({a}), 6)",
            "least": lambda *some: f"MIN({', '.join(some)})",
            "greatest": lambda *some: f"MAX({', '.join(some)})",
            # A subquery with a limit is not merged into the query around it.
            "fenced": lambda *some: f"({', '.join(some)} LIMIT -1)",
            "isin": lambda column, parameter: f"{column} IN (SELECT value FROM json_each({parameter}))",
        }

    def quotient(self, a: str, b: str) -> str:
        return f"CAST({a} AS REAL) / {b}"

    def probability(self, odds: str) -> str:
        return f"round(1.0 / (1.0 + {odds}), 4)"

    def least(self, a: str, b: str) -> str:
        return f"min({a}, {b})"

    def fenced(self, sql: str) -> str:
        return f"(WITH fenced AS MATERIALIZED ({sql}) SELECT * FROM fenced)"

    def ids(self, ids: Collection[int]) -> Any:
        return json.dumps(sorted(ids))

    def given(self, name: str, columns: Mapping[str, str]) -> str:
        shape = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in columns)
        return f"(SELECT {shape} FROM json_each(%({name})s))"

    def moment(self, value: date | datetime) -> Any:
        if isinstance(value, datetime):
            return self.connection.ops.adapt_datetimefield_value(value)
        return value.isoformat()


def dialect(using: str = "default") -> Dialect:
    return SQLite(using) if connections[using].vendor == "sqlite" else PostgreSQL(using)


def _find_call(sql: str, name: str) -> int:
    """Position of the next call of a macro (lower case: the SQL functions themselves are upper case)."""
    start = sql.find(f"{name}(")
    while start > 0 and (sql[start - 1].isalnum() or sql[start - 1] in "_."):
        start = sql.find(f"{name}(", start + 1)
    return start


def _arguments(sql: str, opening: int) -> tuple[list[str], int]:
    """The arguments of the call whose parenthesis opens at `opening`, and the position after it."""
    depth, parts, begin = 0, [], opening + 1
    for position in range(opening, len(sql)):
        character = sql[position]
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                parts.append(sql[begin:position].strip())
                return parts, position + 1
        elif character == "," and depth == 1:
            parts.append(sql[begin:position].strip())
            begin = position + 1
    raise ValueError(f"unbalanced parentheses in {sql[opening : opening + 60]}")
