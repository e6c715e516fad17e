"""Disputes on parts of instalments: opening and closing. A disputed part is not chased; the rest is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.events import ledger_changed
from customers.models import CreditAccount, Dispute, DisputeItem, Instalment


class DisputeError(ValueError):
    """A dispute that cannot be opened or closed; the text names the cure."""


@transaction.atomic
def open_dispute(
    account: CreditAccount,
    parts: Sequence[tuple[Instalment, Decimal]],
    *,
    reason: str,
    opened_on: date,
    actor: Actor,
    known_on: date | None = None,
    answer_by: date | None = None,
    note: str = "",
) -> Dispute:
    """Record a complaint about parts of instalments of one account and currency. Raises DisputeError."""
    currencies = {row.currency for row, _amount in parts}
    if len(currencies) != 1:
        raise DisputeError(_("Choose invoices of one currency that are in dispute."))
    currency = currencies.pop()
    amounts = [(row, Money.of(amount, currency)) for row, amount in parts]
    already = disputed_at([account.pk], opened_on)
    for row, money in amounts:
        if row.account_id != account.pk:
            raise DisputeError(_("An invoice of another account cannot be disputed here."))
        free = Money(row.amount.minor - already.get(row.pk, 0), currency)
        if money.minor <= 0 or money > free:
            raise DisputeError(
                _("%(amount)s is not within the undisputed part (%(free)s): correct the amount.")
                % {"amount": money, "free": free}
            )
    dispute = Dispute.objects.create(
        account=account,
        reason=reason,
        currency=currency,
        amount=sum((money for _row, money in amounts), Money.zero(currency)),
        opened_by=actor.user,
        answer_by=answer_by,
        effective_on=opened_on,
        known_on=known_on or opened_on,
    )
    DisputeItem.objects.bulk_create(
        DisputeItem(dispute=dispute, instalment=row, amount=m) for row, m in amounts
    )
    record_act(
        "dispute.open",
        actor=actor,
        subject=dispute,
        reason_code=reason,
        note=note,
        business_date=opened_on,
        changes=[Change.of(dispute, None, {"amount": dispute.amount.minor, "currency": currency})],
    )
    ledger_changed.send(sender=Dispute, account_ids={account.pk})
    return dispute


@transaction.atomic
def close_dispute(
    dispute: Dispute, *, outcome: str, on: date, actor: Actor, known_on: date | None = None, note: str = ""
) -> Dispute:
    """Close a dispute from `on` on. Raises DisputeError when it is closed already or `on` precedes its opening."""
    locked = Dispute.objects.select_for_update().get(pk=dispute.pk)
    if locked.closed_on is not None:
        raise DisputeError(_("This dispute is closed already."))
    if on < locked.effective_on:
        raise DisputeError(_("A dispute cannot be closed before the day it was opened."))
    locked.closed_on, locked.closed_known_on, locked.outcome = on, known_on or on, outcome
    locked.closed_recorded_at = timezone.now()
    locked.save(update_fields=["closed_on", "closed_known_on", "closed_recorded_at", "outcome"])
    record_act(
        "dispute.close",
        actor=actor,
        subject=locked,
        reason_code=outcome,
        note=note,
        business_date=on,
        changes=[Change.of(locked, {"closed_on": None}, {"closed_on": on, "outcome": outcome})],
    )
    ledger_changed.send(sender=Dispute, account_ids={locked.account_id})
    return locked


def open_at(as_of: date, view: View = CURRENT, prefix: str = "") -> Q:
    """Condition on disputes open at `as_of` (a dispute closed on D is no longer open on D)."""
    p = prefix
    condition = view.q(p) & Q(**{f"{p}effective_on__lte": as_of})
    still = Q(**{f"{p}closed_on__isnull": True}) | Q(**{f"{p}closed_on__gt": as_of})
    if view.known_at is not None:
        still |= Q(**{f"{p}closed_known_on__gt": view.known_at})
    if view.recorded_by is not None:
        still |= Q(**{f"{p}closed_recorded_at__gt": view.recorded_by})
    return condition & still


def disputed_at(account_ids: Collection[int], as_of: date, view: View = CURRENT) -> dict[int, int]:
    """Minor units in open dispute at `as_of`, per instalment."""
    rows = DisputeItem.objects.filter(open_at(as_of, view, "dispute__"), dispute__account__in=account_ids)
    return dict(
        rows.values("instalment_id").annotate(total=Sum("amount")).values_list("instalment_id", "total")
    )
