"""What the staged rows mean: against each other, against customers, and against the ledger as it stands.

Every step is a few statements over the whole file. What it refuses lands in import_bad, so later steps no
longer see it. Preview and commit run exactly this; a commit goes on to write what is left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from creditdesk.core.money import Money, to_decimal
from customers.imports import staging
from customers.imports.problems import WARNING, Problem
from customers.imports.spec import Spec
from customers.models import Customer, CustomerKey
from customers.rates import MissingRate, RateTable

NOBODY = 0  # id of a company, source or segment that a commit would create


@dataclass
class Target:
    """Where the file goes, and the days that matter. Ids are NOBODY in the preview of a first import."""

    spec: Spec
    company_id: int
    company_currency: str
    source_id: int
    segment_id: int
    import_day: date
    # From when a correction is known; never before the import unless said with --known-on.
    corrected_on: date
    snapshot_on: date | None = None
    previous_snapshot: date | None = None


def iso(value: Any) -> str:
    """A date from raw SQL (date on PostgreSQL, text on SQLite) as ISO text."""
    return value if isinstance(value, str) else value.isoformat()


def shown(minor: int, currency: str) -> str:
    return f"{to_decimal(minor, currency)} {currency}"


def match(target: Target) -> None:
    staging.analyze(staging.READ)
    resolve_customers(target)
    refuse_repetitions("import_doc", ("number", "fiscal_year", "kind", "instalment"), target.spec)
    if target.spec.layout == "transactions":
        refuse_repetitions("import_pay", ("pay_key",), target.spec)
    refuse_siblings(target.spec)
    match_documents(target)
    if target.spec.layout == "transactions":
        match_payments(target)
    staging.analyze(("import_match", "import_paymatch", "import_bad", "import_customer"))


def resolve_customers(target: Target) -> None:
    """Give every customer of the file its account, where there is one."""
    staging.execute(
        """UPDATE import_customer SET account_id = a.id, currency = a.currency
        FROM customers_customerkey k JOIN customers_customer c ON c.id = k.customer_id
        JOIN customers_creditaccount a ON a.customer_id = COALESCE(c.merged_into_id, c.id) AND a.segment_id = %s
        WHERE k.source_id = %s AND k.key = import_customer.key""",
        [target.segment_id, target.source_id],
    )
    if target.spec.customer_match == "number":
        staging.execute(
            """UPDATE import_customer SET account_id = a.id, currency = a.currency
            FROM customers_customer c
            JOIN customers_creditaccount a ON a.customer_id = COALESCE(c.merged_into_id, c.id)
                AND a.segment_id = %s
            WHERE c.code = import_customer.key AND import_customer.account_id IS NULL""",
            [target.segment_id],
        )
    staging.execute(
        "UPDATE import_customer SET currency = %s WHERE currency IS NULL", [target.company_currency]
    )
    warn_about_customers(target)


def new_customers() -> list[dict[str, Any]]:
    """Attributes of the customers that have no account in the segment yet, in the order of the file."""
    found = staging.rows("SELECT attrs FROM import_customer WHERE account_id IS NULL ORDER BY row_no")
    return [json.loads(attrs) for (attrs,) in found]


def _in_parts(values: list[str], size: int = 500) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def warn_about_customers(target: Target) -> None:
    """Duplicates are said, not refused: the facts are good whoever turns out to be the same firm."""
    new = new_customers()
    if not new:
        return
    spec, problems = target.spec, []
    known = set()
    for part in _in_parts([c["key"] for c in new]):
        keys = CustomerKey.objects.filter(source_id=target.source_id, key__in=part)
        known |= set(keys.values_list("key", flat=True))
    by_vat: dict[str, str] = {}
    for part in _in_parts(sorted({c["vat_number"] for c in new if c.get("vat_number")})):
        by_vat.update(Customer.objects.filter(vat_number__in=part).values_list("vat_number", "code"))
    taken = taken_codes([c["key"] for c in new if c["key"] not in known])
    for customer in new:
        key, vat = customer["key"], customer.get("vat_number")
        if key in known:
            continue
        if vat and by_vat.setdefault(vat, key) != key:
            column = spec.columns.get("vat_number", "vat_number")
            problems.append(
                Problem(
                    customer["row"], column, vat, "vat_of_other_customer", {"other": by_vat[vat]}, WARNING
                )
            )
        if key in taken and spec.customer_match == "key":
            column, code = spec.columns.get("customer", "customer"), new_code(spec, key, taken)
            problems.append(
                Problem(customer["row"], column, key, "customer_number_taken", {"code": code}, WARNING)
            )
    staging.report(problems)


def taken_codes(keys: list[str]) -> set[str]:
    taken: set[str] = set()
    for part in _in_parts(keys):
        taken |= set(Customer.objects.filter(code__in=part).values_list("code", flat=True))
    return taken


def new_code(spec: Spec, key: str, taken: set[str]) -> str:
    """The customer number of a new customer: the source's own, or marked with the source when it is taken."""
    return key if key not in taken else f"{spec.source.get('code', spec.slug)}:{key}"[:40]


