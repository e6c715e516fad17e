"""The limit policy as data: ceilings, steps and thresholds, in versions that are never edited (triggers)."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import CreditSegment

from .score import Grade


class LimitPolicy(models.Model):
    """One version of the policy of a segment, or of every segment without one of its own (segment null).

    In force is the version with the latest (valid_from, version) not after the day. Amounts are in `currency`
    and converted for accounts in another one; `step` counts in major units of the account's own currency.
    """

    segment = models.ForeignKey(
        CreditSegment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="limit_policies",
        verbose_name=_("credit segment"),
        help_text=_("Empty: every segment without a policy of its own."),
    )
    version = models.PositiveIntegerField(_("version"))
    valid_from = models.DateField(_("valid from"))
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    buffer_days = models.PositiveSmallIntegerField(
        _("days beyond terms"),
        default=15,
        help_text=_("Credit needed covers the payment terms and these days."),
    )
    capacity_percent = models.PositiveSmallIntegerField(_("share of the customer's equity (%)"), default=10)
    concentration_percent = models.PositiveSmallIntegerField(
        _("share of the company's receivables (%)"), default=20
    )
    concentration_from_customers = models.PositiveSmallIntegerField(
        _("concentration counts from so many customers"),
        default=20,
        help_text=_("In a book of a handful of customers everybody is concentrated."),
    )
    step = models.PositiveIntegerField(_("limits are multiples of"), default=500)
    max_rise_percent = models.PositiveSmallIntegerField(_("largest rise at once (%)"), default=25)
    cool_down_days = models.PositiveSmallIntegerField(_("days between rises"), default=90)
    rise_max_days_past_due = models.PositiveSmallIntegerField(
        _("no rise when anything is overdue for more days than"), default=10
    )
    material_percent = models.PositiveSmallIntegerField(_("propose from a difference of (%)"), default=10)
    material_amount = MoneyField(_("and of at least"), default=100_000)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("limit policy")
        verbose_name_plural = _("limit policies")
        ordering = ["-valid_from", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["segment", "version"], name="limit_policy_version"),
            models.UniqueConstraint(
                fields=["version"], condition=Q(segment__isnull=True), name="default_limit_policy_version"
            ),
            models.CheckConstraint(
                name="limit_policy_in_bounds",
                condition=Q(
                    step__gt=0, max_rise_percent__gt=0, material_amount__gte=0, concentration_percent__lte=100
                ),
            ),
        ]

    def __str__(self) -> str:
        return _("%(segment)s, version %(version)s") % {
            "segment": self.segment or _("every segment"),
            "version": self.version,
        }


class LimitPolicyGrade(models.Model):
    """What a grade allows: a ceiling, and how much of the credit the customer's purchases need."""

    policy = models.ForeignKey(
        LimitPolicy, models.PROTECT, related_name="grades", verbose_name=_("limit policy")
    )
    grade = models.CharField(_("grade"), max_length=1, choices=Grade)
    ceiling = MoneyField(_("ceiling"), currency_field="policy__currency")
    need_percent = models.PositiveSmallIntegerField(_("share of the credit needed (%)"))

    class Meta:
        verbose_name = _("grade of a limit policy")
        verbose_name_plural = _("grades of a limit policy")
        ordering = ["policy", "grade"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "grade"], name="limit_policy_grade_once"),
            models.CheckConstraint(name="limit_policy_ceiling", condition=Q(ceiling__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.grade}: {self.ceiling}"
