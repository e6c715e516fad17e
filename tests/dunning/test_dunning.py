"""Letters in the customer's language, and an outbox from which each leaves at most once."""

import smtplib
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry, User
from creditdesk.core.money import Money
from customers.models import Contact
from dunning import letters, outbox, shipped, tasks
from dunning.events import reminder_failed
from dunning.models import LANGUAGES, LEVELS, Reminder, ReminderTemplate
from dunning.recipients import mark_bounced, to_write_to
from tests.factories import invoice, make_account, make_company, pay

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 23)


@pytest.fixture
def account():
    account = make_account(make_company(complete_through=TODAY), "Rossi Forniture Srl", language="it")
    Contact.objects.create(customer=account.customer, name="Anna Bianchi", email="anna@rossi.example")
    return account


@pytest.fixture
def marta():
    return Actor.person(User.objects.create_user("marta", first_name="Marta", last_name="Colombo"))


def asked(account, *amounts):
    rows = [invoice(account, amount, TODAY - timedelta(days=60 + n), 30) for n, amount in enumerate(amounts)]
    return [(row, row.open_amount) for row in rows]


def write(account, actor, level=1, amounts=("1234.50",)):
    return outbox.write(account, asked(account, *amounts), level, today=TODAY, actor=actor)


def test_every_language_and_level_has_a_text_that_fills_completely(account):
    items = asked(account, "1000.00", "234.50")
    for language, _label in LANGUAGES:
        for level, _name in LEVELS:
            account.customer.language = language
            letter = letters.compose(account, items, level, today=TODAY, sender="Marta")
            assert letter.language == language
            assert "{" not in letter.subject + letter.body
            for words in ("Rossi Forniture Srl", "Marta", items[0][0].invoice.number):
                assert words in letter.body


@pytest.mark.parametrize(
    ("language", "total", "due"),
    [
        ("en", "1,234.50", "24 Oct 2026"),
        ("it", "1.234,50", "24 ott 2026"),
        ("es", "1.234,50", "24 oct 2026"),
        ("fr", "1 234,50", "24 oct. 2026"),
    ],
)
def test_money_and_dates_are_written_the_customers_way(language, total, due, account):
    account.customer.language = language
    body = letters.compose(account, asked(account, "1234.50"), 1, today=TODAY, sender="M").body
    plain = body.replace("\u202f", " ").replace("\xa0", " ")
    assert total in plain
    assert due in plain


def test_the_contacts_language_wins_and_an_unknown_one_becomes_english(account):
    contact = account.customer.contacts.get()
    contact.language = "fr"
    assert letters.language_of(account, contact) == "fr"
    contact.language, account.customer.language = "", "pl"
    assert letters.language_of(account, contact) == "en"


def test_what_a_customer_is_called_cannot_call_or_inject_anything(account):
    account.customer.name = "{total} {{ settings.SECRET_KEY }}\nBcc: all@x.example {0.__class__}"
    letter = letters.compose(account, asked(account, "10.00"), 1, today=TODAY, sender="M")
    assert "{total} {{ settings.SECRET_KEY }}" in letter.body
    assert "\n" not in letter.subject


def test_a_template_with_an_unknown_placeholder_is_refused():
    template = ReminderTemplate(language="en", level=1, subject="{total}", body="{customer.delete}")
    with pytest.raises(ValidationError, match=r"customer\.delete"):
        template.clean()


def test_shipped_templates_follow_the_product_unless_edited():
    assert ReminderTemplate.objects.count() == len(shipped.TEXTS) == 12
    edited, plain = ReminderTemplate.objects.order_by("pk")[:2]
    ReminderTemplate.objects.filter(pk=edited.pk).update(body="ours")
    old = shipped.digest("s", "b")
    ReminderTemplate.objects.filter(pk=plain.pk).update(subject="s", body="b", shipped_digest=old)
    for _ in range(2):
        shipped.install_templates()
    edited.refresh_from_db()
    plain.refresh_from_db()
    assert edited.body == "ours"
    assert (plain.subject, plain.body) == shipped.TEXTS[plain.language, plain.level]
    assert ReminderTemplate.objects.count() == 12


