"""What django-q runs: the daily digest, on the working days of whom it goes to."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime

from django.utils import timezone

from creditdesk.core import notices
from creditdesk.core.clock import business_date_due, business_date_there
from creditdesk.core.models import NoticeCopy
from customers.calendars import is_business_day
from customers.models import Company
from customers.people import companies_of


def write_digests(due: str | None = None) -> int:
    """One mail to everybody for whom something waits; returns how many. Run again on the same day: none.

    A person has a working day when one of the companies they see has one: what comes on a holiday waits for the next.
    The day is each company's own; who sees several gets theirs at the earliest date that is a working day of one.
    """
    today, at = business_date_due(due), datetime.fromisoformat(due) if due else timezone.now()
    try:
        notices.address(today)
    except Exception:
        # Whatever failed there, the others get their digest.
        _write_waiting(today, at)
        raise
    return _write_waiting(today, at)


def _write_waiting(today: date, at: datetime) -> int:
    waiting = set(
        NoticeCopy.objects.filter(mail__isnull=True, is_dropped=False).values_list("user_id", flat=True)
    )
    days = {
        pk: business_date_there(zone, today, at if at.tzinfo else timezone.make_aware(at))
        for pk, zone in Company.objects.values_list("pk", "time_zone")
    }
    countries = dict(Company.objects.values_list("pk", "country"))
    open_on = {pk: day for pk, day in days.items() if is_business_day(day, countries[pk])}
    readers: dict[date, set[int]] = defaultdict(set)
    for pk, companies in companies_of(waiting).items():
        if mine := [open_on[company] for company in companies if company in open_on]:
            readers[min(mine)].add(pk)
    count, first = 0, None
    for day, users in sorted(readers.items()):
        try:
            count += notices.write_digests(day, users)
        except Exception as error:
            # A topic that failed for the readers of one date: those of the others get their digest all the same.
            first = first or error
    if first is not None:
        raise first
    return count
