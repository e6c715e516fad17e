"""Who decided what on whose authority, who stands in for whom, and how long a decision may take.

Decisions, delegations and reminders only grow (database triggers). Nobody decides twice, nobody decides their own
proposal or the one of whom they stand in for, and a change is applied only with the decisions its authority asks for.
"""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField

from .company import Company
from .limits import ApprovalAuthority, LimitChange

GRADES = ["A", "B", "C", "D", "E"]


class ApprovalDelegation(models.Model):
    """A person decides with somebody else's authority from a first to a last day, both included.

    It can be ended earlier, never changed or prolonged. Authority a delegate has only by delegation does not pass
    on. `created_by` is the delegator, or an administrator who is not the delegate: nobody gives themselves authority.
    """

    delegator = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("whose authority")
    )
    delegate = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("deputy")
    )
    company = models.ForeignKey(Company, models.PROTECT, related_name="+", verbose_name=_("company"))
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"))
    reason = models.TextField(_("reason"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("entered by")
    )
    created_at = models.DateTimeField(_("entered at"), default=timezone.now)
    revoked_at = models.DateTimeField(_("ended early at"), null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("ended early by"),
    )

    class Meta:
        verbose_name = _("delegation of approval")
        verbose_name_plural = _("delegations of approval")
        indexes = [models.Index(fields=["delegate", "ends_on"], name="delegation_of_delegate")]
        constraints = [
            models.CheckConstraint(name="delegation_to_another", condition=~Q(delegate=F("delegator"))),
            models.CheckConstraint(name="delegation_not_to_oneself", condition=~Q(created_by=F("delegate"))),
            models.CheckConstraint(name="delegation_dates", condition=Q(ends_on__gte=F("starts_on"))),
            models.CheckConstraint(name="delegation_says_why", condition=~Q(reason="")),
            models.CheckConstraint(
                name="delegation_ended_by_somebody",
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delegator} → {self.delegate} ({self.starts_on} – {self.ends_on})"


class LimitDecision(models.Model):
    """One person's yes or no to a limit change, with the authority it stands on and the facts as they were then.

    direction, amount and grade are what deciding asked of the authority; `approvers_needed` is 1 when this authority
    applies the change alone, 2 when it takes a second person. Empty group and grade: decided before this was kept.
    """

    class Verdict(models.TextChoices):
        APPROVE = "approve", _("approved")
        REJECT = "reject", _("rejected")

    change = models.ForeignKey(
        LimitChange, models.PROTECT, related_name="decisions", verbose_name=_("limit change")
    )
    verdict = models.CharField(_("decision"), max_length=7, choices=Verdict)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("decided by")
    )
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("on behalf of"),
    )
    delegation = models.ForeignKey(
        ApprovalDelegation,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="decisions",
        verbose_name=_("delegation"),
    )
    decided_on = models.DateField(_("decided on"))
    decided_at = models.DateTimeField(_("decided at"), default=timezone.now)
    reason = models.TextField(_("reason"))
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)
    direction = models.CharField(_("direction"), max_length=4, choices=ApprovalAuthority.Direction)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount to be covered"))
    grade = models.CharField(_("grade to be covered"), max_length=1, blank=True)
    authority_group = models.CharField(_("by authority of"), max_length=150, blank=True)
    approvers_needed = models.PositiveSmallIntegerField(_("approvers needed"), default=1)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("decision on a limit change")
        verbose_name_plural = _("decisions on limit changes")
        constraints = [
            models.UniqueConstraint(fields=["change", "decided_by"], name="limit_decided_once_each"),
            models.CheckConstraint(
                name="limit_decision_deputy",
                condition=Q(on_behalf_of__isnull=True, delegation__isnull=True)
                | Q(on_behalf_of__isnull=False, delegation__isnull=False) & ~Q(on_behalf_of=F("decided_by")),
            ),
            models.CheckConstraint(
                name="limit_decision_says_why", condition=~Q(reason="") | Q(erased_at__isnull=False)
            ),
            models.CheckConstraint(
                name="limit_decision_verdict_known", condition=Q(verdict__in=["approve", "reject"])
            ),
            models.CheckConstraint(
                name="limit_decision_one_or_two", condition=Q(approvers_needed__in=[1, 2])
            ),
            models.CheckConstraint(
                name="limit_decision_grade_known", condition=Q(grade="") | Q(grade__in=GRADES)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.verdict} {self.decided_by}"

    @property
    def people(self) -> set[int]:
        """Whose eyes and whose authority this decision used: none of them may be used again for the change."""
        return {pk for pk in (self.decided_by_id, self.on_behalf_of_id) if pk}


class ApprovalTerms(models.Model):
    """How long a change may wait in a company, and which rises are small enough to be approved together.

    Days to remind and to escalate are business days of the company's country, days to expire are calendar days.
    Empty: never.
    """

    company = models.OneToOneField(
        Company, models.CASCADE, related_name="approval_terms", verbose_name=_("company")
    )
    remind_after_days = models.PositiveSmallIntegerField(
        _("remind after business days"), null=True, blank=True, default=2
    )
    remind_every_days = models.PositiveSmallIntegerField(_("then every so many business days"), default=2)
    escalate_after_days = models.PositiveSmallIntegerField(
        _("overdue after business days"), null=True, blank=True, default=5
    )
    expire_rise_after_days = models.PositiveSmallIntegerField(
        _("a rise expires after days"), null=True, blank=True, default=30
    )
    expire_cut_after_days = models.PositiveSmallIntegerField(
        _("a cut expires after days"),
        null=True,
        blank=True,
        help_text=_("Empty: a cut waits until somebody decides it."),
    )
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    small_rise_amount = MoneyField(
        _("small rise: at most"), default=500_000, help_text=_("0: no rise is small.")
    )
    small_rise_percent = models.PositiveSmallIntegerField(
        _("small rise: at most per cent of the limit"), default=25
    )
    small_rise_worst_grade = models.CharField(_("small rise: worst grade"), max_length=1, default="B")

    class Meta:
        verbose_name = _("terms of approval")
        verbose_name_plural = _("terms of approval")
        constraints = [
            models.CheckConstraint(
                name="approval_terms_days",
                condition=Q(remind_every_days__gte=1)
                & (Q(expire_rise_after_days__isnull=True) | Q(expire_rise_after_days__gte=1))
                & (Q(expire_cut_after_days__isnull=True) | Q(expire_cut_after_days__gte=1)),
            ),
            models.CheckConstraint(
                name="approval_terms_small_rise",
                condition=Q(small_rise_amount__gte=0) & Q(small_rise_worst_grade__in=GRADES),
            ),
        ]

    def __str__(self) -> str:
        return str(self.company)


class LimitReminder(models.Model):
    """That a waiting change was reminded of, step by step; each step once, however often the job runs."""

    class Kind(models.TextChoices):
        REMIND = "remind", _("reminder")
        OVERDUE = "overdue", _("overdue")

    change = models.ForeignKey(
        LimitChange, models.PROTECT, related_name="reminders", verbose_name=_("limit change")
    )
    step = models.PositiveSmallIntegerField(_("step"))
    kind = models.CharField(_("kind"), max_length=7, choices=Kind)
    due_on = models.DateField(_("due on"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("reminder of a limit change")
        verbose_name_plural = _("reminders of limit changes")
        constraints = [
            models.UniqueConstraint(fields=["change", "kind", "step"], name="limit_reminder_once"),
            models.CheckConstraint(name="limit_reminder_steps", condition=Q(step__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.kind} {self.step}"
