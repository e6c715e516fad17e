"""A customer's status (prospect, active, on hold, insolvent, closed) at a date; recorded by customers/attributes.py."""

from __future__ import annotations

from datetime import date

from django.db.models import OuterRef, QuerySet, Subquery

from creditdesk.core.facts import CURRENT, View
from customers.models import Customer, StatusChange


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
