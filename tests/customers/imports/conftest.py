import csv
import os
from datetime import date
from pathlib import Path

import pytest

from customers.imports.run import Options, run_import
from customers.models import ImportMapping

TODAY = date(2026, 11, 20)

SETTLED = {
    "company": {"code": "main", "name": "Our company", "country": "IT", "currency": "EUR"},
    "source": {"code": "erp", "name": "ERP"},
    "segment": {"code": "all", "name": "All business"},
    "known_on": "own",
    "columns": {
        "customer": "customer",
        "number": "number",
        "issued_on": "issued",
        "due_on": "due",
        "amount": "amount",
        "settled_on": "settled",
        "paid_amount": "paid",
        "disputed": "disputed",
    },
    "constants": {"currency": "EUR"},
    "optional": ["paid", "disputed"],
}
TRANSACTIONS = {
    **{key: SETTLED[key] for key in ("company", "source", "segment", "known_on")},
    "columns": {
        "record": "type",
        "customer": "customer",
        "customer_name": "name",
        "country": "country",
        "vat_number": "vat",
        "number": "number",
        "instalment": "instalment",
        "issued_on": "date",
        "due_on": "due",
        "currency": "currency",
        "amount": "amount",
        "references": "settles",
    },
    "constants": {},
    "optional": ["name", "country", "vat", "instalment", "settles"],
}
SNAPSHOT = {
    **{key: SETTLED[key] for key in ("company", "source", "segment")},
    "columns": {
        "customer": "customer",
        "number": "number",
        "issued_on": "issued",
        "due_on": "due",
        "amount": "amount",
        "open_amount": "open",
    },
    "constants": {"currency": "EUR"},
    "negative": "credit_note",
}


def shared_data() -> Path:
    given = os.environ.get("CREDITDESK_SHARED_DATA")
    candidates = [Path(given)] if given else []
    root = Path(__file__).resolve().parents[3]
    candidates += [root.parent / "shared" / "data", root.parent.parent / "shared" / "data"]
    for path in candidates:
        if (path / "ledger" / "accounts-receivable.csv").is_file():
            return path / "ledger"
    pytest.skip("the shared test data is not here (set CREDITDESK_SHARED_DATA to its folder)")


@pytest.fixture
def ledger_files() -> Path:
    return shared_data()


@pytest.fixture
def mapping(db):
    """A saved mapping: mapping("settled", SETTLED, on_change=...)."""

    def make(layout, spec, on_change="supersede", **changes):
        return ImportMapping.objects.create(
            slug=f"{layout}-{ImportMapping.objects.count()}",
            layout=layout,
            on_change=on_change,
            spec={**spec, **changes},
        )

    return make


@pytest.fixture
def csv_file(tmp_path):
    """Write rows as a CSV file: csv_file(header, [row, ...])."""

    def write(header, rows, name="file.csv", delimiter=",", encoding="utf-8"):
        path = tmp_path / name
        with path.open("w", newline="", encoding=encoding) as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(header)
            writer.writerows(rows)
        return path

    return write


def take(path, mapping, *, commit=True, today=TODAY, **options):
    return run_import(path, mapping, Options(today=today, commit=commit, **options))


def codes(report):
    return [(p.row, p.column, p.code) for p in report.problems]
