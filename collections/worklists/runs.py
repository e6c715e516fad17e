"""Builds a company's worklists of a business day, keeps them right during the day, and says why somebody is not on one.

Building again is safe at any time: it runs in one transaction, rows already worked keep their state, open ones
are ranked anew, settled ones leave, and those that are due again come back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.completeness import complete_through_all
from customers.models import Company, CreditAccount
from worklists import ranking
from worklists.causes import causes_of
from worklists.gathering import Gathered, gather
from worklists.holds import Hold, hold_of
from worklists.models import WorklistRow, WorklistRun
from worklists.situations import Situation
from worklists.steps import MINUTES, next_step
from worklists.storing import Row, upsert

State = WorklistRow.State
# Looking a choice up by name costs as much as pricing an item.
OPEN, SNOOZED = State.OPEN.value, State.SNOOZED.value
NORMAL, LEGAL = WorklistRow.Lane.NORMAL.value, WorklistRow.Lane.LEGAL.value
BATCH = 500
# Rows in these states were decided by a person today: building again leaves them alone.
DECIDED = (State.DONE, State.SKIPPED)


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did. `judged_on` None: the ledger was never declared complete, so nobody is on a list."""

    company: Company
    as_of: date
    judged_on: date | None
    rows: int
    held: int
    left: int


def build_worklists(as_of: date, company: Company | None = None) -> list[Built]:
    """Build the worklists of `as_of` for one company, or for each (a transaction per company)."""
    companies = [company] if company is not None else list(Company.objects.order_by("pk"))
    complete = complete_through_all([row.pk for row in companies])
    return [_build(row, as_of, complete.get(row.pk)) for row in companies]


@transaction.atomic
def _build(company: Company, as_of: date, complete: date | None) -> Built:
    run = _locked_run(company, as_of)
    judged_on = None if complete is None else min(as_of, complete)
    found = Gathered({}) if judged_on is None else gather(company, as_of, judged_on)
    rows, holds = price(found)
    kept = dict(WorklistRow.objects.filter(run=run).values_list("account_id", "state"))
    _number(row for row in rows if kept.get(row.account_id) not in DECIDED)
    left = _store(run, rows, kept)
    run.judged_on, run.policy_version, run.built_at = judged_on, ranking.POLICY_VERSION, timezone.now()
    run.counts = {
        "rows": len(rows),
        "left": left,
        "holds": dict(Counter(code for code, _params in holds.values())),
        "missing_rates": sorted(found.missing_rates),
    }
    run.save(update_fields=["judged_on", "policy_version", "built_at", "counts"])
    return Built(company, as_of, judged_on, len(rows), len(holds), left)


def refresh_accounts(account_ids: Collection[int], as_of: date) -> int:
    """Look again at these accounts in the runs of `as_of` that exist; returns how many rows were written."""
    wanted: dict[int, list[int]] = defaultdict(list)
    for pk, company_id in CreditAccount.objects.filter(pk__in=account_ids).values_list("pk", "company_id"):
        wanted[company_id].append(pk)
    runs = WorklistRun.objects.filter(as_of=as_of, company__in=wanted).values_list("company_id", flat=True)
    written = 0
    for company in Company.objects.filter(pk__in=list(runs)).order_by("pk"):
        written += _refresh(company, wanted[company.pk], as_of)
    return written


@transaction.atomic
def _refresh(company: Company, account_ids: list[int], as_of: date) -> int:
    run = _locked_run(company, as_of)
    complete = complete_through_all([company.pk]).get(company.pk)
    if complete is None:
        return 0
    found = gather(company, as_of, min(as_of, complete), account_ids=account_ids)
    rows, _holds = price(found)
    before = WorklistRow.objects.filter(run=run, account__in=account_ids)
    kept = dict(before.values_list("account_id", "state"))
    collectors = set(before.values_list("collector_id", flat=True)) | {row.collector_id for row in rows}
    for row in rows:
        row.rank = 0
    _store(run, rows, kept, scope=account_ids)
    _rerank(run, collectors)
    return len(rows)


def _locked_run(company: Company, as_of: date) -> WorklistRun:
    """The run, locked: two builds of one day wait for each other."""
    WorklistRun.objects.bulk_create(
        [WorklistRun(company=company, as_of=as_of, policy_version=ranking.POLICY_VERSION)],
        ignore_conflicts=True,
    )
    return WorklistRun.objects.select_for_update().get(company=company, as_of=as_of)


