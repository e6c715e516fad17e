"""Up to which day a company's ledger is complete. Nobody is late, and no promise broken, beyond it."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Max

from customers.models import ImportBatch, Source


def complete_through(company_id: int, *, recorded_by: datetime | None = None) -> date | None:
    """The oldest of the latest complete days of the company's ledger sources.

    None: no source has ever declared completeness, so nobody can be judged.
    """
    return complete_through_all([company_id], recorded_by=recorded_by).get(company_id)


def complete_through_all(
    company_ids: list[int] | None = None, *, recorded_by: datetime | None = None
) -> dict[int, date | None]:
    """The same for several companies (None: all) in two queries."""
    sources = Source.objects.filter(is_ledger=True)
    if company_ids is not None:
        sources = sources.filter(company_id__in=company_ids)
    batches = ImportBatch.objects.filter(status=ImportBatch.Status.COMMITTED, complete_through__isnull=False)
    if recorded_by is not None:
        batches = batches.filter(recorded_at__lte=recorded_by)
    latest = dict(batches.values("source").annotate(day=Max("complete_through")).values_list("source", "day"))
    days: dict[int, date | None] = {}
    seen: set[int] = set()
    for source_id, company_id in sources.values_list("id", "company_id"):
        # A source that never delivered anything is not in use yet and holds nobody back.
        day = latest.get(source_id)
        if day is None:
            days.setdefault(company_id, None)
            continue
        previous = days.get(company_id)
        days[company_id] = day if company_id not in seen or previous is None else min(previous, day)
        seen.add(company_id)
    return days


def judged_on(company_id: int, as_of: date) -> date | None:
    """The day on which lateness is judged at `as_of`: not beyond the complete ledger."""
    day = complete_through(company_id)
    return None if day is None else min(as_of, day)
