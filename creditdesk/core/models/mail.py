"""What people who work here are told by mail: what happened, to whom it goes, and whether the mail left."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MailMode(models.TextChoices):
    AT_ONCE = "at_once", _("at once")
    DIGEST = "digest", _("once a day, together")
    NONE = "none", _("not at all")


class MailPreference(models.Model):
    """How a person wants to hear of a topic; without a row the topic's own way (creditdesk/core/notices.py)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="mail_preferences")
    topic = models.CharField(_("topic"), max_length=40)
    mode = models.CharField(_("when"), max_length=8, choices=MailMode)

    class Meta:
        verbose_name = _("mail preference")
        verbose_name_plural = _("mail preferences")
        constraints = [models.UniqueConstraint(fields=["user", "topic"], name="mail_preference_once")]


class Notice(models.Model):
    """Something people should hear of, written in the transaction of what happened; codes and ids, no sentences.

    `key` names it for good: written again, it stays one. Who hears of it is worked out afterwards by a job (`addressed_at`).
    """

    topic = models.CharField(_("topic"), max_length=40)
    key = models.CharField(_("key"), max_length=120, unique=True)
    # What the topic needs to find the rows it speaks of; core knows no accounts.
    about = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    business_date = models.DateField(_("business date"))
    written_at = models.DateTimeField(_("written at"), default=timezone.now)
    addressed_at = models.DateTimeField(_("addressed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [
            models.Index(fields=["id"], name="notice_to_address", condition=Q(addressed_at__isnull=True))
        ]

    def __str__(self) -> str:
        return self.key


class StaffMail(models.Model):
    """One mail to one person who works here; leaves at most once by itself (creditdesk/core/staff_mail.py).

    sending: a worker claimed it and may have handed it to the mail server. One that dies here leaves it so, and a person
    decides: sending again could send twice. `key` makes one digest per person and day.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting to be sent")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(_("key"), max_length=120, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="staff_mails", verbose_name=_("to")
    )
    mode = models.CharField(_("kind"), max_length=8, choices=MailMode)
    business_date = models.DateField(_("business date"))
    language = models.CharField(_("language"), max_length=5)
    to_address = models.EmailField(_("address"))
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("text"), blank=True)
    html = models.TextField(blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    written_at = models.DateTimeField(_("written at"), default=timezone.now)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    try_after = models.DateTimeField(_("next attempt"), default=timezone.now)
    claimed_at = models.DateTimeField(_("claimed at"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    error = models.CharField(_("last error"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("mail to staff")
        verbose_name_plural = _("mails to staff")
        permissions = [("resend_staffmail", _("Can send a mail to staff again"))]
        constraints = [
            models.CheckConstraint(
                name="staff_mail_sent_has_its_time",
                condition=Q(state="sent", sent_at__isnull=False) | ~Q(state="sent"),
            ),
            models.CheckConstraint(
                name="staff_mail_claimed_has_its_time",
                condition=Q(state="sending", claimed_at__isnull=False) | ~Q(state="sending"),
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="staff_mail_of_user"),
            models.Index(
                fields=["state", "try_after"],
                name="staff_mail_to_send",
                condition=Q(state__in=["queued", "sending"]),
            ),
        ]

    def __str__(self) -> str:
        return self.subject


class NoticeCopy(models.Model):
    """That a notice goes to a person: in a mail, or waiting for their next digest (mail null, not dropped)."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="copies")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    mode = models.CharField(max_length=8, choices=MailMode)
    mail = models.ForeignKey(StaffMail, models.CASCADE, null=True, blank=True, related_name="copies")
    # No longer true, or no longer this person's to read, when its mail was written.
    is_dropped = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name = _("copy of a notice")
        verbose_name_plural = _("copies of notices")
        constraints = [models.UniqueConstraint(fields=["notice", "user"], name="notice_once_per_person")]
        indexes = [
            models.Index(
                fields=["user"], name="notice_copy_waiting", condition=Q(mail__isnull=True, is_dropped=False)
            )
        ]
