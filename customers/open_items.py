"""Every row that stands behind an exposure at a date, each once, at the stage where it counts on that day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import MoneyField
from customers.exposure_sql import Ask, as_date, by_segment, ledger_rows, scoped, summed
from customers.instruments import SegmentTerms
from customers.models import Allocation, DocumentKind, Instalment, Payment
from customers.stages import DELIVERY, stage_rows

PLUS = ("open_invoices", "unbilled_deliveries", "open_orders", "instruments")
MINUS = ("unapplied_cash", "open_credits")
# Shown, never counted: orders beyond the horizon; cash that can still come back; cash and credit notes of a currency
# in which nothing is owed, while something is in another one.
BESIDE = ("far_orders", "unsafe_cash", "other_currency")


class Item(NamedTuple):
    """`minor` units of `currency` in one part of an account's exposure.

    on: issued, delivered, ordered, received. due_on: due day of an invoice, expected delivery of an order.
    pk: of the instalment, payment, delivery, order, or (for instruments) the allocation. number: only when asked for.
    about: id of the instalment an item is about, for disputes. line: product line of an order.
    """

    account_id: int
    part: str
    currency: str
    minor: int
    on: date
    due_on: date | None
    pk: int
    number: str = ""
    about: int | None = None
    line: str = ""


class OpenSum(NamedTuple):
    """Minor units of one part in one currency; overdue: of them, past due; oldest_due_on: due day of the oldest."""

    account_id: int
    currency: str
    part: str
    minor: int
    overdue: int
    oldest_due_on: date | None


def open_items(
    scope: Any,
    as_of: date,
    view: View = CURRENT,
    *,
    order_horizon_days: int | None = None,
    numbers: bool = False,
    terms: SegmentTerms | None = None,
) -> Iterator[Item]:
    """The rows behind the exposures of some accounts (ids, or a queryset of them); three queries.

    order_horizon_days: for every order; default by segment and product line (customers/instruments.py). numbers: read
    document numbers as well. terms: those of the day, where they are known already.
    """
    ask = scoped(scope, as_of, view)
    if ask is None:
        return
    terms = terms or SegmentTerms.load(as_of, view)
    for query in (ledger_rows(ask, terms, numbers), business_rows(ask, terms, order_horizon_days)):
        for account, part, currency, minor, on, due_on, pk, number, about, line in ask.rows(query):
            day = as_date(on) or as_of
            yield Item(account, part, currency, minor, day, as_date(due_on), pk, number, about, line)


def open_sums(
    scope: Any,
    as_of: date,
    view: View = CURRENT,
    *,
    order_horizon_days: int | None = None,
    listed: Any = None,
    numbers: bool = False,
    terms: SegmentTerms | None = None,
) -> Iterator[OpenSum | Item]:
    """The sums of those rows per account, currency and part, added up by the database; three queries.

    listed: accounts (ids, or a queryset of them) whose rows are wanted one by one instead.
    """
    ask = scoped(scope, as_of, view)
    if ask is None:
        return
    terms = terms or SegmentTerms.load(as_of, view)
    apart = None if listed is None else ask.in_scope("listed", listed)
    for query in (ledger_rows(ask, terms, numbers), business_rows(ask, terms, order_horizon_days)):
        for account, currency, part, pk, minor, late, oldest, *rest in ask.rows(summed(query, apart)):
            if pk is None:
                yield OpenSum(account, currency, part, minor, late or 0, as_date(oldest))
            else:
                on, due_on, *named = rest
                day = as_date(on) or as_of
                yield Item(account, part, currency, minor, day, as_date(due_on), pk, *named)


def summed_up(items: Iterable[Item], as_of: date) -> Iterator[OpenSum]:
    """The same sums, of rows that were read anyway."""
    sums: dict[tuple[int, str, str], int] = defaultdict(int)
    late: dict[tuple[int, str, str], list[Item]] = defaultdict(list)
    for item in items:
        key = item.account_id, item.currency, item.part
        sums[key] += item.minor
        if item.part == "open_invoices" and item.due_on is not None and item.due_on < as_of:
            late[key].append(item)
    for key, minor in sums.items():
        days = [item.due_on for item in late[key] if item.due_on is not None]
        overdue = sum(item.minor for item in late[key])
        yield OpenSum(*key, minor, overdue, min(days) if days else None)


def business_rows(ask: Ask, terms: SegmentTerms, horizon: int | None) -> str:
    """Orders and unbilled deliveries as rows of an exposure."""
    last = _last_day(ask, terms, horizon)
    return (
        f"SELECT t.account_id, CASE WHEN t.kind = '{DELIVERY}' THEN 'unbilled_deliveries' "
        f"WHEN t.expected_on <= {last} THEN 'open_orders' ELSE 'far_orders' END AS part, t.currency, "
        "t.counted AS minor, t.effective_on AS on_day, t.expected_on AS due_on, t.id, t.number, "
        f"CAST(NULL AS bigint) AS about, t.product_line AS line FROM ({stage_rows(ask)}) AS t"
    )


def _last_day(ask: Ask, terms: SegmentTerms, horizon: int | None) -> str:
    """SQL of the last day until which the order `t` must be expected to count."""
    usual = by_segment(ask, "last", terms.last_days(ask.as_of, horizon), "t.account_id")
    if horizon is not None or not terms.lines:
        return usual
    arms = ""
    for number, ((segment, line), days) in enumerate(sorted(terms.lines.items())):
        ask.values[f"line{number}"] = line
        ask.values[f"line_day{number}"] = ask.day(ask.as_of + timedelta(days=days))
        arms += f" WHEN s.segment_id = {int(segment)} AND t.product_line = %(line{number})s THEN %(line_day{number})s"
    own = f"(SELECT CASE{arms} END FROM customers_creditaccount s WHERE s.id = t.account_id)"
    return f"COALESCE({own}, {usual})"


def _later_sum(as_of: date, view: View, **outer: Any) -> Coalesce:
    """Signed allocations after `as_of` of the outer row: added to a stored counter they give the past value."""
    return _allocated(Q(effective_on__gt=as_of), view, outer)


def _sum_until(as_of: date, view: View, **outer: Any) -> Coalesce:
    return _allocated(Q(effective_on__lte=as_of), view, outer)


def _allocated(when: Q, view: View, outer: dict[str, Any]) -> Coalesce:
    rows = Allocation.objects.filter(when, view.q(), **outer).order_by()
    (key,) = outer
    return Coalesce(
        Subquery(rows.values(key).annotate(total=Sum("amount")).values("total")),
        Value(0),
        output_field=MoneyField(),
    )


def instalments_open_at(
    as_of: date, *, view: View = CURRENT, instalments: QuerySet[Instalment] | None = None
) -> QuerySet[Instalment]:
    """Instalments issued by `as_of` with `open_then` (int minor units) > 0, whatever happened since."""
    rows = Instalment.objects.all() if instalments is None else instalments
    rows = rows.filter(view.q(), effective_on__lte=as_of)
    if view.is_current:
        rows = rows.filter(Q(settled_on__isnull=True) | Q(settled_on__gt=as_of))
        invoice_then = F("open_amount") + _later_sum(as_of, view, instalment=OuterRef("pk"))
        # A credit note is used through `credit`; one that vanished from a snapshot, like an invoice.
        credit_then = invoice_then + _later_sum(as_of, view, credit=OuterRef("pk"))
    else:
        invoice_then = F("amount") - _sum_until(as_of, view, instalment=OuterRef("pk"))
        credit_then = invoice_then - _sum_until(as_of, view, credit=OuterRef("pk"))
    open_then = Case(
        When(kind=DocumentKind.INVOICE, then=invoice_then), default=credit_then, output_field=MoneyField()
    )
    return rows.annotate(open_then=open_then).filter(open_then__gt=0)  # type: ignore[misc]


def payments_open_at(
    as_of: date, *, view: View = CURRENT, payments: QuerySet[Payment] | None = None
) -> QuerySet[Payment]:
    """Payments received by `as_of` with `open_then` (int minor units) > 0: cash unapplied on that day."""
    rows = Payment.objects.all() if payments is None else payments
    rows = rows.filter(view.q(), effective_on__lte=as_of)
    if view.is_current:
        open_then = F("open_amount") + _later_sum(as_of, view, payment=OuterRef("pk"))
    else:
        open_then = F("amount") - _sum_until(as_of, view, payment=OuterRef("pk"))
    return rows.annotate(open_then=open_then).filter(open_then__gt=0)  # type: ignore[misc]
