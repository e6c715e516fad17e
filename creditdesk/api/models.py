"""What the API stores: keys (never their secrets), what was asked, and what was answered."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Company, CreditAccount


class ApiKey(models.Model):
    """A key of a client program, acting as `user` within `scopes`. Only the SHA-256 of its secret is stored.

    The secret has 256 random bits: it cannot be guessed, so a slow password hash would only cost time. What a key
    is and may do is never edited (trigger): another scope needs another key, and the log stays true.
    """

    name = models.CharField(
        _("name"), max_length=60, help_text=_("What uses it: the log and the trail say it.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="api_keys",
        verbose_name=_("acts as"),
        help_text=_("Its role and its companies and portfolios bound what the key may do and see."),
    )
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("only this company"),
        help_text=_("Empty: everything the user may see."),
    )
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    per_minute = models.PositiveIntegerField(
        _("requests a minute"),
        default=600,
        help_text=_("More are refused with 429 until the minute has passed."),
    )
    created_at = models.DateTimeField(_("made at"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("made by"),
    )
    expires_at = models.DateTimeField(_("expires at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    replaces = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="replaced_by",
        verbose_name=_("replaces"),
    )

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        constraints = [
            models.CheckConstraint(name="api_key_expires_later", condition=Q(expires_at__gt=F("created_at"))),
            models.CheckConstraint(name="api_key_allows_some", condition=Q(per_minute__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def works_at(self, moment: datetime) -> bool:
        return self.revoked_at is None and moment < self.expires_at


class ApiRequest(models.Model):
    """One answered request of a key. No query string and no body: neither secrets nor business data."""

    key = models.ForeignKey(
        ApiKey, models.PROTECT, related_name="requests", db_index=False, verbose_name=_("key")
    )
    at = models.DateTimeField(_("when"), default=timezone.now)
    method = models.CharField(_("method"), max_length=7)
    path = models.CharField(_("path"), max_length=200)
    status = models.PositiveSmallIntegerField(_("answer"))
    milliseconds = models.PositiveIntegerField(_("milliseconds"))
    address = models.GenericIPAddressField(_("from"), null=True)
    is_replay = models.BooleanField(_("answered again"), default=False)

    class Meta:
        verbose_name = _("API request")
        verbose_name_plural = _("API requests")
        indexes = [
            models.Index(fields=["key", "-at"], name="api_request_of_key"),
            models.Index(fields=["at"], name="api_request_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


class ApiMinute(models.Model):
    """How many requests a key made in a minute (its number since 1970): what the throttle counts with."""

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+", db_index=False)
    minute = models.PositiveIntegerField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "minute"], name="api_minute_once")]


class IdempotentAnswer(models.Model):
    """What was answered to an Idempotency-Key of a client, written in the transaction of its effect.

    fingerprint: SHA-256 of method, address and body, so that a key is never taken for another request.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    status = models.PositiveSmallIntegerField(default=0)
    content_type = models.CharField(max_length=60, blank=True)
    location = models.CharField(max_length=200, blank=True)
    body = models.BinaryField(default=bytes)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="api_answer_once")]


class ScoringJob(models.Model):
    """Many accounts to score in the background, asked for by a client; a row per account tells how it went."""

    public_id = models.UUIDField(_("id"), unique=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("asked for by")
    )
    # Another key of the same user may see less.
    company = models.ForeignKey(
        Company, models.PROTECT, null=True, related_name="+", verbose_name=_("company")
    )
    as_of = models.DateField(_("business date"))
    created_at = models.DateTimeField(_("asked for at"), default=timezone.now)
    total = models.PositiveIntegerField(_("rows"))

    class Meta:
        verbose_name = _("scoring job")
        verbose_name_plural = _("scoring jobs")
        indexes = [models.Index(fields=["user", "-id"], name="scoring_job_of_user")]

    def __str__(self) -> str:
        return str(self.public_id)


class ScoringJobRow(models.Model):
    """One account of a job, in the order asked for; `reference` is what the client called it."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    job = models.ForeignKey(ScoringJob, models.CASCADE, related_name="rows", db_index=False)
    position = models.PositiveIntegerField()
    reference = models.CharField(max_length=40)
    account = models.ForeignKey(CreditAccount, models.PROTECT, null=True, related_name="+", db_index=False)
    status = models.CharField(max_length=7, choices=Status, default=Status.WAITING)
    # Not a sentence: rendered in the reader's language.
    error_code = models.CharField(max_length=40, blank=True)
    result = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("row of a scoring job")
        verbose_name_plural = _("rows of scoring jobs")
        constraints = [
            models.UniqueConstraint(fields=["job", "position"], name="scoring_job_row_once"),
            models.CheckConstraint(
                name="scoring_job_row_says_why",
                condition=(Q(status="failed") & ~Q(error_code="")) | (~Q(status="failed") & Q(error_code="")),
            ),
        ]
