"""The outbox of mails to people who work here: each leaves at most once by itself, and is tried until it does.

    queued -> sending -> sent | failed        cancelled (its reader left, or something in it is no longer theirs)

A mail server that cannot be reached, or asks to try later, leaves the row queued with a pause that grows. A worker
claims the row (queued -> sending, committed), hands the mail over, notes the end. One that dies in between leaves
`sending`: nobody can know whether the mail left, so no machine sends it again; an administrator does, or notes that
it was sent (admin page of mails to staff). The Message-ID stays the same, so that a mail sent twice is known as one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django_q.tasks import async_task

from creditdesk.core import notices
from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.clock import business_date
from creditdesk.core.handing_over import UNREACHABLE, Refused, hand_over, pause
from creditdesk.core.models import Notice, StaffMail

logger = logging.getLogger(__name__)

State = StaffMail.State
IN_DOUBT_AFTER = timedelta(minutes=15)
# After so many attempts, about two days, a mail has failed; an administrator sends it again.
MAX_ATTEMPTS = 16
# A mail that waited this long is asked again whether it still concerns its reader.
ASK_AGAIN_AFTER = timedelta(minutes=10)
SWEPT = 200
KEPT_DAYS = 90
NOTICES_KEPT_DAYS = 400


class NotInDoubt(ValueError):
    """A mail that cannot be sent again or noted as sent: it is on its way, or left."""


def send(mail_id: int, connection: Any = None) -> str:
    """Send one mail if it is due; returns its state afterwards. Safe to run any number of times, and at once.

    connection: an open one, when several are sent; the caller closes it.
    """
    mail = StaffMail.objects.select_related("user").get(pk=mail_id)
    if mail.state != State.QUEUED or mail.try_after > timezone.now():
        return mail.state
    if not _is_still_right(mail):
        return _cancel(mail)
    own = connection is None
    if own:
        connection = get_connection()
        try:
            # Not claimed yet: while the server cannot be reached the row stays queued.
            connection.open()
        except UNREACHABLE as error:
            _later([mail.pk], f"{type(error).__name__}: {error}")
            return State.QUEUED
    try:
        if _move(mail, State.QUEUED, State.SENDING, claimed_at=timezone.now(), attempts=F("attempts") + 1):
            _hand_over(mail, connection)
    finally:
        if own:
            connection.close()
    return StaffMail.objects.values_list("state", flat=True).get(pk=mail_id)


def _hand_over(mail: StaffMail, connection: Any) -> None:
    try:
        hand_over(message_of(mail, connection))
    except Refused as refusal:
        mail.refresh_from_db(fields=["attempts"])
        if refusal.is_temporary and mail.attempts < MAX_ATTEMPTS:
            after = timezone.now() + pause(mail.attempts)
            _move(mail, State.SENDING, State.QUEUED, error=str(refusal), try_after=after, claimed_at=None)
        else:
            _move(mail, State.SENDING, State.FAILED, error=str(refusal))
    else:
        _move(mail, State.SENDING, State.SENT, sent_at=timezone.now(), error="")


def message_of(mail: StaffMail, connection: Any = None) -> EmailMultiAlternatives:
    """The mail as it goes over the wire: plain text with an HTML twin."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    message = EmailMultiAlternatives(
        mail.subject,
        mail.body,
        to=[mail.to_address],
        connection=connection,
        headers={
            "Message-ID": f"<{mail.public_id}@{domain}>",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    message.attach_alternative(mail.html, "text/html")
    return message


def _is_still_right(mail: StaffMail) -> bool:
    if not mail.user.is_active or mail.user.email != mail.to_address:
        return False
    waited = timezone.now() - mail.written_at > ASK_AGAIN_AFTER
    return not waited or notices.may_still_read(mail, _today_of(mail))


def _today_of(mail: StaffMail) -> date:
    """Today where the mail was dated: as far from the installation's date as it was when it was written."""
    if getattr(settings, "BUSINESS_DATE", None):
        return business_date()
    return business_date() + (mail.business_date - timezone.localdate(mail.written_at))


def _cancel(mail: StaffMail) -> str:
    """What in it still concerns its reader is written into a new mail."""
    with transaction.atomic():
        if _move(mail, State.QUEUED, State.CANCELLED):
            notices.write_anew(mail, _today_of(mail))
    return State.CANCELLED


def _move(mail: StaffMail, frm: str, to: str, **fields: Any) -> bool:
    """Move the state only from where it is expected; False when somebody else moved it first."""
    return bool(StaffMail.objects.filter(pk=mail.pk, state=frm).update(state=to, **fields))


def _later(ids: Sequence[int], error: str) -> None:
    """The server could not be reached: try again after a pause that grows, give up after two days."""
    logger.warning("Mail to staff could not be sent: %s", error)
    with transaction.atomic():
        for mail in StaffMail.objects.select_for_update().filter(pk__in=ids, state=State.QUEUED):
            mail.attempts, mail.error = mail.attempts + 1, error[:300]
            mail.try_after = timezone.now() + pause(mail.attempts)
            if mail.attempts >= MAX_ATTEMPTS:
                mail.state = State.FAILED
            mail.save(update_fields=["attempts", "error", "try_after", "state"])


def sweep(now: datetime) -> int:
    """Send what is due: what waited for a pause to end, and what lost its task. Returns how many left.

    A mail that fails for another reason than the server waits for its pause; the error is raised at the end.
    """
    due = StaffMail.objects.filter(state=State.QUEUED, try_after__lte=now).order_by("try_after", "pk")
    ids = list(due.values_list("pk", flat=True)[:SWEPT])
    if not ids:
        return 0
    connection = get_connection()
    try:
        connection.open()
    except UNREACHABLE as error:
        _later(ids, f"{type(error).__name__}: {error}")
        return 0
    sent, errors = 0, []
    try:
        for pk in ids:
            connection.open()  # nothing happens while it is
            try:
                state = send(pk, connection)
            except UNREACHABLE:
                # This one is in doubt; the others go over a new connection.
                logger.exception("The connection broke off while mail %s was handed over", pk)
                connection.close()
            except Exception as error:
                logger.exception("Mail %s could not be sent", pk)
                errors.append(error)
                _later([pk], f"{type(error).__name__}: {error}")
            else:
                sent += state == State.SENT
                if state in (State.QUEUED, State.FAILED):
                    # Refused: a server that answers 421 ends the session, and the next mail would be in doubt.
                    connection.close()
    except UNREACHABLE:
        logger.warning("The mail server is gone; the next sweep goes on")
    finally:
        connection.close()
    if errors:
        raise errors[0]
    return sent


def in_doubt(now: datetime) -> QuerySet[StaffMail]:
    """Mails claimed a while ago that never ended: they may or may not have left."""
    return StaffMail.objects.filter(_doubtful(now))


def troubled(now: datetime) -> QuerySet[StaffMail]:
    """What somebody has to look at: failed, or in doubt."""
    return StaffMail.objects.filter(Q(state=State.FAILED) | _doubtful(now))


def _doubtful(now: datetime) -> Q:
    return Q(state=State.SENDING, claimed_at__lt=now - IN_DOUBT_AFTER)


@transaction.atomic
def send_again(mail: StaffMail, *, actor: Actor, now: datetime) -> None:
    """Queue a mail that failed, or is in doubt and was not received, once more. Raises NotInDoubt."""
    _resolve(mail, State.QUEUED, "staff_mail.resend", actor, now, attempts=0, try_after=now, claimed_at=None)
    async_task(notices.SEND, mail.pk)


@transaction.atomic
def note_as_sent(mail: StaffMail, *, actor: Actor, now: datetime) -> None:
    """Somebody looked into the mail server's log: it left. Raises NotInDoubt."""
    _resolve(mail, State.SENT, "staff_mail.note_sent", actor, now, sent_at=mail.claimed_at or now)


def _resolve(mail: StaffMail, to: str, act: str, actor: Actor, now: datetime, **fields: Any) -> None:
    before = mail.state
    if not troubled(now).filter(pk=mail.pk).update(state=to, **fields):
        raise NotInDoubt
    record_act(
        act, actor=actor, subject=mail, changes=[Change.of(mail, {"state": before}, {"state": str(to)})]
    )


def forget_texts(now: datetime) -> int:
    """Empty the texts of what left long ago: they name customers; that it was sent, to whom and when stays.

    Notices go after more than a year: what they speak of is not told again by then.
    """
    Notice.objects.filter(written_at__lt=now - timedelta(days=NOTICES_KEPT_DAYS)).delete()
    old = StaffMail.objects.filter(
        state__in=(State.SENT, State.CANCELLED), written_at__lt=now - timedelta(days=KEPT_DAYS)
    ).exclude(body="")
    return old.update(subject="", body="", html="")
