"""The rows behind each figure: open instalments, unapplied cash, documents sold, promises judged.

Every drill says its totals per currency; they equal the figure they were opened from, to the cent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count, F, QuerySet, Sum
from django.utils.dateparse import parse_date

from creditdesk.core.facts import View
from creditdesk.core.money import Money, exponent
from customers.models import Company, CreditAccount, Customer, DocumentKind, Instalment, Invoice
from customers.rates import RateTable
from kpis.ageing import BUCKETS
from kpis.positions import select
from kpis.scope import Scope

# Which open items a figure is made of; the keys are what the address says.
CONDITIONS = {
    "open": "items.kind = 'invoice'",
    "overdue": "items.kind = 'invoice' AND items.bucket <> 'not_due'",
    "disputed": "items.kind = 'invoice' AND items.disputed > 0",
    "credits": "items.kind = 'credit_note'",
    **{bucket: f"items.kind = 'invoice' AND items.bucket = '{bucket}'" for bucket in BUCKETS},
}


@dataclass(frozen=True, slots=True)
class OpenItem:
    """One open instalment at the as-of date."""

    instalment_id: int
    customer_id: int
    customer_code: str
    customer: str
    company: str
    document: str
    number: int
    issued_on: date
    due_on: date
    days_past_due: int
    bucket: str
    amount: Money
    open: Money
    disputed: Money
    collector: str
    delivery: str


def _day(value: Any) -> date:
    """SQLite hands dates of plain SQL over as text."""
    return value if isinstance(value, date) else parse_date(value)  # type: ignore[return-value]


def _and_currency(currency: str | None) -> tuple[str, list[Any]]:
    return (" AND items.currency = %s", [currency]) if currency else ("", [])


def open_items(
    figure: str,
    as_of: date,
    *,
    scope: Scope,
    view: View,
    currency: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Iterator[OpenItem]:
    """Items behind a figure (a key of CONDITIONS), oldest due date first. One query."""
    extra, params = _and_currency(currency)
    page, page_params = (" LIMIT %s OFFSET %s", [limit, offset]) if limit is not None else ("", [])
    tables = {
        "instalment": Instalment._meta.db_table,
        "invoice": Invoice._meta.db_table,
        "account": CreditAccount._meta.db_table,
        "customer": Customer._meta.db_table,
        "company": Company._meta.db_table,
        "person": get_user_model()._meta.db_table,
    }
    # Table names and the conditions above only; what a reader types travels as a parameter.
    body = """
        SELECT items.id, c.id, c.code, c.name, co.name, v.number, t.number, t.effective_on, t.due_on, items.bucket,
               items.currency, t.amount, items.minor, items.disputed, u.username,
               v.delivery
        FROM items
        JOIN {instalment} t ON t.id = items.id
        JOIN {invoice} v ON v.id = items.invoice_id
        JOIN {account} a ON a.id = items.account_id
        JOIN {customer} c ON c.id = a.customer_id
        JOIN {company} co ON co.id = a.company_id
        LEFT JOIN {person} u ON u.id = a.collector_id
        WHERE {condition}{extra} ORDER BY items.due_on, items.id{page}
    """.format(**tables, condition=CONDITIONS[figure], extra=extra, page=page)
    for row in select(as_of, scope, view, body, [*params, *page_params]):
        pk, customer_id, code, name, company, document, number, issued, due, bucket, ccy, *rest = row
        amount, open_minor, disputed, collector, delivery = rest
        due_on = _day(due)
        yield OpenItem(
            pk,
            customer_id,
            code,
            name,
            company,
            document,
            number,
            _day(issued),
            due_on,
            (as_of - due_on).days,
            bucket,
            Money(amount, ccy),
            Money(int(open_minor), ccy),
            Money(int(disputed), ccy),
            collector or "",
            delivery,
        )


@dataclass(frozen=True, slots=True)
class Total:
    """Rows and amounts of one currency behind a figure."""

    currency: str
    rows: int
    amount: Money
    of_which: Money | None = None
    # The sums that are converted and rounded one by one when the figure is stated in one currency.
    parts: Sequence[Money] = ()


def open_items_totals(
    figure: str, as_of: date, *, scope: Scope, view: View, currency: str | None = None
) -> list[Total]:
    """Per currency: how many items, what is open, and what of it is disputed."""
    extra, params = _and_currency(currency)
    # Credit notes are two figures of the ageing (due and not due), invoices one for each bucket.
    part = "CASE WHEN kind = 'credit_note' AND bucket <> 'not_due' THEN 'due' ELSE bucket END"
    body = f"""
        SELECT currency, {part}, COUNT(*), SUM(minor), SUM(disputed) FROM items
        WHERE {CONDITIONS[figure]}{extra} GROUP BY currency, {part} ORDER BY currency, {part}
    """
    totals: dict[str, Total] = {}
    for ccy, _part, rows, minor, disputed in select(as_of, scope, view, body, params):
        zero = Money.zero(ccy)
        old = totals.get(ccy) or Total(ccy, 0, zero, zero)
        amount, of_which = Money(int(minor), ccy), Money(int(disputed), ccy)
        totals[ccy] = Total(
            ccy, old.rows + rows, old.amount + amount, (old.of_which or zero) + of_which, (*old.parts, amount)
        )
    return list(totals.values())


def stated_total(
    totals: Sequence[Total], currency: str, rates: RateTable, *, rounded_once: bool = False
) -> Money:
    """The figure the rows belong to, in one currency, rounded as the report rounds it. Raises MissingRate.

    rounded_once: sales are rounded after adding up, amounts of the ageing part by part.
    """
    if rounded_once:
        exact = sum(
            (Fraction(t.amount.amount) * Fraction(rates.rate(t.currency, currency)) for t in totals),
            Fraction(0),
        )
        return Money(round(exact * 10 ** exponent(currency)), currency)
    parts = (part for total in totals for part in (total.parts or (total.amount,)))
    return sum((rates.convert(part, currency) for part in parts), Money.zero(currency))


@dataclass(frozen=True, slots=True)
class AccountAgeing:
    """One account's open invoices in one currency, by bucket."""

    account_id: int
    customer_id: int
    customer_code: str
    customer: str
    company: str
    collector: str
    buckets: Sequence[Money]
    open: Money
    overdue: Money
    oldest_due_on: date

    def days_past_due(self, as_of: date) -> int:
        return max((as_of - self.oldest_due_on).days, 0)


