"""Which date it is for which of our companies, where work or a list spans several of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db.models import Case, DateField, Value, When
from django.utils import timezone

from creditdesk.core.clock import business_date, business_date_there
from customers.models import Company

Dates = list[tuple[date, list[int] | None]]


def dates_there(here: date, at: datetime | None) -> Dates:
    """Business dates with the companies they are of, at a moment that is of `here` for the installation.

    None: it is the same date for every company; at None: the same date everywhere.
    """
    found: dict[date, list[int]] = {}
    for pk, zone in Company.objects.order_by("pk").values_list("pk", "time_zone"):
        found.setdefault(business_date_there(zone, here, at), []).append(pk)
    if len(found) < 2:
        return [(next(iter(found), here), None)]
    return sorted(found.items())


def dates_now() -> Dates:
    """The same of this moment. Reads the clock: for views, commands and tasks."""
    return dates_there(business_date(), timezone.now())


def last_date() -> date:
    """The latest date it is for any company: what ended there is over in a list of all of them."""
    return dates_now()[-1][0]


def today_of(company: str, dates: Dates, days: int = 0) -> Case | Value:
    """Today (less `days`) in the company at the path `company`, for a condition on rows; dates: as `dates_now` gives."""
    back = timedelta(days=days)
    if len(dates) == 1:
        return Value(dates[0][0] - back, output_field=DateField())
    whens = [When(**{f"{company}__in": ids}, then=Value(day - back)) for day, ids in dates]
    return Case(*whens, output_field=DateField())
