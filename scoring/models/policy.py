"""The limit policy as data: caps, steps, gates, causes and reviews, in versions published by two persons.

Neutral defaults: a setting that a version was made without changes nothing of what the version says.
"""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import CreditSegment

from .score import Grade


class LimitPolicy(models.Model):
    """One version of the policy of a segment, or of every segment without one of its own (segment null).

    In force on a day is, of the versions that are active or were, the one with the latest (valid_from, version) not
    after it. Drafts may be edited, the rest never (triggers). Amounts are in `currency` and converted for accounts in
    another one; `step` counts in major units of the account's own currency.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        PROPOSED = "proposed", _("waiting for a second person")
        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")

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
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.DRAFT)
    valid_from = models.DateField(
        _("valid from"), help_text=_("Of a draft: the day it was made. Publishing sets it.")
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

    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    is_shipped = models.BooleanField(
        _("comes with the product"),
        default=False,
        editable=False,
        help_text=_("Put into use by the installation, or before policies were published by two persons."),
    )
    based_on = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("made by"),
    )
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("proposed by"),
    )
    proposed_at = models.DateTimeField(_("proposed at"), null=True, blank=True, editable=False)
    proposal_reason = models.TextField(_("reason of the proposal"), blank=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("published by"),
    )
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True, editable=False)
    decision_reason = models.TextField(_("reason of the decision"), blank=True, editable=False)

    class Meta:
        verbose_name = _("limit policy")
        verbose_name_plural = _("limit policies")
        ordering = ["-valid_from", "-version"]
        permissions = [
            ("propose_limitpolicy", _("Can propose a limit policy for publishing")),
            ("publish_limitpolicy", _("Can publish or send back a proposed limit policy")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["segment", "version"], name="limit_policy_version"),
            models.UniqueConstraint(
                fields=["version"], condition=Q(segment__isnull=True), name="default_limit_policy_version"
            ),
            models.UniqueConstraint(
                fields=["segment"], condition=Q(status="active"), name="one_active_limit_policy"
            ),
            models.UniqueConstraint(
                fields=["status"],
                condition=Q(status="active", segment__isnull=True),
                name="one_active_default_limit_policy",
            ),
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
            models.CheckConstraint(
                name="limit_policy_four_eyes",
                condition=Q(decided_by__isnull=True)
                | Q(proposed_by__isnull=False) & ~Q(decided_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="limit_policy_published_by_two",
                condition=Q(status__in=["draft", "proposed"])
                | Q(is_shipped=True)
                | Q(proposed_by__isnull=False, decided_by__isnull=False),
            ),
            models.CheckConstraint(
                name="limit_policy_proposal_named",
                condition=~Q(status="proposed") | Q(proposed_by__isnull=False, proposed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return _("%(segment)s, version %(version)s") % {
            "segment": self.segment or _("every segment"),
            "version": self.version,
        }


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
    INSOLVENCY = "insolvency", _("insolvency")


class LimitPolicyCause(models.Model):
    """From when on a cause counts, and what it does to a limit at once.

    threshold: late_payment: days past due of the oldest undisputed item; score_drop: points lost within
    `window_days`; cash_shock: how many usual deviations the net flow of four weeks fell below its usual level.
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
        _("within days"), default=30, help_text=_("Only for the score drop.")
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


class LimitPolicyEditor(models.Model):
    """Somebody who worked on a draft: none of them can publish it (scoring/policy_publishing.py)."""

    policy = models.ForeignKey(
        LimitPolicy, models.CASCADE, related_name="editors", verbose_name=_("limit policy")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("editor")
    )

    class Meta:
        verbose_name = _("editor of a limit policy")
        verbose_name_plural = _("editors of limit policies")
        constraints = [models.UniqueConstraint(fields=["policy", "user"], name="policy_editor_once")]

    def __str__(self) -> str:
        return f"{self.policy_id}: {self.user}"


class PolicyReport(models.Model):
    """A simulation of a policy on the whole book, as evidence: append-only, thrown away only with its draft.

    fingerprint: of everything the policy said when it was simulated; a draft edited since needs a new simulation.
    """

    policy = models.ForeignKey(
        LimitPolicy, models.CASCADE, related_name="reports", verbose_name=_("limit policy")
    )
    as_of = models.DateField(_("as of"))
    fingerprint = models.CharField(max_length=64, editable=False)
    figures = models.JSONField(_("figures"), encoder=DjangoJSONEncoder)
    made_by = models.CharField(_("made by"), max_length=80)
    made_at = models.DateTimeField(_("made at"), default=timezone.now)

    class Meta:
        verbose_name = _("simulation of a limit policy")
        verbose_name_plural = _("simulations of limit policies")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["policy", "-id"], name="policy_report_newest")]

    def __str__(self) -> str:
        return f"{self.policy_id} {self.as_of}"
