"""The temporary tables an import works in, on both databases; gone when it ends, never seen by anybody else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.db import connection

from creditdesk.core.sentences import stored
from customers.imports.problems import REFUSED, Problem

DOCUMENT_COLUMNS = {
    "row_no": "integer",
    "customer": "text",
    "number": "text",
    "kind": "text",
    "fiscal_year": "integer",
    "instalment": "integer",
    "issued_on": "date",
    "due_on": "date",
    "known_on": "date",
    "currency": "text",
    "amount": "bigint",
    "open_amount": "bigint",
    "settled_on": "date",
    "paid": "bigint",
    "pay_key": "text",
    "instrument": "text",
    "disputed": "integer",
    "pay_known_on": "date",
    "delivery": "text",
}
# What a column holds in most files; it is only sent where something else is in it (see filling.py).
USUAL: dict[str, Any] = {
    "kind": "invoice",
    "instalment": 1,
    "instrument": "transfer",
    "disputed": 0,
    "delivery": "",
}
# pay_key is null for a credit note: it settles documents too, by references of its own.
PAYMENT_COLUMNS = {
    "row_no": "integer",
    "customer": "text",
    "pay_key": "text",
    "received_on": "date",
    "known_on": "date",
    "currency": "text",
    "amount": "bigint",
    "instrument": "text",
    "refs": "text",
}
CUSTOMER_COLUMNS = {
    "key": "text PRIMARY KEY",
    "row_no": "integer",
    "attrs": "text",
    "account_id": "bigint",
    "currency": "text",
}
TABLES: dict[str, dict[str, str]] = {
    "import_doc": DOCUMENT_COLUMNS,
    "import_pay": PAYMENT_COLUMNS,
    "import_customer": CUSTOMER_COLUMNS,
    # Rows one look refused: what can be said about which document they meant.
    "import_unread": {"row_no": "integer", "customer": "text", "number": "text", "kind": "text"},
    "import_problem": {
        "row_no": "integer",
        "place": "text",
        "value": "text",
        "code": "text",
        "params": "text",
        "severity": "text",
        "cells": "text",
        "seq": "integer",
    },
    "import_bad": {"row_no": "integer PRIMARY KEY"},
    # Good documents the ledger already has. state: 0 the same, 1 changed, 2 settled since. delivery: how they were
    # sent, where the ledger does not know it yet.
    "import_match": {
        "row_no": "integer",
        "number": "text",
        "fiscal_year": "integer",
        "kind": "text",
        "invoice_id": "bigint",
        "payment_id": "bigint",
        "state": "integer",
        "delivery": "text",
    },
    "import_paymatch": {"row_no": "integer PRIMARY KEY", "payment_id": "bigint", "state": "integer"},
    # What payments and credit notes (pay_row) settle of documents, by the documents' keys.
    "import_alloc": {
        "pay_row": "integer",
        "kind": "text",
        "number": "text",
        "fiscal_year": "integer",
        "instalment": "integer",
        "amount": "bigint",
        "settles_on": "date",
        "known_on": "date",
    },
    "import_rate": {"row_no": "integer PRIMARY KEY", "account_amount": "bigint"},
    # The rows of import_write as a commit stores them, in that order, with the ids of their documents.
    "import_new": {
        "invoice_id": "bigint",
        "row_no": "integer",
        "number": "text",
        "fiscal_year": "integer",
        "kind": "text",
        "instalment": "integer",
        "issued_on": "date",
        "due_on": "date",
        "known_on": "date",
        "currency": "text",
        "amount": "bigint",
        "account_amount": "bigint",
        "open_amount": "bigint",
        "settled_on": "date",
        "paid": "bigint",
        "account_id": "bigint",
        "old_id": "bigint",
        "delivery": "text",
    },
    # What a snapshot shows as settled since the last one. grew: the open amount rose instead, so what was
    # inferred earlier is reversed first.
    "import_vanish": {
        "number": "text",
        "fiscal_year": "integer",
        "kind": "text",
        "instalment": "integer",
        "amount": "bigint",
        "settled_after": "date",
        "grew": "integer",
        "is_new": "integer",
    },
    "import_dispute": {"id": "bigint PRIMARY KEY", "instalment_id": "bigint", "row_no": "integer"},
    "import_touched": {"account_id": "bigint PRIMARY KEY"},
}
# Findings of one row keep the order they were made in (text order would differ between the databases).
_SEQUENCE = count()
_VIEWS = ("import_settle", "import_write", "import_good")

GOOD = """
CREATE TEMP VIEW import_good AS SELECT d.* FROM import_doc d
WHERE NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = d.row_no)
"""
# Documents to store: new ones, and new versions (old_id) of changed ones.
WRITE = """
CREATE TEMP VIEW import_write AS SELECT d.*, m.invoice_id AS old_id, m.payment_id AS old_payment_id
FROM import_good d LEFT JOIN import_match m
  ON m.number = d.number AND m.fiscal_year = d.fiscal_year AND m.kind = d.kind
WHERE m.invoice_id IS NULL OR m.state = 1
"""

# Rows of the settled layout whose payment is to be stored.
SETTLE = """
CREATE TEMP VIEW import_settle AS SELECT d.*, m.payment_id AS old_payment_id
FROM import_good d LEFT JOIN import_match m
  ON m.number = d.number AND m.fiscal_year = d.fiscal_year AND m.kind = d.kind
WHERE d.settled_on IS NOT NULL AND (m.invoice_id IS NULL OR m.state IN (1, 2))
"""


def execute(sql: str, params: Sequence[Any] | dict[str, Any] | None = None) -> int:
    """Run one statement; the number of rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount


