"""Every row that stands behind an exposure at a date, each once, at the stage where it counts on that day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import BooleanField, Case, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from creditdesk.core.compiled import asked
from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import MoneyField
from customers.instruments import SegmentTerms, not_safe
from customers.models import Allocation, DocumentKind, Instalment, Payment
from customers.stages import ORDER, Stage, stages_at

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


def open_items(
    scope: Any,
    as_of: date,
    view: View = CURRENT,
    *,
    order_horizon_days: int | None = None,
    numbers: bool = False,
    terms: SegmentTerms | None = None,
) -> Iterator[Item]:
    """The rows behind the exposures of some accounts (ids, or a queryset of them); six queries.

    order_horizon_days: for every order; default by segment and product line (customers/instruments.py). numbers: read document numbers as well.
    terms: those of the day, where they are known already.
    """
    terms = terms or SegmentTerms.load(as_of, view)
    current = view.is_current
    rows = asked(
        ("due", numbers) if current else None, lambda ids, on: _due(ids, on, view, numbers), scope, as_of
    )
    for account, currency, kind, on, due_on, minor, pk, number in rows:
        if kind == DocumentKind.CREDIT_NOTE:
            yield Item(account, "open_credits", currency, minor, on, None, pk, number)
        else:
            yield Item(account, "open_invoices", currency, minor, on, due_on, pk, number, pk)
    returns = tuple(sorted(terms.returns.items()))
    paid = asked(
        ("cash", returns) if current else None, lambda ids, on: _cash(ids, on, view, terms), scope, as_of
    )
    for account, currency, on, minor, pk, key, is_unsafe in paid:
        part = "unsafe_cash" if is_unsafe else "unapplied_cash"
        yield Item(account, part, currency, minor, on, None, pk, key)
    for stage in stages_at(scope, as_of, view):
        yield _staged(stage, as_of, terms, order_horizon_days)
    tendered = asked(
        ("tendered", returns) if current else None,
        lambda ids, on: _tendered(ids, on, view, terms),
        scope,
        as_of,
    )
    for account, currency, minor, on, matures_on, pk, key, about in tendered:
        yield Item(account, "instruments", currency, minor, on, matures_on, pk, key, about)


def _due(scope: Any, as_of: date, view: View, numbers: bool) -> QuerySet:
    due = instalments_open_at(as_of, view=view, instalments=Instalment.objects.filter(account__in=scope))
    label = "invoice__number" if numbers else "kind"
    return due.order_by().values_list(
        *("account_id", "currency", "kind", "effective_on", "due_on", "open_then", "pk", label)
    )


def _cash(scope: Any, as_of: date, view: View, terms: SegmentTerms) -> QuerySet:
    cash = payments_open_at(as_of, view=view, payments=Payment.objects.filter(account__in=scope))
    unsafe = Case(
        When(not_safe(as_of, terms), then=Value(True)), default=Value(False), output_field=BooleanField()
    )
    return (
        cash.annotate(unsafe=unsafe)
        .order_by()
        .values_list("account_id", "currency", "effective_on", "open_then", "pk", "key", "unsafe")
    )


def _tendered(scope: Any, as_of: date, view: View, terms: SegmentTerms) -> QuerySet:
    return (
        Allocation.objects.filter(
            not_safe(as_of, terms, "payment__"),
            view.q(),
            kind=Allocation.Kind.CASH,
            account__in=scope,
            effective_on__lte=as_of,
        )
        .order_by()
        .values_list(
            *("account_id", "currency", "amount", "instalment__effective_on", "payment__matures_on", "pk"),
            *("payment__key", "instalment_id"),
        )
    )


def _staged(stage: Stage, as_of: date, terms: SegmentTerms, horizon: int | None) -> Item:
    if stage.kind != ORDER:
        part, due_on = "unbilled_deliveries", None
    else:
        days = terms.days(stage.segment_id, stage.product_line) if horizon is None else horizon
        due_on = stage.expected_on
        near = due_on is not None and due_on <= as_of + timedelta(days=days)
        part = "open_orders" if near else "far_orders"
    return Item(
        *(stage.account_id, part, stage.currency, stage.counted, stage.on, due_on, stage.pk, stage.number),
        line=stage.product_line,
    )


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
