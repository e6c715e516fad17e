"""An order moves on: picked, delivered, billed. Each verb checks again; an order on hold does not move.

What leaves is checked against what has left: what is only ordered does not stand in its way. What goes beyond the open
part of the order, or beyond what takes headroom already, is new business and checked as such.
"""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.instruments import horizon_of
from customers.models import BilledPart, CheckPoint, Delivery, OpenOrder
from customers.order_versions import OrderError, Outcome, ask, counted, open_order, refuse_held, settle


@transaction.atomic
def pick_order(order: OpenOrder, *, actor: Actor, on: date, at: datetime) -> Outcome:
    """May the goods be picked? Stores nothing but the hold, where it may not."""
    row, stage = open_order(order, on)
    refuse_held(row)
    left = Money(stage.counted if stage else 0, row.currency)
    if not left:
        return Outcome(row)
    result = ask(row, CheckPoint.PICK, on, at, amount=left)
    return Outcome(row, settle(row, result, CheckPoint.PICK, False, actor, on), result)


@transaction.atomic
def deliver_order(
    order: OpenOrder, number: str, amount: Money, *, actor: Actor, on: date, at: datetime
) -> Outcome:
    """Goods leave. More than the order has left is checked as new business as well. Held instead: `made` is None.

    Raises OrderError (on_hold, closed, number_taken, bad_amount, wrong_currency).
    """
    row, stage = open_order(order, on)
    refuse_held(row)
    _check_part(row, number, amount)
    if Delivery.objects.filter(account=row.account_id, number=number, superseded_at__isnull=True).exists():
        raise OrderError("number_taken", _("Delivery %(number)s is there already.") % {"number": number})
    # What the order takes of the headroom already; beyond the horizon that is nothing.
    left = counted(stage, row, row.expected_on, on, horizon_of(row.account, row.product_line, on))
    gone = (stage.delivered + stage.billed) if stage else row.amount.minor
    total = Money(max(row.amount.minor, gone + amount.minor), row.currency)
    if amount.minor > left:
        more = Money(amount.minor - left, row.currency)
        result = ask(row, CheckPoint.ORDER, on, at, amount=total, adds=more)
        hold = settle(row, result, CheckPoint.ORDER, False, actor, on, amount=total)
        if hold is not None:
            return Outcome(row, hold, result)
    result = ask(row, CheckPoint.DELIVERY, on, at, amount=amount)
    hold = settle(row, result, CheckPoint.DELIVERY, False, actor, on, amount=total)
    if hold is not None:
        return Outcome(row, hold, result)
    made = Delivery.objects.create(
        account_id=row.account_id,
        number=number,
        order_number=row.number,
        currency=row.currency,
        amount=amount,
        effective_on=on,
        known_on=on,
    )
    record_act(
        "order.deliver",
        actor=actor,
        subject=made,
        business_date=on,
        data={"order": row.number},
        changes=[Change.of(made, None, {"amount": amount.minor, "currency": row.currency})],
    )
    return Outcome(row, None, result, made)


@transaction.atomic
def bill_order(
    order: OpenOrder,
    invoice_number: str,
    amount: Money,
    *,
    actor: Actor,
    on: date,
    at: datetime,
    delivery_number: str = "",
) -> Outcome:
    """A part of the order is billed: of a delivery, or ahead of any. It counts once the invoice is in the ledger.

    What is billed ahead beyond the order's open part is new business and is checked as an order, too.
    """
    row, stage = open_order(order, on)
    refuse_held(row)
    _check_part(row, invoice_number, amount)
    billed = _parts(row, delivery_number)
    if BilledPart.objects.filter(
        account=row.account_id,
        order_number=row.number,
        delivery_number=delivery_number,
        invoice_number=invoice_number,
        superseded_at__isnull=True,
    ).exists():
        raise OrderError(
            "number_taken", _("Invoice %(number)s names this part already.") % {"number": invoice_number}
        )
    if delivery_number:
        _check_delivered(row, delivery_number, amount, billed)
    else:
        delivered = stage.delivered if stage else row.amount.minor
        near = counted(stage, row, row.expected_on, on, horizon_of(row.account, row.product_line, on))
        left = min(max(row.amount.minor - delivered - billed, 0), near)
        if amount.minor > left:
            more = Money(amount.minor - left, row.currency)
            total = Money(max(row.amount.minor, delivered + billed + amount.minor), row.currency)
            result = ask(row, CheckPoint.ORDER, on, at, amount=total, adds=more)
            hold = settle(row, result, CheckPoint.ORDER, False, actor, on, amount=total)
            if hold is not None:
                return Outcome(row, hold, result)
    adds = Money.zero(row.currency) if delivery_number else amount
    result = ask(row, CheckPoint.INVOICE, on, at, amount=amount, adds=adds)
    hold = settle(row, result, CheckPoint.INVOICE, False, actor, on)
    if hold is not None:
        return Outcome(row, hold, result)
    made = BilledPart.objects.create(
        account_id=row.account_id,
        order_number=row.number,
        delivery_number=delivery_number,
        invoice_number=invoice_number,
        currency=row.currency,
        amount=amount,
        effective_on=on,
        known_on=on,
    )
    record_act(
        "order.bill",
        actor=actor,
        subject=made,
        business_date=on,
        data={"order": row.number, "invoice": invoice_number},
        changes=[Change.of(made, None, {"amount": amount.minor, "currency": row.currency})],
    )
    return Outcome(row, None, result, made)


def _check_part(order: OpenOrder, number: str, amount: Money) -> None:
    if amount.currency != order.currency:
        raise OrderError("wrong_currency", _("The order is in %(currency)s.") % {"currency": order.currency})
    if amount.minor <= 0 or not number.strip():
        raise OrderError("bad_amount", _("Name the document by a number and an amount above zero."))


def _parts(order: OpenOrder, delivery_number: str) -> int:
    """Minor units billed so far of a delivery, or ahead of any; whether or not the invoices are in the ledger yet."""
    rows = BilledPart.objects.filter(
        account=order.account_id, delivery_number=delivery_number, superseded_at__isnull=True
    )
    if not delivery_number:
        rows = rows.filter(order_number=order.number)
    return int(rows.aggregate(total=Sum("amount"))["total"] or 0)


def _check_delivered(order: OpenOrder, number: str, amount: Money, billed: int) -> None:
    delivery = Delivery.objects.filter(
        account=order.account_id,
        number=number,
        order_number=order.number,
        superseded_at__isnull=True,
        invoiced_on__isnull=True,
    ).first()
    left = delivery.amount.minor - billed if delivery else 0
    if amount.minor > left:
        raise OrderError(
            "bad_amount",
            _("Of delivery %(number)s only %(amount)s is left to bill.")
            % {"number": number, "amount": Money(max(left, 0), order.currency)},
        )
