"""What django-q runs: rescoring what changed within seconds, and the whole book every night."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.clock import business_date, business_date_due
from creditdesk.core.jobs import finding_first, plan_jobs
from creditdesk.core.models import Job, User
from creditdesk.core.sentences import sentence_of
from customers.bank.access import log_scoring_pass
from customers.models import CreditAccount
from customers.rates import MissingRate
from scoring.beside import BESIDE_FAILED, drop_old, keep_beside
from scoring.card import CardError
from scoring.causes import react_to_causes
from scoring.engine import Outcome, rescore
from scoring.evidence import keep_measured, measured
from scoring.fitting.account_fit import NotEnoughEvents
from scoring.fitting.logistic import FitError
from scoring.invoices.cards import fit_draft, model_in_use
from scoring.invoices.estimates import drift_days, keep_drift
from scoring.models import CardReport, DirtyAccount, Scorecard
from scoring.monitoring import keep_month, monitor, month_end_before, month_of
from scoring.peers import store_peer_figures
from scoring.publishing import begin_planned
from scoring.ranges import NIGHTLY, account_ranges, dates_there, nights
from scoring.recalibrating import calibrate, keep_calibrated
from scoring.side_by_side import compared, keep_compared
from scoring.statement import Scope

LEVEL = "invoice_level"
CLAIM = 1000

Keep = Callable[[], dict[str, Any]]


def rescore_dirty() -> int:
    """Rescore the accounts whose ledger changed; returns how many. Also the sweep that runs every minute.

    Marks are taken, the scores written and limits cut for what they show in one transaction: a killed worker leaves
    both as they were. Rows another worker holds are skipped, a change committed meanwhile has a mark of its own.
    """
    done = 0
    while claimed := _rescore_some():
        done += claimed
    return done


@transaction.atomic
def _rescore_some() -> int:
    marks = DirtyAccount.objects.order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        marks = marks.select_for_update(skip_locked=True)
    claimed = list(marks.values_list("pk", "account_id")[:CLAIM])
    if not claimed:
        return 0
    # One business date at a time: causes lock accounts in order of id, and only once in a transaction. The marks of
    # another date are claimed again next.
    as_of, ids = next(iter(_by_business_date({account_id for _pk, account_id in claimed}).items()))
    entry = record_act(
        "score.rescored",
        actor=Actor.job("rescore"),
        business_date=as_of,
        reason_code="ledger_changed",
        data={"accounts": len(ids)},
    )
    rescore(as_of, Scope.of(ids), entry=entry)
    log_scoring_pass(
        reader=Actor.job("rescore"),
        as_of=as_of,
        accounts=CreditAccount.objects.filter(pk__in=ids),
        each=True,
    )
    done = set(ids)
    DirtyAccount.objects.filter(pk__in=[pk for pk, account_id in claimed if account_id in done]).delete()
    # Last, so that nobody waits for the locked accounts longer than it takes to cut limits.
    react_to_causes(as_of, ids)
    return len(ids)


def _by_business_date(accounts: Iterable[int]) -> dict[date, list[int]]:
    """Accounts by the business date of their company (its time zone)."""
    dates: dict[date, list[int]] = defaultdict(list)
    zones = (
        CreditAccount.objects.filter(pk__in=accounts).order_by("pk").values_list("pk", "company__time_zone")
    )
    for pk, zone in zones:
        dates[business_date(zone)].append(pk)
    return dates


def store_peers(due: str | None = None) -> int:
    """Store the week's peer figures; returns the rows added. Run again for the same day, it adds nothing."""
    return store_peer_figures(business_date_due(due))


def plan_nightly(due: str | None = None) -> int:
    """Queue one job per range of accounts for a night's business date, and those that keep the level of the invoice
    card; returns how many jobs still wait.

    due: ISO time the run was due, so that one delayed past midnight still scores its own day.
    """
    as_of = business_date_due(due)
    keys = [f"{low}-{high}" for low, high in account_ranges()]
    with transaction.atomic():
        # The state follows once the day has come for every company; scores ask the day itself.
        drop_old(as_of)
        begin_planned(min(day for day, _companies in dates_there(as_of, timezone.now())))
        levels = plan_jobs(LEVEL, _level_keys(as_of), as_of, "scoring.tasks.keep_level", cluster="bulk")
        return levels + plan_jobs(NIGHTLY, keys, as_of, "scoring.tasks.score_range", cluster="bulk")


def _level_keys(as_of: date) -> list[str]:
    """Version of the invoice card in use and day, for every level that the day's estimates will ask for."""
    found = model_in_use()
    if found is None or not found[1].moves:
        return []
    return [f"{found[0]} {day}" for day in drift_days(as_of)]


def keep_level(job: Job) -> dict[str, Any]:
    """The effect of one nightly job: how the book moved against the invoice card, kept before anybody asks."""
    version, day = job.key.split()
    return {"kept": keep_drift(int(version), date.fromisoformat(day))}


