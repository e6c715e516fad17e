"""Rescoring after a ledger change and by night: nothing lost, nothing twice, nothing stale."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from creditdesk.core.models import AuditEntry, Job
from customers.approval_clock import Outcome
from customers.attributes import set_status
from scoring import limit_tasks, tasks
from scoring.engine import rescore
from scoring.models import AccountScore, DirtyAccount, ScoreHistory
from scoring.ranges import account_ranges
from scoring.signals import SIGNALS
from scoring.statement import Scope, compile_upsert
from scoring.stored import points_of, values_of
from tests.factories import ACTOR, history, invoice, make_account, make_company, pay

TODAY = date(2026, 3, 16)


@pytest.fixture
def pinned(settings):
    settings.BUSINESS_DATE = TODAY


@pytest.fixture
def account(db, pinned):
    return make_account(make_company(complete_through=TODAY))


def everything(model) -> list[dict]:
    """A table without what may differ between two equal runs."""
    volatile = {"id", "stamp", "pass_id", "recorded_at", "entry_id", "moved"}
    rows = model.objects.order_by("pk").values()
    return [{k: v for k, v in row.items() if k not in volatile} for row in rows]


def tables() -> list:
    return [everything(AccountScore), sorted(everything(ScoreHistory), key=str)]


def tasks_queued() -> int:
    return sum("rescore_dirty" in str(row.task) for row in OrmQ.objects.all())


def test_a_ledger_change_marks_the_account_and_queues_one_task_per_transaction(account):
    OrmQ.objects.all().delete()
    with transaction.atomic():
        for number in range(3):
            invoice(account, "10.00", TODAY - timedelta(days=number))
    assert set(DirtyAccount.objects.values_list("account_id", flat=True)) == {account.pk}
    assert tasks_queued() == 1


@pytest.mark.django_db(transaction=True)
def test_marks_and_task_roll_back_with_the_change(pinned):
    account = make_account(make_company(complete_through=TODAY))
    with pytest.raises(RuntimeError), transaction.atomic():
        invoice(account, "10.00", TODAY)
        raise RuntimeError
    assert not DirtyAccount.objects.exists() and not OrmQ.objects.exists()
    with transaction.atomic():
        try:
            with transaction.atomic():
                invoice(account, "10.00", TODAY)
                raise RuntimeError
        except RuntimeError:
            pass
        invoice(account, "11.00", TODAY)
    assert DirtyAccount.objects.count() >= 1
    assert tasks_queued() == 1, "a task queued in a savepoint that was taken back must not count"


def test_rescoring_takes_the_marks_and_scores_at_the_business_date(account):
    pay(invoice(account, "100.00", TODAY - timedelta(days=90)), TODAY)
    assert tasks.rescore_dirty() == 1
    row = AccountScore.objects.get()
    assert (row.account_id, row.as_of, row.due_count_12m) == (account.pk, TODAY, 1)
    assert not DirtyAccount.objects.exists()
    assert tasks.rescore_dirty() == 0


def test_a_payment_moves_the_score_and_leaves_history(account):
    issued = [TODAY - timedelta(days=300 - 30 * n) for n in range(8)]
    rows = history(
        account,
        [("100.00", day, 30, day + timedelta(days=30) if day != issued[-1] else None) for day in issued],
    )
    tasks.rescore_dirty()
    before = AccountScore.objects.get()
    pay(rows[-1], TODAY)
    tasks.rescore_dirty()
    after = AccountScore.objects.get()
    assert after.oldest_overdue_days == 0 < before.oldest_overdue_days
    assert after.score > before.score
    kept = list(ScoreHistory.objects.order_by("pk"))
    assert [k.because for k in kept] == ["first", "changed"]
    assert [k.score for k in kept] == [before.score, after.score]
    assert kept[-1].oldest_overdue_days == 0
    assert points_of(kept[-1]) == points_of(after)
    assert kept[-1].entry.act == "score.rescored"


def test_scoring_twice_changes_nothing(account):
    invoice(account, "100.00", TODAY - timedelta(days=90))
    for as_of in (TODAY, date(2026, 3, 31), date(2026, 3, 31)):
        rescore(as_of)
    once = tables()
    rescore(date(2026, 3, 31))
    assert tables() == once


def test_month_end_is_kept_even_where_nothing_moved(account):
    assert rescore(date(2026, 4, 29)).kept == 1
    assert rescore(date(2026, 4, 30)).kept == 1
    assert rescore(date(2026, 4, 30)).kept == 0
    assert ScoreHistory.objects.get(because="month_end").as_of == date(2026, 4, 30)


def test_an_earlier_date_never_overwrites_a_later_one(account):
    rescore(TODAY)
    assert rescore(TODAY - timedelta(days=1)).scored == 0
    assert AccountScore.objects.get().as_of == TODAY
    assert rescore(TODAY - timedelta(days=1), go_back=True).scored == 1


def test_kept_scores_are_never_edited(account):
    rescore(TODAY)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ScoreHistory.objects.update(score=100)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ScoreHistory.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_a_slow_pass_never_overwrites_a_newer_rescore(pinned):
    """The pass reads the ledger, a payment is rescored and committed, then the pass writes: it must yield."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: a pass cannot be overtaken")
    account = make_account(make_company(complete_through=TODAY))
    row = invoice(account, "100.00", TODAY - timedelta(days=90))
    rescore(TODAY)
    reading, errors = threading.Event(), []

    def slow_pass():
        # The statement takes its stamp and snapshot, then sleeps before it comes to write its row.
        import scoring.engine as engine

        def slowed(*shape):
            sql = compile_upsert(*shape)
            return sql.replace("WHERE TRUE ORDER BY", "WHERE pg_sleep(1.5) IS NOT NULL ORDER BY", 1)

        original, engine.compile_upsert = engine.compile_upsert, slowed
        try:
            reading.set()
            rescore(TODAY, Scope.everyone(), keep_history=False)
        except Exception as error:
            errors.append(error)
        finally:
            engine.compile_upsert = original
            connection.close()

    thread = threading.Thread(target=slow_pass)
    thread.start()
    reading.wait()
    threading.Event().wait(0.6)
    pay(row, TODAY)
    import scoring.engine as engine

    engine.compile_upsert = compile_upsert
    rescore(TODAY, Scope.of([account.pk]))
    newer = AccountScore.objects.get()
    assert newer.oldest_overdue_days == 0
    thread.join()
    assert not errors
    assert AccountScore.objects.get().oldest_overdue_days == 0