def price(found: Gathered) -> tuple[list[Row], dict[int, Hold]]:
    """Rows dearest first, not yet numbered, and why the other accounts are left alone."""
    holds: dict[int, Hold] = {}
    valued: list[ranking.Valued] = []
    stories: dict[int, tuple[Situation, list, tuple]] = {}
    for pk, situation in found.situations.items():
        hold = hold_of(situation)
        if hold is not None or (situation.is_legal and not situation.items):
            holds[pk] = hold or ("nothing_overdue", {})
            continue
        causes = causes_of(situation)
        step = next_step(situation, causes[0][0])
        stories[pk] = (situation, causes, step)
        valued.append(
            ranking.value(
                ranking.Candidate(
                    key=pk,
                    parts=situation.parts,
                    grade=situation.grade,
                    cause=causes[0][0],
                    minutes=MINUTES[step[0]],
                    oldest_due=situation.oldest.due_on.isoformat(),
                )
            )
        )
    return [_row(priced, *stories[priced.candidate.key]) for priced in ranking.rank(valued)], holds


def _row(priced: ranking.Valued, situation: Situation, causes: list, step: tuple[str, Any]) -> Row:
    (code, params), *further = causes
    return Row(
        account_id=situation.account_id,
        collector_id=situation.collector_id,
        lane=LEGAL if situation.is_legal else NORMAL,
        rank=0,
        currency=situation.company_currency,
        at_risk=priced.at_risk,
        collectable=priced.collectable,
        probability=min(priced.probability, 1000),
        minutes=priced.candidate.minutes,
        account_currency=situation.currency,
        overdue=situation.overdue,
        oldest_due_on=situation.oldest.due_on,
        items=len(situation.items),
        cause_code=code,
        cause_params=params,
        also=further,
        step_code=step[0],
        step_params=step[1],
        state=SNOOZED if situation.snoozed_until else OPEN,
        held_until=situation.snoozed_until,
    )


def _number(rows: Iterable[Row] | Iterable[WorklistRow]) -> None:
    """Ranks 1, 2, 3 per collector and lane, in the order given; what is held until a day takes no place."""
    next_rank: dict[tuple[int | None, str], int] = defaultdict(int)
    for row in rows:
        if row.state == OPEN:
            next_rank[row.collector_id, row.lane] += 1
            row.rank = next_rank[row.collector_id, row.lane]


def _store(
    run: WorklistRun,
    rows: list[Row],
    kept: dict[int, str],
    *,
    scope: Collection[int] | None = None,
) -> int:
    """Write the rows; returns how many left. States decided by a person stay as they are."""
    wanted = [row for row in rows if kept.get(row.account_id) not in DECIDED]
    upsert(run.pk, wanted)
    here = WorklistRow.objects.filter(run=run)
    if scope is not None:
        here = here.filter(account__in=scope)
    by_state: dict[str, list[int]] = defaultdict(list)
    for row in wanted:
        if row.account_id in kept and kept[row.account_id] != row.state:
            by_state[row.state].append(row.account_id)
    for state, accounts in by_state.items():
        for start in range(0, len(accounts), BATCH):
            # Only from the state that was read: a row worked in this very moment stays worked.
            here.filter(account__in=accounts[start : start + BATCH]).exclude(state__in=DECIDED).update(
                state=state
            )
    present = {row.account_id for row in rows}
    gone = [pk for pk, state in kept.items() if pk not in present and state in {State.OPEN, State.SNOOZED}]
    for start in range(0, len(gone), BATCH):
        here.filter(account__in=gone[start : start + BATCH], state__in=[State.OPEN, State.SNOOZED]).update(
            state=State.LEFT, held_until=None
        )
    return len(gone)


def _rerank(run: WorklistRun, collectors: set[int | None]) -> None:
    """Number the open rows of these collectors again, after some of them changed their price."""
    from django.db.models import Q

    mine = Q(collector__in=[pk for pk in collectors if pk is not None])
    if None in collectors:
        mine |= Q(collector__isnull=True)
    rows = list(
        WorklistRow.objects.filter(mine, run=run, state=State.OPEN).only(
            *("pk", "collector_id", "lane", "rank", "state", "at_risk", "minutes", "oldest_due_on"),
            *("account_id", "currency", "run_id"),
        )
    )
    rows.sort(
        key=lambda row: (
            -(row.at_risk.minor * 1000 // row.minutes),
            -row.at_risk.minor,
            row.oldest_due_on,
            row.account_id,
        )
    )
    before = {row.pk: row.rank for row in rows}
    _number(rows)
    moved = [row for row in rows if row.rank != before[row.pk]]
    WorklistRow.objects.bulk_update(moved, ["rank"], batch_size=BATCH)
