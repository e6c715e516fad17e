"""What the file's payments and credit notes settle (transactions layout), worked out before anything is stored.

A reference is a document number, optionally with its fiscal year and the amount: `F1`, `F1:100.00`,
`F1@2026:100.00`, separated by the mapping's separator. Without an amount the payment settles the references
in the order written, oldest instalment first, until it is used up; the rest stays unapplied.

Payments are taken in the order they arrived, account by account, so memory does not grow with the file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from customers.imports import staging
from customers.imports.columns import Amounts, Bad
from customers.imports.matching import Target, iso, shown
from customers.imports.problems import Problem

_PART = re.compile(r"(?P<number>[^@]+?)(?:@(?P<year>\d{4}))?(?::(?P<amount>[^:@]+))?\Z")
CUSTOMERS_AT_ONCE = 200


@dataclass(slots=True)
class Open:
    """An instalment that can be settled: what is left of it while the file's payments are taken in turn."""

    number: str
    fiscal_year: int
    instalment: int
    issued_on: str  # of one that was reopened: the first day from which what is open now is open for good
    due_on: str
    currency: str
    left: int


@dataclass(slots=True)
class Reference:
    number: str
    year: int | None
    amount: int | None


class _Refused(Exception):
    def __init__(self, code: str, **params: Any) -> None:
        self.code, self.params = code, params


def parse_references(text: str, separator: str, amounts: Amounts, currency: str) -> list[Reference]:
    """Raises _Refused. A number that itself holds a colon or @ is not supported as a reference."""
    found = []
    for part in text.split(separator):
        part = part.strip()
        if not part:
            continue
        match = _PART.match(part)
        if not match:
            raise _Refused("bad_reference", example=f"F1{separator} F2@2026:100")
        amount = amounts[currency][match["amount"]] if match["amount"] else None
        if isinstance(amount, Bad) or (amount is not None and amount <= 0):
            raise _Refused("bad_reference", example=f"F1{separator} F2@2026:100")
        found.append(
            Reference(match["number"].strip(), int(match["year"]) if match["year"] else None, amount)
        )
    return found


_SOURCES = """SELECT p.customer, p.row_no, p.pay_key, p.received_on, p.known_on, p.currency, p.amount, p.refs,
    m.payment_id, m.state, d.number, d.fiscal_year, d.instalment, x.invoice_id, x.state
FROM import_pay p LEFT JOIN import_paymatch m ON m.row_no = p.row_no
LEFT JOIN import_doc d ON d.row_no = p.row_no AND p.pay_key IS NULL
LEFT JOIN import_match x ON x.number = d.number AND x.fiscal_year = d.fiscal_year AND x.kind = d.kind
WHERE p.refs IS NOT NULL AND NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = p.row_no)
ORDER BY p.customer, p.received_on, p.row_no"""


def plan_allocations(target: Target) -> None:
    """Fill import_alloc; refuse the payments and credit notes whose references do not hold."""
    # Materialised by the driver on SQLite, by the server's cursor rows on PostgreSQL: only rows with references.
    everything = staging.stream(_SOURCES)
    by_customer = groupby(everything, key=lambda row: row[0])
    batch: list[tuple[str, list[Any]]] = []
    for customer, rows in by_customer:
        batch.append((customer, list(rows)))
        if len(batch) == CUSTOMERS_AT_ONCE:
            _plan(target, batch)
            batch = []
    if batch:
        _plan(target, batch)


def _plan(target: Target, batch: list[tuple[str, list[Any]]]) -> None:
    customers = [customer for customer, _rows in batch]
    amounts = Amounts(target.spec.decimal, target.spec.thousands)
    opens = _open_instalments(target, customers)
    settled, free_from = _settled_pairs(target, customers)
    problems: list[Problem] = []
    planned: list[tuple[Any, ...]] = []
    column = target.spec.columns.get("references", "references")
    for customer, rows in batch:
        for row in rows:
            try:
                planned += _allocate(target, row, opens[customer], settled, free_from, amounts)
            except _Refused as refusal:
                text = str(row[7])[:200]
                problems.append(Problem(row[1], column, text, refusal.code, refusal.params))
    staging.load("import_alloc", planned)
    staging.report(problems)


def _allocate(
    target: Target,
    row: Any,
    opens: dict[str, list[Open]],
    settled: dict[Any, int],
    free_from: dict[Any, str],
    amounts: Amounts,
) -> list[tuple[Any, ...]]:
    """One payment or credit note against its references. All or nothing: _Refused leaves every amount as it was."""
    _customer, row_no, key, received, known, currency, amount, refs, payment_id, _state = row[:10]
    credit_number, _credit_year, _instalment, credit_invoice, _credit_state = row[10:]
    kind = "cash" if key is not None else "credit"
    stored = ("payment", payment_id) if key is not None else ("credit", credit_invoice)
    left = amount - settled.get((*stored, "all"), 0) if stored[1] else amount
    # What was taken back once is free for good only from the last movement on.
    received, planned = max(iso(received), free_from.get(stored, "")), []
    taken: list[tuple[Any, int]] = []
    for reference in parse_references(refs, target.spec.reference_separator, amounts, currency):
        documents = opens.get(reference.number, [])
        years = {o.fiscal_year for o in documents} if reference.year is None else {reference.year}
        if len(years) > 1:
            raise _restore(taken, "ambiguous_document", document=reference.number)
        documents = [o for o in documents if o.fiscal_year in years]
        if not documents or (kind == "credit" and reference.number == credit_number and not documents):
            raise _restore(taken, "unknown_document", document=reference.number)
        if documents[0].currency != currency:
            raise _restore(
                taken, "currency_of_document", document=reference.number, currency=documents[0].currency
            )
        if stored[1] and (*stored, reference.number, documents[0].fiscal_year) in settled:
            continue
        wanted = reference.amount if reference.amount is not None else left
        if reference.amount is not None and wanted > left:
            raise _restore(taken, "exceeds_payment")
        available = sum(o.left for o in documents)
        if reference.amount is not None and wanted > available:
            raise _restore(taken, "exceeds_open", document=reference.number, open=shown(available, currency))
        for part in sorted(documents, key=lambda o: (o.due_on, o.instalment)):
            use = min(wanted, part.left)
            if use <= 0:
                continue
            part.left -= use
            wanted -= use
            left -= use
            taken.append((part, use))
            known_on = target.import_day.isoformat() if stored[1] else max(iso(known), received)
            planned.append(
                (
                    row_no,
                    kind,
                    part.number,
                    part.fiscal_year,
                    part.instalment,
                    use,
                    max(received, part.issued_on),
                    max(known_on, part.issued_on),
                )
            )
    return planned


