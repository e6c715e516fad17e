"""The limit policy as data: caps, steps, gates, causes and reviews, in versions published by two persons.

Neutral defaults: a setting that a version was made without changes nothing of what the version says.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import CreditSegment

from .score import Grade
from .version import SegmentVersion, VersionEditor, VersionReport, one_for_each_segment, two_persons


class LimitPolicy(SegmentVersion):
    """One version of the policy of a segment, or of every segment without one of its own (segment null).

    In force on a day is, of the versions that are active or were, the one with the latest (valid_from, version) not
    after it. Drafts may be edited, the rest never (triggers). Amounts are in `currency` and converted for accounts in
    another one; `step` counts in major units of the account's own currency.
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
    currency = models.CharField(_("currency"), max_length=3, default="EUR")

    # Caps.
    buffer_days = models.PositiveSmallIntegerField(
        _("days beyond terms"),
        default=15,
        help_text=_("Credit needed covers the payment terms and these days."),
    )
    capacity_percent = models.PositiveSmallIntegerField(_("share of the customer's equity (%)"), default=10)
    bank_percent = models.PositiveSmallIntegerField(
        _("share of the customer's monthly bank inflow (%)"),
        default=0,
        help_text=_("0: bank flows are no cap. Counts only under a consent in force."),
    )
    agency_percent = models.PositiveSmallIntegerField(
        _("share of the limit a credit agency recommends (%)"),
        default=0,
        help_text=_("0: agencies are no cap. 100: as they recommend; of several agencies the lowest."),
    )
    concentration_percent = models.PositiveSmallIntegerField(
        _("share of the company's receivables (%)"), default=20
    )
    concentration_from_customers = models.PositiveSmallIntegerField(
        _("concentration counts from so many customers"),
        default=20,
        help_text=_("In a book of a handful of customers everybody is concentrated."),
    )
    group_ceiling = MoneyField(
        _("ceiling of a whole group"),
        null=True,
        blank=True,
        help_text=_("Limits of all members together. Empty: groups are no cap."),
    )

    # How far and how fast.
    step = models.PositiveIntegerField(_("limits are multiples of"), default=500)
    max_rise_percent = models.PositiveSmallIntegerField(_("largest rise at once (%)"), default=25)
    cool_down_days = models.PositiveSmallIntegerField(_("days between rises"), default=90)
    year_rise_percent = models.PositiveSmallIntegerField(
        _("largest rise in a year (%)"),
        null=True,
        blank=True,
        help_text=_("Above the limit of a year ago. Empty: no yearly maximum."),
    )
    year_rises = models.PositiveSmallIntegerField(
        _("most rises in a year"), null=True, blank=True, help_text=_("Empty: any number.")
    )
    material_percent = models.PositiveSmallIntegerField(_("propose from a difference of (%)"), default=10)
    material_amount = MoneyField(_("and of at least"), default=100_000)

    # Gates of a rise: each must hold.
    rise_max_days_past_due = models.PositiveSmallIntegerField(
        _("no rise when anything is overdue for more days than"), default=10
    )
    gate_promise_days = models.PositiveSmallIntegerField(
        _("no rise within days of a broken promise"), default=0, help_text=_("0: not asked.")
    )
    gate_event_days = models.PositiveSmallIntegerField(
        _("no rise within days of an adverse public event"), default=0, help_text=_("0: not asked.")
    )
    gate_score_fall = models.PositiveSmallIntegerField(
        _("no rise when the score fell by points within 90 days"), default=0, help_text=_("0: not asked.")
    )
    gate_use_percent = models.PositiveSmallIntegerField(
        _("no rise when less of the limit is used than (%)"), default=0, help_text=_("0: not asked.")
    )

    # Rises that wait for nobody.
    auto_rise_amount = MoneyField(
        _("rises applied at once up to"),
        default=0,
        help_text=_("0: every rise goes to an approver. Only in the policy's own currency."),
    )
    auto_limit_amount = MoneyField(_("and up to a limit of"), default=0)

    # Simulation, reviews, warnings.
    loss_percent = models.PositiveSmallIntegerField(
        _("loss when a customer defaults (%)"),
        default=45,
        help_text=_("Of what no cover secures; for the expected loss of the simulation."),
    )
    review_months_unscored = models.PositiveSmallIntegerField(
        _("months between reviews without a score"), default=12
    )
    warn_days = models.PositiveSmallIntegerField(
        _("warn so many days before a temporary limit ends"), default=14
    )

    class Meta(SegmentVersion.Meta):
        verbose_name = _("limit policy")
        verbose_name_plural = _("limit policies")
        ordering = ["-valid_from", "-version"]
        permissions = [
            ("propose_limitpolicy", _("Can propose a limit policy for publishing")),
            ("publish_limitpolicy", _("Can publish or send back a proposed limit policy")),
        ]
        constraints = [
            *one_for_each_segment("limit_policy"),
            *two_persons("limit_policy"),
            models.CheckConstraint(
                name="limit_policy_in_bounds",
                condition=Q(
                    step__gt=0, max_rise_percent__gt=0, material_amount__gte=0, concentration_percent__lte=100
                ),
            ),
            models.CheckConstraint(
                name="limit_policy_amounts",
                condition=Q(auto_rise_amount__gte=0, auto_limit_amount__gte=0, loss_percent__lte=100)
                & (Q(group_ceiling__isnull=True) | Q(group_ceiling__gte=0)),
            ),
        ]


