"""Which limit binds a customer that buys from several of our companies, and how far ahead orders count. Dated data."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .company import Company, CreditSegment
from .customer import Customer


class LimitBinding(models.Model):
    """From a day on: which limit a customer (and everybody below it in its group) keeps to, or a company's customers.

    company: with each of our companies its own limit. total: one total over all our companies, the sum of the limits
    decided for the customer's accounts, no matter with which of them it buys. both: the tighter of the two.
    ceiling: the most that the customer and everybody below it may owe all our companies together.

    It never gives more than the limits that were decided (DESIGN, rule 3): it says who may use them. Proposed by one
    person, decided by another (CHECK), never edited (triggers): a newer one takes its place.
    """

    class Binds(models.TextChoices):
        COMPANY = "company", _("each company's own limit")
        TOTAL = "total", _("the total over our companies")
        BOTH = "both", _("both: the tighter binds")

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting for a second person")
        IN_FORCE = "in_force", _("decided")
        REJECTED = "rejected", _("rejected")

    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="limit_bindings",
        verbose_name=_("customer or group head"),
    )
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="limit_bindings",
        verbose_name=_("company"),
        help_text=_("For its customers without a setting of their own."),
    )
    binds = models.CharField(_("which limit binds"), max_length=7, choices=Binds)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    ceiling = MoneyField(_("most over all our companies"), null=True, blank=True)
    wanted_from = models.DateField(_("from"))
    reason = models.TextField(_("reason"))
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("proposed by")
    )
    proposed_on = models.DateField(_("proposed on"))
    proposed_at = models.DateTimeField(default=timezone.now)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_on = models.DateField(_("decided on"), null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(_("reason of the decision"), blank=True)
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)
    valid_from = models.DateField(_("in force from"), null=True, blank=True)

    class Meta:
        verbose_name = _("which limit binds")
        verbose_name_plural = _("which limits bind")
        permissions = [("decide_limitbinding", _("Can decide which limit binds"))]
        constraints = [
            models.CheckConstraint(
                name="limit_binding_of_one",
                condition=Q(customer__isnull=False, company__isnull=True)
                | Q(customer__isnull=True, company__isnull=False, ceiling__isnull=True),
            ),
            models.CheckConstraint(
                name="limit_binding_ceiling",
                condition=Q(ceiling__isnull=True, currency="")
                | Q(ceiling__gt=0) & ~Q(currency="") & ~Q(binds="company"),
            ),
            models.CheckConstraint(name="limit_binding_four_eyes", condition=~Q(decided_by=F("proposed_by"))),
            models.CheckConstraint(
                name="limit_binding_decided_whole",
                condition=Q(status="waiting", decided_by__isnull=True, valid_from__isnull=True)
                | Q(status="in_force", decided_by__isnull=False, valid_from__gte=F("decided_on"))
                & Q(valid_from__gte=F("wanted_from"))
                | Q(status="rejected", decided_by__isnull=False, valid_from__isnull=True),
            ),
            models.CheckConstraint(
                name="limit_binding_says_why", condition=~Q(reason="") | Q(erased_at__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["customer"], condition=Q(status="waiting"), name="one_waiting_binding_per_customer"
            ),
            models.UniqueConstraint(
                fields=["company"], condition=Q(status="waiting"), name="one_waiting_binding_per_company"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer or self.company}: {self.get_binds_display()}"


class OrderHorizon(Fact):
    """From a day on: how far ahead orders of a segment, or of one product line in it, count as exposure.

    product_line "": every order of the segment without a horizon for its own line. days None: as the segment's.
    """

    segment = models.ForeignKey(
        CreditSegment, models.PROTECT, related_name="horizons", verbose_name=_("credit segment")
    )
    product_line = models.CharField(
        _("product line"),
        max_length=40,
        blank=True,
        help_text=_("As orders name it. Empty: orders of the segment whose line has no horizon of its own."),
    )
    days = models.PositiveSmallIntegerField(
        _("order horizon (days)"),
        null=True,
        blank=True,
        help_text=_("Orders to be delivered later than this are not exposure yet. Empty: as the segment."),
    )

    class Meta:
        verbose_name = _("order horizon")
        verbose_name_plural = _("order horizons")
        indexes = [models.Index(fields=["segment", "effective_on"], name="horizon_of_segment")]

    def __str__(self) -> str:
        return f"{self.segment} {self.product_line}: {'' if self.days is None else self.days}".strip()
