"""Facts about a customer from outside our own ledger, and business not yet invoiced."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact, said_as
from creditdesk.core.money import MoneyField

from .customer import Customer
from .imports import ImportBatch


@said_as(effective_on=_("happened on"))
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
    batch = models.ForeignKey(
        ImportBatch, models.PROTECT, null=True, blank=True, related_name="+", editable=False
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


@said_as(effective_on=_("financial year ended on"))
class FinancialStatement(Fact):
    """A customer's annual accounts; effective_on is the balance-sheet day, known_on the day of publication.

    Amounts are of the currency's minor units, costs and interest positive. Empty: not stated, never zero.
    """

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
    cash = MoneyField(_("cash and equivalents"), null=True, blank=True)
    inventories = MoneyField(_("inventories"), null=True, blank=True)
    trade_receivables = MoneyField(_("trade receivables"), null=True, blank=True)
    trade_payables = MoneyField(_("trade payables"), null=True, blank=True)
    financial_debt = MoneyField(_("financial debt"), null=True, blank=True)
    cost_of_sales = MoneyField(_("cost of sales"), null=True, blank=True)
    depreciation = MoneyField(_("depreciation and amortisation"), null=True, blank=True)
    interest_expense = MoneyField(_("interest expense"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=120, blank=True)
    batch = models.ForeignKey(
        ImportBatch, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("financial statement")
        verbose_name_plural = _("financial statements")
        indexes = [models.Index(fields=["customer", "effective_on"], name="statement_of_customer")]


class SupplierPaymentDays(Fact):
    """Days the customer takes to pay its suppliers (weak signal); effective_on is the end of the period measured."""

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="supplier_payment_days", verbose_name=_("customer")
    )
    days = models.PositiveSmallIntegerField(_("days to pay"))
    source = models.CharField(_("source"), max_length=120)
    batch = models.ForeignKey(
        ImportBatch, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = _("supplier payment days")
        verbose_name_plural = _("supplier payment days")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "effective_on", "source"],
                condition=Q(superseded_at__isnull=True),
                name="supplier_days_once",
            ),
            models.CheckConstraint(
                name="supplier_days_known_after",
                condition=Q(known_on__gte=models.F("effective_on")),
            ),
        ]