def refuse_repetitions(table: str, key: tuple[str, ...], spec: Spec) -> None:
    """The same key twice in the file: an exact repetition is dropped, a contradiction takes all its rows out."""
    columns = list(staging.TABLES[table])
    names = ", ".join(key)
    join = " AND ".join(f"d.{name} = r.{name}" for name in key)
    repeated = staging.stream(
        f"""SELECT {", ".join(f"d.{c}" for c in columns)} FROM {table} d
        JOIN (SELECT {names} FROM {table} GROUP BY {names} HAVING COUNT(*) > 1) r ON {join}
        ORDER BY {", ".join(f"d.{name}" for name in key)}, d.row_no"""
    )
    at = [columns.index(name) for name in key]
    problems: list[Problem] = []
    for group_key, rows in groupby(repeated, key=lambda row: tuple(row[i] for i in at)):
        group = list(rows)
        numbers, value = [row[0] for row in group], str(group_key[0])
        column = spec.columns.get("number", "number")
        if all(row[1:] == group[0][1:] for row in group):
            problems += [
                Problem(row, column, value, "repeated_row", {"other_row": numbers[0]}) for row in numbers[1:]
            ]
        else:
            params = {"rows": ", ".join(map(str, numbers[:10]))}
            problems += [Problem(row, column, value, "contradicting_rows", params) for row in numbers]
    staging.report(problems)


def refuse_siblings(spec: Spec) -> None:
    """Documents with several instalments are taken whole or not at all."""
    if not spec.has("instalment"):
        return
    column = spec.columns.get("number", "number")
    apart = staging.rows(
        """SELECT g.row_no, g.number FROM import_good g JOIN (
            SELECT number, fiscal_year, kind FROM import_good GROUP BY number, fiscal_year, kind
            HAVING MIN(customer) <> MAX(customer) OR MIN(currency) <> MAX(currency)
                OR MIN(issued_on) <> MAX(issued_on)
                OR MIN(NULLIF(delivery, '')) <> MAX(NULLIF(delivery, ''))
        ) x ON x.number = g.number AND x.fiscal_year = g.fiscal_year AND x.kind = g.kind ORDER BY g.row_no"""
    )
    by_number: dict[str, list[int]] = {}
    for row, number in apart:
        by_number.setdefault(number, []).append(row)
    staging.report(
        Problem(row, column, number, "contradicting_rows", {"rows": ", ".join(map(str, numbers[:10]))})
        for number, numbers in by_number.items()
        for row in numbers
    )
    left = staging.rows(
        # Lists made once: SQLite would look through the whole file for each of its rows.
        """SELECT g.row_no, g.number FROM import_good g
        WHERE (g.number, g.customer, g.kind) IN (SELECT u.number, u.customer, u.kind FROM import_unread u)
        OR (g.number, g.fiscal_year, g.kind) IN (SELECT d.number, d.fiscal_year, d.kind FROM import_doc d
            JOIN import_bad b ON b.row_no = d.row_no
            JOIN import_problem p ON p.row_no = d.row_no AND p.code <> 'repeated_row' AND p.severity = 'refused')
        ORDER BY g.row_no"""
    )
    staging.report(Problem(row, column, number, "sibling_refused") for row, number in left)


