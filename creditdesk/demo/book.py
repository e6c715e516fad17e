"""The story's rows in memory, table by table, with ids given here, and their fast way into the database.

Rows are plain tuples of text, integers and None: COPY on PostgreSQL, executemany on SQLite. `recorded_at` (and
the stamp of what a correction superseded) is the moment of the load; everything else comes from the seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection

# Stands in a row for the moment of the load.
STAMP = "@stamp"

_FACT = ("effective_on", "known_on")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "customers.Company": ("id", "code", "name", "country", "currency", "time_zone"),
    "customers.CreditSegment": ("id", "company_id", "code", "name"),
    "customers.Portfolio": ("id", "company_id", "code", "name"),
    "customers.Source": ("id", "company_id", "code", "name", "is_ledger"),
    "customers.ExchangeRate": ("id", "base", "quote", "on", "rate", "source"),
    "customers.ImportBatch": (
        *("id", "source_id", "mapping_id", "file_name", "sha256", "status", "complete_through"),
        *("snapshot_on", "undone_at", "imported_by_id", "counts"),
    ),
    "customers.RefusedRow": (
        *("id", "batch_id", "row", "column", "value", "code", "params", "severity", "cells"),
    ),
    "customers.Customer": (
        *("id", "code", "name", "kind", "country", "city", "vat_number", "registration_number", "lei"),
        *("sector", "language", "customer_since", "founded_on", "merged_into_id", "status", "parent_id"),
        "terms_days",
    ),
    "customers.CustomerKey": ("id", "source_id", "key", "customer_id"),
    "customers.Contact": (
        *("id", "customer_id", "name", "role", "email", "phone", "language", "preference", "bounced_on"),
    ),
    "customers.CreditAccount": (
        *("id", "customer_id", "segment_id", "company_id", "currency", "portfolio_id", "collector_id"),
        "joined_into_id",
    ),
    "customers.StatusChange": ("id", *_FACT, "customer_id", "status", "reason_code"),
    "customers.GroupMembership": ("id", *_FACT, "customer_id", "parent_id"),
    "customers.PaymentTerms": ("id", *_FACT, "customer_id", "days", "end_of_month"),
    "customers.CollectorAssignment": ("id", *_FACT, "account_id", "collector_id"),
    "customers.Invoice": (
        *("id", *_FACT, "known_until", "superseded_at", "company_id", "source_id", "number", "fiscal_year"),
        *("kind", "account_id", "orderer_id", "currency", "amount", "corrects_id", "batch_id"),
        "delivery",
    ),
    "customers.Instalment": (
        *("id", *_FACT, "known_until", "superseded_at", "invoice_id", "number", "company_id", "account_id"),
        *(
            "kind",
            "due_on",
            "currency",
            "amount",
            "account_amount",
            "open_amount",
            "settled_on",
            "settled_by",
        ),
        *("settled_after", "reopened"),
    ),
    "customers.Payment": (
        *(
            "id",
            *_FACT,
            "company_id",
            "source_id",
            "key",
            "account_id",
            "instrument",
            "matures_on",
            "safe_on",
        ),
        *("currency", "amount", "open_amount", "transferred_from_id", "batch_id"),
    ),
    "customers.WriteOff": (
        *("id", *_FACT, "account_id", "currency", "amount", "is_small", "reason_code", "decided_by_id"),
        "batch_id",
    ),
    "customers.Allocation": (
        *("id", *_FACT, "kind", "account_id", "instalment_id", "payment_id", "credit_id", "write_off_id"),
        *("currency", "amount", "account_amount", "days_late", "settled_after", "reverses_id", "batch_id"),
    ),
    "customers.Promise": (
        *("id", *_FACT, "account_id", "currency", "amount", "due_on", "judged_on", "given_by", "taken_by_id"),
        *("status", "kept_amount", "resolved_on", "replaced_by_id", "batch_id"),
    ),
    "customers.PromiseItem": ("id", "promise_id", "instalment_id", "amount"),
    "customers.PromiseMove": (
        *("id", *_FACT, "promise_id", "from_status", "to_status", "kept_amount", "moved_by_id"),
        "reason_code",
    ),
    "customers.Dispute": (
        *("id", *_FACT, "account_id", "reason", "currency", "amount", "opened_by_id", "answer_by"),
        *("closed_on", "closed_known_on", "closed_recorded_at", "outcome", "batch_id"),
    ),
    "customers.DisputeItem": ("id", "dispute_id", "instalment_id", "amount"),
    "customers.DunningBlock": (
        *("id", *_FACT, "account_id", "instalment_id", "reason_code", "expires_on", "lifted_on"),
        "placed_by_id",
    ),
    "customers.LegalEvent": (
        *("id", *_FACT, "customer_id", "kind", "source", "link", "ended_on", "recorded_by_id"),
        "batch_id",
    ),
    "customers.BankConsent": (
        *("id", *_FACT, "customer_id", "purpose", "scope", "reference", "expires_on", "revoked_on"),
        # Bank data is recorded while its consent is in force, not at the moment the story is loaded.
        "recorded_at",
    ),
    "customers.BankAccount": ("id", "consent_id", "customer_id", "iban", "currency", "recorded_at"),
    "customers.BankTransaction": (
        *("id", *_FACT, "bank_account_id", "key", "amount", "balance", "category", "is_rejected"),
        *("counterparty", "statement", "batch_id", "recorded_at"),
    ),
    "customers.SupplierPaymentDays": ("id", *_FACT, "customer_id", "days", "source", "batch_id"),
    "customers.FinancialStatement": (
        *("id", *_FACT, "customer_id", "currency", "months", "total_assets", "current_assets"),
        *("current_liabilities", "total_liabilities", "equity", "retained_earnings", "revenue", "ebit"),
        *("net_income", "cash", "inventories", "trade_receivables", "trade_payables", "financial_debt"),
        *("cost_of_sales", "depreciation", "interest_expense", "source", "batch_id"),
    ),
    "customers.OpenOrder": (
        *("id", *_FACT, "account_id", "number", "expected_on", "currency", "amount", "closed_on", "batch_id"),
    ),
    "customers.Delivery": (
        *(
            "id",
            *_FACT,
            "account_id",
            "number",
            "order_number",
            "currency",
            "amount",
            "invoiced_on",
            "batch_id",
        ),
    ),
    "customers.Cover": (
        *("id", *_FACT, "account_id", "kind", "provider", "currency", "amount", "percent"),
        *("haircut_percent", "expires_on", "terms", "policy", "guarantor_id", "withdrawn_on"),
        *("max_extension_days", "notify_days"),
    ),
    "customers.LimitChange": (
        *("id", "account_id", "kind", "currency", "old_amount", "new_amount", "valid_from", "valid_until"),
        *("reason_code", "reason_params", "comment", "evidence", "as_of", "proposer_kind", "proposer_id"),
        *("proposer_name", "proposed_at", "status", "is_automatic", "decided_by_id", "decided_at"),
        "decision_reason",
    ),
    "customers.CreditLimit": (
        *("id", "account_id", "kind", "currency", "amount", "valid_from", "valid_until", "change_id"),
    ),
}


@dataclass(slots=True)
class Table:
    """One table's pending rows and the ids it has given."""

    label: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: count(1))
    written: int = 0

    def add(self, *values: Any) -> int:
        """Add a row (values in the order of `columns`, without the id); returns its id."""
        pk = next(self.ids)
        self.rows.append((pk, *values))
        return pk


