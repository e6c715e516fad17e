"""Taking on orders and moving them on: record, change, close, reopen, pick, deliver, bill. Each verb checks again.

Every verb locks the paying account (and its group's heads), so that two orders never take the same headroom. What does
not pass goes to the hold queue in the same transaction; an order on hold is neither picked, delivered nor billed. An
order whose present terms were never accepted takes no headroom; only what makes an order smaller goes unchecked.

A changed or reopened order is a new version of the fact (customers/models/business.py): the number is its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.checks import CheckRequest, CheckResult, ask_check
from customers.locks import lock_headroom
from customers.models import (
    BilledPart,
    CheckPoint,
    CreditAccount,
    Customer,
    Delivery,
    OpenOrder,
    OrderHold,
    Reservation,
)
from customers.order_holds import (
    details_of,
    end_hold,
    is_released,
    newest_hold,
    place_order_hold,
    waiting_hold,
)
from customers.reservations import active, use_reservation
from customers.stages import ORDER, Stage, stages_at

Cause, HoldStatus = OrderHold.Cause, OrderHold.Status


class OrderError(ValueError):
    """An order that cannot be taken or moved on; the text says why and what to do.

    code: exists (the number stands for another order), unknown, closed, open, on_hold, bad_amount, wrong_currency,
    number_taken (of a delivery or an invoice part).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order: its present version, the hold it waits in (None: it may go on), the check asked.

    made: the delivery or billed part the verb was to make; None where the order was held instead.
    """

    order: OpenOrder
    hold: OrderHold | None = None
    result: CheckResult | None = None
    made: Delivery | BilledPart | None = None

    @property
    def goes_on(self) -> bool:
        return self.hold is None


@transaction.atomic
def record_order(
    account: CreditAccount,
    number: str,
    amount: Money,
    *,
    expected_on: date,
    actor: Actor,
    on: date,
    at: datetime,
    orderer: Customer | None = None,
    reference: str = "",
) -> Outcome:
    """Take an order of the account that pays. What was reserved under `reference` (default: the number) becomes it.

    The same order again gives what is there. Raises OrderError, MissingRate.
    """
    number = number.strip()
    if amount.minor <= 0 or not number:
        raise OrderError("bad_amount", _("An order has a number and an amount above zero."))
    locked, _tree = lock_headroom(account.pk, on)
    there = _current(locked.pk, number)
    if there is not None:
        same = (there.amount, there.expected_on, there.orderer_id, there.closed_on)
        if same != (amount, expected_on, orderer.pk if orderer else None, None):
            raise OrderError(
                "exists", _("Order %(number)s is there already: change that one.") % {"number": number}
            )
        return Outcome(there, waiting_hold(locked.pk, number))
    order = OpenOrder(
        account=locked,
        orderer=orderer,
        number=number,
        expected_on=expected_on,
        currency=amount.currency,
        amount=amount,
        effective_on=on,
        known_on=on,
    )
    held = _reserved(locked, reference.strip() or number, at)
    result = _ask(order, CheckPoint.ORDER, on, at, exclude_reservation=held.pk if held else None)
    order.save()
    _record("order.record", order, None, actor, on)
    hold = _settle(order, result, CheckPoint.ORDER, True, actor, on)
    if held is not None and hold is None:
        # An order that waits leaves the room reserved until the reservation expires.
        use_reservation(held, order, actor=actor, on=on, at=at)
    return Outcome(order, hold, result)


@transaction.atomic
def change_order(
    order: OpenOrder,
    *,
    actor: Actor,
    on: date,
    at: datetime,
    amount: Money | None = None,
    expected_on: date | None = None,
) -> Outcome:
    """Another amount or day. More, or sooner, is checked; what does not pass holds the whole order: nobody has agreed
    to it as it now stands. Raises OrderError.
    """
    before, stage = _open(order, on)
    new_amount, new_day = amount or before.amount, expected_on or before.expected_on
    if new_amount.currency != before.currency:
        raise OrderError("wrong_currency", _("An order keeps its currency: close it and record another."))
    if new_amount.minor <= 0:
        raise OrderError("bad_amount", _("An order has an amount above zero: close it instead."))
    waiting = waiting_hold(before.account_id, before.number)
    if (new_amount, new_day) == (before.amount, before.expected_on):
        return Outcome(before, waiting)
    horizon = before.account.segment.order_horizon_days
    was = _counted(stage, before, before.expected_on, on, horizon)
    after = _new_version(before, on, amount=new_amount, expected_on=new_day)
    _record("order.change", after, before, actor, on)
    will = _counted(_stage(after, on, also_held=True), after, new_day, on, horizon)
    if waiting is None and will <= was and new_amount <= before.amount:
        return Outcome(after)
    adds = Money(will if waiting and waiting.at_entry else will - was, before.currency)
    result = _ask(after, CheckPoint.ORDER, on, at, adds=adds)
    accepted = waiting is not None and waiting.cause == Cause.STOPPED and not waiting.at_entry and will <= was
    return Outcome(after, _settle(after, result, CheckPoint.ORDER, not accepted, actor, on), result)


@transaction.atomic
def close_order(order: OpenOrder, *, actor: Actor, on: date, reason_code: str = "closed") -> OpenOrder:
    """Nothing more of it will be delivered. Its headroom is free; a hold it waits in ends. Again: no effect."""
    locked, _tree = lock_headroom(order.account_id, on)
    row = _named(locked, order.number)
    if row.closed_on is not None:
        return row
    waiting = waiting_hold(locked.pk, row.number)
    if waiting is not None:
        end_hold(waiting, HoldStatus.CLOSED, actor=actor, on=on)
    row.closed_on = max(on, row.effective_on)
    row.save(update_fields=["closed_on"])
    record_act(
        "order.close",
        actor=actor,
        subject=row,
        reason_code=reason_code,
        business_date=on,
        changes=[Change.of(row, {"closed_on": None}, {"closed_on": row.closed_on})],
    )
    return row


@transaction.atomic
def reopen_order(order: OpenOrder, *, actor: Actor, on: date, at: datetime) -> Outcome:
    """A closed order goes on: checked as if it came in now. One that was rejected waits for a person again."""
    locked, _tree = lock_headroom(order.account_id, on)
    before = _named(locked, order.number)
    if before.closed_on is None:
        raise OrderError("open", _("The order is open already."))
    last = newest_hold(locked.pk, before.number)
    after = _new_version(before, on, closed_on=None)
    _record("order.reopen", after, before, actor, on)
    horizon = locked.segment.order_horizon_days
    will = _counted(_stage(after, on, also_held=True), after, after.expected_on, on, horizon)
    result = _ask(after, CheckPoint.ORDER, on, at, adds=Money(will, after.currency))
    if last is not None and last.status == HoldStatus.REJECTED:
        details = {**details_of(result), "rejected_on": last.resolved_on}
        hold = _hold(after, details, CheckPoint.ORDER, True, actor, on, result)
        return Outcome(after, hold, result)
    return Outcome(after, _settle(after, result, CheckPoint.ORDER, True, actor, on), result)


@transaction.atomic
def pick_order(order: OpenOrder, *, actor: Actor, on: date, at: datetime) -> Outcome:
    """May the goods be picked? Stores nothing but the hold, where it may not."""
    row, stage = _open(order, on)
    _refuse_held(row)
    left = Money(stage.counted if stage else 0, row.currency)
    if not left:
        return Outcome(row)
    result = _ask(row, CheckPoint.PICK, on, at, amount=left)
    return Outcome(row, _settle(row, result, CheckPoint.PICK, False, actor, on), result)


@transaction.atomic
def deliver_order(
    order: OpenOrder, number: str, amount: Money, *, actor: Actor, on: date, at: datetime
) -> Outcome:
    """Goods leave. More than the order has left is checked as new business as well. Held instead: `made` is None.

    Raises OrderError (on_hold, closed, number_taken, bad_amount, wrong_currency).
    """
    row, stage = _open(order, on)
    _refuse_held(row)
    _check_part(row, number, amount)
    if Delivery.objects.filter(account=row.account_id, number=number, superseded_at__isnull=True).exists():
        raise OrderError("number_taken", _("Delivery %(number)s is there already.") % {"number": number})
    # What the order takes of the headroom already; beyond the horizon that is nothing.
    left = _counted(stage, row, row.expected_on, on, row.account.segment.order_horizon_days)
    gone = (stage.delivered + stage.billed) if stage else row.amount.minor
    total = Money(max(row.amount.minor, gone + amount.minor), row.currency)
    if amount.minor > left:
        more = Money(amount.minor - left, row.currency)
        result = _ask(row, CheckPoint.ORDER, on, at, amount=total, adds=more)
        hold = _settle(row, result, CheckPoint.ORDER, False, actor, on, amount=total)
        if hold is not None:
            return Outcome(row, hold, result)
    result = _ask(row, CheckPoint.DELIVERY, on, at, amount=amount)
    hold = _settle(row, result, CheckPoint.DELIVERY, False, actor, on, amount=total)
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
    row, stage = _open(order, on)
    _refuse_held(row)
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
        near = _counted(stage, row, row.expected_on, on, row.account.segment.order_horizon_days)
        left = min(max(row.amount.minor - delivered - billed, 0), near)
        if amount.minor > left:
            more = Money(amount.minor - left, row.currency)
            total = Money(max(row.amount.minor, delivered + billed + amount.minor), row.currency)
            result = _ask(row, CheckPoint.ORDER, on, at, amount=total, adds=more)
            hold = _settle(row, result, CheckPoint.ORDER, False, actor, on, amount=total)
            if hold is not None:
                return Outcome(row, hold, result)
    adds = Money.zero(row.currency) if delivery_number else amount
    result = _ask(row, CheckPoint.INVOICE, on, at, amount=amount, adds=adds)
    hold = _settle(row, result, CheckPoint.INVOICE, False, actor, on)
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


@transaction.atomic
def check_again(hold: OrderHold, *, actor: Actor, on: date, at: datetime) -> Outcome:
    """Ask the check of a waiting hold again: what passes goes on, what does not waits with today's reasons.

    Where business was stopped, only a person lets the order go.
    """
    locked, _tree = lock_headroom(hold.account_id, on)
    row = _named(locked, hold.order_number)
    waiting = waiting_hold(locked.pk, row.number)
    if waiting is None or row.closed_on is not None:
        return Outcome(row)
    stage = _stage(row, on, also_held=True)
    horizon = locked.segment.order_horizon_days
    adds = _counted(stage, row, row.expected_on, on, horizon) if waiting.at_entry else 0
    held = _reserved(locked, row.number, at)
    if waiting.point in (CheckPoint.PICK, CheckPoint.DELIVERY):
        left = Money(stage.counted if stage else 0, row.currency)
        result = _ask(row, waiting.point, on, at, amount=left)
    else:
        result = _ask(
            row,
            waiting.point,
            on,
            at,
            adds=Money(adds, row.currency),
            exclude_reservation=held.pk if held else None,
        )
    left_in = _settle(row, result, waiting.point, waiting.at_entry, actor, on)
    if held is not None and left_in is None:
        use_reservation(held, row, actor=actor, on=on, at=at)
    return Outcome(row, left_in, result)


def _settle(
    order: OpenOrder,
    result: CheckResult,
    point: str,
    at_entry: bool,
    actor: Actor,
    on: date,
    *,
    amount: Money | None = None,
) -> OrderHold | None:
    """The hold the order waits in after a check, or None when it may go on."""
    waiting = waiting_hold(order.account_id, order.number)
    if waiting is not None and waiting.cause == Cause.STOPPED:
        if (waiting.amount, waiting.at_entry) == (order.amount, at_entry):
            return waiting
        return _hold(order, waiting.details, waiting.point, at_entry, actor, on, result, waiting)
    if result.passes:
        if waiting is not None:
            end_hold(waiting, HoldStatus.CURED, actor=actor, on=on)
        return None
    if waiting is None and is_released(order.account_id, order.number, amount or order.amount, on):
        return None
    return _hold(order, details_of(result), point, at_entry, actor, on, result, waiting)


def _hold(
    order: OpenOrder,
    details: dict[str, Any],
    point: str,
    at_entry: bool,
    actor: Actor,
    on: date,
    result: CheckResult,
    waiting: OrderHold | None = None,
) -> OrderHold:
    return place_order_hold(
        order,
        point=point,
        cause=waiting.cause if waiting else Cause.CHECK,
        details=details,
        at_entry=at_entry,
        actor=actor,
        on=on,
        decide_within_days=result.decide_within_days,
        replacing=waiting,
    )


def _ask(
    order: OpenOrder,
    point: str,
    on: date,
    at: datetime,
    *,
    amount: Money | None = None,
    adds: Money | None = None,
    exclude_reservation: int | None = None,
) -> CheckResult:
    return ask_check(
        CheckRequest(
            order.account,
            amount or order.amount,
            point,
            on,
            at,
            orderer=order.orderer,
            expected_on=order.expected_on,
            exclude_reservation=exclude_reservation,
            adds=adds,
        )
    )


def _current(account_id: int, number: str) -> OpenOrder | None:
    return (
        OpenOrder.objects.select_for_update(of=("self",))
        .select_related("orderer")
        .filter(account=account_id, number=number, superseded_at__isnull=True)
        .first()
    )


def _named(account: CreditAccount, number: str) -> OpenOrder:
    row = _current(account.pk, number)
    if row is None:
        raise OrderError("unknown", _("There is no order %(number)s.") % {"number": number})
    row.account = account
    return row


def _open(order: OpenOrder, on: date) -> tuple[OpenOrder, Stage | None]:
    """The present version under the account's lock, and what of it is open and counted."""
    locked, _tree = lock_headroom(order.account_id, on)
    row = _named(locked, order.number)
    if row.closed_on is not None:
        raise OrderError("closed", _("The order is closed: reopen it first."))
    return row, _stage(row, on)


