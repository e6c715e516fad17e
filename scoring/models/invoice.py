"""The fitted card of invoices, in versions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class InvoiceCard(models.Model):
    """What estimates when an invoice will be paid: fitted by a job, taken into use by a person. At most one in use.

    model: coefficients per feature, portfolio rates, calibration and delay curves
    (scoring.invoices.card.InvoiceModel.as_dict); never edited (triggers). trained: rows, events and notes per target.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")

    version = models.PositiveIntegerField(_("version"), unique=True)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.DRAFT)
    trained_until = models.DateField(_("trained until"))
    trained = models.JSONField(_("trained on"), default=dict)
    model = models.JSONField(_("coefficients and curves"))
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    made_by = models.CharField(_("made by"), max_length=80)
    activated_at = models.DateTimeField(_("taken into use at"), null=True, blank=True)
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("taken into use by"),
    )

    class Meta:
        verbose_name = _("invoice card")
        verbose_name_plural = _("invoice cards")
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=Q(status="active"), name="one_active_invoice_card"
            ),
            models.CheckConstraint(
                name="invoice_card_taken_by_a_person",
                condition=Q(status="draft", activated_by__isnull=True)
                | (~Q(status="draft") & Q(activated_by__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.version}"


class InvoiceLevel(models.Model):
    """How the book had paid against what a card said of it, on a day (scoring.invoices.lately.Snapshot.packed).

    Kept by the nightly job so that no page waits for it. It follows from the ledger and the card: a row may be
    deleted at any time, and is told anew when asked for.
    """

    card = models.ForeignKey(InvoiceCard, models.CASCADE, related_name="levels", verbose_name=_("card"))
    day = models.DateField(_("day"))
    packed = models.BinaryField()
    made_at = models.DateTimeField(_("made at"), default=timezone.now)

    class Meta:
        verbose_name = _("level of an invoice card")
        verbose_name_plural = _("levels of invoice cards")
        constraints = [models.UniqueConstraint(fields=["card", "day"], name="one_invoice_level_a_day")]

    def __str__(self) -> str:
        return f"{self.card_id} {self.day}"