def match_documents(target: Target) -> None:
    """Find the documents the ledger has already, and which of them changed."""
    spec = target.spec
    compare_amount = spec.layout != "snapshot" or spec.has("amount")
    amount = "t.amount <> d.amount OR" if compare_amount else ""
    currency = "i.currency <> d.currency"
    changed = f"t.id IS NULL OR {amount} t.due_on <> d.due_on OR i.effective_on <> d.issued_on OR {currency}"
    learned = "''"
    if spec.has("delivery"):
        # To learn how a document was sent changes nothing of it; another way than the known one does.
        changed += " OR (d.delivery <> i.delivery AND d.delivery <> '' AND i.delivery <> '')"
        learned = "CASE WHEN i.delivery = '' THEN MAX(d.delivery) ELSE '' END"
    count = "(SELECT COUNT(*) FROM customers_instalment x WHERE x.invoice_id = i.id)"
    settled, state = (
        "",
        f"CASE WHEN MAX(CASE WHEN {changed} THEN 1 ELSE 0 END) = 1 OR COUNT(*) <> {count} THEN 1",
    )
    if spec.layout == "settled":
        settled = """LEFT JOIN customers_payment p ON p.company_id = i.company_id AND p.source_id = i.source_id
            AND p.key = d.pay_key AND p.superseded_at IS NULL"""
        paid = " OR ".join(
            staging.differs(*pair)
            for pair in (
                ("p.effective_on", "d.settled_on"),
                ("p.amount", "d.paid"),
                ("p.currency", "d.currency"),
            )
        )
        gone = (
            "MAX(CASE WHEN p.id IS NOT NULL AND (d.settled_on IS NULL OR " + paid + ") THEN 1 ELSE 0 END) = 1"
        )
        disputed = (
            "(SELECT COUNT(*) FROM customers_disputeitem y JOIN customers_dispute q ON q.id = y.dispute_id"
        )
        disputed += (
            " WHERE y.instalment_id = MAX(t.id) AND q.batch_id IS NOT NULL AND q.superseded_at IS NULL)"
        )
        # A dispute is known only with its settlement, so an unsettled row says nothing about it yet.
        claim = f"(MAX(p.id) IS NOT NULL AND ({disputed} > 0) <> (MAX(d.disputed) > 0))"
        state += f" WHEN {gone} OR {claim} THEN 1"
        state += " WHEN MAX(CASE WHEN p.id IS NULL AND d.settled_on IS NOT NULL THEN 1 ELSE 0 END) = 1 THEN 2"
    state += " ELSE 0 END"
    payment = "MAX(p.id)" if settled else "CAST(NULL AS bigint)"
    staging.execute(
        f"""INSERT INTO import_match (row_no, number, fiscal_year, kind, invoice_id, payment_id, state,
            delivery)
        SELECT MIN(d.row_no), d.number, d.fiscal_year, d.kind, i.id, {payment}, {state}, {learned}
        FROM import_good d JOIN customers_invoice i ON i.company_id = %s AND i.source_id = %s
            AND i.number = d.number AND i.fiscal_year = d.fiscal_year AND i.kind = d.kind
            AND i.superseded_at IS NULL
        LEFT JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = d.instalment
        {settled} GROUP BY d.number, d.fiscal_year, d.kind, i.id""",
        [target.company_id, target.source_id],
    )
    refuse_other_customers(target)
    refuse_changes(target)


def refuse_other_customers(target: Target) -> None:
    column = target.spec.columns.get("number", "number")
    other = staging.rows(
        """SELECT d.row_no, d.number, x.code FROM import_good d
        JOIN import_match m ON m.number = d.number AND m.fiscal_year = d.fiscal_year AND m.kind = d.kind
        JOIN import_customer c ON c.key = d.customer
        JOIN customers_invoice i ON i.id = m.invoice_id
        JOIN customers_creditaccount a ON a.id = i.account_id JOIN customers_customer x ON x.id = a.customer_id
        WHERE COALESCE(c.account_id, 0) <> i.account_id ORDER BY d.row_no"""
    )
    staging.report(
        Problem(row, column, number, "number_of_other_customer", {"other": code})
        for row, number, code in other
    )