class LimitPolicyGrade(models.Model):
    """What a grade allows: a ceiling, how much of the credit needed, how much without cover; how often it is reviewed."""

    policy = models.ForeignKey(
        LimitPolicy, models.CASCADE, related_name="grades", verbose_name=_("limit policy")
    )
    grade = models.CharField(_("grade"), max_length=1, choices=Grade)
    ceiling = MoneyField(_("ceiling"), currency_field="policy__currency")
    need_percent = models.PositiveSmallIntegerField(_("share of the credit needed (%)"))
    own_risk = MoneyField(
        _("most at our own risk"),
        currency_field="policy__currency",
        null=True,
        blank=True,
        help_text=_("Beyond insurance, guarantees and deposits. Empty: no such cap."),
    )
    review_months = models.PositiveSmallIntegerField(_("months between reviews"), default=12)

    class Meta:
        verbose_name = _("grade of a limit policy")
        verbose_name_plural = _("grades of a limit policy")
        ordering = ["policy", "grade"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "grade"], name="limit_policy_grade_once"),
            models.CheckConstraint(name="limit_policy_ceiling", condition=Q(ceiling__gte=0)),
            models.CheckConstraint(
                name="limit_policy_grade_bounds",
                condition=Q(review_months__gt=0) & (Q(own_risk__isnull=True) | Q(own_risk__gte=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grade}: {self.ceiling}"


class CauseKind(models.TextChoices):
    """What may cut a limit without waiting for anybody."""

    LATE_PAYMENT = "late_payment", _("late payment")
    SCORE_DROP = "score_drop", _("score drop")
    CASH_SHOCK = "cash_shock", _("cash shock")
    AGENCY_FALL = "agency_fall", _("agency's rating fell")
    CEASED = "ceased", _("business ceased")
    INSOLVENCY = "insolvency", _("insolvency")


class LimitPolicyCause(models.Model):
    """From when on a cause counts, and what it does to a limit at once.

    threshold: late_payment: days past due of the oldest undisputed item; score_drop: points lost within
    `window_days`, within which each kind but the cash shock (four weeks) counts once; cash_shock: how many usual deviations the net flow of four weeks fell below its usual level;
    agency_fall: points an agency's rating fell in a report of the last `window_days`; ceased: 1, an agency says so.
    Insolvency needs no row: it always cuts to zero (customers/legal.py).
    """

    policy = models.ForeignKey(
        LimitPolicy, models.CASCADE, related_name="causes", verbose_name=_("limit policy")
    )
    kind = models.CharField(
        _("cause"), max_length=12, choices=[c for c in CauseKind.choices if c[0] != CauseKind.INSOLVENCY]
    )
    threshold = models.PositiveSmallIntegerField(_("counts from"))
    window_days = models.PositiveSmallIntegerField(
        _("within days"),
        default=30,
        help_text=_("Seen once within them; a score drop is looked for over them. A cash shock: four weeks."),
    )
    least_amount = MoneyField(
        _("and at least"),
        default=0,
        currency_field="policy__currency",
        help_text=_("Only for late payment: overdue and undisputed."),
    )
    keep_percent = models.PositiveSmallIntegerField(
        _("share of the limit that stays (%)"), default=0, help_text=_("0: down to zero.")
    )
    is_immediate = models.BooleanField(
        _("cuts at once"),
        default=True,
        help_text=_("Otherwise the cut is proposed. Natural persons: a hold until a person decides."),
    )

    class Meta:
        verbose_name = _("cause of a cut")
        verbose_name_plural = _("causes of a cut")
        ordering = ["policy", "kind"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "kind"], name="limit_policy_cause_once"),
            models.CheckConstraint(
                name="limit_policy_cause_bounds",
                condition=Q(threshold__gt=0, keep_percent__lt=100, least_amount__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ≥ {self.threshold}"


class LimitPolicyEditor(VersionEditor):
    policy = models.ForeignKey(
        LimitPolicy, models.CASCADE, related_name="editors", verbose_name=_("limit policy")
    )

    class Meta:
        verbose_name = _("editor of a limit policy")
        verbose_name_plural = _("editors of limit policies")
        constraints = [models.UniqueConstraint(fields=["policy", "user"], name="policy_editor_once")]

    def __str__(self) -> str:
        return f"{self.policy_id}: {self.user}"


class PolicyReport(VersionReport):
    """A simulation of a limit policy on the whole book (scoring/policy_simulation.py)."""

    policy = models.ForeignKey(
        LimitPolicy, models.CASCADE, related_name="reports", verbose_name=_("limit policy")
    )

    class Meta(VersionReport.Meta):
        verbose_name = _("simulation of a limit policy")
        verbose_name_plural = _("simulations of limit policies")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["policy", "-id"], name="policy_report_newest")]

    def __str__(self) -> str:
        return f"{self.policy_id} {self.as_of}"
