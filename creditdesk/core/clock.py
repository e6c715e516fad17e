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
