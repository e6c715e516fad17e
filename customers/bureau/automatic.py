"""Asking by itself: at an application for credit, and when a review falls due, where an agency is configured so.

Only a task is queued, in the transaction of what happened; it asks by the rules of the walk (age, budget, legal basis).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from django_q.tasks import async_task

from creditdesk.core.audit import Actor
from creditdesk.core.jobs import enqueue_many
from customers.bureau.ages import is_young, newest_answers, usable, was_in_vain
from customers.bureau.bases import without_basis
from customers.bureau.waterfall import answers_for, providers_for
from customers.models import BureauProvider, BureauPull, Customer

TASK = "customers.bureau.tasks.ask"
Cause = BureauPull.Cause


def ask_when_applied(customer_id: int, on: date) -> bool:
    """Queue a question about somebody who applies for credit; False where no agency is asked then. One query."""
    if not providers_for(Cause.ONBOARDING):
        return False
    async_task(TASK, customer_id, on.isoformat(), Cause.ONBOARDING.value)
    return True


def ask_for_reviews(customers: Collection[int], on: date) -> int:
    """Queue questions about customers whose limit is due for a review and whose reports are old; five queries at most."""
    providers = providers_for(Cause.REVIEW)
    if not providers or not customers:
        return 0
    answers, everyone = newest_answers(list(customers), on), list(BureauProvider.objects.all())
    barred = without_basis(customers, on)
    people = Customer.objects.filter(pk__in=list(customers), merged_into__isnull=True)
    old = [
        one.pk
        for one in people.exclude(status=Customer.Status.CLOSED).only("pk", "country", "kind").order_by("pk")
        if one.pk not in barred
        and not usable(one.pk, answers, everyone, on)
        and any(
            answers_for(agency, one) is None
            and not is_young(answer := answers.get((one.pk, agency.slug)), agency, on)
            and not was_in_vain(answer, on)
            for agency in providers
        )
    ]
    enqueue_many(TASK, [(pk, on.isoformat(), Cause.REVIEW.value) for pk in old])
    return len(old)


def ask_for_client(customer_id: int, on: date, *, actor: Actor, reason: str, in_spite_of_age: bool) -> None:
    """Queue a question that came through the API, in the transaction of its answer."""
    user_id = actor.user.pk if actor.user is not None else None
    async_task(
        "customers.bureau.tasks.ask_for_client",
        *(customer_id, on.isoformat(), actor.name, user_id, reason, in_spite_of_age),
    )
