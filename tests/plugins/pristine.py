"""After a test with real commits the database goes back to what the migrations left, their rows included.

Django's flush empties every table and has the content types, permissions, roles, cards and policies made again, which
takes longer than most of these tests. Here they come back as they were, with the same primary keys each time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

Restore = Callable[[], None]
KEPT = "as_migrated"  # PostgreSQL's schema of the rows that come back


def remember(connection: Any) -> Restore:
    """Remember the rows there are; the function returned brings them back, and only them."""
    return _sqlite(connection) if connection.vendor == "sqlite" else _postgres(connection)


def _sqlite(connection: Any) -> Restore:
    """The whole file by SQLite's own backup, which other connections see as one change."""
    connection.ensure_connection()
    kept = sqlite3.connect(":memory:", check_same_thread=False)
    connection.connection.backup(kept)

    def restore() -> None:
        connection.ensure_connection()
        kept.backup(connection.connection)

    return restore


def _postgres(connection: Any) -> Restore:
    """Not TRUNCATE: for a handful of rows that gives every table and every index a new file."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        cursor.execute(f"DROP SCHEMA IF EXISTS {KEPT} CASCADE; CREATE SCHEMA {KEPT}")
        steps = [f"DELETE FROM {quote(table)}" for table in tables if table != "django_migrations"]
        for table in map(quote, tables):
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
            if cursor.fetchone()[0] and table != '"django_migrations"':
                cursor.execute(f"CREATE TABLE {KEPT}.{table} AS TABLE {table}")
                steps.append(f"INSERT INTO {table} SELECT * FROM {KEPT}.{table}")

    def restore() -> None:
        from django.db import transaction

        with transaction.atomic(), connection.cursor() as cursor:
            # Append-only tables refuse to be emptied, and references would want an order.
            cursor.execute("; ".join(["SET LOCAL session_replication_role = replica", *steps]))

    return restore
