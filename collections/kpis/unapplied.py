"""Cash received but not applied to any invoice, at any date."""

from __future__ import annotations

from datetime import date

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from creditdesk.core.facts import View
from creditdesk.core.money import MoneyField
from customers.models import Allocation, Payment
from kpis.scope import Scope


def cash_of(as_of: date, scope: Scope, view: View) -> Q:
    """Condition on allocations: of a payment received by `as_of` that the view knows."""
    return view.q("payment__") & scope.q(view, "payment__account__") & Q(payment__effective_on__lte=as_of)


def used_by(as_of: date) -> Q:
    """Condition on allocations: counted by `as_of`; money counts on an invoice from its issue on."""
    return Q(effective_on__lte=as_of) & (Q(instalment__isnull=True) | Q(instalment__effective_on__lte=as_of))


def used_after(as_of: date) -> Q:
    """Condition on allocations: all that `used_by` leaves out."""
    return Q(effective_on__gt=as_of) | Q(instalment__effective_on__gt=as_of)


def cash_received(as_of: date, *, scope: Scope, view: View) -> dict[str, tuple[int, int]]:
    """Minor units per currency of the payments received by `as_of`: their amounts, and their counters of today."""
    rows = (
        Payment.objects.filter(view.q(), scope.q(view, "account__"), effective_on__lte=as_of)
        .order_by()
        .values("currency")
        .annotate(received=Sum("amount"), counter=Sum("open_amount"))
        .values_list("currency", "received", "counter")
    )
    return {currency: (int(received), int(counter)) for currency, received, counter in rows}


def unapplied_payments(as_of: date, *, scope: Scope, view: View) -> QuerySet[Payment]:
    """Payments with cash unapplied at `as_of`, oldest first; `unapplied` (minor units) adds up to the figure."""
    used = Allocation.objects.filter(
        view.q(), cash_of(as_of, scope, view), used_by(as_of), payment=OuterRef("pk")
    ).order_by()
    total = Subquery(used.values("payment").annotate(total=Sum("amount")).values("total"))
    return (
        Payment.objects.filter(view.q(), scope.q(view, "account__"), effective_on__lte=as_of)
        .annotate(
            unapplied=F("amount") - Coalesce(total, Value(0), output_field=MoneyField()),
        )
        .filter(unapplied__gt=0)
        .select_related("account__customer", "company")
        .order_by("effective_on", "pk")
    )
