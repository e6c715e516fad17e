"""A customer's status (prospect, active, on hold, insolvent, closed): recording it, and reading it at a date."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, View
from customers.models import Customer, StatusChange


@transaction.atomic
def record_status(
    customer: Customer,
    status: str,
    *,
    effective_on: date,
    actor: Actor,
    reason_code: str = "",
    known_on: date | None = None,
) -> StatusChange | None:
    """The customer has this status from `effective_on` on. None when it has it already."""
    locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if locked.status == status:
        return None
    row = StatusChange.objects.create(
        customer=locked,
        status=status,
        reason_code=reason_code,
        effective_on=effective_on,
        known_on=known_on or effective_on,
    )
    before = locked.status
    locked.status = customer.status = status
    locked.save(update_fields=["status"])
    record_act(
        "customer.status",
        actor=actor,
        subject=locked,
        reason_code=reason_code,
        business_date=known_on or effective_on,
        changes=[Change.of(locked, {"status": before}, {"status": status})],
    )
    return row


def status_at(customers: QuerySet[Customer], as_of: date, view: View = CURRENT) -> dict[int, str]:
    """The status of many customers on a day, in one query.

    Before the first recorded change nothing but the current status is known; where changes exist but only
    later ones, the customer was active.
    """
    changes = StatusChange.objects.filter(view.q(), customer=OuterRef("pk"))
    then = changes.filter(effective_on__lte=as_of).order_by("-effective_on", "-pk")
    rows = (
        customers.order_by()
        .annotate(then=Subquery(then.values("status")[:1]), later=Subquery(changes.values("pk")[:1]))
        .values_list("pk", "then", "later", "status")
    )
    return {
        pk: then or (Customer.Status.ACTIVE if later else now) for pk, then, later, now in rows.distinct()
    }
