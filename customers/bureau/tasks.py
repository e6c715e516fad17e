"""What django-q runs: the plan of a night, and single questions. All may run twice, late, or be killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date, business_date_due
from creditdesk.core.jobs import enqueue_many, run_once
from creditdesk.core.models import Job, User
from customers.bureau.nightly import NIGHT_ACTOR, erase_answers, is_down, plan_night, settle_lost
from customers.bureau.pulling import pull
from customers.models import BureauPull, CreditAccount

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
    """One customer of a night's plan, at the agencies that are not down. Too late: the next night plans anew."""
    as_of = date.fromisoformat(on)
    if as_of != business_date():
        return "late"
    now = timezone.now()
    among = [one for one in providers if not is_down(one, as_of, now)]
    if not among:
        return "down"
    result = pull(customer_id, as_of, actor=NIGHT_ACTOR, cause=Cause.NIGHT, among=among)
    return ", ".join(str(one.outcome) for one in result.pulls)


def _today(customer_id: int, planned: date) -> date:
    """The day to ask on: the planned one while it is still today where the customer buys, or else today."""
    zones = CreditAccount.objects.filter(customer=customer_id).order_by().values_list("company__time_zone")
    days = {business_date(zone) for (zone,) in zones.distinct()}
    return planned if planned in days else business_date()


def ask(customer_id: int, on: str, cause: str) -> str:
    """One customer who applies for credit, or whose limit is due for a review."""
    as_of = _today(customer_id, date.fromisoformat(on))
    result = pull(customer_id, as_of, actor=Actor.job(f"agency reports: {cause}"), cause=cause)
    return ", ".join(str(one.outcome) for one in result.pulls)


def ask_for_client(
    customer_id: int, on: str, name: str, user_id: int | None, reason: str, in_spite_of_age: bool
) -> str:
    """One question that came through the API. What was paid in spite of the age rule is not paid again by a second run."""
    user, planned = User.objects.get(pk=user_id), date.fromisoformat(on)
    if in_spite_of_age:
        same = {"customer": customer_id, "cause": Cause.API, "asked_by": user, "reason": reason.strip()[:300]}
        asked = BureauPull.objects.filter(**same, in_spite_of_age=True, asked_on__gte=planned, charged__gt=0)
        in_spite_of_age = not asked.exists()
    result = pull(
        customer_id,
        _today(customer_id, planned),
        actor=Actor.api(name, user),
        cause=Cause.API,
        reason=reason,
        in_spite_of_age=in_spite_of_age,
    )
    return ", ".join(str(one.outcome) for one in result.pulls)