# A changed document's rows, with what the ledger has now.
_CHANGED = """SELECT d.row_no, d.number, d.amount, d.currency, i.amount, i.currency, i.effective_on,
    (SELECT MAX(t.due_on) FROM customers_instalment t WHERE t.invoice_id = i.id AND t.number = d.instalment),
    i.delivery
    FROM import_good d
    JOIN import_match m ON m.number = d.number AND m.fiscal_year = d.fiscal_year AND m.kind = d.kind
    JOIN customers_invoice i ON i.id = m.invoice_id WHERE m.state = 1 ORDER BY d.row_no"""


def refuse_changes(target: Target) -> None:
    """Changed rows the mapping refuses. What a correction cannot carry over is refused in correcting.py."""
    if target.spec.on_change != "refuse":
        return
    column = target.spec.columns.get("number", "number")
    problems = []
    for row, number, _amount, _currency, was, currency, issued, due, sent in staging.rows(_CHANGED):
        text = f"{shown(was, currency)}, {iso(issued)}, {iso(due) if due else '-'}"
        text += f", {sent}" if sent and target.spec.has("delivery") else ""
        problems.append(Problem(row, column, number, "changed_row", {"was": text}))
    staging.report(problems)


def match_payments(target: Target) -> None:
    """Find the payments the ledger has already (by reference), and which of them changed."""
    staging.execute(
        """INSERT INTO import_paymatch (row_no, payment_id, state)
        SELECT p.row_no, y.id, CASE WHEN y.amount <> p.amount OR y.currency <> p.currency
            OR y.effective_on <> p.received_on OR y.instrument <> p.instrument THEN 1 ELSE 0 END
        FROM import_pay p JOIN customers_payment y ON y.company_id = %s AND y.source_id = %s
            AND y.key = p.pay_key AND y.superseded_at IS NULL
        WHERE p.pay_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = p.row_no)""",
        [target.company_id, target.source_id],
    )
    column = target.spec.columns.get("number", "number")
    found = staging.rows(
        """SELECT p.row_no, p.pay_key, x.code, y.amount, y.currency, y.effective_on,
            CASE WHEN COALESCE(c.account_id, 0) <> y.account_id THEN 1 ELSE 0 END
        FROM import_pay p JOIN import_paymatch m ON m.row_no = p.row_no
        JOIN customers_payment y ON y.id = m.payment_id JOIN import_customer c ON c.key = p.customer
        JOIN customers_creditaccount a ON a.id = y.account_id JOIN customers_customer x ON x.id = a.customer_id
        WHERE m.state = 1 OR COALESCE(c.account_id, 0) <> y.account_id ORDER BY p.row_no"""
    )
    problems = []
    for row, key, code, amount, currency, received, elsewhere in found:
        if elsewhere:
            problems.append(Problem(row, column, key, "number_of_other_customer", {"other": code}))
        elif target.spec.on_change == "refuse":
            was = f"{shown(amount, currency)}, {iso(received)}"
            problems.append(Problem(row, column, key, "changed_row", {"was": was}))
    staging.report(problems)


def convert(target: Target) -> None:
    """Amounts in the account's currency, at the rate of the issue day, for documents in another currency."""
    foreign = staging.rows(
        """SELECT d.row_no, d.issued_on, d.amount, d.currency, c.currency FROM import_write d
        JOIN import_customer c ON c.key = d.customer WHERE c.currency <> d.currency
        ORDER BY d.issued_on, d.row_no"""
    )
    column = target.spec.columns.get("currency", "currency")
    problems: list[Problem] = []
    converted: list[tuple[int, int]] = []
    for day, rows in groupby(foreign, key=lambda row: iso(row[1])):
        rates = RateTable.at(date.fromisoformat(day))
        for row, _day, amount, currency, account_currency in rows:
            try:
                converted.append((row, rates.convert(Money(amount, currency), account_currency).minor))
            except MissingRate:
                params = {"base": currency, "quote": account_currency, "on": day}
                problems.append(Problem(row, column, currency, "missing_rate", params))
    staging.load("import_rate", converted)
    staging.report(problems)


def account_share(minor: int, amount: int, account_amount: int) -> int:
    """`minor` of an instalment's amount in its account's currency, at the document's rate."""
    if amount == account_amount:
        return minor
    return int((Decimal(minor) * account_amount / amount).to_integral_value())