def account_ageing(
    as_of: date,
    *,
    scope: Scope,
    view: View,
    limit: int | None = None,
    offset: int = 0,
    per_currency: bool = False,
) -> list[AccountAgeing]:
    """Ageing by account and currency, most overdue first. per_currency: `limit` holds for each currency."""
    sums = ", ".join(
        f"SUM(CASE WHEN bucket = '{bucket}' THEN minor ELSE 0 END) AS b{n}"
        for n, bucket in enumerate(BUCKETS)
    )
    late = " + ".join(f"g.b{n}" for n in range(1, len(BUCKETS)))
    order = "overdue DESC, g.total DESC, g.account_id, g.currency"
    where, page, params = "", "", []
    if limit is not None and per_currency:
        where, params = "WHERE r.place <= %s", [limit]
    elif limit is not None:
        page, params = " LIMIT %s OFFSET %s", [limit, offset]
    body = f"""
        SELECT r.account_id, c.id, c.code, c.name, co.name, u.username, r.currency, b0, b1, b2, b3, b4, r.total, r.oldest
        FROM (
            SELECT g.*, {late} AS overdue,
                   ROW_NUMBER() OVER (PARTITION BY g.currency ORDER BY {late} DESC, g.total DESC, g.account_id) AS place
            FROM (SELECT account_id, currency, {sums}, SUM(minor) AS total, MIN(due_on) AS oldest
                  FROM items WHERE kind = 'invoice' GROUP BY account_id, currency) g
        ) r
        JOIN {CreditAccount._meta.db_table} a ON a.id = r.account_id
        JOIN {Customer._meta.db_table} c ON c.id = a.customer_id
        JOIN {Company._meta.db_table} co ON co.id = a.company_id
        LEFT JOIN {get_user_model()._meta.db_table} u ON u.id = a.collector_id
        {where} ORDER BY {order.replace("g.", "r.")}{page}
    """
    found = []
    for row in select(as_of, scope, view, body, params):
        account_id, customer_id, code, name, company, collector, ccy, *parts, total, oldest = row
        buckets = [Money(int(part), ccy) for part in parts]
        overdue = sum(buckets[1:], Money.zero(ccy))
        found.append(
            AccountAgeing(
                account_id,
                customer_id,
                code,
                name,
                company,
                collector or "",
                buckets,
                Money(int(total), ccy),
                overdue,
                _day(oldest),
            )
        )
    return found


def count_accounts(as_of: date, *, scope: Scope, view: View) -> int:
    body = "SELECT COUNT(*) FROM (SELECT 1 FROM items WHERE kind = 'invoice' GROUP BY account_id, currency) g"
    rows = select(as_of, scope, view, body)
    return rows[0][0] if rows else 0


def documents_sold(as_of: date, days: int, *, scope: Scope, view: View) -> QuerySet[Invoice]:
    """Invoices and credit notes issued in the `days` days that end with `as_of`: what DSO divides by."""
    return (
        Invoice.objects.filter(
            view.q(),
            scope.q(view, "account__"),
            effective_on__lte=as_of,
            effective_on__gt=as_of - timedelta(days=days),
        )
        .select_related("account__customer", "company")
        .order_by("-effective_on", "-pk")
    )


def documents_totals(documents: QuerySet[Invoice]) -> list[Total]:
    """Per currency: documents and their net amount (credit notes negative)."""
    totals: dict[str, list[int]] = {}
    for currency, kind, rows, minor in (
        documents.order_by()
        .values("currency", "kind")
        .annotate(rows=Count("pk"), total=Sum("amount"))
        .values_list("currency", "kind", "rows", "total")
    ):
        part = totals.setdefault(currency, [0, 0])
        part[0] += rows
        part[1] += int(minor) if kind == DocumentKind.INVOICE else -int(minor)
    return [Total(ccy, rows, Money(minor, ccy)) for ccy, (rows, minor) in sorted(totals.items())]


def grouped_totals(rows: QuerySet, amount: str, of_which: str | None = None) -> list[Total]:
    """Per currency: rows, sum of `amount` and (optionally) of a part of it."""
    sums = {"total": Sum(amount), "part": Sum(of_which or amount)}
    found = rows.order_by().values(ccy=F("currency")).annotate(rows=Count("pk"), **sums)
    return [
        Total(
            row["ccy"],
            row["rows"],
            Money(int(row["total"]), row["ccy"]),
            Money(int(row["part"]), row["ccy"]) if of_which else None,
        )
        for row in found.order_by("ccy")
    ]
