"""The bank-flow signals alone, for the page of one customer and for cards fitted on feeds: any date, view, accounts.

The same families and expressions as in the statement that scores; only the rest of that statement is left out.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from django.db import connections

from creditdesk.core.facts import CURRENT, View
from scoring.dialect import dialect
from scoring.families import bank
from scoring.signals.bank import SIGNALS
from scoring.statement import _SCOPES, WHERE_SEEN, Scope, _between_words, parameters, view_name

NAMES = tuple(signal.name for signal in SIGNALS)


@lru_cache(maxsize=32)
def _compiled(using: str, view: str, shape: str) -> str:
    speech = dialect(using)
    condition = _SCOPES[shape] or "TRUE"
    accounts = f"SELECT customer_id FROM customers_creditaccount a WHERE {condition.format(column='a.id')}"

    def family(sql: str) -> str:
        sql = sql.format(as_of="%(as_of)s")
        sql = _between_words(sql, "seen", lambda x: WHERE_SEEN[view].format(x=x))
        sql = _between_words(sql, "customer_scope", lambda column: f"{column} IN ({accounts})")
        return speech.expand(sql)

    ctes = ",\n".join(f"{name} AS {speech.materialized}({family(sql)})" for name, sql in bank.CTES)
    columns = ", ".join(f"{speech.expand(s.expression)} AS {s.name}" for s in SIGNALS)
    return (
        f"WITH {ctes} SELECT a.id, {columns} FROM customers_creditaccount a "
        f"JOIN bk ON bk.customer_id = a.customer_id WHERE {speech.expand(condition.format(column='a.id'))}"
    )


def bank_values(
    as_of: date, scope: Scope | None = None, view: View = CURRENT, using: str = "default"
) -> dict[int, dict[str, Any]]:
    """{account id: {signal: value or None}} of the accounts whose customer has bank data to be read on that date."""
    scope = scope or Scope()
    speech = dialect(using)
    values = parameters(speech, as_of, None, view, scope)
    sql = _compiled(using, view_name(view), scope.shape)
    with connections[using].cursor() as cursor:
        cursor.execute(sql, {name: value for name, value in values.items() if f"%({name})s" in sql})
        return {row[0]: dict(zip(NAMES, row[1:], strict=True)) for row in cursor.fetchall()}
