"""Business on its way to an invoice: orders, deliveries, and what of them was billed.

The three stages are tied by numbers, not by foreign keys: a correction stores a new version of a row, files arrive in
any order, and a delivery may name an order from before we kept orders. Which part counts at a stage on a day is worked
out in customers/stages.py, so that nothing counts twice and nothing is lost between two stages.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .customer import CreditAccount, Customer
from .imports import ImportBatch


class OpenOrder(Fact):
    """An accepted order; effective_on is the order day, closed_on when nothing more of it will be delivered.

    amount: what was ordered; what is open on a day is `amount` less deliveries and direct invoices until then.
    open_on: `amount` is only what was still open on the evening of that day (a list of open orders says no more):
    deliveries and invoices until then are out of it already.
    """

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="open_orders", verbose_name=_("payer's account")
    )
    orderer = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="placed_orders",
        verbose_name=_("orderer"),
        help_text=_("Only when somebody else than the payer ordered."),
    )
    number = models.CharField(_("order number"), max_length=60)
    product_line = models.CharField(
        _("product line"),
        max_length=40,
        blank=True,
        db_default="",
        help_text=_("Decides how far ahead the order counts (order horizons)."),
    )
    expected_on = models.DateField(_("expected delivery"))
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("order amount"))
    open_on = models.DateField(
        _("open on"),
        null=True,
        blank=True,
        help_text=_("Only when the amount is what was still open on that day, not the whole order."),
    )
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
        indexes = [models.Index(fields=["account", "closed_on"], name="order_of_account")]

    def __str__(self) -> str:
        return self.number


class Delivery(Fact):
    """Goods delivered; effective_on is the delivery day.

    amount: what was delivered; what is unbilled on a day is `amount` less the BilledParts that name it until then.
    invoiced_on: nothing of it is left to bill from that day on, whatever was billed.
    """

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="deliveries", verbose_name=_("payer's account")
    )
    number = models.CharField(_("delivery number"), max_length=60)
    order_number = models.CharField(_("order number"), max_length=60, blank=True, db_default="")
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("delivered amount"))
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
        indexes = [
            models.Index(fields=["account", "invoiced_on"], name="delivery_of_account"),
            models.Index(
                fields=["account", "order_number"],
                name="delivery_of_order",
                condition=~Q(order_number=""),
            ),
        ]

    def __str__(self) -> str:
        return self.number


class BilledPart(Fact):
    """How much of a delivery, or of an order billed before or without delivery, stands on an invoice.

    effective_on is the invoice date. With an invoice number the part counts as billed from the day on which that
    invoice is in the ledger: until then the goods stay exposure, and they are never exposure twice.
    """

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="billed_parts", verbose_name=_("payer's account")
    )
    order_number = models.CharField(_("order number"), max_length=60, blank=True)
    delivery_number = models.CharField(_("delivery number"), max_length=60, blank=True)
    invoice_number = models.CharField(_("invoice number"), max_length=60, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("billed amount"))
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("billed part")
        verbose_name_plural = _("billed parts")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "order_number", "delivery_number", "invoice_number", "effective_on"],
                condition=Q(superseded_at__isnull=True),
                name="billed_part_key",
            ),
            models.CheckConstraint(name="billed_part_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="billed_part_of_something", condition=~Q(order_number="", delivery_number="")
            ),
        ]
        indexes = [
            models.Index(fields=["account", "delivery_number"], name="billed_part_of_delivery"),
        ]

    def __str__(self) -> str:
        return self.invoice_number or self.delivery_number or self.order_number