def score_range(job: Job) -> dict[str, Any]:
    """The effect of one nightly job: score its accounts and keep the history worth keeping.

    Each at the business date of its company: a score of tomorrow would keep that of a payment made today from being
    stored (`rescore` never goes back).
    """
    low, high = (int(part) for part in job.key.split("-"))
    outcome, actor, beside = Outcome(), Actor.job("nightly scoring"), 0
    failed: dict[int, str] = {}
    for as_of, companies in nights(job):
        outcome += score_accounts(as_of, low, high, actor=actor, companies=companies)
        if job.kind == NIGHTLY:
            beside += keep_beside(as_of, _scope_of(low, high, companies), failed=failed)
    result: dict[str, Any] = {"scored": outcome.scored, "kept": outcome.kept}
    if beside:
        result["beside"] = beside
    if failed:
        result[BESIDE_FAILED] = [{"card": pk, "error": error} for pk, error in failed.items()]
    return result


def _scope_of(low: int, high: int, companies: list[int] | None) -> Scope:
    if companies is None:
        return Scope.between(low, high)
    accounts = CreditAccount.objects.filter(pk__range=(low, high), company__in=companies)
    return Scope.of(list(accounts.order_by("pk").values_list("pk", flat=True)))


@transaction.atomic
def score_accounts(
    as_of: date,
    low: int,
    high: int,
    *,
    actor: Actor,
    keep_history: bool = True,
    go_back: bool = False,
    companies: list[int] | None = None,
) -> Outcome:
    """Score a range of account ids (inclusive) in one transaction with its audit entry; only those of `companies`."""
    accounts, scope = CreditAccount.objects.filter(pk__range=(low, high)), _scope_of(low, high, companies)
    if companies is not None:
        accounts = accounts.filter(company__in=companies)
        if not scope.ids:
            return Outcome()
    entry = record_act(
        "score.pass", actor=actor, business_date=as_of, data={"from_account": low, "to_account": high}
    )
    log_scoring_pass(reader=actor, as_of=as_of, accounts=accounts)
    return rescore(as_of, scope, entry=entry, keep_history=keep_history, go_back=go_back)


def monitor_month(due: str | None = None) -> int:
    """Keep the monitoring report of the month that is over; returns its id. Once a month, however often it runs."""
    as_of = business_date_due(due)
    kept = CardReport.objects.filter(kind=CardReport.Kind.MONITORING, as_of=month_end_before(as_of)).first()
    return (kept or monitor(as_of, made_by="monthly monitoring")).pk


def _asked_by(user: str, job: str) -> tuple[Actor, str]:
    """Who reads for a job and the name its report carries: the person of this id, or the job itself."""
    if not user:
        return Actor.job(job), job
    found = User.objects.get(pk=int(user))
    return Actor.person(found), found.get_full_name() or found.get_username()


@finding_first
def measure_planned_card(job: Job) -> Keep:
    """The effect of one job: the reports of a card (key: its id, who asked, how many such jobs ended)."""
    pk, *asked = job.key.split("-")
    card, as_of = Scorecard.objects.get(pk=int(pk)), job.business_date
    # Two parts: planned by the release before, which counted reports there and did not say who asked.
    reader, by = _asked_by(asked[0] if len(asked) == 2 else "", "measuring")
    found = measured(card, as_of, reader)
    return lambda: {"reports": [report.pk for report in keep_measured(card, as_of, found, made_by=by)]}


@finding_first
def compare_planned_cards(job: Job) -> Keep:
    """The effect of one job: one card measured beside another (key: both ids, who asked, such jobs that ended)."""
    first, second, who = (int(part) for part in job.key.split("-")[:3])
    a, b = (Scorecard.objects.select_related("based_on").get(pk=pk) for pk in (first, second))
    user = User.objects.get(pk=who)
    as_of, by = job.business_date, user.get_full_name() or user.get_username()
    try:
        found = compared(a, b, as_of, Actor.person(user))
    except (CardError, MissingRate) as error:
        refused = sentence_of(error)
        return lambda: {"refused": refused}
    return lambda: {"report": keep_compared(b, as_of, found, made_by=by).pk}


def calibrate_planned_card(job: Job) -> dict[str, Any]:
    """The effect of one job: a draft with new odds, or why the ledger tells none (key: id of the card and of who asked)."""
    pk, who = job.key.split("-")[:2]
    card = Scorecard.objects.select_related("based_on").get(pk=int(pk))
    user = User.objects.get(pk=int(who))
    try:
        found = calibrate(card, reader=Actor.person(user))
        draft = keep_calibrated(card, found, as_of=job.business_date, actor=Actor.person(user), by=user)
    except (NotEnoughEvents, CardError, MissingRate) as error:
        return {"refused": sentence_of(error)}
    return {"draft": draft.pk}


def fit_planned_invoice_card(job: Job) -> dict[str, Any]:
    """The effect of one job: a draft of an invoice card, or why the ledger allows none."""
    try:
        card = fit_draft(job.business_date, actor=Actor.job("learning when invoices are paid"))
    except FitError as error:
        return {"refused": sentence_of(error)}
    return {"version": card.version}


@finding_first
def monitor_planned_month(job: Job) -> Keep:
    """The effect of one job: the monitoring report of the month before its business date (key: who asked, how many such
    jobs ended; of the release before "now")."""
    as_of, who = job.business_date, job.key.split("-")[0]
    reader, by = _asked_by(who if who.isdecimal() else "", "measuring")
    month = month_of(as_of, reader)
    return lambda: {"report": keep_month(month, as_of, made_by=by).pk}
