"""The only place that turns the clock into a business date; called by commands, tasks and views."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone


def business_date(time_zone: str | None = None) -> date:
    """Today's business date in a company's time zone (IANA name; default: the installation's).

    An installation may be pinned to a date (CREDITDESK_BUSINESS_DATE), as the demo is, so that its story
    stays the same whenever it is opened.
    """
    pinned = getattr(settings, "BUSINESS_DATE", None)
    if pinned:
        return pinned
    return timezone.now().astimezone(ZoneInfo(time_zone or settings.TIME_ZONE)).date()


def business_date_due(due: str | None) -> date:
    """The business date of scheduled work: the day it was due (ISO time) rather than the day it got round to run.

    Where the date is pinned, scheduled work stays on it too: a nightly pass must not run ahead of the desk.
    """
    if due is None or getattr(settings, "BUSINESS_DATE", None):
        return business_date()
    return datetime.fromisoformat(due).date()


def business_date_there(time_zone: str, here: date, at: datetime | None) -> date:
    """A company's business date at `at`, the moment work was planned that is of `here` for the installation.

    Work that is done late stays of its day, the company's as well: in New York it is still yesterday when the night's
    work begins in Madrid. at None: the same date everywhere.
    """
    if at is None or getattr(settings, "BUSINESS_DATE", None):
        return here
    there = at.astimezone(ZoneInfo(time_zone)).date()
    return here + (there - at.astimezone(ZoneInfo(settings.TIME_ZONE)).date())
