"""What django-q runs: the plan of a night, and single questions. All may run twice, late, or be killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date_due
from creditdesk.core.jobs import enqueue_many, run_once
from creditdesk.core.models import Job, User
from customers.bureau.nightly import NIGHT_ACTOR, erase_answers, is_down, plan_night, settle_lost
from customers.bureau.pulling import pull
from customers.models import BureauPull

NIGHT = "agency reports"
Cause = BureauPull.Cause


def plan_nightly(due: str | None = None) -> dict[str, Any]:
    """Once a business date: settle what was lost, delete old answers, and queue a question for each customer chosen."""
    return run_once(NIGHT, "all", business_date_due(due), _plan).result


def _plan(job: Job) -> dict[str, int]:
    as_of = job.business_date
    settled, erased = settle_lost(as_of, timezone.now()), erase_answers(as_of)
    night = plan_night(as_of)
    enqueue_many(
        "customers.bureau.tasks.ask_at_night",
        [(one.customer_id, as_of.isoformat(), list(one.providers)) for one in night.chosen],
        cluster="bulk",
    )
    return {
        "queued": len(night.chosen),
        "over_budget": night.over_budget,
        "no_rate": night.no_rate,
        "in_doubt": settled,
        "answers_deleted": erased,
    }


def ask_at_night(customer_id: int, on: str, providers: Sequence[int]) -> str:
    """One customer of a night's plan, unless its agency is down."""
    as_of = date.fromisoformat(on)
    if is_down(providers, as_of):
        return "down"
    result = pull(customer_id, as_of, actor=NIGHT_ACTOR, cause=Cause.NIGHT, among=list(providers))
    return ", ".join(str(one.outcome) for one in result.pulls)


def ask(customer_id: int, on: str, cause: str) -> str:
    """One customer who applies for credit, or whose limit is due for a review."""
    result = pull(
        customer_id, date.fromisoformat(on), actor=Actor.job(f"agency reports: {cause}"), cause=cause
    )
    return ", ".join(str(one.outcome) for one in result.pulls)


def ask_for_client(
    customer_id: int, on: str, name: str, user_id: int | None, reason: str, in_spite_of_age: bool
) -> str:
    """One question that came through the API."""
    user = User.objects.get(pk=user_id)
    result = pull(
        customer_id,
        date.fromisoformat(on),
        actor=Actor.api(name, user),
        cause=Cause.API,
        reason=reason,
        in_spite_of_age=in_spite_of_age,
    )
    return ", ".join(str(one.outcome) for one in result.pulls)