def _stage(order: OpenOrder, on: date, *, also_held: bool = False) -> Stage | None:
    rows = stages_at([order.account_id], on, also_held=also_held)
    return next((row for row in rows if row.kind == ORDER and row.pk == order.pk), None)


def _counted(stage: Stage | None, order: OpenOrder, expected_on: date, on: date, horizon: int) -> int:
    """Minor units the open part takes of the headroom on this day."""
    return 0 if stage is None or (expected_on - on).days > horizon else stage.counted


def _refuse_held(order: OpenOrder) -> None:
    if waiting_hold(order.account_id, order.number) is not None:
        raise OrderError(
            "on_hold",
            _("Order %(number)s is on hold: somebody has to release it.") % {"number": order.number},
        )


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


def _reserved(account: CreditAccount, reference: str, at: datetime) -> Reservation | None:
    return active(at).filter(account=account, company=account.company_id, reference=reference).first()


def _new_version(before: OpenOrder, on: date, **changes: Any) -> OpenOrder:
    """A newer version of an order, with its first day: what was ordered when does not change."""
    values = {
        name: getattr(before, name)
        for name in (
            "account",
            "orderer",
            "number",
            "expected_on",
            "currency",
            "amount",
            "open_on",
            "closed_on",
        )
    } | changes
    before.known_until, before.superseded_at = max(on, before.known_on), timezone.now()
    before.save(update_fields=["known_until", "superseded_at"])
    return OpenOrder.objects.create(
        **values,
        effective_on=before.effective_on,
        known_on=before.known_until,
        recorded_at=before.superseded_at,
    )


def _record(act: str, order: OpenOrder, before: OpenOrder | None, actor: Actor, on: date) -> None:
    def facts(row: OpenOrder) -> dict[str, Any]:
        return {
            "amount": row.amount.minor,
            "currency": row.currency,
            "expected_on": row.expected_on,
            "closed_on": row.closed_on,
        }

    record_act(
        act,
        actor=actor,
        subject=order,
        business_date=on,
        data={"account": order.account_id, "order": order.number},
        changes=[Change.of(order, before and facts(before), facts(order))],
    )
