"""A row's own checks: every cell read, the row's values held against each other and against the customer's.

Works on chunks column by column, which is what makes it fast; the same code serves preview and commit.
Nothing here looks at the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import compress, repeat
from operator import lt
from typing import Any

from customers.imports.columns import (
    YES_NO,
    Amounts,
    Bad,
    Code,
    Converter,
    Day,
    Known,
    Ordinals,
    Text,
    Whole,
    Years,
    storable,
)
from customers.imports.identifiers import check_identifiers
from customers.imports.problems import WARNING, Problem
from customers.imports.spec import KNOWN_OWN, REQUIRED, Spec
from customers.models import DocumentKind, Payment, SentBy

RECORDS = {"invoice": "invoice", "credit_note": "credit_note", "payment": "payment"}
CUSTOMER_FIELDS = (
    *("customer_name", "country", "city", "language", "sector", "vat_number", "registration_number", "lei"),
    *("iban", "email", "portfolio", "terms_days"),
)
_LENGTHS = {
    "customer": 38,
    "customer_name": 160,
    "city": 80,
    "language": 5,
    "sector": 10,
    "vat_number": 20,
    "registration_number": 30,
    "lei": 30,
    "iban": 42,
    "email": 254,
    "portfolio": 20,
    "number": 60,
    "payment_key": 80,
    "references": 4000,
}
_DATES = ("issued_on", "due_on", "known_on", "settled_on")
_AMOUNTS = ("amount", "open_amount", "paid_amount")


@dataclass
class Checked:
    """What one chunk came to. `documents` (one list per staged column) and `payments` (rows) are good as far as
    one row can tell."""

    documents: list[list[Any]] = field(default_factory=list)
    payments: list[tuple[Any, ...]] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    unread: list[tuple[Any, ...]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0


class Checker:
    def __init__(self, spec: Spec, header: list[str], *, import_day: str, latest_day: str) -> None:
        self.spec, self.header = spec, header
        self.import_day, self.latest_day = import_day, latest_day
        self.at = {name: header.index(column) for name, column in spec.columns.items()}
        self.required_cells = [header.index(column) for column in spec.required if column in header]
        self.converters = {name: self._converter(name) for name in (*spec.columns, *spec.constants)}
        self.amounts = Amounts(spec.decimal, spec.thousands)
        self.whole_days = Whole(-100_000, 100_000)
        self.days = Ordinals()
        self.years = Years()
        self.seen: set[str] = set()
        # one_per_customer: per column, customer -> (value, row) of the customer's first good row.
        self.reference: dict[str, dict[str, tuple[str, int]]] = {c: {} for c in spec.one_per_customer}
        self.pending: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)

    def _converter(self, name: str) -> Converter | None:
        spec = self.spec
        if name in _AMOUNTS:
            return None
        if name in spec.values:
            return Known(spec.values[name])
        if name in _DATES:
            return Day(spec.dates)
        if name == "currency":
            return Code(3, "bad_currency")
        if name == "country":
            return Code(2, "bad_country")
        if name == "record":
            return Known(RECORDS)
        if name == "disputed":
            return Known(YES_NO)
        if name == "instrument":
            return Known({value: value for value in Payment.Instrument.values})
        if name == "delivery":
            return Known({value: value for value in SentBy.values})
        if name in ("terms_days", "instalment"):
            return Whole(0 if name == "terms_days" else 1, 999)
        if name == "fiscal_year":
            return Whole(1970, 2100)
        return Text(_LENGTHS[name], spec.encoding)

    def check(self, numbers: list[int], rows: list[list[str]]) -> Checked:
        """One chunk through every check a row can fail on its own or against its customer's other rows."""
        chunk = _Chunk(self, numbers, rows)
        chunk.read()
        chunk.compare()
        return chunk.result()


