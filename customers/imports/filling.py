"""Fills the staging tables while a file is read, so that the database takes rows in while Python reads the next.

On PostgreSQL one COPY of the documents stays open over many chunks: the server parses and stores what was sent
while the client is at work on the next chunk. A connection can do nothing else meanwhile, so whatever goes into
other tables waits in memory, never more than HELD rows of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

from customers.imports import staging
from customers.imports.checking import Checked
from customers.imports.problems import Problem

HELD = 2_000
TABLE = "import_doc"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@contextmanager
def filling() -> Iterator[Filling]:
    """Everything given to it stands in the staging tables when the block ends."""
    fill = Filling()
    try:
        yield fill
        fill.settle()
    finally:
        # Ended in order even after an error: a COPY broken off would break the caller's transaction too.
        fill.end_copy()


class Filling:
    def __init__(self) -> None:
        self.payments: list[tuple[Any, ...]] = []
        self.unread: list[tuple[Any, ...]] = []
        self.customers: list[dict[str, Any]] = []
        self.problems: list[Problem] = []
        self.columns: list[str] = []
        self.cursor: Any = None
        self.context: Any = None
        self.copy: Any = None

    def add(self, checked: Checked) -> None:
        """What one chunk of the file came to."""
        self.payments += checked.payments
        self.unread += checked.unread
        self.customers += checked.customers
        self.problems += checked.problems
        held = len(self.payments) + len(self.unread) + len(self.customers) + len(self.problems)
        if held >= HELD:
            self.settle()
        self.documents(checked.documents)

    def settle(self) -> None:
        """Put what waits into its tables."""
        self.end_copy()
        staging.load("import_pay", self.payments)
        staging.load("import_unread", self.unread)
        staging.stage_customers(self.customers)
        staging.report(self.problems)
        self.payments, self.unread, self.customers, self.problems = [], [], [], []

    def documents(self, columns: Sequence[Sequence[Any]]) -> None:
        """Documents of one chunk, column by column."""
        if not columns or not columns[0]:
            return
        if not staging.is_postgres():
            staging.load(TABLE, zip(*columns, strict=True))
            return
        given = dict(zip(staging.TABLES[TABLE], columns, strict=True))
        if self.copy is None or not _unusual(given).issubset(self.columns):
            # Once sent, a column stays: files change their mind about an empty column only a few times.
            self.open_copy(_unusual(given).union(self.columns))
        cells = [_copy_cells(given[name], staging.DOCUMENT_COLUMNS[name]) for name in self.columns]
        self.copy.write(("\n".join(map("\t".join, zip(*cells, strict=True))) + "\n").encode())

    def open_copy(self, names: set[str]) -> None:
        self.end_copy()
        self.columns = [name for name in staging.DOCUMENT_COLUMNS if name in names]
        self.cursor = connection.cursor()
        self.context = self.cursor.copy(f"COPY {TABLE} ({', '.join(self.columns)}) FROM STDIN")
        self.copy = self.context.__enter__()

    def end_copy(self) -> None:
        if self.copy is None:
            return
        context, self.copy = self.context, None
        try:
            context.__exit__(None, None, None)
        finally:
            self.cursor.close()


def _unusual(given: dict[str, Sequence[Any]]) -> set[str]:
    """Columns that hold anything but their usual value in these rows; the table fills the others in itself."""
    usual = staging.USUAL
    return {name for name, values in given.items() if values.count(usual.get(name)) < len(values)}


def _copy_cells(values: Sequence[Any], kind: str) -> Sequence[str]:
    """A column's values as PostgreSQL's COPY reads them; dates come as text and need no escapes."""
    if None in values:
        return [
            r"\N" if value is None else cell
            for value, cell in zip(values, _as_text(values, kind), strict=True)
        ]
    return _as_text(values, kind)


def _as_text(values: Sequence[Any], kind: str) -> Sequence[str]:
    if kind == "date":
        return values
    if kind != "text":
        return list(map(str, values))
    joined = "".join(value for value in values if value is not None) if None in values else "".join(values)
    if "\\" in joined or "\t" in joined or "\n" in joined or "\r" in joined:
        return [value and value.translate(_ESCAPES) for value in values]
    return values
