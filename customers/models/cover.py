"""Protection of part of what a customer owes, with the terms on which somebody would pay."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .customer import CreditAccount, Customer
from .imports import ImportBatch


class Cover(Fact):
    """Protection of part of the exposure: insurance, guarantee, deposit, parent; valid effective_on to expires_on.

    What it is worth on a day, and why not more, is worked out in customers/cover.py. A change of its terms (a
    withdrawal too) is a new version: customers.cover.withdraw_cover.
    """

    class Kind(models.TextChoices):
        INSURANCE = "insurance", _("credit insurance")
        GUARANTEE = "guarantee", _("bank guarantee")
        DEPOSIT = "deposit", _("deposit")
        PARENT = "parent", _("parent guarantee")

    class Basis(models.TextChoices):
        NAMED = "named", _("limit granted for this customer")
        # What the policy lets the insured decide alone; void as soon as the insurer has decided.
        DISCRETIONARY = "discretionary", _("our own discretionary limit")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="covers", verbose_name=_("account")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    provider = models.CharField(_("provider"), max_length=120, blank=True)
    policy = models.CharField(
        _("policy or document"), max_length=60, blank=True, db_default="", help_text=_("Its number.")
    )
    basis = models.CharField(
        _("basis"), max_length=13, choices=Basis, default=Basis.NAMED, db_default=Basis.NAMED
    )
    guarantor = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="guarantees_given",
        verbose_name=_("guarantor"),
        help_text=_("Of a parent guarantee: worth nothing while the guarantor is insolvent or closed."),
    )
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("covered up to"))
    policy_limit = MoneyField(
        _("most the policy pays"),
        null=True,
        blank=True,
        help_text=_("For all customers together; use of it is shown with the policy."),
    )
    percent = models.PositiveSmallIntegerField(_("covered share (%)"), default=100)
    haircut_percent = models.PositiveSmallIntegerField(_("haircut (%)"), default=0)
    expires_on = models.DateField(_("expires on"), null=True, blank=True)
    withdrawn_on = models.DateField(
        _("withdrawn on"),
        null=True,
        blank=True,
        help_text=_("Nothing shipped after this day is covered; what was shipped before stays covered."),
    )
    max_terms_days = models.PositiveSmallIntegerField(
        _("longest payment terms (days)"),
        null=True,
        blank=True,
        help_text=_("Invoices with longer terms are not covered."),
    )
    max_extension_days = models.PositiveSmallIntegerField(
        _("maximum extension (days)"),
        null=True,
        blank=True,
        help_text=_("Once an invoice is overdue longer than this, nothing shipped afterwards is covered."),
    )
    notify_days = models.PositiveSmallIntegerField(
        _("overdue to be notified within (days)"),
        null=True,
        blank=True,
        help_text=_("An invoice overdue longer than this and not notified in time is not covered."),
    )
    excludes_disputed = models.BooleanField(_("disputed debts are excluded"), default=True, db_default=True)
    terms = models.JSONField(_("terms"), default=dict, blank=True)
    batch = models.ForeignKey(
        ImportBatch, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("cover")
        verbose_name_plural = _("cover")
        constraints = [
            models.CheckConstraint(
                name="cover_in_bounds",
                condition=Q(amount__gt=0, percent__lte=100, haircut_percent__lte=100),
            ),
            models.CheckConstraint(
                name="cover_ends_after_it_begins",
                condition=(Q(expires_on__isnull=True) | Q(expires_on__gte=F("effective_on")))
                & (Q(withdrawn_on__isnull=True) | Q(withdrawn_on__gte=F("effective_on"))),
                violation_error_message=_("A cover cannot end or be withdrawn before it begins."),
            ),
            models.CheckConstraint(
                name="cover_insurance_terms",
                condition=Q(kind="insurance")
                | Q(
                    basis="named",
                    policy_limit__isnull=True,
                    max_terms_days__isnull=True,
                    max_extension_days__isnull=True,
                    notify_days__isnull=True,
                ),
                violation_error_message=_(
                    "Discretionary limit, policy maximum, payment terms, extension and notification belong to "
                    "credit insurance only."
                ),
            ),
            models.CheckConstraint(
                name="cover_guarantor_of_parent",
                condition=Q(kind="parent") | Q(guarantor__isnull=True),
                violation_error_message=_("Only a parent guarantee has a guarantor."),
            ),
            models.CheckConstraint(
                name="cover_policy_limit_positive",
                condition=Q(policy_limit__isnull=True) | Q(policy_limit__gt=0),
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_on"], name="cover_expiring", condition=Q(superseded_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.provider}".strip()


class CoverNotice(Fact):
    """The insurer was told, on effective_on, of the invoices due until `due_through` that are not paid."""

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="cover_notices", verbose_name=_("account")
    )
    policy = models.CharField(
        _("policy"), max_length=60, blank=True, help_text=_("Empty: every policy of this account.")
    )
    due_through = models.DateField(_("invoices due until"))
    reference = models.CharField(_("reference"), max_length=60, blank=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("overdue notice to an insurer")
        verbose_name_plural = _("overdue notices to insurers")
        indexes = [models.Index(fields=["account", "effective_on"], name="cover_notice_of_account")]

    def __str__(self) -> str:
        return f"{self.policy} {self.effective_on}".strip()
