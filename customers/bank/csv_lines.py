"""Bank lines from CSV or XLSX through a saved mapping; a file may hold many accounts, in any order."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from customers.bank.lines import Line, Statement, fingerprint, says_rejected
from customers.bank.mapping import MINUS, BankSpec
from customers.imports.columns import Amounts, Bad, Code, Day, Known, Text, storable
from customers.imports.problems import ImportRefused, Problem
from customers.imports.reading import open_rows


class _Refused(Exception):
    """A row that cannot be taken: the field at fault, its text, and why."""

    def __init__(self, name: str, text: str, code: str, **params: Any) -> None:
        super().__init__(code)
        self.name, self.text, self.code, self.params = name, text, code, params


class CsvReader:
    """Reads the rows of one file; statements are one per account and currency."""

    def __init__(self, spec: BankSpec, header: list[str]) -> None:
        self.spec = spec
        self.width = len(header)
        self.at = {
            name: [header.index(column) for column in columns if column in header]
            for name, columns in spec.columns.items()
        }
        self.names = {name: columns[0] for name, columns in spec.columns.items()}
        self.day = Day(spec.reading.dates)
        self.amounts = Amounts(spec.reading.decimal, spec.reading.thousands)
        self.currency = Code(3, "bad_currency")
        self.text = Text(200, spec.reading.encoding)
        self.known = {name: Known(words) for name, words in spec.values.items()}
        self.statements: dict[tuple[str, str], Statement] = {}
        self.problems: list[Problem] = []

    def cell(self, row: list[str], name: str) -> str:
        places = self.at.get(name)
        if not places:
            return self.spec.constants.get(name, "")
        return row[places[0]].strip()

    def value(self, row: list[str], name: str, convert: Any, *, required: bool = True) -> Any:
        """The converted cell, or _Refused; None where an optional cell is empty."""
        text = self.cell(row, name)
        found = convert[text]
        if isinstance(found, Bad):
            raise _Refused(name, text, found.code, **found.params)
        if found is None and required:
            raise _Refused(name, text, "missing_value")
        return found

    def joined(self, row: list[str], name: str) -> str:
        parts = (row[place].strip() for place in self.at.get(name, ()))
        found = " ".join(part for part in parts if part and part != "0")
        checked = self.text[found]
        if isinstance(checked, Bad):
            # A long text is only cut short: it serves to tell lines apart, nothing of it is stored.
            return storable(found)[:200]
        return checked or ""

    def take(self, number: int, row: list[str]) -> None:
        """One row: a line of its statement, or a problem."""
        if len(row) != self.width:
            params: dict[str, Any] = {"found": len(row), "expected": self.width}
            self.problems.append(Problem(number, "", "", "cells_mismatch", params))
            return
        try:
            account = self.value(row, "account", self.text, required=False) or ""
            currency = self.value(row, "currency", self.currency)
            line = self.line(number, row, currency)
            customer = self.value(row, "customer", self.text, required=False) or ""
        except _Refused as refusal:
            name = self.names.get(refusal.name, refusal.name)
            text = storable(refusal.text)[:200]
            self.problems.append(Problem(number, name, text, refusal.code, refusal.params))
            self._count_refused(row)
            return
        key = (account or customer, currency)
        statement = self.statements.get(key)
        if statement is None:
            statement = self.statements[key] = Statement(account, currency, number, customer=customer)
        elif statement.customer != customer:
            params = {
                "customer": statement.customer,
                "other": customer,
                "other_row": statement.row,
            }
            self.problems.append(
                Problem(number, self.names.get("customer", ""), customer, "account_of_two", params)
            )
            return
        statement.lines.append(line)

    def _count_refused(self, row: list[str]) -> None:
        account = self.cell(row, "account") or self.cell(row, "customer")
        for (key, _currency), statement in self.statements.items():
            if key == account:
                statement.refused += 1

    def line(self, number: int, row: list[str], currency: str) -> Line:
        convert = self.amounts[currency]
        category = self.category(row)
        text = self.joined(row, "text")
        rejected = category in self.spec.rejected_categories or says_rejected(text)
        return Line(
            row=number,
            day=date.fromisoformat(self.value(row, "booked_on", self.day)),
            amount=self.amount(row, convert),
            balance=self.value(row, "balance", convert, required=False),
            category=category,
            is_rejected=rejected,
            counterparty=fingerprint(self.joined(row, "counterparty")),
            reference=self.value(row, "reference", self.text, required=False) or "",
            text=text,
        )

    def amount(self, row: list[str], convert: Any) -> int:
        """Signed: by the type column, by separate debit and credit columns, or as the number itself stands."""
        if "amount" not in self.at:
            debit = self.value(row, "debit", convert, required=False)
            credit = self.value(row, "credit", convert, required=False)
            if bool(debit) == bool(credit):
                raise _Refused("debit", self.cell(row, "debit"), "debit_or_credit")
            return -abs(debit) if debit else credit
        amount = self.value(row, "amount", convert)
        if "type" in self.at:
            sign = self.value(row, "type", self.known["type"])
            return -abs(amount) if sign == MINUS else abs(amount)
        return amount

    def category(self, row: list[str]) -> str:
        """The first column that holds a known word decides."""
        known = self.known.get("category")
        if known is None:
            return ""
        for place in self.at.get("category", ()):
            found = known[row[place]]
            if found is not None and not isinstance(found, Bad):
                return found
        return ""


def read_csv(path: Path, spec: BankSpec) -> tuple[list[Statement], list[Problem], int]:
    """Statements, problems and the number of rows. Raises ImportRefused for a file that is none of the mapping's."""
    rows = 0
    with open_rows(path, spec.reading) as (header, chunks):
        reader = CsvReader(spec, header)
        if not reader.at.get("account") and "account" in spec.columns and not spec.reading.optional:
            raise ImportRefused("empty_file")
        for numbers, block in chunks:
            rows += len(block)
            for number, row in zip(numbers, block, strict=True):
                reader.take(number, row)
    return list(reader.statements.values()), reader.problems, rows
