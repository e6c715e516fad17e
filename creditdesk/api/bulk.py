"""Scoring many accounts for a client: a job with a row per account, worked off in the background in chunks.

A chunk's scores and its rows' results are one transaction (creditdesk.core.jobs): a killed worker leaves the chunk
waiting, a chunk that failed three times is given up and can be resumed. Chunks that are done are never done again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import RowNumber

from creditdesk.api.models import ScoringJob, ScoringJobRow
from creditdesk.core.audit import Actor, record_act
from creditdesk.core.clock import business_date
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import Job, User
from customers.access import account_scope
from customers.bank.access import log_scoring_pass
from customers.models import Company, CreditAccount
from scoring.engine import rescore
from scoring.models import AccountScore
from scoring.statement import Scope

KIND = "api-scoring"
EFFECT = "creditdesk.api.bulk.score_rows"
CHUNK = 500

Status = ScoringJobRow.Status
_ROWS = ScoringJobRow._meta.db_table


@dataclass(frozen=True, slots=True)
class Progress:
    """Rows by status. state: waiting or running (chunks are queued), done, or stopped (a chunk was given up)."""

    waiting: int
    done: int
    failed: int
    state: str


@transaction.atomic
def start(
    user: User,
    accounts: QuerySet[CreditAccount],
    numbers: Sequence[str] | None,
    *,
    as_of: date,
    now: datetime,
    actor: Actor,
    company: Company | None = None,
) -> ScoringJob:
    """Queue the scoring of `accounts`: all of them, or those of the customers with these numbers, in their order.

    A number without an account gets a row that says so; the others are scored all the same.
    """
    job = ScoringJob.objects.create(user=user, company=company, as_of=as_of, created_at=now, total=0)
    job.total = _add_all(job, accounts) if numbers is None else _add_named(job, accounts, numbers)
    job.save(update_fields=["total"])
    record_act(
        "scoring_job.start",
        actor=actor,
        subject=job,
        business_date=as_of,
        data={"accounts": job.total, "all": numbers is None},
    )
    _plan(job, retry_failed=False)
    return job


@transaction.atomic
def resume(job: ScoringJob) -> int:
    """Queue the chunks that are not done, those given up too; returns how many."""
    return _plan(job, retry_failed=True)


def progress(jobs: Sequence[ScoringJob]) -> dict[int, Progress]:
    """How far each job is, by its id, in two queries."""
    rows = ScoringJobRow.objects.filter(job__in=[job.pk for job in jobs]).order_by().values("job", "status")
    counts: dict[int, dict[str, int]] = {job.pk: dict.fromkeys(Status.values, 0) for job in jobs}
    for pk, status, count in rows.annotate(count=Count("pk")).values_list("job", "status", "count"):
        counts[pk][status] = count
    queued = Job.objects.filter(
        kind=KIND, business_date__in={job.as_of for job in jobs}, status=Job.Status.WAITING
    )
    busy = {key.partition(":")[0] for key in queued.values_list("key", flat=True)}
    return {
        job.pk: Progress(
            counts[job.pk][Status.WAITING],
            counts[job.pk][Status.DONE],
            counts[job.pk][Status.FAILED],
            _state(counts[job.pk], is_busy=str(job.public_id) in busy),
        )
        for job in jobs
    }


def _state(counts: dict[str, int], *, is_busy: bool) -> str:
    if not counts[Status.WAITING]:
        return "done"
    if not is_busy:
        return "stopped"
    return "running" if counts[Status.DONE] else "waiting"


def _plan(job: ScoringJob, *, retry_failed: bool) -> int:
    keys = [
        f"{job.public_id}:{low}-{min(low + CHUNK - 1, job.total)}" for low in range(1, job.total + 1, CHUNK)
    ]
    return plan_jobs(KIND, keys, job.as_of, EFFECT, cluster="bulk", retry_failed=retry_failed)


def _add_all(job: ScoringJob, accounts: QuerySet[CreditAccount]) -> int:
    """A row per account, in one statement: a whole book is named at once."""
    rows = accounts.order_by().annotate(
        position=Window(RowNumber(), order_by=F("pk").asc()), reference=F("customer__code")
    )
    sql, params = rows.values("id", "position", "reference").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_ROWS} (job_id, position, account_id, reference, status, error_code) "
            f"SELECT %s, position, id, reference, 'waiting', '' FROM ({sql}) named",
            [job.pk, *params],
        )
        return cursor.rowcount


def _add_named(job: ScoringJob, accounts: QuerySet[CreditAccount], numbers: Sequence[str]) -> int:
    found: dict[str, list[int]] = defaultdict(list)
    numbers = list(dict.fromkeys(numbers))
    for start_at in range(0, len(numbers), 900):  # SQLite's limit of variables
        named = accounts.filter(customer__code__in=numbers[start_at : start_at + 900]).order_by("pk")
        for code, pk in named.values_list("customer__code", "pk"):
            found[code].append(pk)
    rows: list[ScoringJobRow] = []
    for number in numbers:
        for account_id in found.get(number, [None]):  # type: ignore[list-item]
            row = ScoringJobRow(job=job, position=len(rows) + 1, reference=number, account_id=account_id)
            if account_id is None:
                row.status, row.error_code = Status.FAILED, "customer_unknown"
            rows.append(row)
    ScoringJobRow.objects.bulk_create(rows, batch_size=1000)
    return len(rows)


def score_rows(chunk: Job) -> dict[str, Any]:
    """The effect of one chunk (key: job:first-last position): score its accounts, and note what came out.

    Accounts that who asked may no longer see are left out, as if they were unknown.
    """
    public_id, _colon, span = chunk.key.partition(":")
    low, high = (int(part) for part in span.split("-"))
    job = ScoringJob.objects.select_related("user").get(public_id=public_id)
    rows = list(job.rows.filter(position__range=(low, high), status=Status.WAITING))
    ids = _still_seen(job, [row.account_id for row in rows])
    actor = Actor.api("API: scoring job", job.user)
    for as_of, part in _by_business_date(ids).items():
        entry = record_act(
            "score.rescored",
            actor=actor,
            subject=job,
            business_date=as_of,
            reason_code="asked_by_api",
            data={"accounts": len(part)},
        )
        rescore(as_of, Scope.of(part), entry=entry)
        log_scoring_pass(
            reader=actor, as_of=as_of, accounts=CreditAccount.objects.filter(pk__in=part), each=True
        )
    names = ("score", "grade", "pd", "recommendation", "depth", "as_of")
    scores = AccountScore.objects.filter(account__in=ids).values(
        "account_id", *names, pd_is=F("card__calibration")
    )
    results = {row.pop("account_id"): row for row in scores}
    for row in rows:
        is_seen = row.account_id in ids
        row.result = results.get(row.account_id) if is_seen else None
        row.status = Status.DONE if row.result else Status.FAILED
        row.error_code = "" if row.result else "not_scored" if is_seen else "customer_unknown"
    ScoringJobRow.objects.bulk_update(rows, ["result", "status", "error_code"], batch_size=250)
    return {"rows": len(rows)}


def _still_seen(job: ScoringJob, ids: Sequence[int | None]) -> set[int]:
    """Those of the accounts that are in the scope of the job's user, and of its company, now."""
    seen = CreditAccount.objects.filter(account_scope(job.user), pk__in=ids)
    return set((seen.filter(company=job.company_id) if job.company_id else seen).values_list("pk", flat=True))


def _by_business_date(ids: Collection[int]) -> dict[date, list[int]]:
    """Accounts by the business date of their company."""
    zones = CreditAccount.objects.filter(pk__in=ids).values_list("pk", "company__time_zone")
    found: dict[date, list[int]] = defaultdict(list)
    for pk, zone in zones:
        found[business_date(zone)].append(pk)
    return found
