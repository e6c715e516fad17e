"""Dispute rate of what was invoiced in a period, and how long disputes took to close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from statistics import median

from django.db.models import Count, Sum

from creditdesk.core.facts import View
from customers.models import Dispute, DisputeItem, DocumentKind
from kpis.dso import ratio
from kpis.scope import Scope


def mean_days(days: Sequence[int]) -> Fraction | None:
    return ratio(sum(days), len(days))


def median_days(days: Sequence[int]) -> Fraction | None:
    return Fraction(median(days)) if days else None


def disputed_sales(as_of: date, days: int, *, scope: Scope, view: View) -> dict[str, tuple[int, int]]:
    """Per currency: invoices issued in the `days` days up to `as_of` that were disputed by then, and how much."""
    rows = (
        DisputeItem.objects.filter(
            view.q("dispute__"),
            view.q("instalment__"),
            scope.q(view, "instalment__account__"),
            dispute__effective_on__lte=as_of,
            instalment__kind=DocumentKind.INVOICE,
            instalment__effective_on__lte=as_of,
            instalment__effective_on__gt=as_of - timedelta(days=days),
        )
        .order_by()
        .values("instalment__currency")
        .annotate(documents=Count("instalment__invoice", distinct=True), total=Sum("amount"))
        .values_list("instalment__currency", "documents", "total")
    )
    return {currency: (documents, int(total)) for currency, documents, total in rows}


def closing_days(as_of: date, days: int, *, scope: Scope, view: View) -> list[int]:
    """How many days each dispute took that was closed in the `days` days up to `as_of`, shortest first."""
    closed = Dispute.objects.filter(
        view.q(),
        scope.q(view, "account__"),
        closed_on__lte=as_of,
        closed_on__gt=as_of - timedelta(days=days),
    )
    if view.known_at is not None:
        closed = closed.filter(closed_known_on__lte=view.known_at)
    if view.recorded_by is not None:
        closed = closed.filter(closed_recorded_at__lte=view.recorded_by)
    return sorted((end - start).days for start, end in closed.values_list("effective_on", "closed_on"))
