"""What credit agencies say that is cause to look at a limit again: a rating that fell, a business that has ceased.

The stored scores say whose; the reports of those few are read to name agency and day, in one query per kind. A cause
is told once per report, so that one that stays the newest for a year does not cut again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet

from customers.models import BureauReport
from scoring.agency_words import Said, before_of, newest_of_each, reports_at
from scoring.models import AccountScore

Cause = tuple[int, str, dict[str, Any]]
"""Account, key of the report, parameters of the sentence (customers/limit_reasons.py)."""
CEASED = 2


def falls(as_of: date, rows: QuerySet[AccountScore], *, points: int, window: timedelta) -> Iterator[Cause]:
    """Ratings of the last `window` that lie at least `points` below the best of the same agency's 13 months before."""
    for row, reports in _with_reports(rows.filter(bureau_fall_12m__gte=points), as_of):
        fallen = []
        for said in newest_of_each(reports, "standing", as_of):
            before = before_of(said, reports)
            if before is None or said.on <= as_of - window:
                continue
            fall = (before.standing or 0) - (said.report.standing or 0)
            if fall >= points:
                fallen.append((fall, said, before))
        if fallen:
            _fall, said, before = max(fallen, key=lambda one: (one[0], one[1].on))
            params = _params(said) | {"standing": said.report.standing, "before": before.standing}
            yield row.account_id, _key(said), params


def ceased(as_of: date, rows: QuerySet[AccountScore]) -> Iterator[Cause]:
    """Businesses that the newest word of an agency calls ceased."""
    for row, reports in _with_reports(rows.filter(bureau_ceased=1), as_of):
        said = newest_of_each(reports, "activity", as_of)
        if said and said[0].figure == CEASED:
            yield row.account_id, _key(said[0]), _params(said[0])


def _with_reports(
    rows: QuerySet[AccountScore], as_of: date
) -> Iterator[tuple[AccountScore, list[BureauReport]]]:
    found = list(rows)
    by_customer: dict[int, list[BureauReport]] = defaultdict(list)
    if found:
        for report in reports_at(as_of).filter(customer__in={row.account.customer_id for row in found}):
            by_customer[report.customer_id].append(report)
    for row in found:
        yield row, by_customer[row.account.customer_id]


def _key(said: Said) -> str:
    return f"{said.report.provider} {said.on}"


def _params(said: Said) -> dict[str, Any]:
    return {"agency": said.agency, "on": said.on.isoformat()}
