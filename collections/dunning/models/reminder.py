"""The outbox of reminders: what was written to whom, and whether it left the house."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import Contact, CreditAccount, Instalment

from .template import LANGUAGES, LEVELS


class Reminder(models.Model):
    """One e-mail to one customer. At most one live one per account, level and business date (constraint).

    held: test mode was on when it was written; it never leaves.
    sending: a worker claimed it and may have handed it to the mail server. A worker that dies here leaves it
    so, and a person decides (dunning/outbox.py): sending again could send twice.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting to be sent")
        HELD = "held", _("held: test mode")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="reminders", verbose_name=_("account")
    )
    level = models.PositiveSmallIntegerField(_("level"), choices=LEVELS)
    business_date = models.DateField(_("business date"))
    language = models.CharField(_("language"), max_length=5, choices=LANGUAGES)
    contact = models.ForeignKey(
        Contact,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="reminders",
        verbose_name=_("contact"),
    )
    to_address = models.EmailField(_("to"))
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("text"))
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount reminded"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    written_at = models.DateTimeField(_("written at"), default=timezone.now)
    claimed_at = models.DateTimeField(_("claimed at"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("reminder")
        verbose_name_plural = _("reminders")
        ordering = ["-pk"]
        permissions = [("resolve_reminder", _("Can decide about a reminder whose sending was interrupted"))]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "level", "business_date"],
                condition=~Q(state__in=["cancelled", "failed"]),
                name="reminder_once_a_day",
            ),
            models.CheckConstraint(
                name="reminder_sent_has_its_time",
                condition=Q(state="sent", sent_at__isnull=False) | ~Q(state="sent"),
            ),
            models.CheckConstraint(name="reminder_amount_positive", condition=Q(amount__gt=0)),
        ]
        indexes = [
            models.Index(fields=["account", "business_date"], name="reminder_of_account"),
            models.Index(
                fields=["state", "claimed_at"],
                name="reminder_to_send",
                condition=Q(state__in=["queued", "sending"]),
            ),
        ]

    def __str__(self) -> str:
        return self.subject


class ReminderItem(models.Model):
    """An instalment the reminder asks for, with what was open then."""

    reminder = models.ForeignKey(Reminder, models.PROTECT, related_name="items")
    instalment = models.ForeignKey(Instalment, models.PROTECT, related_name="reminder_items")
    amount = MoneyField(_("open amount"), currency_field="reminder__currency")

    class Meta:
        verbose_name = _("reminded item")
        verbose_name_plural = _("reminded items")
        constraints = [
            models.UniqueConstraint(fields=["reminder", "instalment"], name="reminder_item_once"),
            models.CheckConstraint(name="reminder_item_positive", condition=Q(amount__gt=0)),
        ]
