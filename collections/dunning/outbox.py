"""The outbox: a reminder is written with the act that asks for it, and leaves the house at most once.

    queued -> sending -> sent | failed        held (test mode)        cancelled

A worker first claims the row (queued -> sending, committed), then hands the mail over, then notes the end.
A worker that dies in between leaves `sending`: nobody can know whether the mail left, so nothing sends it
again by itself and a person decides (`resolve`, `send_again`; the page is dunning/views.py). At most once, never
twice by a machine; what is in doubt is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.tasks import async_task

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.handing_over import Refused, hand_over
from creditdesk.core.money import Money
from customers.models import CreditAccount, Instalment
from dunning.events import reminder_failed
from dunning.letters import Letter, ReminderError, compose
from dunning.models import Reminder, ReminderItem
from dunning.recipients import mark_bounced, to_write_to

State = Reminder.State
TASK = "dunning.tasks.send"
IN_DOUBT_AFTER = timedelta(minutes=15)
# How long a server may say "later" (greylisting, a full mailbox) before a reminder has failed.
TRIED_FOR = timedelta(hours=12)
BOUNCED = "bounced"
SETTLED = "settled"
SENDER = Actor.job("dunning.send")

__all__ = ["ReminderError", "cancel", "in_doubt", "preview", "resolve", "send", "send_again", "write"]


def preview(
    account: CreditAccount,
    items: Sequence[tuple[Instalment, Money]],
    level: int,
    *,
    today: date,
    sender: str,
    contacts: Sequence | None = None,
) -> Letter:
    """The letter as it would go out now."""
    contact = to_write_to(account.customer.contacts.all() if contacts is None else contacts)
    return compose(account, items, level, today=today, sender=sender, contact=contact)


@transaction.atomic
def write(
    account: CreditAccount,
    items: Sequence[tuple[Instalment, Money]],
    level: int,
    *,
    today: date,
    actor: Actor,
) -> Reminder:
    """Put a reminder in the outbox; in test mode it is held there. Raises ReminderError.

    One per account, level and business date: a second click finds the first one.
    """
    contact = to_write_to(account.customer.contacts.all())
    if contact is None:
        raise ReminderError(
            _("Nobody can be written to: add a contact with a working e-mail address, or call instead.")
        )
    sender = actor.user.get_full_name() if actor.user else ""
    letter = compose(
        account, items, level, today=today, sender=sender or account.company.name, contact=contact
    )
    reminder = Reminder(
        account=account,
        level=level,
        business_date=today,
        language=letter.language,
        contact=contact,
        to_address=contact.email,
        subject=letter.subject,
        body=letter.body,
        currency=letter.total.currency,
        amount=letter.total,
        state=State.HELD if settings.OUTBOUND_TEST_MODE else State.QUEUED,
        written_by=actor.user,
    )
    try:
        with transaction.atomic():
            reminder.save()
    except IntegrityError as error:
        raise ReminderError(
            _("A reminder of level %(level)s was already written to this customer today.") % {"level": level}
        ) from error
    ReminderItem.objects.bulk_create(
        ReminderItem(reminder=reminder, instalment=row, amount=money) for row, money in items
    )
    record_act(
        "reminder.write",
        actor=actor,
        subject=reminder,
        business_date=today,
        data={"account": account.pk, "level": level, "language": letter.language, "state": reminder.state},
        changes=[
            Change.of(reminder, None, {"amount": letter.total.minor, "currency": letter.total.currency})
        ],
    )
    if reminder.state == State.QUEUED:
        async_task(TASK, reminder.pk)
    return reminder


@transaction.atomic
def cancel(reminder: Reminder, *, actor: Actor, on: date) -> Reminder:
    """Stop a reminder that has not left yet. Raises ReminderError when it has, or may have."""
    if not _move(reminder, (State.QUEUED, State.HELD), State.CANCELLED, actor, on):
        reminder.refresh_from_db()
        raise ReminderError(
            _("This reminder is %(state)s: it cannot be taken back. Write to the customer instead.")
            % {"state": reminder.get_state_display()}
        )
    return reminder


def _move(reminder: Reminder, frm: Sequence[str], to: str, actor: Actor, on: date | None, **fields) -> bool:
    """Move the state only from where it is expected; False when somebody else moved it first."""
    before = reminder.state
    if not Reminder.objects.filter(pk=reminder.pk, state__in=frm).update(state=to, **fields):
        return False
    record_act(
        "reminder.move",
        actor=actor,
        subject=reminder,
        business_date=on,
        changes=[Change.of(reminder, {"state": before}, {"state": to})],
    )
    reminder.refresh_from_db()
    return True


def send(reminder_id: int) -> str:
    """Send one reminder if it is still queued; returns its state afterwards. Safe to run any number of times.

    One that waited until what it asks for was paid or corrected does not leave: it ends as failed.
    """
    reminder = Reminder.objects.select_related("contact", "account").get(pk=reminder_id)
    if reminder.state != State.QUEUED:
        return reminder.state
    if settings.OUTBOUND_TEST_MODE:
        with transaction.atomic():
            _move(reminder, (State.QUEUED,), State.HELD, SENDER, reminder.business_date)
        return reminder.state
    if not is_still_true(reminder.items.select_related("instalment")):
        _failed(reminder, SETTLED, frm=State.QUEUED)
        return reminder.state
    connection = get_connection()
    # Not claimed yet: a mail server that cannot be reached leaves the row queued, and the task is retried.
    connection.open()
    try:
        with transaction.atomic(durable=not _in_test_transaction()):
            claimed = _move(
                reminder,
                (State.QUEUED,),
                State.SENDING,
                SENDER,
                reminder.business_date,
                claimed_at=timezone.now(),
            )
        if claimed:
            _hand_over(reminder, connection)
    finally:
        connection.close()
    return reminder.state


def _in_test_transaction() -> bool:
    return transaction.get_connection().in_atomic_block


def _hand_over(reminder: Reminder, connection) -> None:
    mail = EmailMessage(
        reminder.subject,
        reminder.body,
        to=[reminder.to_address],
        connection=connection,
        headers={"X-Creditdesk-Reminder": str(reminder.pk)},
    )
    try:
        hand_over(mail)
    except Refused as refusal:
        _refused(reminder, refusal)
    else:
        with transaction.atomic():
            _move(
                reminder,
                (State.SENDING,),
                State.SENT,
                SENDER,
                reminder.business_date,
                sent_at=timezone.now(),
                error="",
            )
    # Anything else (the connection broke off, the worker was killed) stays `sending`: in doubt.


def _refused(reminder: Reminder, refusal: Refused) -> None:
    """The mail certainly did not leave: the sweep tries again where the server asks for it, else it failed."""
    if refusal.is_temporary and timezone.now() - reminder.written_at < TRIED_FOR:
        values = {"claimed_at": None, "error": str(refusal)}
        with transaction.atomic():
            _move(reminder, (State.SENDING,), State.QUEUED, SENDER, reminder.business_date, **values)
    else:
        bounced = refusal.is_address and not refusal.is_temporary
        _failed(reminder, BOUNCED if bounced else str(refusal))


@transaction.atomic
def _failed(reminder: Reminder, error: str, *, frm: str = State.SENDING) -> None:
    if not _move(reminder, (frm,), State.FAILED, SENDER, reminder.business_date, error=error):
        return
    if error == BOUNCED and reminder.contact is not None:
        mark_bounced(reminder.contact, on=reminder.business_date, account=reminder.account, actor=SENDER)
    reminder_failed.send(sender=Reminder, reminder=reminder)


def in_doubt():
    """Reminders claimed a while ago that never ended: they may or may not have left."""
    return Reminder.objects.filter(
        state=State.SENDING, claimed_at__lt=timezone.now() - IN_DOUBT_AFTER
    ).order_by("claimed_at", "pk")


def is_still_true(items: Iterable[ReminderItem]) -> bool:
    """Is everything the letter asks for still owed? Its text never changes, so it may not leave otherwise.

    Items come with their instalments (select_related): no query here.
    """
    return all(
        item.instalment.superseded_at is None and item.instalment.open_amount >= item.amount for item in items
    )


@transaction.atomic
def resolve(reminder: Reminder, *, was_sent: bool, actor: Actor, on: date) -> Reminder:
    """A person has looked into the mail server's log: it left, or it did not. Raises ReminderError."""
    to = State.SENT if was_sent else State.FAILED
    fields = {"sent_at": timezone.now()} if was_sent else {"error": "interrupted"}
    if not _move(reminder, (State.SENDING,), to, actor, on, **fields):
        raise ReminderError(_("This reminder is not in doubt any more."))
    if not was_sent:
        reminder_failed.send(sender=Reminder, reminder=reminder)
    return reminder


@transaction.atomic
def send_again(reminder: Reminder, *, actor: Actor, on: date) -> Reminder:
    """A person found that it did not leave: queue it again, as it was written. Raises ReminderError.

    A letter that asks for what was paid or corrected meanwhile is not sent: it ends as failed, and the
    customer's row comes back to the worklist, where a new one can be written.
    """
    if not is_still_true(reminder.items.select_related("instalment")):
        return resolve(reminder, was_sent=False, actor=actor, on=on)
    if not _move(reminder, (State.SENDING,), State.QUEUED, actor, on, claimed_at=None):
        raise ReminderError(_("This reminder is not in doubt any more."))
    async_task(TASK, reminder.pk)
    return reminder