def test_the_chain_goes_from_accounting_to_anybody_and_skips_bounces(account, marta):
    accounting = account.customer.contacts.get()
    boss = Contact.objects.create(
        customer=account.customer, name="Boss", role="management", email="boss@x.example"
    )
    other = Contact.objects.create(customer=account.customer, name="O", role="other", email="o@x.example")
    Contact.objects.create(customer=account.customer, name="No mail", role="accounting")
    for expected in (accounting, boss, other):
        assert to_write_to(account.customer.contacts.all()) == expected
        mark_bounced(expected, on=TODAY, account=account, actor=marta)
    assert to_write_to(account.customer.contacts.all()) is None
    with pytest.raises(letters.ReminderError, match="Nobody can be written to"):
        write(account, marta)


def test_in_test_mode_nothing_leaves(account, marta):
    reminder = write(account, marta)
    assert reminder.state == "held"
    assert outbox.send(reminder.pk) == "held"
    assert mail.outbox == []
    assert reminder.subject.startswith("Promemoria")
    assert [item.amount for item in reminder.items.all()] == [Money.of("1234.50", "EUR")]


def test_one_per_account_level_and_day(account, marta):
    write(account, marta)
    with pytest.raises(letters.ReminderError, match="already written"):
        write(account, marta)
    write(account, marta, level=2)
    outbox.cancel(Reminder.objects.get(level=1), actor=marta, on=TODAY)
    assert write(account, marta).state == "held", "a cancelled one makes room"


@pytest.fixture
def live(settings):
    settings.OUTBOUND_TEST_MODE = False


def test_sent_once_however_often_the_task_runs(live, account, marta):
    reminder = write(account, marta)
    assert [tasks.send(reminder.pk) for _ in range(3)] == ["sent"] * 3
    assert [(m.to, m.subject) for m in mail.outbox] == [(["anna@rossi.example"], reminder.subject)]
    reminder.refresh_from_db()
    assert reminder.sent_at is not None
    states = AuditEntry.objects.filter(act="reminder.move").order_by("pk")
    assert [entry.changes.get().after["state"] for entry in states] == ["sending", "sent"]


def test_switching_test_mode_on_holds_what_waits(live, account, marta, settings):
    reminder = write(account, marta)
    settings.OUTBOUND_TEST_MODE = True
    assert tasks.send(reminder.pk) == "held"
    assert mail.outbox == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after_handover", [False, True])
def test_a_worker_killed_while_sending_never_sends_twice(after_handover, live, account, marta, monkeypatch):
    reminder = write(account, marta)
    plain = mail.EmailMessage.send

    def send(message, *args, **kwargs):
        if after_handover:
            plain(message, *args, **kwargs)
        raise Killed

    monkeypatch.setattr(mail.EmailMessage, "send", send)
    with pytest.raises(Killed):
        outbox.send(reminder.pk)
    monkeypatch.undo()
    assert tasks.send(reminder.pk) == "sending"
    tasks.sweep()
    assert len(mail.outbox) == int(after_handover), "nobody sends again what is in doubt"
    Reminder.objects.update(claimed_at=timezone.now() - timedelta(hours=1))
    assert list(outbox.in_doubt()) == [reminder]
    resolved = outbox.resolve(reminder, was_sent=after_handover, actor=marta, on=TODAY)
    assert resolved.state == ("sent" if after_handover else "failed")
    with pytest.raises(letters.ReminderError):
        outbox.resolve(reminder, was_sent=True, actor=marta, on=TODAY)


