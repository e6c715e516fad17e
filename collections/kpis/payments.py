"""The database side of kpis.delay: how late the cash of a period arrived."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from django.db.models import Case, F, IntegerField, Sum, Value, When

from creditdesk.core.facts import View
from customers.models import Allocation
from kpis.delay import DelaySums
from kpis.scope import Scope


def cash_delay(as_of: date, days: int, *, scope: Scope, view: View) -> dict[str, DelaySums]:
    """Sums per currency over cash that counted in the `days` days that end with `as_of`. One query.

    Credit notes, write-offs and inferred settlements are no payment behaviour. What is still open is not in.
    """
    late = Case(When(days_late__gt=0, then=F("days_late")), default=Value(0), output_field=IntegerField())
    rows = (
        Allocation.objects.filter(
            view.q(),
            scope.q(view, "account__"),
            kind=Allocation.Kind.CASH,
            effective_on__lte=as_of,
            effective_on__gt=as_of - timedelta(days=days),
        )
        .order_by()
        .values("currency")
        .annotate(
            paid=Sum("amount"),
            paid_days=Sum(F("amount") * F("days_late")),
            paid_late_days=Sum(F("amount") * late),
            in_time=Sum(Case(When(days_late__lte=0, then=F("amount")), default=Value(0))),
        )
        .values_list("currency", "paid", "paid_days", "paid_late_days", "in_time")
    )
    return {currency: DelaySums(*(Fraction(int(value)) for value in sums)) for currency, *sums in rows}
