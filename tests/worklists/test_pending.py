"""A change of the ledger reaches promises and today's rows, once, whatever is killed."""

from decimal import Decimal

import pytest
from django.db import connection, transaction
from django_q.models import OrmQ

from customers.models import Contact, ImportBatch, Promise
from customers.promises import take_promise
from dunning import outbox
from tests.factories import ACTOR, make_company, pay
from tests.worklists.conftest import AS_OF, account_of, ago, make_collector, overdue
from worklists import pending, tasks
from worklists.actions import send_reminder
from worklists.models import PendingAccount, WorklistRow
from worklists.runs import build_worklists

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(settings):
    settings.BUSINESS_DATE = AS_OF


def clear():
    # One test is one transaction: forget what it has noted so far, as a commit would.
    connection.run_on_commit.clear()
    PendingAccount.objects.all().delete()
    OrmQ.objects.all().delete()


def test_a_payment_settles_its_promise_and_takes_the_row_off(company, marta):
    account = account_of(company, marta)
    item = overdue(account, "1000.00", 40)
    other = overdue(account_of(company, marta), "700.00")
    take_promise(account, [(item, Decimal("1000"))], due_on=ago(10), given_on=ago(15), actor=ACTOR)
    tasks.nightly()
    assert Promise.objects.get().status == "broken"
    assert WorklistRow.objects.get(account=account).cause_code == "broken_promise"
    clear()
    # The bank booked it in time, we learnt of it today: the promise was kept after all.
    pay(item, ago(11))
    assert set(PendingAccount.objects.values_list("account_id", flat=True)) == {account.pk}
    tasks.follow_ledger()
    assert Promise.objects.get().status == "kept"
    assert WorklistRow.objects.get(account=account).state == "left"
    row = WorklistRow.objects.get(account=other.account)
    assert (row.state, row.rank) == ("open", 1)
    assert not PendingAccount.objects.exists()


def test_no_promise_is_broken_before_the_ledger_is_complete_through_its_grace(marta):
    company = make_company("slow", complete_through=ago(8))
    account = account_of(company, marta)
    item = overdue(account, "1000.00", 40)
    # Due on Friday 13 Nov, judged on Tuesday 17 Nov: two business days of grace.
    take_promise(account, [(item, Decimal("1000"))], due_on=ago(10), given_on=ago(15), actor=ACTOR)
    promise = Promise.objects.get()
    assert promise.judged_on == ago(6)
    source = company.sources.get()
    for days, status in ((8, "open"), (7, "open"), (6, "broken")):
        ImportBatch.objects.create(source=source, complete_through=ago(days))
        tasks.nightly()
        promise.refresh_from_db()
        assert promise.status == status, f"ledger complete through {ago(days)}"
    assert WorklistRow.objects.get().cause_code == "broken_promise"


@pytest.mark.django_db(transaction=True)
def test_a_change_and_its_task_commit_or_roll_back_together():
    company = make_company(complete_through=AS_OF)
    account = account_of(company, make_collector("marta", company))
    clear()
    with pytest.raises(RuntimeError), transaction.atomic():
        overdue(account)
        raise RuntimeError
    assert not PendingAccount.objects.exists()
    assert not OrmQ.objects.exists()
    with transaction.atomic():
        overdue(account)
        overdue(account, days=9)
    assert PendingAccount.objects.count() == 1
    ours = [task for task in OrmQ.objects.all() if task.func() == pending.TASK]
    assert len(ours) == 1, "one task per transaction"


@pytest.mark.django_db(transaction=True)
def test_what_a_savepoint_took_back_is_noted_again():
    company = make_company(complete_through=AS_OF)
    account = account_of(company, make_collector("marta", company))
    clear()
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            overdue(account)
            raise RuntimeError
        overdue(account, days=9)
    assert PendingAccount.objects.count() == 1
    assert [task.func() for task in OrmQ.objects.all()].count(pending.TASK) == 1


@pytest.mark.parametrize("killed_at", ["settle_promises", "refresh_accounts"])
def test_a_killed_worker_loses_nothing_and_repeats_nothing(killed_at, company, marta, monkeypatch):
    account = account_of(company, marta)
    item = overdue(account, "1000.00", 40)
    take_promise(account, [(item, Decimal("1000"))], due_on=ago(10), given_on=ago(15), actor=ACTOR)
    build_worklists(AS_OF)
    real = getattr(pending, killed_at)

    def dies(*args, **kwargs):
        real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(pending, killed_at, dies)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        pending.follow_ledger()
    assert Promise.objects.get().status == "open"
    assert PendingAccount.objects.exists()
    monkeypatch.undo()
    for _ in range(2):
        pending.follow_ledger()
    assert Promise.objects.get().status == "broken"
    assert Promise.objects.get().moves.count() == 1
    assert not PendingAccount.objects.exists()


def test_a_change_during_the_work_is_not_lost(company, marta, monkeypatch):
    account = account_of(company, marta)
    overdue(account)
    real = pending.refresh_accounts
    seen = []

    def slow(ids, as_of):
        seen.append(sorted(ids))
        if len(seen) == 1:
            # As another transaction would leave it, committed while this one was working.
            PendingAccount.objects.create(account=account)
        return real(ids, as_of)

    monkeypatch.setattr(pending, "refresh_accounts", slow)
    pending.follow_ledger()
    assert seen == [[account.pk], [account.pk]]


def test_a_reminder_that_bounced_brings_the_row_back(company, marta, settings, monkeypatch):
    settings.OUTBOUND_TEST_MODE = False
    account = account_of(company, marta)
    contact = Contact.objects.create(customer=account.customer, name="Anna", email="anna@x.example")
    item = overdue(account, "1000.00")
    build_worklists(AS_OF)
    line = send_reminder(account, user=marta, on=AS_OF, level=1, items=[item])
    assert WorklistRow.objects.get().state == "done"

    def refused(*args, **kwargs):
        import smtplib

        raise smtplib.SMTPRecipientsRefused({})

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refused)
    assert outbox.send(line.reminder_id) == "failed"
    tasks.follow_ledger()
    row = WorklistRow.objects.get()
    assert (row.state, row.cause_code, row.step_code) == ("open", "undelivered", "call_address")
    contact.refresh_from_db()
    assert contact.bounced_on == AS_OF


def test_insolvency_moves_the_row_to_the_legal_lane(company, marta):
    from customers.events import legal_event_recorded
    from customers.models import LegalEvent

    account = account_of(company, marta)
    overdue(account)
    build_worklists(AS_OF)
    event = LegalEvent.objects.create(
        customer=account.customer, kind="insolvency", source="x", effective_on=AS_OF, known_on=AS_OF
    )
    legal_event_recorded.send(sender=LegalEvent, event=event)
    tasks.follow_ledger()
    assert WorklistRow.objects.get().lane == "legal"


def test_the_night_keeps_the_day_it_was_due_for(company, marta, settings):
    settings.BUSINESS_DATE = None
    overdue(account_of(company, marta))
    tasks.nightly(due=f"{AS_OF}T04:40:00+01:00")
    assert WorklistRow.objects.get().run.as_of == AS_OF