class _Chunk:
    def __init__(self, checker: Checker, numbers: list[int], rows: list[list[str]]) -> None:
        self.c, self.spec, self.numbers = checker, checker.spec, numbers
        self.found: dict[int, list[tuple[int, str, str, str, dict[str, Any]]]] = defaultdict(list)
        width = len(checker.header)
        if set(map(len, rows)) != {width}:
            rows = [self._fit(i, row, width) for i, row in enumerate(rows)]
        self.rows, self.n = rows, len(rows)
        self.cells = list(zip(*rows, strict=True))
        self.v: dict[str, Any] = {}

    def _fit(self, i: int, row: list[str], width: int) -> list[str]:
        if (len(row) > width and any(row[width:])) or (len(row) < width and len(self.c.header) > 1):
            self.bad(i, "", "", "cells_mismatch", found=len(row), expected=width)
        return (row + [""] * width)[:width]

    def bad(self, i: int, column: str, value: Any, code: str, **params: Any) -> None:
        place = self.c.header.index(column) if column in self.c.header else -1
        finding = (place, column, "" if value is None else storable(str(value)), code, params)
        # One hole is one finding, however many rules ask for the cell.
        if not any(f[1] == column and f[3] == code for f in self.found[i]):
            self.found[i].append(finding)

    def bad_field(self, i: int, name: str, code: str, **params: Any) -> None:
        column = self.spec.columns.get(name, "")
        value = self.rows[i][self.c.at[name]] if name in self.c.at else self.spec.constants.get(name, "")
        self.bad(i, column or name, value, code, **params)

    # Reading -------------------------------------------------------------------------------------
    def raw(self, name: str) -> Iterable[str]:
        if name in self.c.at:
            return self.cells[self.c.at[name]]
        return repeat(str(self.spec.constants[name]), self.n)

    def read(self) -> None:
        for name, converter in self.c.converters.items():
            if converter is not None:
                self.take(name, converter.column(self.raw(name)))
        currencies = self.v["currency"]
        single = currencies[0] if currencies.count(currencies[0]) == self.n else None
        for name in _AMOUNTS:
            if name not in self.c.converters:
                continue
            if single:
                self.take(name, self.c.amounts[single].column(self.raw(name)))
            else:
                pairs = zip(currencies, self.raw(name), strict=True)
                self.take(name, [self.c.amounts[currency][text] for currency, text in pairs])
        for place in self.c.required_cells:
            column = self.cells[place]
            if not all(map(str.strip, column)):
                for i, text in enumerate(column):
                    if not text.strip():
                        self.bad(i, self.c.header[place], text, "missing_value")
        self.require(REQUIRED[self.spec.layout])

    def take(self, name: str, values: list[Any]) -> None:
        if Bad in set(map(type, values)):
            for i, value in enumerate(values):
                if type(value) is Bad:
                    self.bad_field(i, name, value.code, **value.params)
                    values[i] = None
        self.v[name] = values

    def require(self, names: Iterable[str]) -> None:
        for name in names:
            values = self.v[name]
            if None in values:
                for i, value in enumerate(values):
                    # A cell that was not readable is already reported as that.
                    if value is None and not self.reported(i, name):
                        self.bad_field(i, name, "missing_value")

    def reported(self, i: int, name: str) -> bool:
        column = self.spec.columns.get(name, name)
        return i in self.found and any(f[1] == column for f in self.found[i])

    def column(self, name: str) -> list[Any]:
        return self.v[name] if name in self.v else [None] * self.n

    # Comparing -----------------------------------------------------------------------------------
    def compare(self) -> None:
        v, n = self.v, self.n
        v["kind"] = list(self.column("record")) if "record" in v else [DocumentKind.INVOICE.value] * n
        self.signs("open_amount" if self.spec.layout == "snapshot" else "amount")
        self.paid()
        self.dates()
        for rule in self.spec.days_agree:
            self.days_agree(rule)
        if self.spec.layout == "snapshot":
            self.snapshot_amounts()
        for column in self.spec.one_per_customer:
            if column in self.c.header:
                self.one_per_customer(column)

    def signs(self, name: str) -> None:
        """Amounts are stored positive; a negative one is a credit note where the mapping says so."""
        values, kinds = self.v[name], self.v["kind"]
        if all(value is not None and value > 0 for value in values):
            return
        for i, value in enumerate(values):
            if value is None or value > 0:
                continue
            if value < 0 and kinds[i] == "credit_note":
                values[i] = -value
            elif value < 0 and kinds[i] == "invoice" and self.spec.negative == "credit_note":
                values[i], kinds[i] = -value, DocumentKind.CREDIT_NOTE.value
            else:
                self.bad_field(i, name, "amount_not_positive")

    def paid(self) -> None:
        """What was paid has the sign of the document; nothing paid is an empty cell, not a zero."""
        values = self.column("paid_amount")
        for i, value in enumerate(values):
            if value is not None and value < 0 and self.v["kind"][i] == DocumentKind.CREDIT_NOTE.value:
                values[i] = -value
            elif value is not None and value <= 0:
                self.bad_field(i, "paid_amount", "amount_not_positive")

    def dates(self) -> None:
        v, days = self.v, self.c.days
        issued, due = v["issued_on"], self.column("due_on")
        if None in due:
            terms = self.column("terms_days")
            for i, day in enumerate(due):
                if day is not None or issued[i] is None or v["kind"][i] == "payment":
                    continue
                if v["kind"][i] == "credit_note" and terms[i] is None:
                    due[i] = issued[i]
                elif terms[i] is None:
                    if not self.reported(i, "due_on"):
                        self.bad_field(i, "due_on", "missing_value")
                else:
                    due[i] = _iso(days[issued[i]] + terms[i])
        v["due_on"] = due
        if None in issued or None in due or any(map(lt, due, issued)):
            for i, (start, end) in enumerate(zip(issued, due, strict=True)):
                if end is not None and start is not None and end < start:
                    self.bad_field(i, "due_on", "due_before_issue", issued_on=start)
        if "settled_on" in v:
            latest = self.c.latest_day
            for i, (start, end) in enumerate(zip(issued, v["settled_on"], strict=True)):
                if end is None:
                    continue
                if start is not None and end < start:
                    self.bad_field(i, "settled_on", "settled_before_issue", issued_on=start)
                elif end > latest:
                    self.bad_field(i, "settled_on", "date_in_future")

    def days_agree(self, rule: Any) -> None:
        if rule.column not in self.c.header:
            return
        days, whole = self.c.days, self.c.whole_days
        starts, ends = self.column(rule.start), self.column(rule.end)
        cells = self.cells[self.c.header.index(rule.column)]
        for i, (text, start, end) in enumerate(zip(cells, starts, ends, strict=True)):
            stated = whole[text]
            if type(stated) is Bad:
                self.bad(i, rule.column, text, stated.code, **stated.params)
            elif stated is not None and start is not None and end is not None:
                computed = days[end] - days[start]
                computed = max(0, computed) if rule.floor else computed
                if computed != stated:
                    self.bad(i, rule.column, text, "days_disagree", computed=computed)

    def snapshot_amounts(self) -> None:
        amounts, opens = self.column("amount"), self.v["open_amount"]
        for i, (amount, still) in enumerate(zip(amounts, opens, strict=True)):
            if amount is None:
                continue
            amounts[i] = abs(amount)
            if still is not None and still > amounts[i]:
                self.bad_field(i, "open_amount", "open_above_amount", amount=self.raw_cell(i, "amount"))
        self.v["amount"] = amounts

    def raw_cell(self, i: int, name: str) -> str:
        return self.rows[i][self.c.at[name]] if name in self.c.at else str(self.spec.constants.get(name, ""))

    def one_per_customer(self, column: str) -> None:
        """Rows of one customer agree with its first good row. Refused rows are compared too, once one is known."""
        known, cells = self.c.reference[column], self.cells[self.c.header.index(column)]
        for i, (customer, text) in enumerate(zip(self.v["customer"], cells, strict=True)):
            if customer is None or not text:
                continue
            if customer in known:
                value, row = known[customer]
                if value != text:
                    self.contradiction(i, column, text, customer, value, row)
            elif i in self.found:
                self.c.pending[customer, column].append((self.numbers[i], text))
            else:
                known[customer] = (text, self.numbers[i])

    def contradiction(self, i: int, column: str, text: str, customer: str, value: str, row: int) -> None:
        self.bad(i, column, text, "contradicts_customer", customer=customer, other=value, other_row=row)

    # Result --------------------------------------------------------------------------------------
    def result(self) -> Checked:
        out = Checked(rows=self.n)
        good = [i for i in range(self.n) if i not in self.found] if self.found else range(self.n)
        for i in sorted(self.found):
            cells: list[Any] | None = [storable(cell) for cell in self.rows[i]]
            for _, column, value, code, params in sorted(self.found[i], key=lambda f: f[0]):
                out.problems.append(Problem(self.numbers[i], column, value[:200], code, params, cells=cells))
                cells = None
            v = self.v
            out.unread.append((self.numbers[i], v["customer"][i], v["number"][i], v["kind"][i]))
        self.late_contradictions(out)
        self.customers(good, out)
        self.stage(good, out)
        return out

    def late_contradictions(self, out: Checked) -> None:
        """Refused rows that came before their customer's first good row."""
        for (customer, column), rows in list(self.c.pending.items()):
            known = self.c.reference[column].get(customer)
            if known is None:
                continue
            del self.c.pending[customer, column]
            for row, text in rows:
                if text != known[0]:
                    params = {"customer": customer, "other": known[0], "other_row": known[1]}
                    out.problems.append(Problem(row, column, text[:200], "contradicts_customer", params))

    def customers(self, good: Iterable[int], out: Checked) -> None:
        keys, seen = self.v["customer"], self.c.seen
        if set(keys) <= seen:
            return
        for i in good:
            key = keys[i]
            if key in seen:
                continue
            seen.add(key)
            customer = {name: self.column(name)[i] for name in CUSTOMER_FIELDS if name in self.v}
            customer |= {"key": key, "row": self.numbers[i]}
            for name, value, kind in check_identifiers(customer):
                column = self.spec.columns.get(name, name)
                out.problems.append(
                    Problem(self.numbers[i], column, value, "bad_identifier", {"kind": kind}, WARNING)
                )
            out.customers.append(customer)

    def stage(self, good: Iterable[int], out: Checked) -> None:
        v, column, own = self.v, self.column, self.spec.known_on == KNOWN_OWN
        issued, number, kind = v["issued_on"], v["number"], v["kind"]
        day = self.c.import_day
        years = list(map(self.c.years.__getitem__, issued))
        if "fiscal_year" in v:
            years = [stated or year for stated, year in zip(v["fiscal_year"], years, strict=True)]
        known = issued if own else [day] * self.n
        if "known_on" in v:
            known = [stated or usual for stated, usual in zip(v["known_on"], known, strict=True)]
        settled = column("settled_on")
        keys = column("payment_key")
        if self.spec.layout == "settled":
            amounts = v["amount"]
            paid = [p or a for p, a in zip(column("paid_amount"), amounts, strict=True)]
            keys = [k or f"{n}@{y}" for k, n, y in zip(keys, number, years, strict=True)]
        else:
            amounts, paid = column("amount"), [None] * self.n
            if self.spec.layout == "snapshot":
                amounts = [a or o for a, o in zip(amounts, v["open_amount"], strict=True)]
        pay_known = settled if own else [day] * self.n
        instrument = [i or "transfer" for i in column("instrument")]
        documents = [
            *(self.numbers, v["customer"], number, kind, years),
            [n or 1 for n in column("instalment")],
            *(issued, v["due_on"], known, v["currency"], amounts, column("open_amount")),
            *(settled, paid, keys, instrument, [int(bool(d)) for d in column("disputed")], pay_known),
            [sent or "" for sent in v["delivery"]] if "delivery" in v else [""] * self.n,
        ]
        transactions = self.spec.layout == "transactions"
        if self.found or (transactions and "payment" in kind):
            taken = [
                i not in self.found and not (transactions and kind[i] == "payment") for i in range(self.n)
            ]
            documents = [list(compress(values, taken)) for values in documents]
        out.documents = documents
        if transactions and ("payment" in kind or "references" in v):
            self.stage_payments(good, known, instrument, out)

    def stage_payments(
        self, good: Iterable[int], known: list[Any], instrument: list[str], out: Checked
    ) -> None:
        """Payments, and credit notes that say what they settle (with no key and no instrument)."""
        v, kind, references = self.v, self.v["kind"], self.column("references")
        for i in good:
            is_payment = kind[i] == "payment"
            if is_payment or (references[i] and kind[i] == "credit_note"):
                out.payments.append(
                    (
                        self.numbers[i],
                        v["customer"][i],
                        v["number"][i] if is_payment else None,
                        v["issued_on"][i],
                        known[i],
                        v["currency"][i],
                        v["amount"][i],
                        instrument[i] if is_payment else None,
                        references[i],
                    )
                )


def _iso(ordinal: int) -> str:
    from datetime import date

    return date.fromordinal(ordinal).isoformat()
