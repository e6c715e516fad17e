"""What the verbs of orders share: an order's present version under the lock, the question to the check, and its outcome.

A changed or reopened order is a new version of the fact (customers/models/business.py): the number is its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change
from creditdesk.core.money import Money
from customers.checks import CheckRequest, CheckResult, ask_check
from customers.locks import lock_headroom
from customers.models import BilledPart, CreditAccount, Delivery, OpenOrder, OrderHold, Reservation
from customers.order_holds import (
    details_of,
    end_hold,
    fails_the_same,
    place_order_hold,
    refresh_hold,
    rejection_of,
    waiting_hold,
    waits_for_person,
)
from customers.order_release import is_released
from customers.reservations import active
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


def settle(
    order: OpenOrder,
    result: CheckResult,
    point: str,
    at_entry: bool,
    actor: Actor,
    on: date,
    *,
    amount: Money | None = None,
    changed: bool = False,
) -> OrderHold | None:
    """The hold the order waits in after a check, or None when it may go on. changed: its amount or day is another.

    An order held for the same as before stays in the hold it is in: what is asked every quarter of an hour must not
    take the hold out of the hands of whoever looks at it.
    """
    waiting = waiting_hold(order.account_id, order.number)
    same = waiting is not None and not changed
    same = same and (waiting.amount, waiting.at_entry) == (order.amount, at_entry)
    if waiting is not None and waiting.cause == Cause.STOPPED:
        if same:
            return waiting
        return hold_order(
            order, waiting.details, waiting.point, at_entry, actor, on, result, waiting, changed=changed
        )
    if result.passes:
        if waiting is not None and waits_for_person(waiting, order):
            if same:
                return waiting
            return hold_order(
                order, waiting.details, point, at_entry, actor, on, result, waiting, changed=changed
            )
        if waiting is not None:
            end_hold(waiting, HoldStatus.CURED, actor=actor, on=on)
        return None
    if waiting is None and is_released(order.account_id, order.number, amount or order.amount, on, result):
        return None
    details = details_of(result) | rejection_of(waiting)
    if waiting is not None and same and waiting.point == point and fails_the_same(waiting, result):
        refresh_hold(waiting, details)
        return waiting
    return hold_order(order, details, point, at_entry, actor, on, result, waiting, changed=changed)


def hold_order(
    order: OpenOrder,
    details: dict[str, Any],
    point: str,
    at_entry: bool,
    actor: Actor,
    on: date,
    result: CheckResult,
    waiting: OrderHold | None = None,
    cause: str = Cause.CHECK,
    changed: bool = False,
) -> OrderHold:
    return place_order_hold(
        order,
        point=point,
        cause=waiting.cause if waiting else cause,
        details=details,
        at_entry=at_entry,
        actor=actor,
        on=on,
        decide_within_days=result.decide_within_days,
        replacing=waiting,
        changed=changed,
    )


def ask(
    order: OpenOrder,
    point: str,
    on: date,
    at: datetime,
    *,
    amount: Money | None = None,
    adds: Money | None = None,
    already: Money | None = None,
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
            product_line=order.product_line,
            exclude_reservation=exclude_reservation,
            adds=adds,
            already=already,
        )
    )


def current_order(account_id: int, number: str) -> OpenOrder | None:
    return (
        OpenOrder.objects.select_for_update(of=("self",))
        .select_related("orderer")
        .filter(account=account_id, number=number, superseded_at__isnull=True)
        .first()
    )


def named_order(account: CreditAccount, number: str) -> OpenOrder:
    row = current_order(account.pk, number)
    if row is None:
        raise OrderError("unknown", _("There is no order %(number)s.") % {"number": number})
    row.account = account
    return row


def open_order(order: OpenOrder, on: date) -> tuple[OpenOrder, Stage | None]:
    """The present version under the account's lock, and what of it is open and counted."""
    locked, _tree = lock_headroom(order.account_id, on)
    row = named_order(locked, order.number)
    if row.closed_on is not None:
        raise OrderError("closed", _("The order is closed: reopen it first."))
    return row, stage_of(row, on)


def stage_of(order: OpenOrder, on: date, *, also_held: bool = False) -> Stage | None:
    rows = stages_at([order.account_id], on, also_held=also_held)
    return next((row for row in rows if row.kind == ORDER and row.pk == order.pk), None)


def counted(stage: Stage | None, order: OpenOrder, expected_on: date, on: date, horizon: int) -> int:
    """Minor units the open part takes of the headroom on this day."""
    return 0 if stage is None or (expected_on - on).days > horizon else stage.counted


def refuse_held(order: OpenOrder) -> None:
    if waiting_hold(order.account_id, order.number) is not None:
        raise OrderError(
            "on_hold",
            _("Order %(number)s is on hold: somebody has to release it.") % {"number": order.number},
        )


def reserved_for(account: CreditAccount, reference: str, at: datetime) -> Reservation | None:
    return active(at).filter(account=account, company=account.company_id, reference=reference).first()


def new_version(before: OpenOrder, on: date, **changes: Any) -> OpenOrder:
    """A newer version of an order, with its first day: what was ordered when does not change."""
    values = {
        name: getattr(before, name)
        for name in (
            "account",
            "orderer",
            "number",
            "product_line",
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


def told(order: OpenOrder, before: OpenOrder | None, actor: Actor, on: date) -> dict[str, Any]:
    """What the audit trail keeps of an order that was taken or has a new version: arguments of `record_act`."""

    def facts(row: OpenOrder) -> dict[str, Any]:
        return {
            "amount": row.amount.minor,
            "currency": row.currency,
            "product_line": row.product_line,
            "expected_on": row.expected_on,
            "closed_on": row.closed_on,
        }

    return {
        "actor": actor,
        "subject": order,
        "business_date": on,
        "data": {"account": order.account_id, "order": order.number},
        "changes": [Change.of(order, None if before is None else facts(before), facts(order))],
    }
