"""What the workers run: following the ledger, and building the lists before the day begins."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.models import Company
from customers.promises import settle_promises
from worklists import pending
from worklists.runs import build_worklists

NIGHTLY = Actor.job("worklists.nightly")


def follow_ledger() -> int:
    """Settle promises and refresh rows of accounts whose ledger changed (also run as a sweep)."""
    return pending.follow_ledger()


def nightly(due: str | None = None) -> list[str]:
    """Judge all promises, then build today's lists. Idempotent; a late run keeps the date it was due for."""
    built = []
    days = {company: _business_date(company, due) for company in Company.objects.order_by("pk")}
    if days:
        # The ledger's completeness bounds the judgement; where it is still yesterday somewhere, so it is here.
        settle_promises(min(days.values()), actor=NIGHTLY)
    for company, as_of in days.items():
        (done,) = build_worklists(as_of, company)
        built.append(f"{company.code} {as_of}: {done.rows}")
    return built


def _business_date(company: Company, due: str | None) -> date:
    if due is None or getattr(settings, "BUSINESS_DATE", None):
        return business_date(company.time_zone)
    return datetime.fromisoformat(due).astimezone(ZoneInfo(company.time_zone)).date()
