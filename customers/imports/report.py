"""What an import found and did: counts, first rows, refused rows; and the refused rows as a file to mend."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.imports.problems import REFUSED, WARNING, Problem, cure, reason
from customers.models import ImportBatch, RefusedRow

SHOWN = 200
# The counts in the order a person reads them.
LABELS = {
    "rows": gettext_lazy("rows read"),
    "customers": gettext_lazy("new customers"),
    "documents": gettext_lazy("new invoices and credit notes"),
    "corrections": gettext_lazy("corrected documents"),
    "deliveries": gettext_lazy("documents of which we now know how they were sent"),
    "payments": gettext_lazy("new payments"),
    "payment_corrections": gettext_lazy("corrected payments"),
    "allocations": gettext_lazy("allocations"),
    "disputes": gettext_lazy("disputes"),
    "inferred": gettext_lazy("settlements inferred between snapshots"),
    "reopened": gettext_lazy("items open again"),
    "unchanged": gettext_lazy("already there, unchanged"),
    "refused": gettext_lazy("rows refused"),
    "warnings": gettext_lazy("warnings"),
}


@dataclass
class Report:
    file_name: str
    mapping: str
    committed: bool
    counts: dict[str, int] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    first_rows: list[list[str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    by_code: dict[str, int] = field(default_factory=dict)
    complete_through: date | None = None
    batch: ImportBatch | None = None

    @property
    def changes_nothing(self) -> bool:
        keys = (
            "documents",
            "corrections",
            "deliveries",
            "payments",
            "payment_corrections",
            "allocations",
            "inferred",
            "reopened",
        )
        return not any(self.counts.get(key, 0) for key in keys)


def safe_cell(value: Any) -> str:
    """A cell that no spreadsheet runs as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def problem_of(row: RefusedRow) -> Problem:
    return Problem(row.row, row.column, row.value, row.code, row.params, row.severity, row.cells)


def report_rows(problems: Iterable[Problem]) -> Iterator[list[str]]:
    """The report as a table, in the active language: header, then one line per finding."""
    yield [
        str(text)
        for text in (_("row"), _("column"), _("value"), _("kind"), _("reason"), _("cure"), _("code"))
    ]
    kinds = {REFUSED: _("refused"), WARNING: _("warning")}
    for p in problems:
        text, remedy = reason(p.code, p.params), cure(p.code, p.params)
        yield [str(p.row), p.column, safe_cell(p.value), str(kinds[p.severity]), text, remedy, p.code]


def write_report(path: str, problems: Iterable[Problem]) -> int:
    """Write the findings as CSV (UTF-8 with BOM, so that spreadsheets read accents); how many there were."""
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        count = -1
        for row in report_rows(problems):
            writer.writerow(row)
            count += 1
    return count


def staged_problem(row: tuple[Any, ...]) -> Problem:
    number, column, value, code, params, severity, cells = row
    return Problem(
        number,
        column or "",
        value or "",
        code,
        json.loads(params),
        severity,
        json.loads(cells) if cells else None,
    )