def test_a_mail_server_that_is_away_leaves_it_waiting(live, account, marta, monkeypatch):
    reminder = write(account, marta)
    backend = "django.core.mail.backends.locmem.EmailBackend.open"
    monkeypatch.setattr(backend, lambda self: (_ for _ in ()).throw(ConnectionRefusedError()), raising=False)
    with pytest.raises(ConnectionRefusedError):
        tasks.send(reminder.pk)
    reminder.refresh_from_db()
    assert reminder.state == "queued"
    monkeypatch.undo()
    assert tasks.send(reminder.pk) == "sent"


@pytest.mark.parametrize(
    ("error", "bounced"),
    [(smtplib.SMTPRecipientsRefused({}), True), (smtplib.SMTPDataError(554, b"spam"), False)],
)
def test_a_refusal_fails_loudly_and_a_bounce_marks_the_address(
    error, bounced, live, account, marta, monkeypatch
):
    reminder = write(account, marta)
    monkeypatch.setattr(mail.EmailMessage, "send", lambda *a, **k: (_ for _ in ()).throw(error))
    assert tasks.send(reminder.pk) == "failed"
    reminder.refresh_from_db()
    assert reminder.error
    assert (account.customer.contacts.get().bounced_on is not None) is bounced


def test_a_server_that_says_later_is_asked_again_and_the_address_stays_good(
    live, account, marta, monkeypatch
):
    """Greylisting answers 450 to the first attempt: that is no bounce."""
    reminder = write(account, marta)
    later = smtplib.SMTPRecipientsRefused({"anna@rossi.example": (450, b"greylisted, come back")})
    with monkeypatch.context() as patch:
        patch.setattr(mail.EmailMessage, "send", lambda *a, **k: (_ for _ in ()).throw(later))
        assert tasks.send(reminder.pk) == "queued"
        assert account.customer.contacts.get().bounced_on is None
        assert tasks.send(reminder.pk) == "queued"
    assert tasks.send(reminder.pk) == "sent" and len(mail.outbox) == 1
    other = write(account, marta, level=2)
    monkeypatch.setattr(outbox, "TRIED_FOR", timedelta(0))
    monkeypatch.setattr(mail.EmailMessage, "send", lambda *a, **k: (_ for _ in ()).throw(later))
    assert tasks.send(other.pk) == "failed"
    assert account.customer.contacts.get().bounced_on is None


def test_a_reminder_refused_for_now_does_not_leave_once_it_is_paid(live, account, marta, monkeypatch):
    reminder, announced = write(account, marta), []
    later = smtplib.SMTPDataError(451, b"come back")
    with monkeypatch.context() as patch:
        patch.setattr(mail.EmailMessage, "send", lambda *a, **k: (_ for _ in ()).throw(later))
        assert tasks.send(reminder.pk) == "queued"
    pay(reminder.items.get().instalment, TODAY, "1234.50")
    monkeypatch.setattr(tasks, "timezone", SimpleNamespace(now=lambda: timezone.now() + timedelta(hours=1)))

    def hear(reminder, **kwargs):
        announced.append(reminder.pk)

    reminder_failed.connect(hear)
    assert (tasks.sweep(), mail.outbox, announced) == (0, [], [reminder.pk])
    reminder.refresh_from_db()
    assert (reminder.state, reminder.error) == ("failed", outbox.SETTLED)
    assert AuditEntry.objects.filter(act="reminder.move").latest("pk").changes.get().after == {
        "state": "failed"
    }


def test_what_has_left_cannot_be_cancelled(live, account, marta):
    reminder = write(account, marta)
    tasks.send(reminder.pk)
    reminder.refresh_from_db()
    with pytest.raises(letters.ReminderError, match="cannot be taken back"):
        outbox.cancel(reminder, actor=marta, on=TODAY)


def test_what_was_written_is_never_rewritten(account, marta):
    reminder = write(account, marta)
    for change in (
        lambda: Reminder.objects.filter(pk=reminder.pk).update(body="softer"),
        lambda: Reminder.objects.filter(pk=reminder.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
