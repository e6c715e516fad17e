"""A customer's effective-dated standing: status, group, terms, collector.

Each is a fact with a date; the row of the customer (or account) carries the current value, moved in the same
transaction. A fact dated in the future, or before the latest one, does not change what holds today.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import transaction

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from customers.models import (
    CollectorAssignment,
    CreditAccount,
    Customer,
    GroupMembership,
    PaymentTerms,
    StatusChange,
)


class StandingError(ValueError):
    """A standing that cannot hold; the text names the cure."""


def _record(
    act: str, subject: Any, column: str, new: Any, fact: Any, on: date, actor: Actor, reason_code: str, today: date
) -> None:
    before = getattr(subject, column)
    fact.save(force_insert=True)
    newest = (
        type(fact)
        .objects.seen()
        .filter(effective_on__lte=today, **{_owner(fact): subject})
        .order_by("-effective_on", "-pk")
        .first()
    )
    changes = [Change.of(fact, None, {column: new, "effective_on": on})]
    if newest is not None and newest.pk == fact.pk and before != new:
        type(subject).objects.filter(pk=subject.pk).update(**{column: new})
        setattr(subject, column, new)
        changes.append(Change.of(subject, {column: before}, {column: new}))
    record_act(
        act, actor=actor, subject=subject, reason_code=reason_code, business_date=today, changes=changes
    )


def _owner(fact: Any) -> str:
    return "account" if hasattr(fact, "account_id") else "customer"


@transaction.atomic
def set_status(
    customer: Customer, status: str, *, on: date, today: date, actor: Actor, reason_code: str = ""
) -> StatusChange:
    """The customer's status from `on`; `today` is the business date on which it becomes known."""
    customer = Customer.objects.select_for_update().get(pk=customer.pk)
    fact = StatusChange(
        customer=customer, status=Customer.Status(status), reason_code=reason_code, effective_on=on, known_on=today
    )
    _record("customer.status", customer, "status", str(fact.status), fact, on, actor, reason_code, today)
    return fact


@transaction.atomic
def set_parent(customer: Customer, parent: Customer | None, *, on: date, today: date, actor: Actor) -> GroupMembership:
    """The customer's group parent from `on` (None: it stands alone). Raises StandingError on a circle."""
    customer = Customer.objects.select_for_update().get(pk=customer.pk)
    seen, above = {customer.pk}, parent
    while above is not None:
        if above.pk in seen:
            raise StandingError(f"{parent} already belongs to the group of {customer}: choose the head of the group.")
        seen.add(above.pk)
        above = above.parent
    fact = GroupMembership(customer=customer, parent=parent, effective_on=on, known_on=today)
    _record("customer.parent", customer, "parent_id", parent.pk if parent else None, fact, on, actor, "", today)
    return fact


@transaction.atomic
def set_terms(
    customer: Customer, days: int, *, on: date, today: date, actor: Actor, end_of_month: bool = False
) -> PaymentTerms:
    """The agreed days to pay from `on`; documents already issued keep their due dates."""
    customer = Customer.objects.select_for_update().get(pk=customer.pk)
    fact = PaymentTerms(customer=customer, days=days, end_of_month=end_of_month, effective_on=on, known_on=today)
    _record("customer.terms", customer, "terms_days", days, fact, on, actor, "", today)
    return fact


@transaction.atomic
def assign_collector(
    account: CreditAccount, collector: User | None, *, on: date, today: date, actor: Actor
) -> CollectorAssignment:
    """Who collects from the account from `on` (None: nobody)."""
    account = CreditAccount.objects.select_for_update().get(pk=account.pk)
    fact = CollectorAssignment(account=account, collector=collector, effective_on=on, known_on=today)
    new = collector.pk if collector else None
    _record("account.collector", account, "collector_id", new, fact, on, actor, "", today)
    return fact
