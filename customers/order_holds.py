"""Orders that wait for a person: placing a hold, and releasing, rejecting, giving grace.

An order is on hold while it has a waiting hold; nothing of it is delivered then. A release is bounded: until a day and
up to an amount of the whole order, and as long as the customer, each head of its group and each total over our companies
whose limit it passed owe no more than what it was released for; beyond any of them, the next check holds it again. Only an order's newest hold speaks: when business is stopped, earlier
releases are void.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import visible_accounts
from customers.calendars import add_business_days
from customers.checks import CheckResult, failure_json
from customers.exposure import exposures
from customers.limit_reasons import money_param
from customers.locks import lock_headroom
from customers.models import CreditAccount, OpenOrder, OrderHold
from customers.notices import tell_order_held
from customers.order_release import OrderHoldError, caps_of, check_authority, held_for_others, kept, taken
from customers.rates import RateTable
from customers.reservations import active, use_reservation
from customers.stages import ORDER, stages_at

Status, Cause = OrderHold.Status, OrderHold.Cause
DECIDE = "customers.decide_orderhold"
# Where the hold names no policy of its own: business was stopped.
RELEASE_DAYS = 30
LONGEST_GRACE = timedelta(days=30)
STOP_DECIDE_DAYS = 2
REJECTION = ("rejected_on", "rejected_amount")


def waiting_hold(account_id: int, order_number: str) -> OrderHold | None:
    return (
        OrderHold.objects.select_for_update(of=("self",))
        .filter(account=account_id, order_number=order_number, status=Status.WAITING)
        .first()
    )


def last_word(account_id: int, order_number: str) -> OrderHold | None:
    """The newest hold of a closed order that a person has to answer for, or has: rejected, released, or stopped."""
    return (
        OrderHold.objects.filter(account=account_id, order_number=order_number)
        .filter(
            Q(status__in=[Status.REJECTED, Status.RELEASED]) | Q(status=Status.CLOSED, cause=Cause.STOPPED)
        )
        .order_by("-pk")
        .first()
    )


def rejection_of(hold: OrderHold | None) -> dict[str, Any]:
    """What a hold says of an earlier rejection, its own included: when, and of what amount. Empty: none."""
    if hold is None:
        return {}
    if hold.status == Status.REJECTED:
        return {"rejected_on": hold.resolved_on, "rejected_amount": money_param(hold.amount)}
    return {name: hold.details[name] for name in REJECTION if name in hold.details}


def waits_for_person(hold: OrderHold, order: OpenOrder) -> bool:
    """A person refused this order, and it has not become smaller since: passing the check is not enough."""
    rejection = rejection_of(hold)
    refused = kept(rejection.get("rejected_amount"))
    return bool(rejection) and (refused is None or order.amount >= refused)


def release_days(hold: OrderHold) -> int:
    """How long a release of this hold may last, as the policy said when it was placed."""
    return int(hold.details.get("release_days", RELEASE_DAYS))


def place_order_hold(
    order: OpenOrder,
    *,
    point: str,
    cause: str,
    details: Mapping[str, Any],
    at_entry: bool,
    actor: Actor,
    on: date,
    decide_within_days: int,
    replacing: OrderHold | None = None,
    changed: bool = False,
) -> OrderHold:
    """Put an order into the queue. A waiting hold it replaces passes on its age and grace; the account is locked.

    changed: the order is another one than the replaced hold was about. Who only asked again has not handled it.
    """
    country = order.account.company.country
    decide_by = add_business_days(on, decide_within_days, country)
    placed_by, placed_by_name = actor.user, actor.name[:80]
    if replacing is not None:
        decide_by = replacing.decide_by
        if placed_by is None or (not changed and replacing.placed_by is not None):
            placed_by, placed_by_name = replacing.placed_by, replacing.placed_by_name
        _resolve(replacing, Status.REPLACED, on=on, actor=actor)
    hold = OrderHold.objects.create(
        account_id=order.account_id,
        order_number=order.number,
        point=point,
        cause=cause,
        details=dict(details),
        at_entry=at_entry,
        currency=order.currency,
        amount=order.amount,
        placed_on=replacing.placed_on if replacing else on,
        placed_by=placed_by,
        placed_by_name=placed_by_name,
        decide_by=decide_by,
        grace_reason=replacing.grace_reason if replacing else "",
    )
    record_act(
        "order_hold.place",
        actor=actor,
        subject=hold,
        reason_code=cause,
        business_date=on,
        data={"account": order.account_id, "order": order.number, "point": point},
        changes=[Change.of(hold, None, {"amount": hold.amount.minor, "at_entry": at_entry})],
    )
    # An order that stays on hold for the same cause is no news.
    if replacing is None or replacing.cause != cause:
        tell_order_held(hold, on)
    return hold


def details_of(result: CheckResult) -> dict[str, Any]:
    """What a hold keeps of the check that failed."""
    return {
        "failures": [failure_json(failure) for failure in result.stopping],
        "fits": result.as_json()["fits"],
        "policy": result.policy_id,
        "release_days": result.release_days,
    }


def refresh_hold(hold: OrderHold, details: Mapping[str, Any]) -> None:
    """The same rules fail still: the hold stays as it is, with today's figures."""
    if hold.details != details:
        hold.details = dict(details)
        hold.save(update_fields=["details"])


