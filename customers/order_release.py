"""How far a release of an order on hold reaches: in time, amount, and what may be owed at each level whose limit it passes.

A release names what who pays will owe. Where a head of its group, or a total over our companies, is past its limit, it
names that as well: the release is capped by it, and the person's authority covers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import sight_of
from customers.approval_rules import WORST
from customers.checks import HEADROOM, PAYER, CheckRequest, CheckResult, Room, ask_check
from customers.instruments import horizon_of
from customers.models import ApprovalAuthority, CheckPoint, CreditAccount, OpenOrder, OrderHold, Reservation
from customers.rates import MissingRate, RateTable
from customers.reservations import reserved
from customers.stages import ORDER, stages_at

Status = OrderHold.Status


class OrderHoldError(ValueError):
    """A hold that cannot be decided; the text says why.

    code: not_allowed, out_of_scope, own_order, no_authority, no_reason, decided, dates, cap.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def newest_hold(account_id: int, order_number: str) -> OrderHold | None:
    """The newest hold of an order that says something for the future: one that passed again leaves what was before."""
    return (
        OrderHold.objects.filter(account=account_id, order_number=order_number)
        .exclude(status__in=[Status.REPLACED, Status.CURED])
        .order_by("-pk")
        .first()
    )


def is_released(account_id: int, order_number: str, amount: Money, on: date, result: CheckResult) -> bool:
    """Does the newest decision about the order let it go, on this day, with this amount and what is owed by now?"""
    hold = newest_hold(account_id, order_number)
    return (
        hold is not None
        and hold.status == Status.RELEASED
        and hold.released_until >= on
        and hold.currency == amount.currency
        and amount <= hold.released_up_to
        and _within(hold.details, result)
    )


def _within(details: Mapping[str, Any], result: CheckResult) -> bool:
    """What will be owed, and held for others, is what the release was given for, or less: at every level it passes."""
    failing = {failure.key for failure in result.stopping if failure.rule == HEADROOM}
    if not failing:
        return True
    need, reserved = (kept(details.get(name)) for name in ("need", "reserved"))
    if need is None or reserved is None or need.currency != result.exposure.currency:
        return False
    owed = result.exposure + result.new
    own = owed <= need and owed + result.reserved <= need + reserved
    return own and all(_within_cap(details, room) for room in result.rooms if room.key in failing)


def _within_cap(details: Mapping[str, Any], room: Room) -> bool:
    """A group head's, or a total's, own cap of the release. Of who pays `need` and `reserved` say it."""
    if room.level == PAYER:
        return True
    cap = details.get("caps", {}).get(room.key, {})
    need, reserved = kept(cap.get("need")), kept(cap.get("reserved"))
    if need is None or reserved is None or need.currency != room.owed.currency:
        return False
    return room.would <= need and room.would + room.reserved <= need + reserved


def kept(stored: Mapping[str, Any] | None) -> Money | None:
    return Money(int(stored["minor"]), stored["currency"]) if stored else None


def caps_of(
    account: CreditAccount,
    hold: OrderHold,
    order: OpenOrder | None,
    adds: Money,
    held: Reservation | None,
    on: date,
    at: datetime,
) -> list[Room]:
    """Each group head, and each total, whose limit the release passes, with all that will be owed and is held for others.

    By the figures of the order, which count what is ordered: one accepted already adds nothing, and no rule of the order
    fails, yet it is past the limit when it leaves. What no limit stops has no cap.
    """

    def rooms(point: str) -> tuple[Room, ...]:
        request = CheckRequest(
            *(account, max(hold.amount, adds), point, on, at),
            orderer=order.orderer if order else None,
            exclude_reservation=held.pk if held else None,
            adds=adds,
        )
        return ask_check(request).rooms

    ordered = rooms(CheckPoint.ORDER)
    # Which limits bind may differ between the points.
    asked = ordered if hold.point == CheckPoint.ORDER else (*ordered, *rooms(hold.point))
    binding = {room.key for room in asked if room.binds and room.level != PAYER}
    return [room for room in ordered if room.key in binding and (room.free is None or room.new > room.free)]


def check_authority(
    by: User, account: CreditAccount, need: Money, caps: Sequence[Room], rates: RateTable, grade_now: str
) -> None:
    """One authority for rises of the person covers each amount that will be owed: by who pays, and at each level.

    Raises OrderHoldError, which tells no amount that counts accounts the person does not see.
    """
    needs = [need, *(room.would for room in caps)]
    rows = ApprovalAuthority.objects.filter(
        group__in=by.groups.values("pk"),
        company=account.company_id,
        direction=ApprovalAuthority.Direction.RISE,
    )
    for row in rows:
        if (grade_now or WORST) > row.worst_grade or getattr(row, "approvers_needed", 1) > 1:
            continue
        try:
            if row.max_amount is None or all(
                rates.convert(amount, row.currency) <= row.max_amount for amount in needs
            ):
                return
        except MissingRate:
            continue
    most = max(needs, key=lambda amount: rates.convert(amount, account.currency))
    sees = sight_of(by)
    told = most == need or any(room.would == most and sees(room.places) for room in caps)
    raise OrderHoldError(
        "no_authority",
        _(
            "With this order the customer would owe %(amount)s; your authority does not go that far: ask somebody whose does."
        )
        % {"amount": most if told else "—"},
    )


def taken(account: CreditAccount, hold: OrderHold, on: date) -> Money:
    """What of an accepted order is counted already; beyond the horizon only what has left."""
    stage = next(
        (
            row
            for row in stages_at([account.pk], on, also_held=True)
            if row.kind == ORDER and row.number == hold.order_number
        ),
        None,
    )
    if stage is None:
        return hold.amount
    days = horizon_of(account, stage.product_line, on)
    far = stage.expected_on is not None and (stage.expected_on - on).days > days
    return min(
        Money(stage.delivered + stage.billed + (0 if far else stage.counted), stage.currency), hold.amount
    )


def held_for_others(account: CreditAccount, at: datetime, on: date, own: Reservation | None) -> Money:
    """Reservations beside the order's own, in the account's currency."""
    rates = RateTable.at(on)
    found = reserved([account.pk], at, without=own.pk if own else None, on=on)
    return sum(
        (rates.convert(Money(minor, currency), account.currency) for (_pk, currency), minor in found.items()),
        Money.zero(account.currency),
    )
