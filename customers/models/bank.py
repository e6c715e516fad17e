"""Bank data of a customer, which exists only under its consent, and the log of everybody who read it."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .customer import Customer
from .imports import ImportBatch


class BankConsent(Fact):
    """The customer's consent to read its bank data: purpose, scope, expiry; revoking it deletes the data.

    In force on a day: effective_on <= day <= expires_on, and not revoked. `scope` lists what may be read, of
    "transactions" and "balances". Without a consent in force the database takes no account and no line.
    """

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="bank_consents", verbose_name=_("customer")
    )
    purpose = models.CharField(_("purpose"), max_length=120)
    scope = models.CharField(_("scope"), max_length=200, default="transactions,balances")
    reference = models.CharField(
        _("reference"), max_length=120, blank=True, help_text=_("Where the consent itself is kept.")
    )
    expires_on = models.DateField(_("expires on"))
    revoked_on = models.DateField(_("revoked on"), null=True, blank=True)

    class Meta:
        verbose_name = _("bank data consent")
        verbose_name_plural = _("bank data consents")
        constraints = [
            models.CheckConstraint(
                name="bank_consent_in_order", condition=Q(expires_on__gte=F("effective_on"))
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer} · {self.purpose}"


class BankAccount(models.Model):
    """A customer's own bank account; there is none without a consent in force (trigger)."""

    consent = models.ForeignKey(
        BankConsent, models.PROTECT, related_name="bank_accounts", verbose_name=_("consent")
    )
    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="bank_accounts", verbose_name=_("customer")
    )
    iban = models.CharField(_("IBAN"), max_length=34)
    currency = models.CharField(_("currency"), max_length=3)
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("bank account")
        verbose_name_plural = _("bank accounts")
        constraints = [models.UniqueConstraint(fields=["customer", "iban"], name="bank_account_once")]

    def __str__(self) -> str:
        return self.iban


class BankTransaction(Fact):
    """A line of a customer's bank statement; effective_on is the booking day, amount signed (credit positive).

    Only what the signals need is kept: no text, no name. `counterparty` is a fingerprint that tells sources of
    money apart without naming them. `balance` is what the account holds after the line; lines of a day are
    stored in the order in which they were booked.
    """

    class Category(models.TextChoices):
        CASH = "cash", _("cash")
        CARD = "card", _("card")
        TRANSFER = "transfer", _("transfer")
        DIRECT_DEBIT = "direct_debit", _("direct debit")
        CHEQUE = "cheque", _("cheque or bill")
        LOAN = "loan", _("loan instalment")
        SALARY = "salary", _("wages and pensions")
        TAX = "tax", _("taxes and contributions")
        INSURANCE = "insurance", _("insurance")
        HOUSEHOLD = "household", _("household")
        SALES = "sales", _("sales")
        SUPPLIERS = "suppliers", _("suppliers")
        INTEREST = "interest", _("interest credited")
        FEE = "fee", _("bank fee")
        SANCTION = "sanction", _("sanction interest: the account was overdrawn")
        RETURNED = "returned", _("returned payment")

    bank_account = models.ForeignKey(
        BankAccount, models.CASCADE, related_name="transactions", verbose_name=_("bank account")
    )
    key = models.CharField(_("key"), max_length=120)
    amount = MoneyField(_("amount"), currency_field="bank_account__currency")
    balance = MoneyField(_("balance after"), currency_field="bank_account__currency", null=True, blank=True)
    category = models.CharField(_("category"), max_length=40, blank=True, choices=Category)
    is_rejected = models.BooleanField(_("rejected payment"), default=False)
    counterparty = models.CharField(_("counterparty fingerprint"), max_length=16, blank=True)
    statement = models.CharField(_("statement"), max_length=60, blank=True)
    batch = models.ForeignKey(
        ImportBatch, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("import")
    )

    class Meta:
        verbose_name = _("bank transaction")
        verbose_name_plural = _("bank transactions")
        constraints = [
            models.UniqueConstraint(
                fields=["bank_account", "key"],
                condition=Q(superseded_at__isnull=True),
                name="bank_transaction_current_once",
            )
        ]
        indexes = [models.Index(fields=["bank_account", "effective_on"], name="bank_transaction_day")]


class BankDataAccess(models.Model):
    """Somebody read a customer's bank lines: who, when, what for. Append-only (trigger).

    customer empty: a scoring pass over many customers, one row per pass.
    """

    class What(models.TextChoices):
        PAGE = "page", _("page")
        EXPORT = "export", _("export")
        API = "api", _("API")
        SCORING = "scoring", _("scoring pass")

    at = models.DateTimeField(_("when"), default=timezone.now, db_index=True)
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="bank_data_accesses",
        verbose_name=_("customer"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )
    actor_name = models.CharField(_("actor"), max_length=80)
    what = models.CharField(_("what"), max_length=8, choices=What)
    purpose = models.CharField(_("purpose"), max_length=120)
    data = models.JSONField(_("data"), default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("access to bank data")
        verbose_name_plural = _("accesses to bank data")
        indexes = [models.Index(fields=["customer", "at"], name="bank_access_of_customer")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_name}"