@pytest.mark.django_db(transaction=True)
def test_a_change_during_rescoring_keeps_its_own_mark(pinned, monkeypatch):
    """A mark written while its account is being rescored is not deleted with the claimed ones."""
    account = make_account(make_company(complete_through=TODAY))
    invoice(account, "100.00", TODAY - timedelta(days=90))
    real = tasks.rescore
    calls = []

    def rescore_then_change(*args, **kwargs):
        outcome = real(*args, **kwargs)
        if not calls:
            calls.append(1)
            DirtyAccount.objects.create(account=account)
        return outcome

    monkeypatch.setattr(tasks, "rescore", rescore_then_change)
    tasks._rescore_some()
    assert DirtyAccount.objects.count() == 1


def test_a_status_change_marks_the_accounts_of_the_customer(account):
    tasks.rescore_dirty()
    rescore(TODAY)
    assert AccountScore.objects.get().insolvent == 0
    OrmQ.objects.all().delete()
    set_status(account.customer, "insolvent", on=TODAY, actor=ACTOR)
    assert tasks_queued() == 1
    assert tasks.rescore_dirty() == 1
    row = AccountScore.objects.get()
    assert (row.insolvent, row.grade, row.recommendation) == (1, "E", "declined")


def test_accounts_one_after_another_share_a_plan(account):
    """What the server keeps prepared is the same statement for every account, and gives each its own score."""
    others = [make_account(account.company) for _n in range(3)]
    for number, some in enumerate([account, *others]):
        for n in range(number):
            invoice(some, "100.00", TODAY - timedelta(days=40 + n))
    for some in [account, *others, account]:
        assert rescore(TODAY, Scope.of([some.pk])).scored == 1
    found = AccountScore.objects.order_by("pk").values_list("overdue_count", flat=True)
    assert list(found) == [0, 1, 2, 3]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'score_%%'", [])
            assert cursor.fetchone()[0] >= 2


