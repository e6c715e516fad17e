"""What a customer is from a day on: status, group parent, terms, collector.

Each is an effective-dated fact; the row itself carries the current value for lists and filters. The verbs
keep both in one transaction: the current value is the newest fact's, so a backdated fact does not disturb it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, Fact, View
from creditdesk.core.models import User
from customers.events import ledger_changed
from customers.groups import group_of
from customers.models import (
    CollectorAssignment,
    CreditAccount,
    Customer,
    GroupMembership,
    PaymentTerms,
    StatusChange,
)


class AttributeRefused(ValueError):
    """A value that would contradict another (a group that contains itself); the text names the cure."""


def _record(
    fact: Fact,
    owner: models.Model,
    columns: dict[str, tuple[str, Any]],
    act: str,
    actor: Actor,
    reason_code: str = "",
    *,
    key: str = "customer",
) -> None:
    """Save `fact` and give `owner` the values of its newest fact. columns: owner column -> (fact column, new)."""
    fact.save()
    facts = type(fact)._default_manager.filter(**{key: owner, "superseded_at__isnull": True})
    latest = facts.order_by("-effective_on", "-pk")[0]
    before = {column: getattr(owner, column) for column in columns}
    for column, (fact_column, _new) in columns.items():
        setattr(owner, column, getattr(latest, fact_column))
    owner.save(update_fields=list(columns))
    record_act(
        act,
        actor=actor,
        subject=owner,
        reason_code=reason_code,
        business_date=fact.effective_on,
        changes=[Change.of(owner, before, {column: new for column, (_fact_column, new) in columns.items()})],
    )


@transaction.atomic
def set_status(
    customer: Customer,
    status: str,
    *,
    on: date,
    actor: Actor,
    reason_code: str = "",
    known_on: date | None = None,
) -> StatusChange:
    """The customer's status from `on` on."""
    locked = Customer.objects.select_for_update().get(pk=customer.pk)
    fact = StatusChange(
        customer=locked, status=status, reason_code=reason_code, effective_on=on, known_on=known_on or on
    )
    _record(fact, locked, {"status": ("status", status)}, "customer.status", actor, reason_code)
    customer.status = locked.status
    # Insolvency is a signal: whoever judges the customer's accounts has to look again.
    accounts = locked.accounts.values_list("pk", flat=True)
    ledger_changed.send(sender=StatusChange, account_ids=list(accounts))
    return fact


@transaction.atomic
def set_parent(
    customer: Customer, parent: Customer | None, *, on: date, actor: Actor, known_on: date | None = None
) -> GroupMembership:
    """The customer's group parent from `on` on. Raises AttributeRefused when that would close a circle."""
    locked = Customer.objects.select_for_update().get(pk=customer.pk)
    if parent is not None:
        _refuse_circle(locked, parent, on)
    fact = GroupMembership(customer=locked, parent=parent, effective_on=on, known_on=known_on or on)
    columns = {"parent_id": ("parent_id", parent.pk if parent else None)}
    _record(fact, locked, columns, "customer.parent", actor)
    customer.parent_id = locked.parent_id
    return fact


def _refuse_circle(customer: Customer, parent: Customer, on: date) -> None:
    """Refused on any day from `on` until the customer's own next membership, also when a later one is known."""
    facts = GroupMembership.objects.filter(superseded_at__isnull=True)
    own = facts.filter(customer=customer, effective_on__gt=on).order_by("effective_on").first()
    later = facts.filter(effective_on__gt=on).order_by("effective_on")
    if own is not None:
        later = later.filter(effective_on__lt=own.effective_on)
    for day in [on, *later.values_list("effective_on", flat=True).distinct()]:
        if customer.pk in (parent.pk, *group_of(parent.pk, day).above(parent.pk)):
            raise AttributeRefused(
                _("%(parent)s belongs to the group of %(customer)s already: choose another parent.")
                % {"parent": parent, "customer": customer}
            )


@transaction.atomic
def set_terms(
    customer: Customer,
    days: int,
    *,
    on: date,
    actor: Actor,
    end_of_month: bool = False,
    known_on: date | None = None,
) -> PaymentTerms:
    """The agreed days to pay from `on` on."""
    locked = Customer.objects.select_for_update().get(pk=customer.pk)
    fact = PaymentTerms(
        customer=locked, days=days, end_of_month=end_of_month, effective_on=on, known_on=known_on or on
    )
    _record(fact, locked, {"terms_days": ("days", days)}, "customer.terms", actor)
    customer.terms_days = locked.terms_days
    return fact


@transaction.atomic
def assign_collector(
    account: CreditAccount, collector: User | None, *, on: date, actor: Actor, known_on: date | None = None
) -> CollectorAssignment:
    """Who collects from the account from `on` on."""
    locked = CreditAccount.objects.select_for_update().get(pk=account.pk)
    fact = CollectorAssignment(account=locked, collector=collector, effective_on=on, known_on=known_on or on)
    columns = {"collector_id": ("collector_id", collector.pk if collector else None)}
    _record(fact, locked, columns, "account.collector", actor, key="account")
    account.collector_id = locked.collector_id
    return fact


def status_at(customer: Customer, as_of: date, view: View = CURRENT) -> str:
    """The customer's status on a day; its current one when no change was ever recorded."""
    fact = (
        StatusChange.objects.at(as_of, view)
        .filter(customer=customer)
        .order_by("-effective_on", "-pk")
        .first()
    )
    return fact.status if fact else customer.status
