"""Cash received but not applied to any invoice, at any date."""

from __future__ import annotations

from datetime import date

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from creditdesk.core.facts import View
from creditdesk.core.money import MoneyField
from customers.models import Allocation, Payment
from kpis.scope import Scope


def cash_used(as_of: date, scope: Scope, view: View, *, after: bool) -> QuerySet[Allocation]:
    """What used payments up by `as_of` (or, with `after`, later): money counts on an invoice from its issue on."""
    used = Q(effective_on__lte=as_of) & (Q(instalment__isnull=True) | Q(instalment__effective_on__lte=as_of))
    if after:
        used = Q(effective_on__gt=as_of) | Q(instalment__effective_on__gt=as_of)
    return Allocation.objects.filter(
        view.q(),
        view.q("payment__"),
        scope.q(view, "payment__account__"),
        used,
        payment__effective_on__lte=as_of,
    ).order_by()


def unapplied_cash(as_of: date, *, scope: Scope, view: View) -> dict[str, int]:
    """Minor units per currency; from the stored counters and what came after, or from the facts of the view."""
    received = Payment.objects.filter(
        view.q(), scope.q(view, "account__"), effective_on__lte=as_of
    ).order_by()
    column, sign = ("open_amount", 1) if view.is_current else ("amount", -1)
    cash = dict(received.values("currency").annotate(total=Sum(column)).values_list("currency", "total"))
    used = cash_used(as_of, scope, view, after=view.is_current)
    for currency, total in (
        used.values("currency").annotate(total=Sum("amount")).values_list("currency", "total")
    ):
        cash[currency] = cash.get(currency, 0) + sign * int(total)
    return {currency: int(minor) for currency, minor in cash.items()}


def unapplied_payments(as_of: date, *, scope: Scope, view: View) -> QuerySet[Payment]:
    """Payments with cash unapplied at `as_of`, oldest first; `unapplied` (minor units) adds up to `unapplied_cash`."""
    used = cash_used(as_of, scope, view, after=False).filter(payment=OuterRef("pk"))
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
