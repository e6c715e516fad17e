"""A prospect asks for credit: the application, its documents, and what became of it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField

from .customer import CreditAccount
from .limits import LimitChange


class CreditApplication(models.Model):
    """What was asked for, by whom, when; status says how far it is. At most one runs per account.

    The prospect is a Customer with status prospect from the first day, so that accounts, bank lines and legal events
    are recorded about it as about any other. Decisions are in scoring, which customers does not know.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("being looked at")
        GRANTED = "granted", _("granted: the first limit is to be proposed")
        PROPOSED = "proposed", _("the first limit waits for approval")
        ACTIVE = "active", _("customer with a limit")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Channel(models.TextChoices):
        STAFF = "staff", _("entered by staff")
        API = "api", _("sent by a program")

    public_id = models.UUIDField(_("application number"), default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="applications", verbose_name=_("account")
    )
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.OPEN, db_index=True)
    channel = models.CharField(_("channel"), max_length=5, choices=Channel, default=Channel.STAFF)
    currency = models.CharField(_("currency"), max_length=3)
    requested = MoneyField(_("credit asked for"))
    requested_terms_days = models.PositiveSmallIntegerField(
        _("payment terms asked for (days)"), null=True, blank=True
    )
    yearly_purchases = MoneyField(_("expected purchases in a year"), null=True, blank=True)
    contact_name = models.CharField(_("contact"), max_length=120, blank=True)
    contact_email = models.EmailField(_("e-mail"), blank=True)
    note = models.TextField(_("note"), blank=True)
    received_on = models.DateField(_("received on"))
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("entered by"),
    )
    submitted_name = models.CharField(_("entered by"), max_length=80)
    created_at = models.DateTimeField(_("recorded at"), default=timezone.now)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    limit_change = models.ForeignKey(
        LimitChange,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="applications",
        verbose_name=_("first limit"),
    )

    class Meta:
        verbose_name = _("credit application")
        verbose_name_plural = _("credit applications")
        ordering = ["-pk"]
        permissions = [("handle_application", _("Can take in and work on credit applications"))]
        constraints = [
            models.CheckConstraint(
                name="application_asks_for_something",
                condition=Q(requested__gt=0)
                & (Q(yearly_purchases__isnull=True) | Q(yearly_purchases__gte=0)),
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(status__in=["open", "granted", "proposed"]),
                name="one_running_application",
            ),
            models.CheckConstraint(
                name="application_closed_when_over",
                condition=Q(status__in=["open", "granted", "proposed"], closed_on__isnull=True)
                | Q(status__in=["active", "declined", "withdrawn"], closed_on__isnull=False),
            ),
            models.CheckConstraint(
                name="application_limit_proposed",
                condition=~Q(status__in=["proposed", "active"]) | Q(limit_change__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} · {self.requested}"

    @property
    def is_running(self) -> bool:
        return self.status in (self.Status.OPEN, self.Status.GRANTED, self.Status.PROPOSED)


class ApplicationDocument(models.Model):
    """A file that came with an application. Never replaced; removing it deletes its content and keeps the row."""

    class Kind(models.TextChoices):
        ACCOUNTS = "accounts", _("annual accounts")
        BANK_STATEMENT = "bank_statement", _("bank statement")
        REGISTER = "register", _("extract from the register")
        IDENTITY = "identity", _("identity of who signs")
        GUARANTEE = "guarantee", _("guarantee")
        OTHER = "other", _("other document")

    application = models.ForeignKey(
        CreditApplication, models.PROTECT, related_name="documents", verbose_name=_("application")
    )
    kind = models.CharField(_("kind"), max_length=14, choices=Kind)
    name = models.CharField(_("file"), max_length=200)
    content_type = models.CharField(_("type"), max_length=80)
    size = models.PositiveIntegerField(_("size (bytes)"))
    sha256 = models.CharField(_("fingerprint"), max_length=64)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("added by"),
    )
    uploaded_name = models.CharField(_("added by"), max_length=80)
    uploaded_at = models.DateTimeField(_("added at"), default=timezone.now)
    removed_at = models.DateTimeField(_("removed at"), null=True, blank=True)
    removed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    removed_because = models.TextField(_("removed because"), blank=True)
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("document of an application")
        verbose_name_plural = _("documents of applications")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "sha256"],
                condition=Q(removed_at__isnull=True),
                name="application_document_once",
            ),
            models.CheckConstraint(
                name="application_document_removed_by_somebody",
                condition=Q(removed_at__isnull=True, removed_by__isnull=True)
                | Q(removed_at__isnull=False, removed_by__isnull=False)
                & (~Q(removed_because="") | Q(erased_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApplicationDocumentPart(models.Model):
    """A piece of the file: large files are never in memory as a whole."""

    document = models.ForeignKey(ApplicationDocument, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["document", "number"]
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="application_document_part_once")
        ]
