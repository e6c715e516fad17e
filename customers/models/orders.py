"""Room held for an order before it exists, and orders that wait for a person to decide."""

import uuid

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField

from .company import Company
from .customer import CreditAccount, Customer


class CheckPoint(models.TextChoices):
    """Where in the life of an order credit is checked."""

    ORDER = "order", _("order")
    PICK = "pick", _("picking")
    DELIVERY = "delivery", _("delivery")
    INVOICE = "invoice", _("invoice")


class Reservation(models.Model):
    """Headroom of an account held under an outside reference until it is used, released or expires.

    It counts against the account that pays (and its group) while it is active and `expires_at` is in the future.
    One active or used reservation per company and reference: asking again gives the same one.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        RELEASED = "released", _("released")
        EXPIRED = "expired", _("expired")
        USED = "used", _("became an order")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    company = models.ForeignKey(Company, models.PROTECT, related_name="+", verbose_name=_("company"))
    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="reservations", verbose_name=_("account")
    )
    orderer = models.ForeignKey(
        Customer, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("ordered by")
    )
    reference = models.CharField(_("reference"), max_length=120)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    expected_on = models.DateField(_("expected delivery"), null=True, blank=True)
    product_line = models.CharField(_("product line"), max_length=40, blank=True, db_default="")
    reserved_on = models.DateField(_("business date"))
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    made_by_name = models.CharField(_("made by"), max_length=80)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    expires_at = models.DateTimeField(_("expires at"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.ACTIVE)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    order_number = models.CharField(_("order number"), max_length=60, blank=True)
    # The answer of the check that let it through, as it was given.
    check_result = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        constraints = [
            models.UniqueConstraint(
                fields=["company", "reference"],
                condition=Q(status__in=["active", "used"]),
                name="one_live_reservation_per_reference",
            ),
            models.CheckConstraint(
                name="reservation_in_bounds",
                condition=Q(amount__gt=0, expires_at__gt=F("made_at")) & ~Q(reference=""),
            ),
            models.CheckConstraint(
                name="reservation_closed_whole",
                condition=Q(status="active", closed_at__isnull=True, order_number="")
                | Q(status__in=["released", "expired"], closed_at__isnull=False, order_number="")
                | Q(status="used", closed_at__isnull=False) & ~Q(order_number=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "expires_at"], name="reservation_active", condition=Q(status="active")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.amount}"


class OrderHold(models.Model):
    """An order that waits for a person: a check failed at `point`, or business with the account was stopped.

    at_entry: the order as it stands was never accepted; it takes no headroom until it is released.
    The order is named by its account and number: a corrected order is a new row (customers/models/evidence.py).
    An order has at most one waiting hold. A release may be limited in time and amount: within both, the order
    passes later checks; beyond either it is held again.
    """

    class Cause(models.TextChoices):
        CHECK = "check", _("credit check failed")
        STOPPED = "stopped", _("business was stopped")

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RELEASED = "released", _("released")
        REJECTED = "rejected", _("rejected")
        CURED = "cured", _("passes again")
        CLOSED = "closed", _("order closed")
        REPLACED = "replaced", _("replaced by a newer one")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="order_holds", verbose_name=_("account")
    )
    order_number = models.CharField(_("order number"), max_length=60)
    point = models.CharField(_("held at"), max_length=8, choices=CheckPoint)
    cause = models.CharField(_("cause"), max_length=7, choices=Cause)
    # Failures of the check, or what stopped business with its legal basis; codes and parameters, no sentences.
    details = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    at_entry = models.BooleanField(_("held before it was accepted"), default=False)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount held"))
    placed_on = models.DateField(_("held since"))
    placed_at = models.DateTimeField(default=timezone.now)
    placed_by_name = models.CharField(_("order handled by"), max_length=80)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    decide_by = models.DateField(
        _("to be decided by"), help_text=_("Moved by giving the customer grace to cure the cause.")
    )
    grace_reason = models.TextField(_("reason of the grace"), blank=True)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    resolved_on = models.DateField(_("decided on"), null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    resolved_reason = models.TextField(_("reason of the decision"), blank=True)
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)
    released_until = models.DateField(_("release valid until"), null=True, blank=True)
    released_up_to = MoneyField(_("released up to"), null=True, blank=True)

    class Meta:
        verbose_name = _("order hold")
        verbose_name_plural = _("order holds")
        permissions = [("decide_orderhold", _("Can release or reject orders on hold"))]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "order_number"],
                condition=Q(status="waiting"),
                name="one_waiting_hold_per_order",
            ),
            models.CheckConstraint(
                name="order_hold_decided_whole",
                condition=Q(status="waiting", resolved_on__isnull=True, resolved_by__isnull=True)
                | Q(status__in=["released", "rejected"], resolved_on__isnull=False, resolved_by__isnull=False)
                & (~Q(resolved_reason="") | Q(erased_at__isnull=False))
                | Q(status__in=["cured", "closed", "replaced"], resolved_on__isnull=False),
            ),
            models.CheckConstraint(
                name="order_hold_four_eyes",
                condition=~Q(status="released") | Q(placed_by__isnull=True) | ~Q(resolved_by=F("placed_by")),
            ),
            models.CheckConstraint(
                name="order_hold_release_bounded",
                condition=Q(status="released", released_until__isnull=False, released_up_to__gt=0)
                & Q(released_until__gte=F("resolved_on"))
                | ~Q(status="released") & Q(released_until__isnull=True, released_up_to__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["account", "order_number"], name="order_hold_of_order")]

    def __str__(self) -> str:
        return f"{self.order_number}: {self.get_status_display()}"