def test_behind_a_pooler_nothing_is_prepared(account, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    with CaptureQueriesContext(connection) as queries:
        assert rescore(TODAY, Scope.of([account.pk])).scored == 1
    assert not any("EXECUTE" in q["sql"] or "PREPARE" in q["sql"] for q in queries)


def test_a_failing_rescore_keeps_the_marks(account, monkeypatch):
    invoice(account, "100.00", TODAY)
    marks = DirtyAccount.objects.count()

    def fail(*args, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(tasks, "rescore", fail)
    with pytest.raises(RuntimeError), transaction.atomic():
        tasks.rescore_dirty()
    assert DirtyAccount.objects.count() == marks > 0


@pytest.mark.django_db(transaction=True)
def test_the_nightly_jobs_score_everyone_once(pinned):
    company = make_company(complete_through=TODAY)
    accounts = [make_account(company) for _n in range(3)]
    assert account_ranges() == [(accounts[0].pk, accounts[-1].pk)]
    assert tasks.plan_nightly("2026-03-16T02:30:00+01:00") == 1
    assert tasks.plan_nightly("2026-03-16T02:30:00+01:00") == 1, "still waiting: queued again, done once"
    from creditdesk.core.jobs import perform

    for job in list(Job.objects.all()) * 2:
        perform(job.pk, "scoring.tasks.score_range")
    job = Job.objects.get(kind="score")
    assert job.status == "done" and job.result == {"scored": 3, "kept": 3}
    assert AccountScore.objects.count() == ScoreHistory.objects.count() == 3
    assert AuditEntry.objects.filter(act="score.pass").count() == 1
    assert tasks.plan_nightly("2026-03-16T02:30:00+01:00") == 0


@time_machine.travel(
    "2026-03-16T01:30:00+00:00", tick=False
)  # 02:30 in Madrid, still the evening before in New York
def test_a_night_is_of_the_date_of_each_company(db, settings, monkeypatch, capsys):
    settings.BUSINESS_DATE, settings.TIME_ZONE = None, "Europe/Madrid"
    zones = {"madrid": "Europe/Madrid", "york": "America/New_York", "auckland": "Pacific/Auckland"}
    companies = {
        name: make_company(name, complete_through=TODAY - timedelta(days=2), time_zone=zone)
        for name, zone in zones.items()
    }
    accounts = {name: make_account(company) for name, company in companies.items()}
    tasks.plan_nightly("2026-03-16T02:30:00+01:00")
    assert tasks.score_range(Job.objects.get(kind="score")) == {"scored": 3, "kept": 3}
    dates = {name: AccountScore.objects.get(account=account).as_of for name, account in accounts.items()}
    eve = TODAY - timedelta(days=1)
    assert dates == {"madrid": TODAY, "york": eve, "auckland": TODAY}
    # What is posted in New York that evening is in the score at once: no score of tomorrow stands in its way.
    invoice(accounts["york"], "100.00", eve - timedelta(days=40))
    assert tasks.rescore_dirty() == 1
    row = AccountScore.objects.get(account=accounts["york"])
    assert (row.as_of, row.due_count_12m) == (eve, 1)
    # In the foreground as well.
    call_command("rescore")
    assert f"as of {eve} and {TODAY}" in capsys.readouterr().out
    assert dates == dict(AccountScore.objects.values_list("account__company__code", "as_of"))
    call_command("propose_limits")
    assert f"{eve} and {TODAY}: 3 accounts" in capsys.readouterr().out
    for command in ("rescore", "propose_limits"):
        with pytest.raises(CommandError, match=f"{TODAY} has not come yet"):
            call_command(command, as_of=TODAY)
    limit_tasks.plan_nightly("2026-03-16T04:30:00+01:00")
    assert limit_tasks.propose_range(Job.objects.get(kind="limits"))["seen"] == 3
    seen = {}
    monkeypatch.setattr(
        limit_tasks, "run_clock", lambda company, on: seen.update({company.code: on}) or Outcome()
    )
    limit_tasks.plan_clock("2026-03-16T05:30:00+01:00")
    for job in Job.objects.filter(kind="approval clock"):
        limit_tasks.clock_of_company(job)
    assert seen == {"madrid": TODAY, "york": eve, "auckland": TODAY}


def test_ranges_cover_every_account_once(account, monkeypatch):
    from scoring import ranges

    monkeypatch.setattr(ranges, "LEAST", 2)
    monkeypatch.setattr(ranges, "MOST", 3)
    accounts = [account, *(make_account(account.company) for _n in range(7))]
    found = account_ranges()
    covered = [a.pk for a in accounts for low, high in found if low <= a.pk <= high]
    assert covered == [a.pk for a in accounts]
    assert all(low <= high for low, high in found) and len(found) == 3


def test_ranges_close_where_much_falls_due(account, monkeypatch):
    from scoring import ranges

    for n in range(3):
        invoice(account, "10.00", TODAY - timedelta(days=60 + n))
    others = [make_account(account.company) for _n in range(3)]
    rescore(TODAY)
    monkeypatch.setattr(ranges, "LEAST", 1)
    monkeypatch.setattr(ranges, "DUE", 3)
    assert account_ranges() == [(account.pk, account.pk), (others[0].pk, others[-1].pk)]


def test_companies_are_judged_by_their_own_ledger(account):
    behind = make_account(make_company("behind", complete_through=TODAY - timedelta(days=20)))
    never = make_account(make_company("never"))
    for some in (account, behind, never):
        invoice(some, "100.00", TODAY - timedelta(days=40))
    rescore(TODAY)
    found = dict(AccountScore.objects.values_list("account_id", "oldest_overdue_days"))
    assert found == {account.pk: 10, behind.pk: 0, never.pk: 0}
    judged = dict(AccountScore.objects.values_list("account_id", "judged_on"))
    assert judged == {account.pk: TODAY, behind.pk: TODAY - timedelta(days=20), never.pk: None}
    rescore(TODAY, Scope.of([behind.pk, never.pk]))
    assert dict(AccountScore.objects.values_list("account_id", "judged_on")) == judged


def test_the_rescore_command_reports_and_repeats(account, capsys):
    call_command("rescore", as_of=TODAY)
    assert "1 accounts scored" in capsys.readouterr().out
    call_command("rescore", as_of=TODAY)
    assert "0 kept" in capsys.readouterr().out
    with pytest.raises(CommandError, match="has not come yet"):
        call_command("rescore", as_of=date(2099, 1, 1))
    with pytest.raises(CommandError, match="write it as YYYY-MM-DD"):
        call_command("rescore", "--as-of", "2026-13-01")


def test_the_history_has_a_column_for_every_signal():
    for model in (AccountScore, ScoreHistory):
        assert {s.name for s in SIGNALS} <= {f.column for f in model._meta.concrete_fields}


def test_kept_scores_copy_every_value(account):
    invoice(account, "100.00", TODAY - timedelta(days=90))
    rescore(TODAY)
    row, kept = AccountScore.objects.get(), ScoreHistory.objects.get()
    assert values_of(kept) == values_of(row) and points_of(kept) == points_of(row)
    assert kept.exposure == row.exposure == 10_000


def test_scores_of_the_first_layout_stay_readable(account):
    rescore(TODAY)
    row = AccountScore.objects.get()
    kept = ScoreHistory.objects.create(
        account=account,
        as_of=TODAY,
        card=row.card,
        score=row.score,
        grade=row.grade,
        pd=row.pd,
        recommendation=row.recommendation,
        depth=row.depth,
        because="changed",
        first_signals={"overdue_count": 3},
        first_points={"overdue_count": -1},
    )
    kept.refresh_from_db()
    assert values_of(kept) == {"overdue_count": 3} and points_of(kept) == {"overdue_count": -1}


def test_kept_scores_refer_to_what_there_is(account):
    """On PostgreSQL a statement-wide check stands in for three foreign keys."""
    rescore(TODAY)
    kept = ScoreHistory.objects.get()
    for column, value in (("account_id", 10**9), ("card_id", 10**9), ("entry_id", 10**9)):
        with pytest.raises(DatabaseError), transaction.atomic():
            kept.pk, kept._state.adding, kept.because = None, True, "changed"
            before = getattr(kept, column)
            setattr(kept, column, value)
            try:
                kept.save(force_insert=True)
                connection.check_constraints()
            finally:
                setattr(kept, column, before)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM scoring_accountscore")
        cursor.execute("DELETE FROM customers_creditaccount")
        connection.check_constraints()
