"""Which date it is for which of our companies, where work or a list spans several of them."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Q
from django.utils import timezone

from creditdesk.core.clock import business_date, business_date_there
from customers.models import Company


def dates_there(here: date, at: datetime | None) -> list[tuple[date, list[int] | None]]:
    """Business dates with the companies they are of, at a moment that is of `here` for the installation.

    None: it is the same date for every company; at None: the same date everywhere.
    """
    found: dict[date, list[int]] = {}
    for pk, zone in Company.objects.order_by("pk").values_list("pk", "time_zone"):
        found.setdefault(business_date_there(zone, here, at), []).append(pk)
    if len(found) < 2:
        return [(next(iter(found), here), None)]
    return sorted(found.items())


def dates_now() -> list[tuple[date, list[int] | None]]:
    """The same of this moment. Reads the clock: for views, commands and tasks."""
    return dates_there(business_date(), timezone.now())


def last_date() -> date:
    """The latest date it is for any company: what ended there is over in a list of all of them."""
    return dates_now()[-1][0]


def before_today(column: str, company: str) -> Q:
    """Rows whose `column` lies before today in the company at the path `company`."""
    wanted = Q()
    for today, companies in dates_now():
        here = Q(**{f"{column}__lt": today})
        wanted |= here if companies is None else here & Q(**{f"{company}__in": companies})
    return wanted