def fails_the_same(hold: OrderHold, result: CheckResult) -> bool:
    """Is the order still held for the rules, at the levels, that this check names?"""
    before = {(failure["rule"], failure["level"]) for failure in hold.details.get("failures", [])}
    return before == {(failure.rule, failure.level) for failure in result.stopping}


def end_hold(hold: OrderHold, to: str, *, actor: Actor, on: date) -> None:
    """A hold that nobody has to decide any more: the order passes again (CURED) or is over (CLOSED)."""
    _resolve(hold, to, on=on, actor=actor)


@transaction.atomic
def release_order(
    hold: OrderHold,
    *,
    by: User,
    reason: str,
    on: date,
    until: date,
    up_to: Money,
    grade_now: str = "",
    at: datetime | None = None,
) -> OrderHold:
    """Let an order go until a day and up to an amount. Needs the right, authority over what will be owed, and a reason.

    Who handled the order cannot release it. The authority is the one for rises: the release lets the customer owe
    more than the rules do. It covers as well what the group, or our companies together, are owed where their limit is
    passed; that amount caps the release. What is still reserved under the order's number becomes the order. Raises
    OrderHoldError.
    """
    account, waiting = _lock(hold, on)
    _check_person(by, account, reason)
    if waiting.placed_by_id == by.pk:
        raise OrderHoldError(
            "own_order", _("You handled this order yourself: somebody else has to release it.")
        )
    longest = release_days(waiting)
    if not on <= until <= on + timedelta(days=longest):
        raise OrderHoldError(
            "dates",
            _("A release lasts until today at least and for %(days)s days at most.") % {"days": longest},
        )
    if up_to.currency != waiting.currency or up_to < waiting.amount:
        raise OrderHoldError(
            "cap",
            _("Release at least the order's %(amount)s, or have it changed first.")
            % {"amount": waiting.amount},
        )
    moment = at or timezone.now()
    held = active(moment).filter(account=account, reference=waiting.order_number).first()
    order = OpenOrder.objects.filter(
        account=account, number=waiting.order_number, superseded_at__isnull=True
    ).first()
    rates = RateTable.at(on)
    adds = up_to if waiting.at_entry else up_to - taken(account, waiting, on)
    need = exposures([account], on)[account.pk].total + rates.convert(adds, account.currency)
    caps = caps_of(account, waiting, order, adds, held, on, moment)
    check_authority(by, account, need, caps, rates, grade_now)
    others = held_for_others(account, moment, on, held)
    waiting.details = {
        **waiting.details,
        "need": money_param(need),
        "reserved": money_param(others),
        "caps": {
            room.key: {"need": money_param(room.would), "reserved": money_param(room.reserved)}
            for room in caps
        },
    }
    waiting.released_until, waiting.released_up_to = until, up_to
    _resolve(waiting, Status.RELEASED, on=on, actor=Actor.person(by), reason=reason)
    if held is not None and order is not None:
        use_reservation(held, order, actor=Actor.person(by), on=on, at=moment)
    return waiting


@transaction.atomic
def reject_order(hold: OrderHold, *, by: User, reason: str, on: date) -> OrderHold:
    """Refuse an order: it is closed, and takes no headroom from then on. Needs the right and a reason."""
    account, waiting = _lock(hold, on)
    _check_person(by, account, reason)
    order = OpenOrder.objects.filter(
        account=account, number=waiting.order_number, superseded_at__isnull=True, closed_on__isnull=True
    ).first()
    _resolve(waiting, Status.REJECTED, on=on, actor=Actor.person(by), reason=reason)
    if order is not None:
        order.closed_on = max(on, order.effective_on)
        order.save(update_fields=["closed_on"])
        record_act(
            "order.close",
            actor=Actor.person(by),
            subject=order,
            reason_code="rejected",
            business_date=on,
            changes=[Change.of(order, {"closed_on": None}, {"closed_on": order.closed_on})],
        )
    return waiting


