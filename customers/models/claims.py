"""What stands between an overdue instalment and its cash: promises to pay, disputes, dunning blocks."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .customer import CreditAccount
from .imports import ImportBatch
from .ledger import Instalment


class Promise(Fact):
    """A promise to pay `amount` by `due_on`; effective_on is the day it was given.

    `status`, `kept_amount` and `resolved_on` are the current end of its PromiseMove rows. A promise is
    judged on `judged_on` (due_on plus grace in business days) and only once the ledger is complete through it.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        KEPT = "kept", _("kept")
        PARTLY_KEPT = "partly_kept", _("kept in part")
        BROKEN = "broken", _("broken")
        WITHDRAWN = "withdrawn", _("withdrawn")
        REPLACED = "replaced", _("replaced")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="promises", verbose_name=_("account")
    )
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("promised amount"))
    due_on = models.DateField(_("promised for"))
    judged_on = models.DateField(_("judged on"))
    given_by = models.CharField(_("given by"), max_length=120, blank=True)
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.OPEN)
    kept_amount = MoneyField(_("kept amount"), default=0)
    resolved_on = models.DateField(_("resolved on"), null=True, blank=True)
    replaced_by = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="replaces")
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("promise to pay")
        verbose_name_plural = _("promises to pay")
        constraints = [
            models.CheckConstraint(name="promise_positive", condition=Q(amount__gt=0, kept_amount__gte=0)),
            models.CheckConstraint(
                name="promise_resolved_unless_open",
                condition=Q(status="open", resolved_on__isnull=True)
                | (~Q(status="open") & Q(resolved_on__isnull=False)),
            ),
            models.CheckConstraint(
                name="promise_judged_after_due", condition=Q(judged_on__gte=models.F("due_on"))
            ),
        ]
        indexes = [
            models.Index(fields=["account", "status"], name="promise_of_account"),
            models.Index(fields=["judged_on"], name="promise_open", condition=Q(status="open")),
        ]

    def __str__(self) -> str:
        return f"{self.amount} · {self.due_on}"


class PromiseItem(models.Model):
    """How much of the promise is for which instalment."""

    promise = models.ForeignKey(Promise, models.PROTECT, related_name="items")
    instalment = models.ForeignKey(Instalment, models.PROTECT, related_name="promise_items")
    amount = MoneyField(_("amount"), currency_field="promise__currency")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["promise", "instalment"], name="promise_item_once"),
            models.CheckConstraint(name="promise_item_positive", condition=Q(amount__gt=0)),
        ]


class PromiseMove(Fact):
    """One change of a promise's state; effective_on is the business day of the change."""

    promise = models.ForeignKey(Promise, models.PROTECT, related_name="moves")
    from_status = models.CharField(max_length=12, choices=Promise.Status)
    to_status = models.CharField(max_length=12, choices=Promise.Status)
    kept_amount = MoneyField(currency_field="promise__currency")
    moved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason_code = models.CharField(max_length=60, blank=True)

    class Meta:
        indexes = [models.Index(fields=["promise", "effective_on"], name="move_of_promise")]


class Dispute(Fact):
    """A complaint about part of a debt; effective_on is the day it was raised. Disputed parts are not chased."""

    class Reason(models.TextChoices):
        PRICE = "price", _("price")
        QUANTITY = "quantity", _("quantity")
        QUALITY = "quality", _("quality")
        DELIVERY = "delivery", _("delivery")
        PAID = "paid", _("says it is paid")
        NOT_RECEIVED = "not_received", _("invoice not received")
        OTHER = "other", _("other")

    class Outcome(models.TextChoices):
        UPHELD = "upheld", _("upheld: credit note")
        REJECTED = "rejected", _("rejected: to be paid")
        SETTLED = "settled", _("settled")
        WITHDRAWN = "withdrawn", _("withdrawn")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="disputes", verbose_name=_("account")
    )
    reason = models.CharField(_("reason"), max_length=14, choices=Reason, default=Reason.OTHER)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("disputed amount"))
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    answer_by = models.DateField(_("to be answered by"), null=True, blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    closed_known_on = models.DateField(_("closing known on"), null=True, blank=True)
    closed_recorded_at = models.DateTimeField(_("closing recorded at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, blank=True)
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        constraints = [
            models.CheckConstraint(name="dispute_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="dispute_closed_whole",
                condition=Q(closed_on__isnull=True, closed_known_on__isnull=True, outcome="")
                | (Q(closed_on__isnull=False, closed_known_on__isnull=False) & ~Q(outcome="")),
            ),
        ]
        indexes = [models.Index(fields=["account", "effective_on"], name="dispute_of_account")]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} {self.amount}"


class DisputeItem(models.Model):
    """How much of the dispute is about which instalment."""

    dispute = models.ForeignKey(Dispute, models.PROTECT, related_name="items")
    instalment = models.ForeignKey(Instalment, models.PROTECT, related_name="dispute_items")
    amount = MoneyField(_("amount"), currency_field="dispute__currency")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dispute", "instalment"], name="dispute_item_once"),
            models.CheckConstraint(name="dispute_item_positive", condition=Q(amount__gt=0)),
        ]


class DunningBlock(Fact):
    """No reminders for the account (or one instalment of it) from effective_on until expires_on, inclusive."""

    account = models.ForeignKey(CreditAccount, models.PROTECT, related_name="dunning_blocks")
    instalment = models.ForeignKey(
        Instalment, models.PROTECT, null=True, blank=True, related_name="dunning_blocks"
    )
    reason_code = models.CharField(_("reason"), max_length=60)
    expires_on = models.DateField(_("expires on"))
    lifted_on = models.DateField(_("lifted on"), null=True, blank=True)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("dunning block")
        verbose_name_plural = _("dunning blocks")