def _restore(taken: list[tuple[Open, int]], code: str, **params: Any) -> _Refused:
    for part, use in taken:
        part.left += use
    return _Refused(code, **params)


def _marks(values: list[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _open_instalments(target: Target, customers: list[str]) -> dict[str, dict[str, list[Open]]]:
    """Per customer and document number: the invoices' instalments, of the file and of the ledger."""
    found: dict[str, dict[str, list[Open]]] = defaultdict(lambda: defaultdict(list))
    last = staging.later_of("MAX(a.effective_on)", "w.issued_on")
    # Of a document corrected by this file: the new amounts less what the old version has allocated.
    of_file = staging.stream(
        f"""SELECT w.customer, w.number, w.fiscal_year, w.instalment,
            COALESCE((SELECT {last}
                FROM customers_allocation a
                WHERE t.reopened AND a.instalment_id = t.id AND a.superseded_at IS NULL), w.issued_on),
            w.due_on, w.currency, w.amount - COALESCE(t.amount - t.open_amount, 0)
        FROM import_write w LEFT JOIN customers_instalment t
            ON t.invoice_id = w.old_id AND t.number = w.instalment
        WHERE w.kind = 'invoice' AND w.customer IN ({_marks(customers)})""",
        customers,
    )
    stored = staging.stream(
        f"""SELECT c.key, i.number, i.fiscal_year, t.number,
            CASE WHEN t.reopened THEN (SELECT MAX(a.effective_on) FROM customers_allocation a
                WHERE a.instalment_id = t.id AND a.superseded_at IS NULL) ELSE i.effective_on END,
            t.due_on, i.currency, t.open_amount
        FROM import_customer c JOIN customers_invoice i ON i.account_id = c.account_id
        JOIN customers_instalment t ON t.invoice_id = i.id
        WHERE c.key IN ({_marks(customers)}) AND i.source_id = %s AND i.kind = 'invoice'
          AND i.superseded_at IS NULL
          AND i.id NOT IN (SELECT w.old_id FROM import_write w WHERE w.old_id IS NOT NULL)""",
        [*customers, target.source_id],
    )
    for rows in (of_file, stored):
        for customer, number, year, instalment, issued, due, currency, left in rows:
            found[customer][number].append(
                Open(number, year, instalment, iso(issued), iso(due), currency, int(left))
            )
    return found


def _settled_pairs(target: Target, customers: list[str]) -> tuple[dict[Any, int], dict[Any, str]]:
    """What stored payments and credit notes have settled, by document and in all; and of those that were used,
    freed and may be used again, the day of their last movement.

    A reference that was settled and taken back by somebody stays taken back: it counts as settled, with nothing.
    """
    sums: dict[Any, int] = defaultdict(int)
    freed: set[Any] = set()
    last: dict[Any, str] = {}
    cash = staging.stream(
        f"""SELECT a.payment_id, i.number, i.fiscal_year, SUM(a.amount), MIN(a.amount), MAX(a.effective_on) FROM import_paymatch m
        JOIN import_pay p ON p.row_no = m.row_no JOIN customers_allocation a ON a.payment_id = m.payment_id
        LEFT JOIN customers_instalment t ON t.id = a.instalment_id LEFT JOIN customers_invoice i ON i.id = t.invoice_id
        WHERE a.superseded_at IS NULL AND p.customer IN ({_marks(customers)})
        GROUP BY a.payment_id, i.number, i.fiscal_year""",
        customers,
    )
    credit = staging.stream(
        f"""SELECT x.invoice_id, i.number, i.fiscal_year, SUM(a.amount), MIN(a.amount), MAX(a.effective_on) FROM import_pay p
        JOIN import_doc d ON d.row_no = p.row_no AND p.pay_key IS NULL
        JOIN import_match x ON x.number = d.number AND x.fiscal_year = d.fiscal_year AND x.kind = d.kind
        JOIN customers_instalment s ON s.invoice_id = x.invoice_id JOIN customers_allocation a ON a.credit_id = s.id
        JOIN customers_instalment t ON t.id = a.instalment_id JOIN customers_invoice i ON i.id = t.invoice_id
        WHERE a.superseded_at IS NULL AND p.customer IN ({_marks(customers)})
        GROUP BY x.invoice_id, i.number, i.fiscal_year""",
        customers,
    )
    for name, rows in (("payment", cash), ("credit", credit)):
        for pk, number, year, total, least, day in rows:
            sums[name, pk, "all"] += int(total)
            if number is not None:
                sums[name, pk, number, year] += int(total)
            last[name, pk] = max(last.get((name, pk), ""), iso(day))
            if least < 0:
                freed.add((name, pk))
    return sums, {key: last[key] for key in freed}
