"""What credit agencies say that is cause to look at a limit again: a rating that fell, a business that has ceased.

The stored scores say whose; the reports of those few are read to name agency and day, in one query per kind. A cause
is told once: a fall on the day it happened, however often the agency repeats or deepens it by less than the policy's
points, and a business that has ceased on the day the agency first said so, until it says otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet

from customers.models import BureauReport
from scoring.agency_words import Said, before_of, newest_of_each, reports_at
from scoring.families.bureau import YEAR_BEFORE_DAYS
from scoring.models import AccountScore

Cause = tuple[int, str, dict[str, Any]]
"""Account, key of the report, parameters of the sentence (customers/limit_reasons.py)."""
CEASED = 2


def falls(as_of: date, rows: QuerySet[AccountScore], *, points: int, window: timedelta) -> Iterator[Cause]:
    """Ratings that fell in the last `window` by `points` below the best of the same agency's 13 months before.

    What fell once is measured against what was said since: only a further fall of as many points is another one.
    """
    for row, reports in _with_reports(rows.filter(bureau_fall_12m__gte=points), as_of):
        fallen = []
        for said in newest_of_each(reports, "standing", as_of):
            best = before_of(said, reports)
            fall = _last_fall(said.report.provider, reports, points)
            if best is None or fall is None or (best.standing or 0) - (said.report.standing or 0) < points:
                continue
            on, before, standing = fall
            if on > as_of - window:
                fallen.append((before - standing, on, standing, said))
        if fallen:
            depth, on, standing, said = max(fallen, key=lambda one: one[:2])
            params = _params(said, on) | {"standing": standing, "before": standing + depth}
            yield row.account_id, _key(said, on), params


def _last_fall(provider: str, reports: list[BureauReport], points: int) -> tuple[date, int, int] | None:
    """Its day, the rating before and after it; of several reports of one day the worst counts."""
    by_day: dict[date, int] = {}
    for report in reports:
        if report.provider == provider and report.standing is not None:
            by_day[report.effective_on] = min(
                report.standing, by_day.get(report.effective_on, report.standing)
            )
    found = None
    for on, standing in sorted(by_day.items()):
        since = max(on - timedelta(days=YEAR_BEFORE_DAYS), found[0] if found else date.min)
        before = max((by_day[day] for day in by_day if since <= day < on), default=standing)
        if before - standing >= points:
            found = (on, before, standing)
    return found


def ceased(as_of: date, rows: QuerySet[AccountScore]) -> Iterator[Cause]:
    """Businesses that the newest word of an agency calls ceased; of several, by the one that said so first."""
    for row, reports in _with_reports(rows.filter(bureau_ceased=1), as_of):
        found = [
            (_ceased_since(said, reports), said.agency, said)
            for said in newest_of_each(reports, "activity", as_of)
            if said.figure == CEASED
        ]
        if found:
            on, _agency, said = min(found, key=lambda one: one[:2])
            yield row.account_id, _key(said, on), _params(said, on)


def _ceased_since(said: Said, reports: list[BureauReport]) -> date:
    """The first day of the uninterrupted run of reports that say so; one that says nothing of it interrupts nothing."""
    mine = [r for r in reports if r.provider == said.report.provider and r.activity != "unknown"]
    ceased_on = {r.effective_on for r in mine if r.activity == "ceased"}
    otherwise = max((r.effective_on for r in mine if r.effective_on not in ceased_on), default=date.min)
    return min(day for day in ceased_on if day > otherwise)


def _with_reports(
    rows: QuerySet[AccountScore], as_of: date
) -> Iterator[tuple[AccountScore, list[BureauReport]]]:
    found = list(rows)
    by_customer: dict[int, list[BureauReport]] = defaultdict(list)
    if found:
        customers = {row.account.customer_id for row in found}
        # Of all years: where a run of reports began does not move as they age.
        for report in reports_at(as_of, all_years=True).filter(customer__in=customers):
            by_customer[report.customer_id].append(report)
    for row in found:
        yield row, by_customer[row.account.customer_id]


def _key(said: Said, on: date) -> str:
    return f"{said.report.provider} {on}"


def _params(said: Said, on: date) -> dict[str, Any]:
    return {"agency": said.agency, "on": on.isoformat()}
