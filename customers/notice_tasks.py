"""What django-q runs: the daily digest, on the working days of whom it goes to."""

from __future__ import annotations

from datetime import date

from creditdesk.core import notices
from creditdesk.core.clock import business_date_due
from creditdesk.core.models import NoticeCopy
from customers.calendars import is_business_day
from customers.models import Company
from customers.people import companies_of


def write_digests(due: str | None = None) -> int:
    """One mail to everybody for whom something waits; returns how many. Run again on the same day: none.

    A person has a working day when one of the companies they see has one: what comes on a holiday waits for the next.
    """
    today = business_date_due(due)
    try:
        notices.address(today)
    except Exception:
        # Whatever failed there, the others get their digest.
        _write_waiting(today)
        raise
    return _write_waiting(today)


def _write_waiting(today: date) -> int:
    waiting = set(
        NoticeCopy.objects.filter(mail__isnull=True, is_dropped=False).values_list("user_id", flat=True)
    )
    countries = dict(Company.objects.values_list("pk", "country"))
    open_today = {pk for pk, country in countries.items() if is_business_day(today, country)}
    seen = companies_of(waiting)
    return notices.write_digests(today, {pk for pk in waiting if seen.get(pk, set()) & open_today})
