"""The page of reminders whose sending was interrupted: who sees which, and what each answer does."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.navigation import counts
from customers.models import Contact
from dunning import outbox
from dunning.models import Reminder
from tests.desk_world import TODAY, client_of
from tests.factories import invoice, make_account, pay

pytestmark = pytest.mark.django_db
PAGE = "/desk/reminders/in-doubt/"


def doubtful(account, user, *, minutes=60):
    Contact.objects.get_or_create(
        customer=account.customer, defaults={"name": "Anna", "email": f"a{account.pk}@x.example"}
    )
    item = invoice(account, "120.00", TODAY - timedelta(days=60))
    reminder = outbox.write(account, [(item, item.open_amount)], 1, today=TODAY, actor=Actor.person(user))
    claimed = timezone.now() - timedelta(minutes=minutes)
    Reminder.objects.filter(pk=reminder.pk).update(state="sending", claimed_at=claimed)
    reminder.refresh_from_db()
    return reminder


@pytest.fixture
def desk(cast, settings):
    settings.BUSINESS_DATE = TODAY
    settings.OUTBOUND_TEST_MODE = False
    cache.clear()
    cast.mine = doubtful(cast.account, cast.collector)
    cast.theirs = doubtful(cast.elsewhere, cast.stranger)
    return cast


def answer(user, reminder, value):
    return client_of(user).post(reverse("dunning:decide", args=[reminder.pk]), {"answer": value}, follow=True)


@pytest.mark.parametrize("who", ["controller", "collector"])
def test_the_page_shows_what_is_known_of_ones_own_customers_only(desk, who):
    page = client_of(getattr(desk, who)).get(PAGE)
    assert [row.pk for row in page.context["page_obj"]] == [desk.mine.pk]
    text = page.content.decode()
    assert desk.account.customer.name in text
    assert desk.mine.to_address in text
    assert desk.mine.items.get().instalment.invoice.number in text
    assert "120.00" in text
    assert counts(getattr(desk, who))["in_doubt"] == 1
    assert "in_doubt" not in counts(desk.manager)


def test_what_is_being_sent_right_now_is_not_in_doubt(desk):
    fresh = doubtful(make_account(desk.company, portfolio=desk.portfolio), desk.collector, minutes=2)
    assert fresh.pk not in [r.pk for r in client_of(desk.collector).get(PAGE).context["page_obj"]]
    assert "not in doubt" in answer(desk.collector, fresh, "not_sent").content.decode()
    fresh.refresh_from_db()
    assert fresh.state == "sending"


def test_it_was_sent(desk, run_queued):
    assert "Noted as sent" in answer(desk.collector, desk.mine, "sent").content.decode()
    run_queued()
    desk.mine.refresh_from_db()
    assert (desk.mine.state, desk.mine.sent_at is not None, len(mail.outbox)) == ("sent", True, 0)
    entry = AuditEntry.objects.filter(act="reminder.move").latest("pk")
    assert entry.actor == desk.collector
    assert (entry.changes.get().before, entry.changes.get().after) == (
        {"state": "sending"},
        {"state": "sent"},
    )
    assert "not in doubt" in answer(desk.collector, desk.mine, "not_sent").content.decode()


def test_it_was_not_sent_and_leaves_once(desk, run_queued):
    run_queued()
    for _ in range(2):
        answer(desk.collector, desk.mine, "not_sent")
    run_queued()
    desk.mine.refresh_from_db()
    assert desk.mine.state == "sent"
    assert [m.to for m in mail.outbox] == [[desk.mine.to_address]]
    entry = AuditEntry.objects.filter(act="reminder.move", actor=desk.collector).get()
    assert entry.changes.get().after == {"state": "queued"}


def test_a_letter_that_is_no_longer_true_is_not_sent_again(desk, run_queued):
    pay(desk.mine.items.get().instalment, TODAY, "20.00")
    assert "back to the worklist" in client_of(desk.collector).get(PAGE).content.decode()
    answer(desk.collector, desk.mine, "not_sent")
    run_queued("creditdesk")
    desk.mine.refresh_from_db()
    assert (desk.mine.state, desk.mine.error, len(mail.outbox)) == ("failed", "interrupted", 0)


def test_no_answer_moves_nothing_and_a_strangers_reminder_does_not_exist(desk):
    assert "Say whether" in answer(desk.collector, desk.mine, "").content.decode()
    assert answer(desk.collector, desk.theirs, "sent").status_code == 404
    assert client_of(desk.collector).get(reverse("dunning:decide", args=[desk.mine.pk])).status_code == 405
    assert answer(desk.manager, desk.mine, "sent").status_code == 403
    assert set(Reminder.objects.values_list("state", flat=True)) == {"sending"}


def test_queries_do_not_grow_with_the_rows(desk):
    def opened():
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            assert client_of(desk.controller).get(PAGE).status_code == 200
        return len(queries)

    before = opened()
    for _ in range(4):
        doubtful(make_account(desk.company), desk.controller)
    assert opened() == before < 40
