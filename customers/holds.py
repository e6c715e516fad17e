"""Stopping new business with an account: holds placed and released, and whether an account is stopped.

An account is stopped while a hold is open, while its limit is zero, or while its customer is on hold, insolvent or
closed. Accepted orders go to the hold queue; nothing is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from customers.access import visible_accounts
from customers.limits import limits_at
from customers.models import CreditAccount, CreditHold, Customer, LimitChange
from customers.status import status_at

STOPPING = (Customer.Status.ON_HOLD, Customer.Status.INSOLVENT, Customer.Status.CLOSED)


class HoldError(ValueError):
    """A hold that cannot be placed or released; the text says why."""


@dataclass(slots=True)
class Stop:
    """Why new business with an account is stopped; falsy when it is not."""

    holds: list[CreditHold] = field(default_factory=list)
    limit_is_zero: bool = False
    status: str = ""

    def __bool__(self) -> bool:
        return bool(self.holds or self.limit_is_zero or self.status)


def open_holds(as_of: date) -> QuerySet[CreditHold]:
    return CreditHold.objects.filter(
        Q(released_on__isnull=True) | Q(released_on__gt=as_of), placed_on__lte=as_of
    )


def stops_at(
    accounts: QuerySet[CreditAccount] | Iterable[CreditAccount | int], as_of: date
) -> dict[int, Stop]:
    """Why each account is stopped on a day (falsy Stop: it is not), in a constant number of queries."""
    limits = limits_at(accounts, as_of)
    stops = {
        pk: Stop(limit_is_zero=limit.in_force is not None and limit.in_force.minor == 0)
        for pk, limit in limits.items()
    }
    scope = accounts.order_by().values("pk") if isinstance(accounts, QuerySet) else list(limits)
    for hold in open_holds(as_of).filter(account__in=scope).order_by("placed_on", "pk"):
        stops[hold.account_id].holds.append(hold)
    customers = dict(CreditAccount.objects.filter(pk__in=scope).values_list("pk", "customer_id"))
    statuses = status_at(Customer.objects.filter(accounts__in=scope), as_of)
    for pk, customer_id in customers.items():
        if statuses[customer_id] in STOPPING:
            stops[pk].status = statuses[customer_id]
    return stops


def is_stopped(account: CreditAccount, as_of: date) -> bool:
    """Is new business with the account stopped on this day?"""
    return bool(stops_at([account.pk], as_of)[account.pk])


@transaction.atomic
def place_hold(
    account: CreditAccount,
    *,
    reason_code: str,
    actor: Actor,
    on: date,
    change: LimitChange | None = None,
    note: str = "",
) -> CreditHold:
    """Stop new business until a named person releases it. One open hold per reason: a second call returns it.

    change: what a person has to decide before the hold has done its work; a hold that is open already waits for it
    from now on.
    """
    CreditAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
    existing = CreditHold.objects.filter(
        account=account, reason_code=reason_code, released_on__isnull=True
    ).first()
    if existing is not None:
        if change is not None and existing.change_id != change.pk:
            existing.change = change
            existing.save(update_fields=["change"])
        return existing
    hold = CreditHold.objects.create(
        account=account,
        reason_code=reason_code,
        change=change,
        placed_on=on,
        placed_by=actor.user,
        placed_by_name=actor.name[:80],
        note=note.strip(),
    )
    facts = {"account": account.pk, "placed_on": on, "released_on": None}
    record_act(
        "hold.place",
        actor=actor,
        subject=hold,
        reason_code=reason_code,
        note=note.strip(),
        business_date=on,
        changes=[Change.of(hold, None, facts)],
    )
    return hold


def place_hold_by_hand(
    account: CreditAccount, *, by: User, reason_code: str, note: str, on: date
) -> CreditHold:
    """A person stops new business. Needs the right, the account in their scope, and a note that says why."""
    if not by.has_perm("customers.add_credithold"):
        raise HoldError(_("Your role does not place holds: ask a credit controller."))
    if not visible_accounts(by).filter(pk=account.pk).exists():
        raise HoldError(_("This customer is not in your portfolio."))
    if reason_code not in CreditHold.PERSON_REASONS:
        raise HoldError(_("Choose one of the reasons."))
    if not note.strip():
        raise HoldError(_("Write down why: the note stays with the hold."))
    if open_holds(on).filter(account=account, reason_code=reason_code).exists():
        raise HoldError(_("The customer is on hold for this reason already."))
    return place_hold(account, reason_code=reason_code, actor=Actor.person(by), on=on, note=note)


@transaction.atomic
def release_hold(hold: CreditHold, *, by: User, reason: str, on: date) -> CreditHold:
    """Let business go on. Needs a person with the right, in whose scope the account is, and a reason."""
    locked = CreditHold.objects.select_for_update().get(pk=hold.pk)
    if locked.released_on is not None:
        raise HoldError(_("This hold was released already."))
    if not by.has_perm("customers.change_credithold"):
        raise HoldError(_("Your role does not release holds: ask an approver."))
    if not visible_accounts(by).filter(pk=locked.account_id).exists():
        raise HoldError(_("This customer is not in your portfolio."))
    if not reason.strip():
        raise HoldError(_("Write down why: the reason stays with the release."))
    _release(locked, by=by, reason=reason, on=on)
    return locked


def release_holds_of(change: LimitChange, *, by: User, on: date, reason: str) -> None:
    """A person decided the change a hold was waiting for: the hold has done its work."""
    for hold in CreditHold.objects.select_for_update().filter(change=change, released_on__isnull=True):
        _release(hold, by=by, reason=reason, on=on)


def pass_holds_on(old: LimitChange, new: LimitChange) -> None:
    """A change that replaces another takes over the holds that wait for a decision."""
    CreditHold.objects.filter(change=old, released_on__isnull=True).update(change=new)


def _release(hold: CreditHold, *, by: User, reason: str, on: date) -> None:
    before = {"released_on": None}
    hold.released_on, hold.released_by, hold.release_reason = on, by, reason.strip()
    hold.save(update_fields=["released_on", "released_by", "release_reason"])
    record_act(
        "hold.release",
        actor=Actor.person(by),
        subject=hold,
        reason_code=hold.reason_code,
        note=reason.strip(),
        business_date=on,
        changes=[Change.of(hold, before, {"released_on": on})],
    )
