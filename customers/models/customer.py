from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact

from .company import Company, CreditSegment, Portfolio, Source


class Customer(models.Model):
    """Somebody who buys from us, or may. Never hard-deleted: duplicates are merged, the rest is closed."""

    class Kind(models.TextChoices):
        COMPANY = "company", _("company")
        SOLE_TRADER = "sole_trader", _("sole trader")

    class Status(models.TextChoices):
        PROSPECT = "prospect", _("prospect")
        ACTIVE = "active", _("active")
        ON_HOLD = "on_hold", _("on hold")
        INSOLVENT = "insolvent", _("insolvent")
        CLOSED = "closed", _("closed")

    code = models.CharField(_("customer number"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=160)
    kind = models.CharField(_("legal kind"), max_length=12, choices=Kind, default=Kind.COMPANY)
    country = models.CharField(_("country"), max_length=2, blank=True)
    city = models.CharField(_("city"), max_length=80, blank=True)
    vat_number = models.CharField(_("VAT number"), max_length=20, blank=True)
    registration_number = models.CharField(_("registration number"), max_length=30, blank=True)
    lei = models.CharField(_("LEI"), max_length=20, blank=True)
    sector = models.CharField(_("sector (NACE)"), max_length=10, blank=True)
    language = models.CharField(_("language of letters"), max_length=5, default="en")
    customer_since = models.DateField(_("customer since"), null=True, blank=True)
    founded_on = models.DateField(_("founded on"), null=True, blank=True)
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="merged_from",
        verbose_name=_("merged into"),
    )
    # The current value of the effective-dated facts below, kept in the transaction that records the fact.
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.ACTIVE, db_index=True
    )
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="members", verbose_name=_("group parent")
    )
    terms_days = models.PositiveSmallIntegerField(_("payment terms (days)"), null=True, blank=True)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["name", "pk"]
        indexes = [
            models.Index(fields=["name", "id"], name="customer_by_name"),
            models.Index(fields=["vat_number"], name="customer_by_vat"),
        ]
        constraints = [
            models.CheckConstraint(
                name="customer_not_its_own_parent",
                condition=models.Q(parent__isnull=True) | ~models.Q(parent=models.F("id")),
            ),
            models.CheckConstraint(
                name="customer_not_merged_into_itself",
                condition=models.Q(merged_into__isnull=True) | ~models.Q(merged_into=models.F("id")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_natural_person(self) -> bool:
        """GDPR art. 22 applies: a person decides before anything adverse stays."""
        return self.kind == self.Kind.SOLE_TRADER


class CustomerKey(models.Model):
    """What a source calls a customer."""

    source = models.ForeignKey(Source, models.PROTECT, related_name="customer_keys", verbose_name=_("source"))
    key = models.CharField(_("key"), max_length=60)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="keys", verbose_name=_("customer"))

    class Meta:
        verbose_name = _("customer key")
        verbose_name_plural = _("customer keys")
        constraints = [models.UniqueConstraint(fields=["source", "key"], name="customer_key_per_source")]

    def __str__(self) -> str:
        return self.key


class Contact(models.Model):
    """Somebody to call or write to. Roles form the fall-back chain accounting, then management, then any."""

    class Role(models.TextChoices):
        ACCOUNTING = "accounting", _("accounting")
        MANAGEMENT = "management", _("management")
        PURCHASING = "purchasing", _("purchasing")
        OTHER = "other", _("other")

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="contacts", verbose_name=_("customer")
    )
    name = models.CharField(_("name"), max_length=120)
    role = models.CharField(_("role"), max_length=12, choices=Role, default=Role.ACCOUNTING)
    email = models.EmailField(_("e-mail"), blank=True)
    phone = models.CharField(_("telephone"), max_length=40, blank=True)
    language = models.CharField(_("language"), max_length=5, blank=True)
    preference = models.CharField(_("best reached"), max_length=120, blank=True)
    bounced_on = models.DateField(_("e-mail bounced on"), null=True, blank=True)

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")

    def __str__(self) -> str:
        return self.name


class CreditAccount(models.Model):
    """A customer (or group head) in one credit segment, in one currency: where limit, exposure and score live."""

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="accounts", verbose_name=_("customer")
    )
    segment = models.ForeignKey(
        CreditSegment, models.PROTECT, related_name="accounts", verbose_name=_("credit segment")
    )
    company = models.ForeignKey(Company, models.PROTECT, related_name="accounts", verbose_name=_("company"))
    currency = models.CharField(_("currency"), max_length=3)
    portfolio = models.ForeignKey(
        Portfolio, models.PROTECT, null=True, blank=True, related_name="accounts", verbose_name=_("portfolio")
    )
    # Current value of CollectorAssignment.
    collector = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="accounts",
        verbose_name=_("collector"),
    )
    limit_is_for_group = models.BooleanField(
        _("its limit is for the whole group"),
        default=False,
        db_default=False,
        help_text=_(
            "Of a group head: everybody below it together keeps to this limit, besides each to its own."
        ),
    )
    # Set by a merge of customers: this account's facts were carried over there, and it takes no new ones.
    joined_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="joined_from",
        verbose_name=_("joined into"),
    )

    class Meta:
        verbose_name = _("credit account")
        verbose_name_plural = _("credit accounts")
        constraints = [
            models.UniqueConstraint(fields=["customer", "segment"], name="account_per_customer_and_segment"),
            models.CheckConstraint(
                name="account_not_joined_into_itself",
                condition=models.Q(joined_into__isnull=True) | ~models.Q(joined_into=models.F("id")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer} · {self.segment}"


class StatusChange(Fact):
    """The customer's status from `effective_on` on."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="status_changes")
    status = models.CharField(_("status"), max_length=10, choices=Customer.Status)
    reason_code = models.CharField(_("reason"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("status change")
        verbose_name_plural = _("status changes")
        indexes = [models.Index(fields=["customer", "effective_on"], name="status_of_customer")]


class GroupMembership(Fact):
    """The customer's group parent from `effective_on` on (null: it stands alone)."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="memberships")
    parent = models.ForeignKey(Customer, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("group membership")
        verbose_name_plural = _("group memberships")
        indexes = [models.Index(fields=["customer", "effective_on"], name="parent_of_customer")]


class PaymentTerms(Fact):
    """The agreed days to pay from `effective_on` on; `end_of_month`: counted from the end of the issue month."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="terms")
    days = models.PositiveSmallIntegerField(_("days"))
    end_of_month = models.BooleanField(_("from the end of the month"), default=False)

    class Meta:
        verbose_name = _("payment terms")
        verbose_name_plural = _("payment terms")
        indexes = [models.Index(fields=["customer", "effective_on"], name="terms_of_customer")]


class CollectorAssignment(Fact):
    """Who collects from the account from `effective_on` on."""

    account = models.ForeignKey(CreditAccount, models.PROTECT, related_name="collector_assignments")
    collector = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("collector assignment")
        verbose_name_plural = _("collector assignments")
        indexes = [models.Index(fields=["account", "effective_on"], name="collector_of_account")]
