"""Taking on orders, changing, closing and reopening them. Each verb checks again.

Every verb locks the paying account (and its group's heads), so that two orders never take the same headroom. What does
not pass goes to the hold queue in the same transaction. An order whose present terms were never accepted takes no
headroom; only what makes an order smaller goes unchecked. How orders move on: customers/order_moves.py.
"""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.instruments import horizon_of
from customers.locks import lock_headroom
from customers.models import CheckPoint, CreditAccount, Customer, OpenOrder, OrderHold
from customers.order_holds import details_of, end_hold, last_word, rejection_of, waiting_hold
from customers.order_versions import (
    Cause,
    HoldStatus,
    OrderError,
    Outcome,
    ask,
    counted,
    current_order,
    hold_order,
    named_order,
    new_version,
    open_order,
    reserved_for,
    settle,
    stage_of,
    told,
)
from customers.reservations import use_reservation


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
    product_line: str = "",
) -> Outcome:
    """Take an order of the account that pays. What was reserved under `reference` (default: the number) becomes it.

    product_line: decides how far ahead it counts; an order keeps it. The same order again gives what is there.
    Raises OrderError, MissingRate.
    """
    number = number.strip()
    if amount.minor <= 0 or not number:
        raise OrderError("bad_amount", _("An order has a number and an amount above zero."))
    locked, _tree = lock_headroom(account.pk, on)
    there = current_order(locked.pk, number)
    if there is not None:
        same = (there.amount, there.expected_on, there.orderer_id, there.product_line, there.closed_on)
        if same != (amount, expected_on, orderer.pk if orderer else None, product_line, None):
            raise OrderError(
                "exists", _("Order %(number)s is there already: change that one.") % {"number": number}
            )
        return Outcome(there, waiting_hold(locked.pk, number))
    order = OpenOrder(
        account=locked,
        orderer=orderer,
        number=number,
        product_line=product_line,
        expected_on=expected_on,
        currency=amount.currency,
        amount=amount,
        effective_on=on,
        known_on=on,
    )
    held = reserved_for(locked, reference.strip() or number, at)
    result = ask(order, CheckPoint.ORDER, on, at, exclude_reservation=held.pk if held else None)
    order.save()
    record_act("order.record", **told(order, None, actor, on))
    hold = settle(order, result, CheckPoint.ORDER, True, actor, on)
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
    before, stage = open_order(order, on)
    new_amount, new_day = amount or before.amount, expected_on or before.expected_on
    if new_amount.currency != before.currency:
        raise OrderError("wrong_currency", _("An order keeps its currency: close it and record another."))
    if new_amount.minor <= 0:
        raise OrderError("bad_amount", _("An order has an amount above zero: close it instead."))
    waiting = waiting_hold(before.account_id, before.number)
    if (new_amount, new_day) == (before.amount, before.expected_on):
        return Outcome(before, waiting)
    horizon = horizon_of(before.account, before.product_line, on)
    was = counted(stage, before, before.expected_on, on, horizon)
    after = new_version(before, on, amount=new_amount, expected_on=new_day)
    record_act("order.change", **told(after, before, actor, on))
    will = counted(stage_of(after, on, also_held=True), after, new_day, on, horizon)
    if waiting is None and will <= was and new_amount <= before.amount:
        return Outcome(after)
    adds = Money(will if waiting and waiting.at_entry else will - was, before.currency)
    # The new version is in the exposure by now, unless it waits to be accepted.
    shown = None if waiting and waiting.at_entry else adds
    result = ask(after, CheckPoint.ORDER, on, at, adds=adds, already=shown)
    accepted = waiting is not None and waiting.cause == Cause.STOPPED and not waiting.at_entry and will <= was
    hold = settle(after, result, CheckPoint.ORDER, not accepted, actor, on, changed=True)
    return Outcome(after, hold, result)


@transaction.atomic
def close_order(order: OpenOrder, *, actor: Actor, on: date, reason_code: str = "closed") -> OpenOrder:
    """Nothing more of it will be delivered. Its headroom is free; a hold it waits in ends. Again: no effect."""
    locked, _tree = lock_headroom(order.account_id, on)
    row = named_order(locked, order.number)
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
    """A closed order goes on: checked as if it came in now. One that was rejected, or stopped,
    waits for a person again."""
    locked, _tree = lock_headroom(order.account_id, on)
    before = named_order(locked, order.number)
    if before.closed_on is None:
        raise OrderError("open", _("The order is open already."))
    last = last_word(locked.pk, before.number)
    after = new_version(before, on, closed_on=None)
    record_act("order.reopen", **told(after, before, actor, on))
    horizon = horizon_of(locked, before.product_line, on)
    will = counted(stage_of(after, on, also_held=True), after, after.expected_on, on, horizon)
    adds = Money(will, after.currency)
    result = ask(after, CheckPoint.ORDER, on, at, adds=adds, already=adds)
    if last is not None and last.status != HoldStatus.RELEASED:
        stopped = last.cause == Cause.STOPPED
        details = (last.details if stopped else details_of(result)) | rejection_of(last)
        point = last.point if stopped else CheckPoint.ORDER
        hold = hold_order(after, details, point, True, actor, on, result, cause=last.cause)
        return Outcome(after, hold, result)
    return Outcome(after, settle(after, result, CheckPoint.ORDER, True, actor, on), result)


@transaction.atomic
def check_again(hold: OrderHold, *, actor: Actor, on: date, at: datetime) -> Outcome:
    """Ask the check of a waiting hold again: what passes goes on, what does not waits with today's reasons.

    Where business was stopped or the order was rejected before, only a person lets it go.
    """
    locked, _tree = lock_headroom(hold.account_id, on)
    row = named_order(locked, hold.order_number)
    waiting = waiting_hold(locked.pk, row.number)
    if waiting is None or row.closed_on is not None:
        return Outcome(row)
    stage = stage_of(row, on, also_held=True)
    horizon = horizon_of(locked, row.product_line, on)
    adds = counted(stage, row, row.expected_on, on, horizon) if waiting.at_entry else 0
    held = reserved_for(locked, row.number, at)
    if waiting.point in (CheckPoint.PICK, CheckPoint.DELIVERY):
        left = Money(stage.counted if stage else 0, row.currency)
        result = ask(row, waiting.point, on, at, amount=left)
    else:
        result = ask(
            row,
            waiting.point,
            on,
            at,
            adds=Money(adds, row.currency),
            exclude_reservation=held.pk if held else None,
        )
    left_in = settle(row, result, waiting.point, waiting.at_entry, actor, on)
    if held is not None and left_in is None:
        use_reservation(held, row, actor=actor, on=on, at=at)
    return Outcome(row, left_in, result)