class Book:
    """All tables of the story. `flush` writes what is pending, in an order that keeps every reference valid."""

    def __init__(self) -> None:
        self.tables = {label: Table(label, columns) for label, columns in _COLUMNS.items()}
        self._hash = hashlib.sha256()

    def __getitem__(self, name: str) -> Table:
        return self.tables["customers." + name]

    @property
    def digest(self) -> str:
        """SHA-256 over every row flushed so far, the moment of the load left out."""
        return self._hash.hexdigest()

    def counts(self) -> dict[str, int]:
        return {t.label.split(".")[1].lower(): t.written + len(t.rows) for t in self.tables.values()}

    def pending(self) -> int:
        return sum(len(table.rows) for table in self.tables.values())

    def take(self) -> list[tuple[Table, list[tuple[Any, ...]]]]:
        """Remove and return the pending rows, adding them to the digest."""
        taken = []
        for table in self.tables.values():
            if table.rows:
                rows, table.rows = table.rows, []
                table.written += len(rows)
                self._hash.update(table.label.encode())
                self._hash.update(repr(rows).encode())
                taken.append((table, rows))
        return taken

    def flush(self, writer: Writer) -> None:
        for table, rows in self.take():
            writer.write(table, rows)


# Who decided a change of the story, with the authority that `cast.give_authority` gives; %s: person, time, reason, id.
_DECISION = """
INSERT INTO customers_limitdecision (
    change_id, verdict, decided_by_id, decided_on, decided_at, reason, direction, currency, amount, grade,
    authority_group, approvers_needed, evidence
)
SELECT c.id, 'approve', %s, c.as_of, %s, %s, CASE WHEN c.new_amount > COALESCE(c.old_amount, 0) THEN 'rise' ELSE 'cut' END,
    c.currency, CASE WHEN COALESCE(c.old_amount, 0) > c.new_amount THEN c.old_amount ELSE c.new_amount END, 'C',
    'approver', {needed}, '{{}}'
FROM customers_limitchange c WHERE c.id = %s AND c.new_amount {when}
"""
# What one approver of the story decides alone, in minor units; above it, it takes two.
ALONE_UP_TO = 10_000_000


