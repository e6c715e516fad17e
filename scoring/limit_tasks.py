"""What django-q runs: limit proposals for the whole book every night, after the scores; the clock of what waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from creditdesk.core.clock import business_date_due, business_date_there
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import Job
from customers.approval_clock import run_clock
from customers.bureau.automatic import ask_for_reviews
from customers.bureau.waterfall import providers_for
from customers.models import BureauPull, Company, CreditAccount
from customers.notices import tell_of_cover
from customers.rates import MissingRate
from scoring.book_figures import store_book_figures
from scoring.causes import react_to_causes
from scoring.limit_notices import tell_of_limits
from scoring.proposals import propose_limits
from scoring.ranges import nights
from scoring.reviews import overdue_reviews

NIGHTLY = "limits"
CLOCK = "approval clock"
WATCH = "watch over limits"
RANGE = 1000


def plan_nightly(due: str | None = None) -> int:
    """Queue one job per thousand accounts for a night's business date; returns how many jobs still wait.

    due: ISO time the run was due, so that one delayed past midnight still speaks of its own day.
    """
    as_of = business_date_due(due)
    store_book_figures(as_of)
    ids = list(CreditAccount.objects.order_by("pk").values_list("pk", flat=True))
    keys = [f"{ids[i]}-{ids[min(i + RANGE, len(ids)) - 1]}" for i in range(0, len(ids), RANGE)]
    return plan_jobs(NIGHTLY, keys, as_of, "scoring.limit_tasks.propose_range", cluster="bulk")


def propose_range(job: Job) -> dict[str, Any]:
    """The effect of one nightly job: cuts for what time alone has caused, then proposals for its accounts; each at the
    business date of its company."""
    low, high = (int(part) for part in job.key.split("-"))
    told: Counter[str] = Counter()
    for as_of, companies in nights(job):
        accounts = CreditAccount.objects.filter(pk__range=(low, high))
        if companies is not None:
            accounts = accounts.filter(company__in=companies)
        ids = list(accounts.order_by("pk").values_list("pk", flat=True))
        causes = react_to_causes(as_of, ids)
        told.update(asdict(propose_limits(as_of, ids)) | {"causes": len(causes)})
    return dict(told)


def plan_clock(due: str | None = None) -> int:
    """Queue one job per company: remind of limit changes that wait, and close what nobody decided in time."""
    keys = [str(pk) for pk in Company.objects.order_by("pk").values_list("pk", flat=True)]
    return plan_jobs(
        CLOCK, keys, business_date_due(due), "scoring.limit_tasks.clock_of_company", cluster="bulk"
    )


def plan_watch(due: str | None = None) -> int:
    """Queue one job per company: tell of cover, temporary limits and reviews whose day comes near."""
    keys = [str(pk) for pk in Company.objects.order_by("pk").values_list("pk", flat=True)]
    return plan_jobs(WATCH, keys, business_date_due(due), "scoring.limit_tasks.watch_company", cluster="bulk")


def watch_company(job: Job) -> dict[str, Any]:
    """The effect of one such job: every stage of every row is told of once, however often it runs."""
    company = Company.objects.get(pk=int(job.key))
    today = business_date_there(company.time_zone, job.business_date, job.created_at)
    told = {"limits": tell_of_limits(company, today)}
    accounts = CreditAccount.objects.filter(company=company).select_related("customer", "company", "segment")
    if providers_for(BureauPull.Cause.REVIEW):
        due = overdue_reviews(CreditAccount.objects.filter(company=company), today)
        told["agencies"] = ask_for_reviews(set(due.order_by().values_list("customer_id", flat=True)), today)
    try:
        return told | {"cover": tell_of_cover(accounts, today)}
    except MissingRate as missing:  # the page of cover says the same
        return told | {"cover": str(missing)}


def clock_of_company(job: Job) -> dict[str, Any]:
    """The effect of one such job. It may run again, or twice at once: each step exists once."""
    company = Company.objects.get(pk=int(job.key))
    return asdict(
        run_clock(company, business_date_there(company.time_zone, job.business_date, job.created_at))
    )
