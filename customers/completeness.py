"""Up to which day a company's ledger is complete. Nobody is late, and no promise broken, beyond it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Max, Q, QuerySet

from customers.models import Company, ImportBatch


def complete_through(company_id: int, *, recorded_by: datetime | None = None) -> date | None:
    """The oldest of the latest complete days of the company's ledger sources.

    None: no source has ever declared completeness, so nobody can be judged.
    """
    return complete_through_all([company_id], recorded_by=recorded_by).get(company_id)


def complete_through_all(
    company_ids: list[int] | None = None, *, recorded_by: datetime | None = None
) -> dict[int, date | None]:
    """The same for several companies (None: all) in one query."""
    companies = latest_days(recorded_by)
    if company_ids is not None:
        companies = companies.filter(pk__in=company_ids)
    return oldest_of_latest(companies.values_list("pk", "day"))


def latest_days(recorded_by: datetime | None = None) -> QuerySet[Company, Any]:
    """Companies, one row per ledger source, with the latest complete `day` of that source (or None)."""
    delivered = Q(sources__batches__status=ImportBatch.Status.COMMITTED, sources__is_ledger=True)
    if recorded_by is not None:
        delivered &= Q(sources__batches__recorded_at__lte=recorded_by)
    return (
        Company.objects.order_by()
        .values("pk", "sources")
        .annotate(day=Max("sources__batches__complete_through", filter=delivered))
    )


def oldest_of_latest(rows: Iterable[tuple[int, date | None]]) -> dict[int, date | None]:
    """Per company the oldest day; a source that never delivered anything is not in use and holds nobody back."""
    days: dict[int, date | None] = {}
    for company_id, day in rows:
        known = days.get(company_id)
        days[company_id] = known if day is None else day if known is None else min(known, day)
    return days
