"""From order to delivery to invoice: what of each counts on a day, so that nothing counts twice.

An order of 1000 is 1000 of open order until 400 of it are delivered, then 600 of open order and 400 of unbilled
delivery; when 400 stand on an invoice in the ledger, the delivery is over. The three always add up to what was
ordered (or to what was delivered, or billed, when that is more). In one account and currency, on a day:

unbilled part of a delivery  its amount - what of it was billed; nothing from `invoiced_on` on
billed ahead of an order     billed on the order without a delivery that is there: first taken off the order's
                             unbilled deliveries (the oldest first), the rest off what is still to be delivered
open part of an order        ordered - delivered - billed ahead, never below zero; nothing from `closed_on` on

A billed part with an invoice number counts from the day that invoice is in the ledger (customers/models/business.py).
Two queries for any number of accounts, five where orders were listed by what is open of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import (
    Case,
    DateField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from creditdesk.core.compiled import asked
from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import MoneyField
from customers.models import BilledPart, Delivery, Invoice, OpenOrder, OrderHold

ORDER, DELIVERY = "order", "delivery"
# A document number may come again in another year: only an invoice about as old as it was said to be is meant.
_SAME_INVOICE = timedelta(days=60)


@dataclass(slots=True)
class Stage:
    """An order or a delivery on a day, in minor units of `currency`.

    counted: what of it is exposure at this stage if it is within the horizon; billed: what invoices took off it;
    delivered: what deliveries took off an order.
    """

    kind: str
    pk: int
    account_id: int
    number: str
    order_number: str
    currency: str
    on: date
    amount: int
    counted: int
    billed: int = 0
    delivered: int = 0
    expected_on: date | None = None
    segment_id: int = 0
    product_line: str = ""


def stages_at(scope: Any, as_of: date, view: View = CURRENT, *, also_held: bool = False) -> list[Stage]:
    """Deliveries and orders with something left to bill or to deliver at `as_of`, whatever the horizon.

    scope: account ids, or a queryset of them. also_held: orders nobody has accepted yet, too.
    """
    current = view.is_current
    deliveries = list(
        asked("deliveries" if current else None, lambda ids, on: _deliveries(ids, on, view), scope, as_of)
    )
    orders = list(
        asked(
            ("orders", also_held) if current else None,
            lambda ids, on: _orders(ids, on, view, also_held),
            scope,
            as_of,
        )
    )
    ahead: dict[tuple[int, str, str], int] = {}
    unbilled: dict[tuple[int, str, str], list[Stage]] = defaultdict(list)
    found = []
    for row in deliveries:
        pk, account, number, order, currency, on, amount, billed, billed_ahead = row
        stage = Stage(
            DELIVERY, pk, account, number, order, currency, on, amount, max(amount - billed, 0), billed
        )
        found.append(stage)
        if order:
            ahead[account, order, currency] = billed_ahead
            unbilled[account, order, currency].append(stage)
    for row in orders:
        ahead[row[1], row[2], row[3]] = row[7]
    left = {key: _take_off(minor, unbilled.get(key, ())) for key, minor in ahead.items()}
    listed = any(row[9] is not None for row in orders)
    before = _gone_before(scope, as_of, view) if listed else {}
    for (
        pk,
        account,
        number,
        currency,
        on,
        expected,
        amount,
        _ahead_of,
        delivered,
        open_on,
        segment,
        line,
    ) in orders:
        billed = left[account, number, currency]
        # An amount that was open on a day: what had gone by then is out of it already.
        gone = delivered + billed - (before[pk] if open_on else 0)
        found.append(
            Stage(
                *(ORDER, pk, account, number, number, currency, on, amount, max(amount - gone, 0)),
                billed=billed,
                delivered=delivered,
                expected_on=expected,
                segment_id=segment,
                product_line=line,
            )
        )
    return [stage for stage in found if stage.counted]


def _take_off(minor: int, deliveries: Iterable[Stage]) -> int:
    """Take what was billed ahead off the order's unbilled deliveries, the oldest first; returns the rest."""
    for stage in sorted(deliveries, key=lambda one: (one.on, one.pk)):
        taken = min(minor, stage.counted)
        stage.counted -= taken
        stage.billed += taken
        minor -= taken
    return minor


def _known(model: Any, scope: Any, as_of: date, view: View) -> QuerySet:
    return model.objects.filter(view.q(), account__in=scope, effective_on__lte=as_of).order_by()


def _deliveries(scope: Any, as_of: date, view: View) -> QuerySet:
    rows = _known(Delivery, scope, as_of, view).filter(Q(invoiced_on__isnull=True) | Q(invoiced_on__gt=as_of))
    named = _billed(as_of, view, delivery_number=OuterRef("number"))
    return rows.annotate(
        billed=_sum(named, "delivery_number"),
        ahead=Case(
            When(order_number="", then=Value(0)),
            default=_sum(_ahead(as_of, view, OuterRef("order_number")), "order_number"),
            output_field=MoneyField(),
        ),
    ).values_list(
        *(
            "pk",
            "account_id",
            "number",
            "order_number",
            "currency",
            "effective_on",
            "amount",
            "billed",
            "ahead",
        )
    )


