"""CSV and XLSX files that stand up to an auditor: what they show, of which day, with which totals.

One writer for every export. Text that a spreadsheet could run as a formula is made harmless, numbers stay
numbers, and the facts about the file (as-of date, recorded-at stamp, filters, rates, control totals) travel
inside it: as `# ` lines above the header of a CSV, as the first sheet of an XLSX.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.text import slugify
from django.utils.translation import gettext as _

from creditdesk.core.money import Money

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS = ("csv", "xlsx")

# What a spreadsheet takes for a formula, a command or a break of the cell (OWASP, "CSV Injection").
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_text(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_DANGEROUS) or text.startswith(_DANGEROUS) else text


def cell(value: Any) -> Any:
    """A value as it may be written: numbers and dates as they are, Money as its Decimal, text made harmless."""
    if value is None:
        return ""
    if isinstance(value, Money):
        return value.amount
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, (int, Decimal, float, date)):
        return value
    return safe_text(str(value))


@dataclass
class Export:
    """One table with the facts about it.

    name: what the file is called, before the date. as_of: the day it speaks of (in the file name).
    facts: (label, value) pairs: stamp, filters, rates, control totals. rows may be a generator: it is read once.
    """

    name: str
    title: str
    as_of: date
    header: Sequence[str]
    rows: Iterable[Sequence[Any]]
    facts: Sequence[tuple[str, Any]] = field(default_factory=tuple)

    def file_name(self, extension: str) -> str:
        return f"{slugify(self.name)}-{self.as_of.isoformat()}.{extension}"

    def about(self) -> list[tuple[str, Any]]:
        return [(_("report"), self.title), (_("as of"), self.as_of), *self.facts]


class _Echo:
    def write(self, value: str) -> str:
        return value


def _plain(value: Any) -> Any:
    """A cell in CSV: ISO dates, decimals without exponent or grouping."""
    value = cell(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


def csv_lines(export: Export) -> Iterator[str]:
    """The CSV line by line, starting with the byte order mark that makes spreadsheets read UTF-8."""
    writer = csv.writer(_Echo())
    yield "\ufeff"
    for label, value in export.about():
        yield writer.writerow([f"# {label}", _plain(value)])
    yield writer.writerow([_plain(text) for text in export.header])
    for row in export.rows:
        yield writer.writerow([_plain(value) for value in row])


def write_xlsx(export: Export, target: Any) -> None:
    """Write the workbook: sheet one tells about the file, sheet two holds the rows (constant memory)."""
    import xlsxwriter

    book = xlsxwriter.Workbook(
        target, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    bold = book.add_format({"bold": True})
    formats = {
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
        "stamp": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }
    about = book.add_worksheet(_("About"))
    about.set_column(0, 0, 34)
    about.set_column(1, 1, 60)
    for number, (label, value) in enumerate(export.about()):
        about.write_string(number, 0, str(label), bold)
        # Stamps as text: a spreadsheet's own date type keeps neither the time zone nor the microseconds.
        _write_cell(book, about, number, 1, _plain(value) if isinstance(value, datetime) else value, formats)
    sheet = book.add_worksheet(_("Rows"))
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(export.header) - 1, 16)
    for column, text in enumerate(export.header):
        sheet.write_string(0, column, safe_text(str(text)), bold)
    for number, row in enumerate(export.rows, start=1):
        for column, value in enumerate(row):
            _write_cell(book, sheet, number, column, value, formats)
    book.close()


def _write_cell(book: Any, sheet: Any, row: int, column: int, raw: Any, formats: dict[str, Any]) -> None:
    value = cell(raw)
    if isinstance(value, datetime):
        sheet.write_datetime(row, column, value.replace(tzinfo=None), formats["stamp"])
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, formats["date"])
    elif isinstance(value, (int, float, Decimal)):
        sheet.write_number(row, column, value, _number_format(book, value, formats))
    elif value != "":
        sheet.write_string(row, column, value)


def _number_format(book: Any, value: int | float | Decimal, formats: dict[str, Any]) -> Any:
    """As many decimals as the amount has: cents for EUR, none for JPY, three for KWD."""
    places: Any = -value.as_tuple().exponent if isinstance(value, Decimal) else 0  # type: ignore[operator]
    if not isinstance(places, int) or places <= 0:
        return None
    key = f"decimal{places}"
    if key not in formats:
        formats[key] = book.add_format({"num_format": "#,##0." + "0" * places})
    return formats[key]


def export_response(export: Export, file_format: str) -> HttpResponse | StreamingHttpResponse:
    """The download, named after the report and its date. Raises ValueError for a format we do not write."""
    if file_format == "csv":
        response: Any = StreamingHttpResponse(csv_lines(export), content_type=CSV_TYPE)
    elif file_format == "xlsx":
        buffer = io.BytesIO()
        write_xlsx(export, buffer)
        response = HttpResponse(buffer.getvalue(), content_type=XLSX_TYPE)
    else:
        raise ValueError(f"{file_format!r} is not one of {', '.join(FORMATS)}")
    response["Content-Disposition"] = f'attachment; filename="{export.file_name(file_format)}"'
    response["Cache-Control"] = "no-store"
    return response
