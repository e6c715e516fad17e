"""Background work that takes effect exactly once, on a queue that may start it never, late or twice.

A planner calls `plan_jobs`: one row and one queued task per piece, in the caller's transaction, so that both
exist or neither. A worker calls `run_once`, which counts the attempt, then writes effect and "done" together.
django-q2 itself counts only failures it is told about: a task that kills its worker would start for ever.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone, translation
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.humanhash import uuid
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from creditdesk.core.models import Job
from creditdesk.core.sentences import stored

MAX_ATTEMPTS = 3
BATCH = 500
# Claimed this lately, a job is in somebody's hands. A killed task comes back after the queue's `retry`, later.
STILL_AT_IT = timedelta(minutes=1)

Effect = Callable[[Job], Any]
Finding = Callable[[Job], Callable[[], Any]]


def finding_first(effect: Finding) -> Finding:
    """For effects that work long before they write: they find out first, in no transaction, and return what is to be
    kept as a function, which runs in the one that marks the job done. SQLite has one writer: an effect of a minute in
    a transaction would refuse everybody's work for that minute. What is found out twice is kept once."""
    effect.finds_first = True  # type: ignore[attr-defined]
    return effect


def run_once(
    kind: str, key: str, business_date: date, effect: Effect, *, max_attempts: int = MAX_ATTEMPTS
) -> Job:
    """Run `effect(job)` and mark the job done in one transaction; do nothing if it is done or given up. Of an effect
    `finding_first` only the keeping stands in the transaction.

    Whatever `effect` returns (JSON, sentences taken apart) is kept as the job's result. If it raises, nothing of it stays, the error
    is noted and raised again, so that the queue retries. Starting it twice at the same time is safe: the
    second one waits for the first. Must not be called inside a transaction (RuntimeError): the count of
    attempts has to survive the effect's failure.
    """
    job, is_claimed = _claim(kind, key, business_date, max_attempts)
    if not is_claimed:
        return job
    try:
        keep = effect(job) if getattr(effect, "finds_first", False) else None
        with transaction.atomic(durable=True):
            job = Job.objects.select_for_update().get(pk=job.pk)
            if job.status != Job.Status.DONE:
                job.result = stored(keep() if keep else effect(job))
                job.status, job.done_at, job.error = Job.Status.DONE, timezone.now(), ""
                job.save(update_fields=["result", "status", "done_at", "error"])
    except Exception as error:
        _note_failure(job.pk, error, max_attempts)
        raise
    return job


def _claim(kind: str, key: str, business_date: date, max_attempts: int) -> tuple[Job, bool]:
    """The job, and whether this caller may attempt it (the attempt is then counted and committed)."""
    with transaction.atomic(durable=True):
        Job.objects.bulk_create([Job(kind=kind, key=key, business_date=business_date)], ignore_conflicts=True)
        job = Job.objects.select_for_update().get(kind=kind, key=key, business_date=business_date)
        if job.status != Job.Status.WAITING:
            return job, False
        now = timezone.now()
        if job.attempts < max_attempts:
            job.attempts += 1
            job.claimed_at = now
            job.save(update_fields=["attempts", "claimed_at"])
            return job, True
        if job.claimed_at is None or now - job.claimed_at > STILL_AT_IT:
            # The last attempt ended without a word: its worker was killed.
            job.status = Job.Status.FAILED
            job.error = job.error or f"gave up after {job.attempts} attempts that never reported back"
            job.save(update_fields=["status", "error"])
        return job, False


def _note_failure(job_id: int, error: Exception, max_attempts: int) -> None:
    """An unexpected error is for operators, as logs are: in English. What a reader should know an effect returns."""
    with transaction.atomic(), translation.override("en"):
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.status == Job.Status.WAITING:
            job.error = f"{type(error).__name__}: {error}"[:2000]
            if job.attempts >= max_attempts:
                job.status = Job.Status.FAILED
            job.save(update_fields=["error", "status"])


def perform(job_id: int, effect_path: str) -> str:
    """The queued task behind `plan_jobs`: run one planned job with the effect found at a dotted path."""
    job = Job.objects.get(pk=job_id)
    return run_once(job.kind, job.key, job.business_date, import_string(effect_path)).status


def plan_jobs(
    kind: str,
    keys: Iterable[str],
    business_date: date,
    effect_path: str,
    *,
    cluster: str | None = None,
    retry_failed: bool = False,
) -> int:
    """One job and one queued task per key, all or none; returns how many tasks were queued.

    Jobs already done are left alone, so planning twice costs nothing but the tasks of those still waiting.
    With `retry_failed`, jobs that were given up start again with a fresh count. `effect_path` is the dotted
    name of a module-level function of one job.
    """
    import_string(effect_path)  # a wrong name fails here, not in a worker at night
    keys = list(keys)
    with transaction.atomic():
        Job.objects.bulk_create(
            [Job(kind=kind, key=key, business_date=business_date) for key in keys],
            ignore_conflicts=True,
            batch_size=BATCH,
        )
        waiting: list[int] = []
        for start in range(0, len(keys), BATCH):
            chunk = Job.objects.filter(
                kind=kind, business_date=business_date, key__in=keys[start : start + BATCH]
            )
            if retry_failed:
                chunk.filter(status=Job.Status.FAILED).update(status=Job.Status.WAITING, attempts=0)
            waiting += chunk.filter(status=Job.Status.WAITING).order_by("pk").values_list("pk", flat=True)
        enqueue_many(
            "creditdesk.core.jobs.perform", [(job_id, effect_path) for job_id in waiting], cluster=cluster
        )
    return len(waiting)


def key_anew(kind: str, about: str) -> str:
    """A key for what a person asks for again: another one once the job before ended, however it ended, so that asking
    twice on a day works twice; the same one while that still waits."""
    ended = Job.objects.filter(kind=kind, key__startswith=f"{about}-").exclude(status=Job.Status.WAITING)
    return f"{about}-{ended.count()}"


def enqueue_many(func: str, arguments: Sequence[tuple[Any, ...]], *, cluster: str | None = None) -> None:
    """What `async_task` does, for many calls of one function and with one statement per thousand of them."""
    queue = get_broker(cluster).list_key
    now = timezone.now()
    rows = []
    for args in arguments:
        name, task_id = uuid()
        package = {"id": task_id, "name": name, "func": func, "args": args, "kwargs": {}, "started": now}
        if cluster:
            package["cluster"] = cluster
        rows.append(OrmQ(key=queue, payload=SignedPackage.dumps(package), lock=now))
    OrmQ.objects.bulk_create(rows, batch_size=1000)


def progress(kind: str, business_date: date) -> dict[str, int]:
    """How many jobs of a kind are waiting, done and failed on a business date."""
    counted = (
        Job.objects.filter(kind=kind, business_date=business_date)
        .values("status")
        .order_by("status")
        .annotate(count=Count("pk"))
        .values_list("status", "count")
    )
    return dict.fromkeys(Job.Status.values, 0) | dict(counted)
