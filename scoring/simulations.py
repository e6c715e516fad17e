"""Simulating a policy on a book of any size: at once where it is small, else range by range in the background.

Each range is a job of its own (creditdesk/core/jobs.py): killed, it starts again; done, it stays done; started twice, it
counts once. Whichever is done last adds them up and keeps the report, in its own transaction. A draft edited meanwhile
makes the whole run void: its jobs are named after the fingerprint of what it said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from heapq import nlargest
from typing import Any

from django.db import transaction

from creditdesk.core.audit import Actor
from creditdesk.core.jobs import plan_jobs, progress
from creditdesk.core.models import Job
from scoring import policy_publishing, terms_publishing
from scoring.book_figures import store_book_figures
from scoring.checks import publishing as check_publishing
from scoring.models import SegmentVersion
from scoring.segment_policies import SegmentPolicies, accounts_decided_by

LIVES: dict[str, SegmentPolicies[Any]] = {
    life.act: life for life in (policy_publishing.LIFE, check_publishing.LIFE, terms_publishing.LIFE)
}
PART = 1000
MOVERS = 50
# Figures that every part says alike; everything else is added up.
ALIKE = ("against", "loss_percent")


@dataclass(frozen=True, slots=True)
class Run:
    """A simulation under way: jobs done, failed for good, and in all."""

    done: int
    failed: int
    total: int


def simulate(policy: SegmentVersion, as_of: date, *, actor: Actor) -> Run | None:
    """Simulate a policy and keep the report (None), or start or resume that in the background."""
    life = life_of(policy)
    accounts = accounts_decided_by(policy, as_of)
    if life.is_quick(policy, as_of):
        life.keep_simulation(policy, as_of, actor=actor)
        return None
    with transaction.atomic():
        life.lock(policy)
        # Once for all parts: what the concentration cap stands on.
        store_book_figures(as_of)
        kind = _kind(life, policy)
        keys = list(Job.objects.filter(kind=kind, business_date=as_of).values_list("key", flat=True))
        keys = keys or [f"{low}-{high}-{actor.name}"[:120] for low, high in _ranges(accounts)]
        plan_jobs(kind, keys, as_of, "scoring.simulations.simulate_part", cluster="bulk", retry_failed=True)
    return running(policy, as_of)


def running(policy: SegmentVersion, as_of: date) -> Run | None:
    """The run of exactly what the policy says that is not over yet."""
    life = life_of(policy)
    counts = progress(_kind(life, policy), as_of)
    total = sum(counts.values())
    done, failed = counts[Job.Status.DONE], counts[Job.Status.FAILED]
    return Run(done, failed, total) if done < total else None


def simulate_part(job: Job) -> dict[str, Any]:
    """The effect of one job: the figures of one range; of the last one also the report."""
    act, pk, said, _number = job.kind.removeprefix("simulate ").split("-")
    life = LIVES[act]
    policy = life.model._default_manager.filter(pk=int(pk)).first()
    if policy is None or not life.fingerprint(policy).startswith(said):
        return {"void": True}
    low, high, who = job.key.split("-", 2)
    part = life.simulate_range(policy, job.business_date, int(low), int(high))
    # From here on one part at a time: the last one sees that all others are done.
    locked = life.lock(policy)
    others = Job.objects.filter(kind=job.kind, business_date=job.business_date).exclude(pk=job.pk)
    if life.fingerprint(locked).startswith(said) and not others.exclude(status=Job.Status.DONE).exists():
        results = others.order_by("pk").values_list("result", flat=True).iterator(chunk_size=20)
        figures = add_up(part, results)
        life.keep_report(locked, job.business_date, figures, actor=Actor.job(who))
    return part


def add_up(first: dict[str, Any], rest: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The figures of several parts of a book as those of the whole."""
    total = first
    for part in rest:
        total = _sum(total, part)
    return total


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, dict):
        names = dict.fromkeys([*one, *other])
        return {
            name: one.get(name) if name in ALIKE else _either(one.get(name), other.get(name))
            for name in names
        }
    if isinstance(one, list):
        return nlargest(MOVERS, [*one, *other], key=lambda mover: (mover["weight"], -mover["account"]))
    return one + other


def _either(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else _sum(one, other)


def _ranges(accounts: Any) -> Iterable[tuple[int, int]]:
    low = last = count = 0
    for pk in accounts.values_list("pk", flat=True).iterator(chunk_size=10_000):
        low, last, count = low or pk, pk, count + 1
        if count == PART:
            yield low, last
            low = count = 0
    if count:
        yield low, last


def _kind(life: SegmentPolicies[Any], policy: SegmentVersion) -> str:
    reports = policy.reports.count()  # type: ignore[attr-defined]
    return f"simulate {life.act}-{policy.pk}-{life.fingerprint(policy)[:16]}-{reports}"


def life_of(policy: SegmentVersion) -> SegmentPolicies[Any]:
    return next(life for life in LIVES.values() if isinstance(policy, life.model))
