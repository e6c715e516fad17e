"""Cover of accounts on a day: what is secured, by what, and why not more; and the changes of a cover that has begun."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, View
from customers.cover_terms import CoverPart, CoverStanding, Exclusion
from customers.events import ledger_changed
from customers.exposure import exposures
from customers.models import Cover, CoverNotice, CreditAccount

__all__ = [
    "CoverPart",
    "CoverRefused",
    "CoverStanding",
    "Exclusion",
    "change_cover",
    "covers_at",
    "record_notice",
    "withdraw_cover",
]


class CoverRefused(ValueError):
    """A change of a cover that its dates forbid; the text names the cure."""


def covers_at(
    accounts: QuerySet[CreditAccount] | Iterable[CreditAccount], as_of: date, view: View = CURRENT
) -> dict[int, CoverStanding]:
    """The covers of each account at `as_of`, each with its worth and why it is not worth more.

    An account without cover is there with nothing secured. A constant number of queries. Raises MissingRate.
    """
    return {
        pk: found.standing or CoverStanding(pk, found.currency, as_of, found.total)
        for pk, found in exposures(accounts, as_of, view=view).items()
    }


@transaction.atomic
def change_cover(cover: Cover, *, actor: Actor, on: date, act: str = "cover.change", **values: Any) -> Cover:
    """A new version of a cover with other terms, known from `on` on; the earlier one stays as it was known.

    Raises CoverRefused when there is a newer version already.
    """
    old = Cover.objects.select_for_update().get(pk=cover.pk)
    if old.superseded_at is not None:
        raise CoverRefused(_("This cover has a newer version: change that one."))
    new = copy.copy(old)
    new._state = copy.copy(old._state)
    new.pk, new._state.adding = None, True
    before = {name: _plain(getattr(old, name)) for name in values}
    for name, value in values.items():
        setattr(new, name, value)
    # One instant closes the old version and opens the new one: a reprint sees exactly one of them.
    new.recorded_at = timezone.now()
    new.known_on, new.known_until, new.superseded_at = max(old.known_on, on), None, None
    new.batch_id = values["batch"].pk if values.get("batch") else None
    new.full_clean(exclude=["known_until", "superseded_at"])
    Cover.objects.filter(pk=old.pk).update(superseded_at=new.recorded_at, known_until=max(old.known_on, on))
    new.save()
    after = {name: _plain(getattr(new, name)) for name in values}
    record_act(act, actor=actor, subject=new, business_date=on, changes=[Change.of(new, before, after)])
    ledger_changed.send(sender=Cover, account_ids={new.account_id})
    return new


def withdraw_cover(cover: Cover, *, on: date, actor: Actor, today: date) -> Cover:
    """The provider covers nothing shipped after `on`; what was shipped until then stays covered.

    Raises CoverRefused when `on` is not within the life of the cover.
    """
    if on < cover.effective_on or (cover.expires_on is not None and on > cover.expires_on):
        raise CoverRefused(_("A cover is withdrawn while it is in force: choose a day between its dates."))
    return change_cover(cover, actor=actor, on=today, act="cover.withdraw", withdrawn_on=on)


@transaction.atomic
def record_notice(
    account: CreditAccount,
    *,
    due_through: date,
    notified_on: date,
    actor: Actor,
    policy: str = "",
    reference: str = "",
    known_on: date | None = None,
) -> CoverNotice:
    """The insurer was told of the unpaid invoices due until `due_through`."""
    if due_through > notified_on:
        raise CoverRefused(_("Only what was due by the day of the notice can be notified."))
    notice = CoverNotice.objects.create(
        account=account,
        policy=policy,
        due_through=due_through,
        reference=reference,
        effective_on=notified_on,
        known_on=known_on or notified_on,
        recorded_by=actor.user,
    )
    record_act(
        "covernotice.add",
        actor=actor,
        subject=notice,
        business_date=notified_on,
        changes=[Change.of(notice, None, {"policy": policy, "due_through": due_through.isoformat()})],
    )
    ledger_changed.send(sender=CoverNotice, account_ids={account.pk})
    return notice


def _plain(value: Any) -> Any:
    return getattr(value, "pk", None) or (str(value) if value is not None else None)
