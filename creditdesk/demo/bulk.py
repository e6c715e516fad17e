"""Faster bulk loading on PostgreSQL: indexes and foreign keys leave for the load and come back proved.

Everything happens in the caller's transaction: nobody ever sees the tables without them, and adding a foreign key
again checks every row at once, which is many times faster than a check per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection

from .book import Book

_CONSTRAINTS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('f', 'u')
ORDER BY contype DESC, conrelid::regclass::text, conname
"""
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid = ANY(%s::regclass[]) AND NOT indisprimary
  AND indexrelid NOT IN (SELECT conindid FROM pg_constraint WHERE conrelid = ANY(%s::regclass[]))
ORDER BY indexrelid::regclass::text
"""


@contextmanager
def without_indexes(book: Book, progress: Callable[[str], None]) -> Iterator[None]:
    """Inside, the book's tables have no indexes but their primary keys, and no foreign keys."""
    tables = [connection.ops.quote_name(apps.get_model(label)._meta.db_table) for label in book.tables]
    with connection.cursor() as cursor:
        cursor.execute(_CONSTRAINTS, [tables])
        constraints = cursor.fetchall()
        cursor.execute(_INDEXES, [tables, tables])
        indexes = cursor.fetchall()
        for table, name, _definition in constraints:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for number, (_name, definition) in enumerate(indexes, start=1):
            cursor.execute(definition)
            progress(f"index {number} of {len(indexes)}")
        for number, (table, name, definition) in enumerate(constraints, start=1):
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
            progress(f"constraint {number} of {len(constraints)} checked")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