@transaction.atomic
def give_grace(hold: OrderHold, *, by: User, reason: str, on: date, until: date) -> OrderHold:
    """Give the customer until a day to cure the cause. The order stays on hold; it need not be decided before."""
    account, waiting = _lock(hold, on)
    _check_person(by, account, reason)
    if not on < until <= on + LONGEST_GRACE:
        raise OrderHoldError("dates", _("Grace lasts from tomorrow to 30 days from now."))
    before = {"decide_by": waiting.decide_by}
    waiting.decide_by, waiting.grace_reason = until, reason.strip()
    waiting.save(update_fields=["decide_by", "grace_reason"])
    record_act(
        "order_hold.grace",
        actor=Actor.person(by),
        subject=waiting,
        note=reason.strip(),
        business_date=on,
        changes=[Change.of(waiting, before, {"decide_by": until})],
    )
    return waiting


def stop_orders(account_ids: Collection[int], *, details: Mapping[str, Any], actor: Actor, on: date) -> int:
    """Every open order of these accounts goes to the hold queue; returns how many. In the caller's transaction.

    Earlier releases end with it. An order that waits already waits for this reason from now on. Orders taken after
    `on`, the day the cause was known, are held too: they are there when it is recorded.
    """
    orders = list(
        OpenOrder.objects.filter(account__in=account_ids, superseded_at__isnull=True, closed_on__isnull=True)
        .select_related("account__company")
        .order_by("pk")
    )
    day = max([on, *(order.effective_on for order in orders)])
    numbers = {
        (stage.account_id, stage.number) for stage in stages_at(list(account_ids), day) if stage.kind == ORDER
    }
    waiting = {
        (hold.account_id, hold.order_number): hold
        for hold in OrderHold.objects.select_for_update(of=("self",))
        .filter(account__in=account_ids, status=Status.WAITING)
        .order_by("pk")
    }
    stopped = 0
    for order in orders:
        key = (order.account_id, order.number)
        before = waiting.get(key)
        if key not in numbers and before is None:
            continue
        if before is not None and before.cause == Cause.STOPPED:
            continue
        place_order_hold(
            order,
            point=before.point if before else "delivery",
            cause=Cause.STOPPED,
            details=details,
            at_entry=before.at_entry if before else False,
            actor=actor,
            on=on,
            decide_within_days=STOP_DECIDE_DAYS,
            replacing=before,
        )
        stopped += 1
    return stopped


def on_business_stopped(sender: Any, account_ids: Collection[int], cause: Any, **_kwargs: Any) -> None:
    """Receiver of customers.events.business_stopped, in the transaction of what stopped the business."""
    basis = getattr(cause, "basis", None)
    details = {
        "code": cause.code,
        "params": dict(cause.params),
        "provision": getattr(basis, "provision", ""),
        "provision_text": getattr(basis, "rule", ""),
    }
    stop_orders(account_ids, details=details, actor=cause.actor, on=cause.on)


def _lock(hold: OrderHold, on: date) -> tuple[CreditAccount, OrderHold]:
    account, _tree = lock_headroom(hold.account_id, on)
    waiting = OrderHold.objects.select_for_update(of=("self",)).get(pk=hold.pk)
    waiting.account = account
    if waiting.status != Status.WAITING:
        raise OrderHoldError(
            "decided",
            _("Somebody was faster: this order is %(status)s.") % {"status": waiting.get_status_display()},
        )
    return account, waiting


def _check_person(by: User, account: CreditAccount, reason: str) -> None:
    if not by.has_perm(DECIDE):
        raise OrderHoldError(
            "not_allowed", _("Your role does not decide on orders: ask a credit controller.")
        )
    if not visible_accounts(by).filter(pk=account.pk).exists():
        raise OrderHoldError("out_of_scope", _("This customer is not in your portfolio."))
    if not reason.strip():
        raise OrderHoldError("no_reason", _("Write down why: the reason stays with the decision."))


def _resolve(hold: OrderHold, to: str, *, on: date, actor: Actor, reason: str = "") -> None:
    hold.status, hold.resolved_on, hold.resolved_at = to, on, timezone.now()
    hold.resolved_by, hold.resolved_reason = actor.user, reason.strip()
    hold.save(
        update_fields=[
            *("status", "resolved_on", "resolved_at", "resolved_by", "resolved_reason"),
            *("released_until", "released_up_to", "details"),
        ]
    )
    after: dict[str, Any] = {"status": to}
    if to == Status.RELEASED:
        after |= {"until": hold.released_until, "up_to": hold.released_up_to.minor}
    record_act(
        _ACTS[to],
        actor=actor,
        subject=hold,
        reason_code=hold.cause,
        note=reason.strip(),
        business_date=on,
        data={"account": hold.account_id, "order": hold.order_number},
        changes=[Change.of(hold, {"status": Status.WAITING}, after)],
    )


_ACTS: dict[str, str] = {
    Status.RELEASED: "order_hold.release",
    Status.REJECTED: "order_hold.reject",
    Status.CURED: "order_hold.cure",
    Status.CLOSED: "order_hold.close",
    Status.REPLACED: "order_hold.replace",
}
