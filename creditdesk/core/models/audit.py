from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditEntry(models.Model):
    """One act: who did what, when and why. Append-only (database triggers).

    Free text and contact data never stand here: they are in `AuditNote`, which can be erased.
    """

    class ActorKind(models.TextChoices):
        PERSON = "person", _("person")
        POLICY = "policy", _("policy")
        IMPORT = "import", _("import")
        JOB = "job", _("job")
        API = "api", _("API client")

    at = models.DateTimeField(_("when"), default=timezone.now, db_index=True)
    act = models.CharField(_("act"), max_length=60, db_index=True)
    actor_kind = models.CharField(_("kind of actor"), max_length=10, choices=ActorKind)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )
    actor_name = models.CharField(_("actor"), max_length=80, blank=True)
    business_date = models.DateField(_("business date"), null=True, blank=True)
    reason_code = models.CharField(_("reason"), max_length=60, blank=True)
    subject_type = models.CharField(_("subject type"), max_length=60, blank=True)
    subject_pk = models.CharField(_("subject"), max_length=40, blank=True)
    data = models.JSONField(_("data"), default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")
        permissions = [("view_customer_trail", _("Can read the audit trail of a customer"))]
        indexes = [models.Index(fields=["subject_type", "subject_pk"], name="audit_subject")]
        constraints = [
            models.CheckConstraint(
                name="audit_person_is_named",
                condition=~Q(actor_kind="person") | Q(actor__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.subject_type} {self.subject_pk}"


class AuditChange(models.Model):
    """One row changed by an act, with the columns that moved before and after. Append-only."""

    entry = models.ForeignKey(AuditEntry, models.PROTECT, related_name="changes", verbose_name=_("act"))
    table = models.CharField(_("table"), max_length=60)
    object_pk = models.CharField(_("row"), max_length=40)
    before = models.JSONField(_("before"), null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(_("after"), null=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("audited change")
        verbose_name_plural = _("audited changes")
        indexes = [models.Index(fields=["table", "object_pk"], name="audit_change_row")]


class AuditNote(models.Model):
    """Free text of an act, kept apart so that it can be erased (GDPR) without touching the trail."""

    entry = models.OneToOneField(AuditEntry, models.PROTECT, related_name="note", verbose_name=_("act"))
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("audit note")
        verbose_name_plural = _("audit notes")


class AuditSeal(models.Model):
    """A sealed batch of entries: SHA-256 over the previous seal and every entry's digest, in id order."""

    sealed_at = models.DateTimeField(_("sealed at"), default=timezone.now)
    entries = models.PositiveIntegerField(_("entries"))
    digest = models.CharField(_("digest"), max_length=64)

    class Meta:
        verbose_name = _("audit seal")
        verbose_name_plural = _("audit seals")


class SealedEntry(models.Model):
    """Which seal covers an entry, with the entry's own digest."""

    entry = models.OneToOneField(AuditEntry, models.PROTECT, primary_key=True, related_name="sealed")
    seal = models.ForeignKey(AuditSeal, models.PROTECT, related_name="sealed_entries")
    digest = models.CharField(max_length=64)
