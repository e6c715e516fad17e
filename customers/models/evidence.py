"""Facts about a customer from outside our own ledger, and business not yet invoiced."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .customer import CreditAccount, Customer
from .imports import ImportBatch


class LegalEvent(Fact):
    """A public or legal fact; effective_on is the day it happened, ended_on the day it was over."""

    class Kind(models.TextChoices):
        INSOLVENCY = "insolvency", _("insolvency proceedings opened")
        LIEN = "lien", _("lien or pledge")
        LITIGATION = "litigation", _("litigation")
        PROTEST = "protest", _("protested bill")
        DIRECTOR_CHANGE = "director_change", _("change of director")
        ADDRESS_CHANGE = "address_change", _("change of registered office")
        STRUCK_OFF = "struck_off", _("struck off the register")

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="legal_events", verbose_name=_("customer")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    source = models.CharField(_("source"), max_length=120)
    link = models.URLField(_("link"), blank=True)
    ended_on = models.DateField(_("ended on"), null=True, blank=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("legal event")
        verbose_name_plural = _("legal events")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "kind", "effective_on", "source"],
                condition=Q(superseded_at__isnull=True),
                name="legal_event_once",
            )
        ]


class BankConsent(Fact):
    """The customer's consent to read its bank data: purpose, scope, expiry; revoking it deletes the data."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="bank_consents")
    purpose = models.CharField(_("purpose"), max_length=120)
    scope = models.CharField(_("scope"), max_length=200)
    expires_on = models.DateField(_("expires on"))
    revoked_on = models.DateField(_("revoked on"), null=True, blank=True)

    class Meta:
        verbose_name = _("bank data consent")
        verbose_name_plural = _("bank data consents")


class BankAccount(models.Model):
    """A customer's own bank account; there is none without a consent (NOT NULL)."""

    consent = models.ForeignKey(BankConsent, models.PROTECT, related_name="bank_accounts")
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="bank_accounts")
    iban = models.CharField(_("IBAN"), max_length=34)
    currency = models.CharField(_("currency"), max_length=3)

    class Meta:
        verbose_name = _("bank account")
        verbose_name_plural = _("bank accounts")
        constraints = [models.UniqueConstraint(fields=["customer", "iban"], name="bank_account_once")]


class BankTransaction(Fact):
    """A line of a customer's bank statement; effective_on is the booking day, amount signed."""

    bank_account = models.ForeignKey(BankAccount, models.CASCADE, related_name="transactions")
    key = models.CharField(max_length=120)
    amount = MoneyField(_("amount"), currency_field="bank_account__currency")
    balance = MoneyField(_("balance after"), currency_field="bank_account__currency", null=True, blank=True)
    category = models.CharField(_("category"), max_length=40, blank=True)
    is_rejected = models.BooleanField(_("rejected payment"), default=False)
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("bank transaction")
        verbose_name_plural = _("bank transactions")
        constraints = [models.UniqueConstraint(fields=["bank_account", "key"], name="bank_transaction_once")]
        indexes = [models.Index(fields=["bank_account", "effective_on"], name="bank_transaction_day")]


class FinancialStatement(Fact):
    """A customer's annual accounts; effective_on is the balance-sheet day, known_on the day of publication."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="statements")
    currency = models.CharField(_("currency"), max_length=3)
    months = models.PositiveSmallIntegerField(_("months"), default=12)
    total_assets = MoneyField(_("total assets"), null=True, blank=True)
    current_assets = MoneyField(_("current assets"), null=True, blank=True)
    current_liabilities = MoneyField(_("current liabilities"), null=True, blank=True)
    total_liabilities = MoneyField(_("total liabilities"), null=True, blank=True)
    equity = MoneyField(_("equity"), null=True, blank=True)
    retained_earnings = MoneyField(_("retained earnings"), null=True, blank=True)
    revenue = MoneyField(_("revenue"), null=True, blank=True)
    ebit = MoneyField(_("EBIT"), null=True, blank=True)
    net_income = MoneyField(_("net income"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("financial statement")
        verbose_name_plural = _("financial statements")


class OpenOrder(Fact):
    """An accepted order not yet delivered; effective_on is the order day, closed_on when nothing is left open."""

    account = models.ForeignKey(CreditAccount, models.PROTECT, related_name="open_orders")
    number = models.CharField(_("order number"), max_length=60)
    expected_on = models.DateField(_("expected delivery"))
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("open order amount"))
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("open order")
        verbose_name_plural = _("open orders")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "number"], condition=Q(superseded_at__isnull=True), name="open_order_key"
            ),
            models.CheckConstraint(name="open_order_positive", condition=Q(amount__gt=0)),
        ]


class Delivery(Fact):
    """Goods delivered and not yet invoiced; effective_on is the delivery day."""

    account = models.ForeignKey(CreditAccount, models.PROTECT, related_name="deliveries")
    number = models.CharField(_("delivery number"), max_length=60)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("unbilled amount"))
    invoiced_on = models.DateField(_("invoiced on"), null=True, blank=True)
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "number"], condition=Q(superseded_at__isnull=True), name="delivery_key"
            ),
            models.CheckConstraint(name="delivery_positive", condition=Q(amount__gt=0)),
        ]


class Cover(Fact):
    """Protection of part of the exposure: insurance, guarantee, deposit, parent; valid effective_on to expires_on."""

    class Kind(models.TextChoices):
        INSURANCE = "insurance", _("credit insurance")
        GUARANTEE = "guarantee", _("bank guarantee")
        DEPOSIT = "deposit", _("deposit")
        PARENT = "parent", _("parent guarantee")

    account = models.ForeignKey(CreditAccount, models.PROTECT, related_name="covers")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    provider = models.CharField(_("provider"), max_length=120, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("covered up to"))
    percent = models.PositiveSmallIntegerField(_("covered share (%)"), default=100)
    haircut_percent = models.PositiveSmallIntegerField(_("haircut (%)"), default=0)
    expires_on = models.DateField(_("expires on"), null=True, blank=True)
    terms = models.JSONField(_("terms"), default=dict, blank=True)

    class Meta:
        verbose_name = _("cover")
        verbose_name_plural = _("cover")
        constraints = [
            models.CheckConstraint(
                name="cover_in_bounds",
                condition=Q(amount__gt=0, percent__lte=100, haircut_percent__lte=100),
            )
        ]
