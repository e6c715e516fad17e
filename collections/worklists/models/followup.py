"""What was done about an account, and until when it may rest."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Contact, CreditAccount, Dispute, Promise
from dunning.models import Reminder

from .run import WorklistRow


class Snooze(models.Model):
    """The account rests from `starts_on` until `until` (it is back on that day), for a stated reason."""

    class Reason(models.TextChoices):
        CONTACT_AWAY = "contact_away", _("contact is away")
        PAYMENT_ANNOUNCED = "payment_announced", _("payment announced, waiting for the bank")
        WAITING_DOCUMENTS = "waiting_documents", _("waiting for documents from us")
        INTERNAL = "internal", _("being sorted out internally")
        OTHER = "other", _("other")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="snoozes", verbose_name=_("account")
    )
    starts_on = models.DateField(_("from"))
    until = models.DateField(_("until"))
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    placed_at = models.DateTimeField(_("placed at"), default=timezone.now)
    ended_on = models.DateField(_("ended on"), null=True, blank=True)

    class Meta:
        verbose_name = _("snooze")
        verbose_name_plural = _("snoozes")
        constraints = [
            models.CheckConstraint(name="snooze_ends_after_it_starts", condition=Q(until__gt=F("starts_on"))),
            models.UniqueConstraint(
                fields=["account", "starts_on"], condition=Q(ended_on__isnull=True), name="snooze_once_a_day"
            ),
        ]
        indexes = [models.Index(fields=["account", "until"], name="snooze_of_account")]


class FollowUp(models.Model):
    """One act on an account. Append-only (triggers), but for the text, which can be erased (GDPR).

    An undo is a row of its own that names what it compensates; nothing is ever deleted.
    """

    class Kind(models.TextChoices):
        CALL = "call", _("call")
        EMAIL = "email", _("reminder e-mail")
        PROMISE = "promise", _("promise to pay")
        DISPUTE = "dispute", _("dispute")
        NOTE = "note", _("note")
        SNOOZE = "snooze", _("snooze")
        SKIP = "skip", _("skipped")
        UNDO = "undo", _("undone")

    class Outcome(models.TextChoices):
        REACHED = "reached", _("reached, will pay")
        NO_COMMITMENT = "no_commitment", _("reached, no commitment")
        NO_ANSWER = "no_answer", _("no answer")
        LEFT_MESSAGE = "left_message", _("left a message")
        CALL_BACK = "call_back", _("asked to call back")
        WRONG_NUMBER = "wrong_number", _("wrong number")

    REACHED_OUTCOMES = (Outcome.REACHED, Outcome.NO_COMMITMENT, Outcome.CALL_BACK)

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="followups", verbose_name=_("account")
    )
    row = models.ForeignKey(
        WorklistRow, models.PROTECT, null=True, blank=True, related_name="followups", verbose_name=_("row")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    outcome = models.CharField(_("outcome"), max_length=14, choices=Outcome, blank=True)
    business_date = models.DateField(_("business date"))
    at = models.DateTimeField(_("when"), default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="followups", verbose_name=_("by")
    )
    contact = models.ForeignKey(
        Contact, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("contact")
    )
    text = models.TextField(_("text"), blank=True)
    promise = models.ForeignKey(Promise, models.PROTECT, null=True, blank=True, related_name="followups")
    dispute = models.ForeignKey(Dispute, models.PROTECT, null=True, blank=True, related_name="followups")
    reminder = models.ForeignKey(Reminder, models.PROTECT, null=True, blank=True, related_name="followups")
    snooze = models.ForeignKey(Snooze, models.PROTECT, null=True, blank=True, related_name="followups")
    compensates = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="compensated_by", verbose_name=_("undoes")
    )

    class Meta:
        verbose_name = _("follow-up")
        verbose_name_plural = _("follow-ups")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="followup_undo_names_what_it_undoes",
                condition=Q(kind="undo", compensates__isnull=False)
                | (~Q(kind="undo") & Q(compensates__isnull=True)),
            ),
            models.CheckConstraint(
                name="followup_call_has_an_outcome", condition=~Q(kind="call") | ~Q(outcome="")
            ),
            models.CheckConstraint(
                name="followup_refers_to_its_fact",
                condition=(~Q(kind="promise") | Q(promise__isnull=False))
                & (~Q(kind="dispute") | Q(dispute__isnull=False))
                & (~Q(kind="email") | Q(reminder__isnull=False))
                & (~Q(kind="snooze") | Q(snooze__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "business_date"], name="followup_of_account"),
            models.Index(fields=["by", "business_date"], name="followup_of_person"),
        ]