def _orders(scope: Any, as_of: date, view: View, also_held: bool) -> QuerySet:
    rows = _known(OpenOrder, scope, as_of, view).filter(Q(closed_on__isnull=True) | Q(closed_on__gt=as_of))
    if not also_held:
        rows = rows.exclude(not_accepted(as_of))
    delivered = Delivery.objects.filter(
        view.q(),
        account=OuterRef("account"),
        order_number=OuterRef("number"),
        currency=OuterRef("currency"),
        effective_on__lte=as_of,
    ).exclude(order_number="")
    return rows.annotate(
        ahead=_sum(_ahead(as_of, view, OuterRef("number")), "order_number"),
        delivered=_sum(delivered, "order_number"),
    ).values_list(
        *("pk", "account_id", "number", "currency", "effective_on", "expected_on", "amount", "ahead"),
        *("delivered", "open_on", "account__segment_id", "product_line"),
    )


def _gone_before(scope: Any, as_of: date, view: View) -> dict[int, int]:
    """What was delivered or billed ahead, by its `open_on`, of each order whose amount is what was open that day.

    {order id: minor units}; three queries, and only for companies that take in lists of open orders.
    """
    live = _known(OpenOrder, scope, as_of, view).filter(
        Q(closed_on__isnull=True) | Q(closed_on__gt=as_of), open_on__isnull=False
    )
    orders = list(live.values_list("pk", "account_id", "number", "currency", "open_on"))
    of_order = Exists(
        live.filter(
            account=OuterRef("account"), number=OuterRef("order_number"), currency=OuterRef("currency")
        )
    )
    deliveries: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for account, order, currency, *rest in Delivery.objects.filter(of_order, view.q()).values_list(
        *("account_id", "order_number", "currency", "number", "effective_on", "amount", "invoiced_on")
    ):
        deliveries[account, order, currency].append(tuple(rest))
    by_delivery: dict[Any, list[tuple[date, int]]] = defaultdict(list)
    on_order: dict[Any, list[tuple[date, int, str]]] = defaultdict(list)
    known = Exists(
        Delivery.objects.filter(
            of_order, view.q(), account=OuterRef("account"), number=OuterRef("delivery_number")
        )
    )
    parts = BilledPart.objects.filter(of_order | known, view.q()).annotate(
        ledger_on=Subquery(
            _invoices(view).order_by("effective_on").values("effective_on")[:1], output_field=DateField()
        )
    )
    for account, order, currency, delivery, invoice, told_on, ledger_on, amount in parts.values_list(
        *("account_id", "order_number", "currency", "delivery_number", "invoice_number", "effective_on"),
        *("ledger_on", "amount"),
    ):
        on = ledger_on if invoice else told_on
        if on is not None:
            by_delivery[account, delivery, currency].append((on, amount))
            on_order[account, order, currency].append((on, amount, delivery))
    found = {}
    for pk, account, number, currency, day in orders:
        own = [row for row in deliveries[account, number, currency] if row[1] <= day]
        unbilled = 0
        for delivery, _on, amount, invoiced_on in own:
            billed = sum(minor for on, minor in by_delivery[account, delivery, currency] if on <= day)
            unbilled += 0 if invoiced_on and invoiced_on <= day else max(amount - billed, 0)
        there = {row[0] for row in own}
        ahead = sum(
            minor
            for on, minor, name in on_order[account, number, currency]
            if on <= day and name not in there
        )
        found[pk] = sum(row[2] for row in own) + max(ahead - unbilled, 0)
    return found


def _invoices(view: View) -> QuerySet[Invoice]:
    """The invoices that the outer billed part names."""
    about = ExpressionWrapper(OuterRef("effective_on") - _SAME_INVOICE, output_field=DateField())
    return Invoice.objects.filter(
        view.q(),
        number=OuterRef("invoice_number"),
        account=OuterRef("account"),
        effective_on__gte=about,
    )


def not_accepted(as_of: date) -> Exists:
    """Orders that were held before they were accepted and wait for a person still: nobody has agreed to them."""
    return Exists(
        OrderHold.objects.filter(
            Q(resolved_on__isnull=True) | Q(resolved_on__gt=as_of),
            account=OuterRef("account"),
            order_number=OuterRef("number"),
            at_entry=True,
            placed_on__lte=as_of,
        )
    )


def _billed(as_of: date, view: View, **named: Any) -> QuerySet[BilledPart]:
    """Parts of the outer row's account and currency billed by `as_of`: dated until then, and in the ledger."""
    invoices = _invoices(view).filter(effective_on__lte=as_of)
    return BilledPart.objects.filter(
        Q(invoice_number="", effective_on__lte=as_of) | (~Q(invoice_number="") & Exists(invoices)),
        view.q(),
        account=OuterRef("account"),
        currency=OuterRef("currency"),
        **named,
    )


def _ahead(as_of: date, view: View, order: OuterRef) -> QuerySet[BilledPart]:
    """Parts billed on an order whose delivery is not named, or not there yet."""
    there = Delivery.objects.filter(
        view.q(), account=OuterRef("account"), number=OuterRef("delivery_number"), effective_on__lte=as_of
    )
    return _billed(as_of, view, order_number=order).filter(Q(delivery_number="") | ~Exists(there))


def _sum(rows: QuerySet, key: str) -> Coalesce:
    return Coalesce(
        Subquery(rows.order_by().values(key).annotate(total=Sum(F("amount"))).values("total")),
        Value(0),
        output_field=MoneyField(),
    )