def rows(sql: str, params: Sequence[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def scalar(sql: str, params: Sequence[Any] | dict[str, Any] | None = None) -> Any:
    return rows(sql, params)[0][0]


def stream(sql: str, params: Sequence[Any] | None = None, size: int = 2000) -> Iterator[tuple[Any, ...]]:
    """Rows of a query over temporary tables by key ranges would need a key; fetchmany keeps Python's part flat."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        while block := cursor.fetchmany(size):
            yield from block


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def days_between(later: str, earlier: str) -> str:
    """SQL for whole days between two dates."""
    if is_postgres():
        return f"({later} - {earlier})"
    return f"CAST(julianday({later}) - julianday({earlier}) AS integer)"


def later_of(a: str, b: str) -> str:
    return f"GREATEST({a}, {b})" if is_postgres() else f"MAX({a}, {b})"


def lesser_of(a: str, b: str) -> str:
    return f"LEAST({a}, {b})" if is_postgres() else f"MIN({a}, {b})"


def differs(a: str, b: str) -> str:
    """SQL: the two differ, nulls being equal to each other (SQLite learned IS DISTINCT FROM only in 3.39)."""
    return f"({a} IS DISTINCT FROM {b})" if is_postgres() else f"({a} IS NOT {b})"


def drop() -> None:
    for view in _VIEWS:
        execute(f"DROP VIEW IF EXISTS {'pg_temp' if is_postgres() else 'temp'}.{view}")
    for table in TABLES:
        execute(f"DROP TABLE IF EXISTS {'pg_temp' if is_postgres() else 'temp'}.{table}")


@contextmanager
def staging() -> Iterator[None]:
    """Empty staging tables for one import on this connection."""
    drop()
    _tune()
    for table, columns in TABLES.items():
        body = ", ".join(f"{name} {kind}{_default(table, name)}" for name, kind in columns.items())
        execute(f"CREATE TEMP TABLE {table} ({body})")
    execute(GOOD)
    execute(WRITE)
    execute(SETTLE)
    try:
        yield
    except BaseException:
        # In a broken transaction nothing can be dropped; the rollback or the next import does it.
        if not connection.needs_rollback and connection.is_usable():
            try:
                drop()
                _tune(back=True)
            except Exception:  # noqa: S110 - the first error is the one to show
                pass
        raise
    drop()
    _tune(back=True)


def _default(table: str, name: str) -> str:
    return f" DEFAULT {USUAL[name]!r}" if table == "import_doc" and name in USUAL else ""


def _tune(*, back: bool = False) -> None:
    """Sorts and hashes of one file fit in memory; compiling its few statements costs more than it gains."""
    if not is_postgres():
        return
    if back:
        execute("RESET work_mem")
        execute("RESET jit")
        return
    # Staged rows of one file stay in memory; it can be set only before the connection's first temporary table.
    execute("SELECT set_config('temp_buffers', '64MB', FALSE) WHERE pg_my_temp_schema() = 0")
    execute(
        """SELECT set_config('work_mem', GREATEST(setting::integer, 65536) || 'kB', FALSE),
            set_config('jit', 'off', FALSE) FROM pg_settings WHERE name = 'work_mem'"""
    )


def next_ids(table: str, order: str) -> str:
    """SQL for a new id of `table` in each row of a query; the rows must come sorted by `order`.

    PostgreSQL draws from the table's sequence; SQLite, with its one writer, counts on from the last id.
    """
    if is_postgres():
        sequence = scalar("SELECT pg_get_serial_sequence(%s, 'id')", [table])
        return f"nextval('{sequence}')"
    return f"""((SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = '{table}')
        + ROW_NUMBER() OVER (ORDER BY {order}))"""


def load(table: str, values: Iterable[Sequence[Any]]) -> None:
    """Put rows into a staging table: COPY on PostgreSQL, executemany on SQLite."""
    if isinstance(values, list) and not values:
        return
    columns = list(TABLES[table])
    with connection.cursor() as cursor:
        if is_postgres():
            with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", list(values))


def report(problems: Iterable[Problem]) -> None:
    """Store findings; a refusal takes its row out of everything that follows."""
    found = list(problems)
    if not found:
        return
    load(
        "import_problem",
        (
            (
                p.row,
                p.column,
                p.value,
                p.code,
                json.dumps(stored(p.params), default=str),
                p.severity,
                json.dumps(p.cells) if p.cells is not None else None,
                next(_SEQUENCE),
            )
            for p in found
        ),
    )
    bad = sorted({p.row for p in found if p.severity == REFUSED})
    for start in range(0, len(bad), 500):
        part = bad[start : start + 500]
        marks = ", ".join(["(%s)"] * len(part))
        execute(f"INSERT INTO import_bad (row_no) VALUES {marks} ON CONFLICT DO NOTHING", part)


# What a file fills while it is read, and what matching and planning fill afterwards.
READ = ("import_doc", "import_pay", "import_customer", "import_unread", "import_problem", "import_bad")
PLANNED = tuple(name for name in TABLES if name not in (*READ, "import_new"))


def analyze(tables: tuple[str, ...]) -> None:
    """Tell PostgreSQL how big the staged tables are; without it the joins are planned for a guess."""
    if is_postgres():
        # A small sample will do: what matters is how many rows there are and that keys differ.
        execute("SET default_statistics_target = 10")
        execute(f"ANALYZE {', '.join(tables)}")
        execute("RESET default_statistics_target")


MANY = 5_000


def analyze_stored(table: str, added: int) -> None:
    """After many new rows the planner's statistics are blind to just those that are joined next."""
    if added >= MANY and is_postgres():
        execute(f"ANALYZE {table}")


def stage_customers(customers: list[dict[str, Any]]) -> None:
    load("import_customer", ((c["key"], c["row"], json.dumps(c), None, None) for c in customers))
