"""What a collector does: the row moves, the log grows, undo compensates and deletes nothing."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction

from creditdesk.core.models import AuditEntry
from customers.models import Contact, Dispute, Promise
from customers.promises import PromiseError
from dunning.models import Reminder
from tests.factories import make_company
from tests.worklists.conftest import AS_OF, account_of, make_collector, overdue
from worklists import actions
from worklists.models import FollowUp, Snooze, WorklistRow
from worklists.runs import build_worklists

pytestmark = pytest.mark.django_db
SOON = AS_OF + timedelta(days=4)


@pytest.fixture
def account(company, marta):
    account = account_of(company, marta, "Rossi Srl", language="it")
    Contact.objects.create(
        customer=account.customer, name="Anna B.", email="anna@rossi.example", phone="+39 1"
    )
    overdue(account, "1000.00", number="F-A")
    overdue(account, "500.00", 10, number="F-B")
    build_worklists(AS_OF)
    return account


def row():
    return WorklistRow.objects.get()


def items(account):
    return list(account.instalments.select_related("invoice").order_by("due_on"))


def call(account, user):
    return actions.log_call(account, user=user, on=AS_OF, outcome="reached", text="will pay")


def email(account, user):
    return actions.send_reminder(account, user=user, on=AS_OF, level=1, items=items(account))


def promise(account, user):
    return actions.take_promise(
        account, [(items(account)[0], Decimal("1000"))], user=user, on=AS_OF, due_on=SOON
    )


def dispute(account, user):
    return actions.open_dispute(
        account, [(items(account)[0], Decimal("400"))], user=user, on=AS_OF, reason="price"
    )


def snooze(account, user):
    return actions.snooze(account, user=user, on=AS_OF, until=SOON, reason="internal")


def note(account, user):
    return actions.add_note(account, user=user, on=AS_OF, text="moved office")


def skip(account, user):
    return actions.skip(account, user=user, on=AS_OF)


ACTS = [(call, "done"), (email, "done"), (promise, "done"), (dispute, "done")]
ACTS += [(snooze, "snoozed"), (note, "open"), (skip, "skipped")]


@pytest.mark.parametrize(("act", "state"), ACTS, ids=lambda value: getattr(value, "__name__", value))
def test_an_act_is_logged_audited_and_moves_the_row(act, state, account, marta):
    line = act(account, marta)
    assert row().state == state
    assert (line.row_id, line.by, line.business_date) == (row().pk, marta, AS_OF)
    entry = AuditEntry.objects.get(act=f"followup.{line.kind}")
    assert (entry.actor, entry.subject_pk) == (marta, str(account.pk))
    assert "will pay" not in str(entry.data), "free text stays out of the trail"


@pytest.mark.parametrize(("act", "state"), ACTS, ids=lambda value: getattr(value, "__name__", value))
def test_undo_compensates_and_brings_the_row_back(act, state, account, marta):
    line = act(account, marta)
    back = actions.undo(user=marta, on=AS_OF)
    assert (back.kind, back.compensates) == ("undo", line)
    assert FollowUp.objects.count() == 2, "nothing is deleted"
    assert row().state == "open"
    assert row().collectable.minor == 150_000
    assert not Promise.objects.filter(status="open").exists()
    assert not Dispute.objects.filter(closed_on__isnull=True).exists()
    assert not Snooze.objects.filter(ended_on__isnull=True).exists()
    assert not Reminder.objects.exclude(state="cancelled").exists()
    assert AuditEntry.objects.filter(act="followup.undo").exists()


def test_undo_goes_back_one_act_at_a_time(account, marta):
    call(account, marta)
    promise(account, marta)
    actions.undo(user=marta, on=AS_OF)
    assert Promise.objects.get().status == "withdrawn"
    assert row().state == "done", "the call still stands"
    actions.undo(user=marta, on=AS_OF)
    assert row().state == "open"
    with pytest.raises(actions.ActionError):
        actions.undo(user=marta, on=AS_OF)


def test_undo_gives_back_the_promise_that_was_replaced(account, marta):
    promise(account, marta)
    actions.take_promise(
        account, [(items(account)[0], Decimal("700"))], user=marta, on=AS_OF, due_on=SOON + timedelta(days=2)
    )
    actions.undo(user=marta, on=AS_OF)
    standing = Promise.objects.get(status="open")
    assert (standing.amount.minor, standing.due_on) == (100_000, SOON)


def test_nobody_undoes_another_persons_act_or_yesterdays(account, marta, company):
    call(account, marta)
    with pytest.raises(actions.ActionError):
        actions.undo(user=make_collector("lucas", company), on=AS_OF)
    with pytest.raises(actions.ActionError):
        actions.undo(user=marta, on=AS_OF + timedelta(days=1))


@pytest.mark.parametrize("act", [pair[0] for pair in ACTS], ids=lambda value: value.__name__)
def test_a_stranger_and_one_without_the_right_can_do_nothing(act, account, company):
    stranger = make_collector("stranger", make_company("elsewhere"))
    reader = make_collector("reader", company, may_work=False)
    for user in (stranger, reader):
        with pytest.raises(PermissionDenied):
            act(account, user)
    assert not FollowUp.objects.exists()
    assert not Promise.objects.exists()
    assert row().state == "open"


def test_snoozes_have_a_reason_an_end_and_a_cap(account, marta):
    def hold(on, until, reason="internal"):
        return actions.snooze(account, user=marta, on=on, until=until, reason=reason)

    for on, until, reason in (
        (AS_OF, AS_OF, "internal"),
        (AS_OF, AS_OF + timedelta(days=31), "internal"),
        (AS_OF, SOON, ""),
    ):
        with pytest.raises(actions.ActionError):
            hold(on, until, reason)
    for day in (0, 10, 20):
        hold(AS_OF + timedelta(days=day), AS_OF + timedelta(days=day + 5))
    with pytest.raises(actions.ActionError, match="3 times"):
        hold(AS_OF + timedelta(days=30), AS_OF + timedelta(days=35))


def test_a_snoozed_account_is_held_until_its_day(account, marta):
    snooze(account, marta)
    build_worklists(AS_OF)
    assert (row().state, row().held_until) == ("snoozed", SOON)
    before = SOON - timedelta(days=1)
    build_worklists(before)
    assert WorklistRow.objects.get(run__as_of=before).state == "snoozed"
    build_worklists(SOON)
    assert WorklistRow.objects.get(run__as_of=SOON).state == "open"


def test_a_refused_act_leaves_nothing_half_done(account, marta):
    with pytest.raises(PromiseError):
        actions.take_promise(
            account, [(items(account)[0], Decimal("99999"))], user=marta, on=AS_OF, due_on=SOON
        )
    assert row().state == "open"
    assert not FollowUp.objects.exists()


def test_a_contact_of_another_customer_is_refused(account, marta, company):
    other = Contact.objects.create(customer=account_of(company, marta).customer, name="Else")
    with pytest.raises(actions.ActionError):
        actions.log_call(account, user=marta, on=AS_OF, outcome="reached", contact=other)


def test_the_log_only_grows(account, marta):
    line = call(account, marta)
    for change in (
        lambda: FollowUp.objects.filter(pk=line.pk).update(outcome="no_answer"),
        lambda: FollowUp.objects.filter(pk=line.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    FollowUp.objects.filter(pk=line.pk).update(text="")  # may be erased


def test_the_disputed_part_is_not_asked_for_in_a_reminder(account, marta):
    dispute(account, marta)
    line = email(account, marta)
    assert line.reminder.amount.minor == 110_000
