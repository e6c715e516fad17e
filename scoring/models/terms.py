"""Payment terms and guarantees by grade: data, in versions published by two persons."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import CreditSegment

from .score import Grade
from .version import SegmentVersion, VersionEditor, VersionReport, one_for_each_segment, two_persons


class TermsPolicy(SegmentVersion):
    """One version of the payment terms and guarantees of a segment, or (segment null) of every other one."""

    segment = models.ForeignKey(
        CreditSegment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="terms_policies",
        verbose_name=_("credit segment"),
        help_text=_("Empty: every segment without terms of its own."),
    )
    usual_days = models.PositiveSmallIntegerField(
        _("usual terms (days)"), default=30, help_text=_("Where neither the request nor the customer says.")
    )
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    prospect_amount = MoneyField(
        _("prospects approved by rule up to"),
        null=True,
        blank=True,
        help_text=_(
            "Companies without payment history whose accounts, bank flows and registers speak for them. Empty: a "
            "person decides always."
        ),
    )
    prospect_grade = models.CharField(
        _("prospects by rule: worst grade"), max_length=1, choices=Grade, default=Grade.B
    )
    prospect_z = models.DecimalField(
        _("prospects by rule: least Altman Z''"), max_digits=4, decimal_places=2, default=Decimal("2.60")
    )

    class Meta(SegmentVersion.Meta):
        verbose_name = _("terms policy")
        verbose_name_plural = _("terms policies")
        ordering = ["-valid_from", "-version"]
        permissions = [
            ("propose_termspolicy", _("Can propose a terms policy for publishing")),
            ("publish_termspolicy", _("Can publish or send back a proposed terms policy")),
        ]
        constraints = [*one_for_each_segment("terms_policy"), *two_persons("terms_policy")]


class TermsPolicyGrade(models.Model):
    """What a grade gets: the longest payment terms, and the share of the limit to be guaranteed where asked."""

    policy = models.ForeignKey(
        TermsPolicy, models.CASCADE, related_name="grades", verbose_name=_("terms policy")
    )
    grade = models.CharField(_("grade"), max_length=1, choices=Grade)
    longest_days = models.PositiveSmallIntegerField(_("longest terms (days)"))
    guarantee_percent = models.PositiveSmallIntegerField(
        _("guaranteed share (%)"), help_text=_("Of the limit, where guarantees are asked.")
    )

    class Meta:
        verbose_name = _("grade of a terms policy")
        verbose_name_plural = _("grades of a terms policy")
        ordering = ["policy", "grade"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "grade"], name="terms_policy_grade_once"),
            models.CheckConstraint(
                name="terms_policy_share", condition=Q(guarantee_percent__gte=1, guarantee_percent__lte=100)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grade}: {self.longest_days}"


class TermsPolicyEditor(VersionEditor):
    policy = models.ForeignKey(
        TermsPolicy, models.CASCADE, related_name="editors", verbose_name=_("terms policy")
    )

    class Meta(VersionEditor.Meta):
        verbose_name = _("editor of a terms policy")
        verbose_name_plural = _("editors of terms policies")
        constraints = [models.UniqueConstraint(fields=["policy", "user"], name="terms_policy_editor_once")]

    def __str__(self) -> str:
        return f"{self.policy_id}: {self.user}"


class TermsPolicyReport(VersionReport):
    """Whose terms a version would change (scoring/terms_effect.py)."""

    policy = models.ForeignKey(
        TermsPolicy, models.CASCADE, related_name="reports", verbose_name=_("terms policy")
    )

    class Meta(VersionReport.Meta):
        verbose_name = _("effect of a terms policy")
        verbose_name_plural = _("effects of terms policies")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.policy_id} {self.as_of}"