class Writer:
    """Puts rows into the database of Django's default connection, inside the caller's transaction.

    users: {"@marta": id} for the rows that name a person: the digest holds names, the database ids.
    after: {table label: what to do once its first rows are there}.
    """

    def __init__(
        self, recorded_at: datetime, users: dict[str, int], after: dict[str, Callable[[], None]] | None = None
    ) -> None:
        self.after = dict(after or {})
        self.stamp = connection.ops.adapt_datetimefield_value(recorded_at)
        self.stands_for: dict[Any, Any] = {STAMP: str(self.stamp), **users}
        self.is_postgres = connection.vendor == "postgresql"

    def write(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        if table.label == "customers.LimitChange":
            self._write_decided(table, rows)
        else:
            self._insert(table, rows)
        self.after.pop(table.label, lambda: None)()

    def _write_decided(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        """Limit changes of people arrive waiting and are decided afterwards: the database insists on four eyes."""
        at = {name: position for position, name in enumerate(table.columns)}
        decision = ("status", "decided_by_id", "decided_at", "decision_reason")
        waves: list[list[tuple[Any, ...]]] = []
        seen: dict[int, int] = {}
        for row in rows:
            # One waiting change per account: an account's second one goes in when its first is decided.
            wave = seen.get(row[at["account_id"]], 0)
            seen[row[at["account_id"]]] = wave + 1
            if wave == len(waves):
                waves.append([])
            waves[wave].append(row)
        target = connection.ops.quote_name(apps.get_model(table.label)._meta.db_table)
        update = f"UPDATE {target} SET {', '.join(name + ' = %s' for name in decision)} WHERE id = %s"
        for wave_rows in waves:
            waiting, decided = [], []
            for row in wave_rows:
                if row[at["is_automatic"]] or row[at["status"]] == "proposed":
                    waiting.append(row)
                    continue
                blank = list(row)
                for name, value in zip(decision, ("proposed", None, None, ""), strict=True):
                    blank[at[name]] = value
                waiting.append(tuple(blank))
                values = [row[at[name]] for name in decision]
                decided.append((*(self.stands_for.get(v, v) for v in values), row[0]))
            self._insert(table, waiting)
            with connection.cursor() as cursor:
                self._write_decisions(cursor, decided)
                cursor.executemany(update, decided)

    def _write_decisions(self, cursor: Any, decided: list[tuple[Any, ...]]) -> None:
        """Rises of large limits were approved by two: the second approver of the story went first."""
        people = [(by, at, reason, pk) for _status, by, at, reason, pk in decided]
        first = [(self.stands_for["@petra"], *row[1:]) for row in people]
        large = f"> {ALONE_UP_TO} AND c.new_amount > COALESCE(c.old_amount, 0)"
        small = f"<= {ALONE_UP_TO} OR c.id = %s AND c.new_amount <= COALESCE(c.old_amount, 0)"
        cursor.executemany(_DECISION.format(needed=2, when=large), first)
        cursor.executemany(_DECISION.format(needed=2, when=large), people)
        cursor.executemany(_DECISION.format(needed=1, when=small), [(*row, row[-1]) for row in people])

    def _insert(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        model = apps.get_model(table.label)
        names = {f.attname: f.column for f in model._meta.concrete_fields}
        columns = [names[name] for name in table.columns]
        stamped = "recorded_at" in names and "recorded_at" not in table.columns
        if stamped:
            columns.append(names["recorded_at"])
        quoted = ", ".join(connection.ops.quote_name(column) for column in columns)
        target = connection.ops.quote_name(model._meta.db_table)
        tail: tuple[Any, ...] = (self.stamp,) if stamped else ()
        if self.is_postgres:
            self._copy(f"COPY {target} ({quoted}) FROM STDIN", rows, str(self.stamp) if stamped else "")
            return
        marks = ", ".join(["%s"] * len(columns))
        stands_for = self.stands_for
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {target} ({quoted}) VALUES ({marks})",
                [(*(stands_for.get(v, v) for v in row), *tail) for row in rows],
            )

    def _copy(self, statement: str, rows: list[tuple[Any, ...]], tail: str) -> None:
        stands_for = {key: str(value) for key, value in self.stands_for.items()}
        end = f"\t{tail}\n" if tail else "\n"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for start in range(0, len(rows), 5000):
                copy.write("".join([_line(row, stands_for) + end for row in rows[start : start + 5000]]))


def _line(row: tuple[Any, ...], stands_for: dict[Any, str]) -> str:
    return "\t".join(
        ["\\N" if v is None else str(v) if v.__class__ is int else _text(v, stands_for) for v in row]
    )


def _text(value: Any, stands_for: dict[Any, str]) -> str:
    text = stands_for.get(value) or str(value)
    if "\\" in text or "\t" in text or "\n" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    return text


def reset_sequences(labels: Iterable[str]) -> None:
    """After rows with given ids: the next id follows the highest."""
    models = [apps.get_model(label) for label in labels]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
