"""What every version of something that decides about credit has in common: its life, who did what, and what holds it.

draft -> proposed -> active -> retired, and from proposed back to draft. Who publishes neither made, edited nor proposed
it (CHECKs below, triggers in the migrations, scoring/versions.py). A version that was proposed is never edited.
"""

from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def _person(label: Any) -> Any:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=label,
    )


class Version(models.Model):
    """One version of something that decides about credit. `editors` are rows of its VersionEditor."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        PROPOSED = "proposed", _("waiting for a second person")
        PLANNED = "planned", _("planned")
        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")

    version = models.PositiveIntegerField(_("version"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.DRAFT)
    is_shipped = models.BooleanField(
        _("comes with the product"),
        default=False,
        editable=False,
        help_text=_("Put into use by the installation, or before versions were published by two persons."),
    )
    based_on = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("made from"),
    )
    created_by = _person(_("made by"))
    proposed_by = _person(_("proposed by"))
    proposed_at = models.DateTimeField(_("proposed at"), null=True, blank=True, editable=False)
    proposal_reason = models.TextField(_("reason of the proposal"), blank=True, editable=False)
    decided_by = _person(_("published by"))
    decision_reason = models.TextField(_("reason of the decision"), blank=True, editable=False)
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def proposal(self) -> str:
        """Names what waits: proposed again after it was sent back, a version has another one."""
        return self.proposed_at.isoformat() if self.proposed_at else ""


class SegmentVersion(Version):
    """A version for one credit segment (the subclass's `segment`), or for every other one (segment null).

    A version may be published for a later first day. In force on a day is, of the versions published whose `valid_from`
    is not after it, the one published last: until its first day the one before stays, whatever its status says, and a
    version planned for a day by which another one was published for it never counts.
    """

    valid_from = models.DateField(
        _("valid from"), help_text=_("Of a draft: the day it was made. Publishing sets it.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta(Version.Meta):
        abstract = True

    def __str__(self) -> str:
        return _("%(segment)s, version %(version)s") % {
            "segment": self.segment or _("every segment"),  # type: ignore[attr-defined]
            "version": self.version,
        }


# Those without an hour of publishing are older than publishing by two persons.
IN_ORDER = (F("activated_at").asc(nulls_first=True), "valid_from", "version")
NEWEST_FIRST = (F("activated_at").desc(nulls_last=True), "-valid_from", "-version")
WAS_IN_USE = (Version.Status.ACTIVE, Version.Status.RETIRED)


class VersionEditor(models.Model):
    """Somebody who worked on a draft: none of them can publish it. The subclass names the version."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("editor")
    )

    class Meta:
        abstract = True


class VersionReport(models.Model):
    """What a version would do, measured, as evidence: append-only, thrown away only with its draft.

    fingerprint: of everything the version said when it was measured; a draft edited since needs a new measurement.
    """

    as_of = models.DateField(_("as of"))
    fingerprint = models.CharField(max_length=64, editable=False)
    figures = models.JSONField(_("figures"), encoder=DjangoJSONEncoder)
    made_by = models.CharField(_("made by"), max_length=80)
    made_at = models.DateTimeField(_("made at"), default=timezone.now)

    class Meta:
        abstract = True


def two_persons(name: str) -> list[models.BaseConstraint]:
    """The CHECKs of four eyes, named after `name`."""
    return [
        models.CheckConstraint(
            name=f"{name}_four_eyes",
            condition=Q(decided_by__isnull=True)
            | Q(proposed_by__isnull=False) & ~Q(decided_by=F("proposed_by")),
        ),
        models.CheckConstraint(
            name=f"{name}_published_by_two",
            condition=Q(status__in=["draft", "proposed"])
            | Q(is_shipped=True)
            | Q(proposed_by__isnull=False, decided_by__isnull=False),
        ),
        models.CheckConstraint(
            name=f"{name}_proposal_named",
            condition=~Q(status="proposed") | Q(proposed_by__isnull=False, proposed_at__isnull=False),
        ),
    ]


def one_for_each_segment(name: str) -> list[models.BaseConstraint]:
    """Versions are numbered per segment, and one of them is in use."""
    return [
        models.UniqueConstraint(fields=["segment", "version"], name=f"{name}_version"),
        models.UniqueConstraint(
            fields=["version"], condition=Q(segment__isnull=True), name=f"default_{name}_version"
        ),
        models.UniqueConstraint(fields=["segment"], condition=Q(status="active"), name=f"one_active_{name}"),
        models.UniqueConstraint(
            fields=["status"],
            condition=Q(status="active", segment__isnull=True),
            name=f"one_active_default_{name}",
        ),
    ]
