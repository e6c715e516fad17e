"""CSV and XLSX as one stream of text rows, so that every later check is the same for both."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from customers.imports.problems import ImportRefused
from customers.imports.spec import Spec

# Small enough for its cells to stay in the processor's cache: 4,000 rows took half as long again.
CHUNK = 1000
Chunk = tuple[list[int], list[list[str]]]
XLSX_SUFFIXES = {".xlsx", ".xlsm"}

# A quoted field may hold a long note; csv's own limit of 131,072 characters stays the guard against a lost quote.
_UTF8 = {"utf-8", "utf8", "utf-8-sig", "utf_8", "utf_8_sig"}


def _cell_text(spec: Spec) -> Callable[[Any], str]:
    """A spreadsheet cell as the text that the mapping's own formats read back exactly."""
    pattern = spec.dates[0]

    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (datetime, date)):
            return value.strftime(pattern)
        if isinstance(value, float):
            # Excel itself holds 15 significant digits: 0.1 + 0.2 is 0.3 there, and is so here.
            plain = format(value, ".15g")
            plain = plain if "e" not in plain else format(value, "f").rstrip("0").rstrip(".")
            return plain.replace(".", spec.decimal)
        return str(value)

    return text


@contextmanager
def _xlsx_rows(path: Path, spec: Spec) -> Iterator[Iterator[list[str]]]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise ImportRefused("unreadable", error=error) from error
    try:
        if spec.sheet and spec.sheet not in book.sheetnames:
            raise ImportRefused(
                "unreadable",
                error=_("there is no sheet %(sheet)s; found %(found)s")
                % {"sheet": spec.sheet, "found": ", ".join(book.sheetnames)},
            )
        sheet = book[spec.sheet] if spec.sheet else book.worksheets[0]
        text = _cell_text(spec)
        yield ([text(value) for value in row] for row in sheet.iter_rows(values_only=True))
    finally:
        book.close()


@contextmanager
def _csv_rows(path: Path, spec: Spec) -> Iterator[Iterator[list[str]]]:
    utf8 = spec.encoding.lower() in _UTF8
    # Undecodable bytes become surrogates: the row is refused with its number, not the whole file blindly.
    encoding = "utf-8-sig" if utf8 else spec.encoding
    try:
        file = open(path, encoding=encoding, errors="surrogateescape" if utf8 else "replace", newline="")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise ImportRefused("unreadable", error=error.strerror or error) from error
    with file:
        quoting: Any = csv.QUOTE_MINIMAL if spec.quote else csv.QUOTE_NONE
        reader = csv.reader(file, delimiter=spec.delimiter, quotechar=spec.quote or None, quoting=quoting)
        yield reader


def _chunks(rows: Iterator[list[str]], first: int) -> Iterator[Chunk]:
    """Numbered chunks. Rows count as a spreadsheet shows them: the first row is 1, empty ones count."""
    at = first
    while True:
        try:
            block = list(islice(rows, CHUNK))
        except (csv.Error, UnicodeError) as error:
            raise ImportRefused("bad_csv", row=at, error=error) from error
        if not block:
            return
        numbers: list[int] = list(range(at, at + len(block)))
        at += len(block)
        if not all(map(any, block)):
            kept = [(n, row) for n, row in zip(numbers, block, strict=True) if any(row)]
            numbers, block = [n for n, _ in kept], [row for _, row in kept]
        if block:
            yield numbers, block


@contextmanager
def open_rows(path: Path, spec: Spec) -> Iterator[tuple[list[str], Iterator[Chunk]]]:
    """The header and a stream of (row numbers, rows) chunks; flat memory whatever the file's size."""
    if not path.is_file():
        raise ImportRefused("no_file", path=path)
    opener = _xlsx_rows if path.suffix.lower() in XLSX_SUFFIXES else _csv_rows
    with opener(path, spec) as rows:
        try:
            header = next(islice(rows, spec.header_row - 1, None), None)
        except (csv.Error, UnicodeError) as error:
            raise ImportRefused("bad_csv", row=spec.header_row, error=error) from error
        if not header or not any(header):
            raise ImportRefused("empty_file")
        names = [name.strip() for name in header]
        while names and not names[-1]:
            names.pop()
        check_header(names, spec)
        yield names, _chunks(rows, spec.header_row + 1)


def check_header(names: list[str], spec: Spec) -> None:
    wanted = spec.file_columns
    twice = sorted({name for name in wanted if names.count(name) > 1})
    if twice:
        raise ImportRefused("repeated_columns", columns=", ".join(twice))
    missing = [name for name in wanted if name not in names and name not in spec.optional]
    if missing:
        found = ", ".join(name.encode("utf-8", "replace").decode() for name in names)
        raise ImportRefused(
            "missing_columns", missing=", ".join(missing), found=found[:400], delimiter=spec.delimiter
        )
