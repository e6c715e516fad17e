"""The ledger: documents, instalments, cash and what was allocated where.

Indexes are few on purpose, and on PostgreSQL the references of the four big tables are checked once per statement
(migration 0008): docs/decisions/cheap-rows.md. A foreign key with db_index=False is covered by another index.

Every rule works on instalments. `open_amount`, `settled_on` and `settled_by` are stored counters: kept under
lock by customers.ledger, bounded by CHECKs, proved by `manage.py check_ledger`. A past date is read from them
plus the allocations made after it (an instalment open at D has open_amount + sum(allocations after D)).
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .company import Company, Source
from .customer import CreditAccount, Customer
from .imports import ImportBatch


class DocumentKind(models.TextChoices):
    INVOICE = "invoice", _("invoice")
    CREDIT_NOTE = "credit_note", _("credit note")


class SentBy(models.TextChoices):
    """How a document went out; empty where nobody said."""

    ELECTRONIC = "electronic", _("electronic")
    PAPER = "paper", _("paper")


class SettledBy(models.TextChoices):
    CASH = "cash", _("cash")
    CREDIT = "credit", _("credit note")
    WRITE_OFF = "write_off", _("write-off")
    # Vanished from a snapshot of open items: paid some day between two snapshots, never counted as punctual.
    INFERRED = "inferred", _("settled between snapshots")


class Invoice(Fact):
    """An invoice or credit note; effective_on is the issue date. Amounts are positive, `kind` gives the sign.

    delivery: how it was sent, known on the day of issue like the number. A ledger taken in before anybody asked may be
    told later: then the empty field is filled in once, `delivery_batch` says by which import, and undoing that import
    empties it again. Another channel than the stored one is a correction like any other.
    """

    company = models.ForeignKey(
        Company, models.PROTECT, related_name="+", db_index=False, verbose_name=_("company")
    )
    source = models.ForeignKey(
        Source, models.PROTECT, related_name="+", db_index=False, verbose_name=_("source")
    )
    number = models.CharField(_("document number"), max_length=60)
    fiscal_year = models.PositiveSmallIntegerField(_("fiscal year"))
    kind = models.CharField(_("kind"), max_length=12, choices=DocumentKind, default=DocumentKind.INVOICE)
    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="invoices", verbose_name=_("payer's account")
    )
    orderer = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="ordered_invoices",
        db_index=False,
        verbose_name=_("orderer"),
        help_text=_("Only when somebody else than the payer ordered."),
    )
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    corrects = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("corrects"),
    )
    batch = models.ForeignKey(
        ImportBatch, models.PROTECT, null=True, blank=True, related_name="invoices", verbose_name=_("import")
    )
    delivery = models.CharField(
        _("how it was sent"), max_length=12, choices=SentBy, blank=True, default="", db_default=""
    )
    delivery_batch = models.ForeignKey(
        ImportBatch,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        editable=False,
        verbose_name=_("import that said how it was sent"),
    )

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        constraints = [
            models.UniqueConstraint(
                fields=["number", "company", "source", "fiscal_year", "kind"],
                condition=Q(superseded_at__isnull=True),
                name="invoice_key",
            ),
            models.CheckConstraint(name="invoice_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="invoice_delivery_known", condition=Q(delivery__in=["", *SentBy.values])
            ),
            models.CheckConstraint(
                name="invoice_delivery_filled_in",
                condition=Q(delivery_batch__isnull=True) | ~Q(delivery=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["delivery_batch"],
                name="invoice_delivery_from",
                condition=Q(delivery_batch__isnull=False),
            ),
            models.Index(fields=["orderer"], name="invoice_ordered", condition=Q(orderer__isnull=False)),
            models.Index(fields=["corrects"], name="invoice_corrects", condition=Q(corrects__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.number


class Instalment(Fact):
    """A part of a document with its own due date; effective_on is the document's issue date.

    account_amount: the amount in the account's currency at the issue day's rate; weights behaviour signals.
    settled_after: only when the settlement was inferred: the item was still open on that day.
    reopened: an allocation was reversed, so a past date must be read from the allocations themselves.
    """

    invoice = models.ForeignKey(
        Invoice, models.PROTECT, related_name="instalments", db_index=False, verbose_name=_("invoice")
    )
    number = models.PositiveSmallIntegerField(_("instalment"), default=1)
    company = models.ForeignKey(
        Company, models.PROTECT, related_name="+", db_index=False, verbose_name=_("company")
    )
    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="instalments", db_index=False, verbose_name=_("account")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=DocumentKind)
    due_on = models.DateField(_("due on"))
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    account_amount = MoneyField(_("amount in account currency"), currency_field="account__currency")
    open_amount = MoneyField(_("open amount"))
    settled_on = models.DateField(_("settled on"), null=True, blank=True)
    settled_by = models.CharField(_("settled by"), max_length=10, choices=SettledBy, blank=True)
    settled_after = models.DateField(_("settled after"), null=True, blank=True)
    reopened = models.BooleanField(_("reopened"), default=False)

    class Meta:
        verbose_name = _("instalment")
        verbose_name_plural = _("instalments")
        constraints = [
            models.UniqueConstraint(fields=["invoice", "number"], name="instalment_number"),
            models.CheckConstraint(name="instalment_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="instalment_open_within_amount",
                condition=Q(open_amount__gte=0) & Q(open_amount__lte=F("amount")),
            ),
            models.CheckConstraint(
                name="instalment_settled_when_nothing_open",
                condition=(Q(open_amount=0) & Q(settled_on__isnull=False) & ~Q(settled_by=""))
                | (Q(open_amount__gt=0) & Q(settled_on__isnull=True) & Q(settled_by="")),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "due_on"], name="instalment_of_account"),
            models.Index(
                fields=["account", "due_on"],
                name="instalment_open",
                condition=Q(open_amount__gt=0, superseded_at__isnull=True),
            ),
            models.Index(fields=["company", "effective_on"], name="instalment_issued"),
        ]

    def __str__(self) -> str:
        return f"{self.invoice_id}/{self.number}"


class Payment(Fact):
    """Money received; effective_on is the day it counts as received (value date).

    A bill, RiBa or pagaré stays exposure until `safe_on` (maturity plus return period).
    open_amount: what is not allocated yet (unapplied cash).
    """

    class Instrument(models.TextChoices):
        TRANSFER = "transfer", _("bank transfer")
        DIRECT_DEBIT = "direct_debit", _("direct debit")
        CARD = "card", _("card")
        CHEQUE = "cheque", _("cheque")
        BILL = "bill", _("bill of exchange")
        RIBA = "riba", _("RiBa")
        PAGARE = "pagare", _("pagaré")
        CASH = "cash", _("cash")

    company = models.ForeignKey(
        Company, models.PROTECT, related_name="+", db_index=False, verbose_name=_("company")
    )
    source = models.ForeignKey(
        Source, models.PROTECT, related_name="+", db_index=False, verbose_name=_("source")
    )
    key = models.CharField(_("reference"), max_length=80)
    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        related_name="payments",
        db_index=False,
        verbose_name=_("payer's account"),
    )
    instrument = models.CharField(
        _("instrument"), max_length=12, choices=Instrument, default=Instrument.TRANSFER
    )
    matures_on = models.DateField(_("matures on"), null=True, blank=True)
    safe_on = models.DateField(_("safe from return on"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    open_amount = MoneyField(_("unapplied amount"))
    transferred_from = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="transfers",
        db_index=False,
        verbose_name=_("moved from"),
    )
    batch = models.ForeignKey(
        ImportBatch, models.PROTECT, null=True, blank=True, related_name="payments", verbose_name=_("import")
    )

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = [
            models.UniqueConstraint(
                fields=["company", "source", "key"],
                condition=Q(superseded_at__isnull=True),
                name="payment_key",
            ),
            models.CheckConstraint(name="payment_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="payment_never_over_allocated",
                condition=Q(open_amount__gte=0) & Q(open_amount__lte=F("amount")),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "effective_on"], name="payment_of_account"),
            models.Index(
                fields=["account"],
                name="payment_unapplied",
                condition=Q(open_amount__gt=0, superseded_at__isnull=True),
            ),
            models.Index(
                fields=["transferred_from"],
                name="payment_moved",
                condition=Q(transferred_from__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.key


class WriteOff(Fact):
    """A debt given up; `is_small` marks rounding and bank-charge differences, which are no bad debt."""

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="write_offs", verbose_name=_("account")
    )
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    is_small = models.BooleanField(_("small difference"), default=False)
    reason_code = models.CharField(_("reason"), max_length=60)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    batch = models.ForeignKey(ImportBatch, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("write-off")
        verbose_name_plural = _("write-offs")
        constraints = [models.CheckConstraint(name="write_off_positive", condition=Q(amount__gt=0))]


class Allocation(Fact):
    """What reduced an instalment or used up a payment, signed; effective_on is the day it counts.

    A reversal is a negative row of the same kind, so that sums at any date need no special case.
    days_late: effective_on minus due_on of a cash allocation (of the reversed one, for a reversal); the
    behaviour signals weigh cash by it without a join.
    """

    class Kind(models.TextChoices):
        CASH = "cash", _("cash")
        CREDIT = "credit", _("credit note")
        WRITE_OFF = "write_off", _("write-off")
        INFERRED = "inferred", _("settled between snapshots")
        # The three that use up a payment without touching an instalment.
        RETURNED = "returned", _("payment returned")
        REFUNDED = "refunded", _("payment refunded")
        MOVED = "moved", _("payment moved to another account")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="allocations", db_index=False, verbose_name=_("account")
    )
    instalment = models.ForeignKey(
        Instalment, models.PROTECT, null=True, blank=True, related_name="allocations", db_index=False
    )
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, blank=True, related_name="allocations")
    credit = models.ForeignKey(
        Instalment, models.PROTECT, null=True, blank=True, related_name="credit_allocations", db_index=False
    )
    write_off = models.ForeignKey(
        WriteOff, models.PROTECT, null=True, blank=True, related_name="allocations", db_index=False
    )
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    account_amount = MoneyField(_("amount in account currency"), currency_field="account__currency")
    days_late = models.IntegerField(_("days late"), null=True, blank=True)
    settled_after = models.DateField(_("settled after"), null=True, blank=True)
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversed_by", verbose_name=_("reverses")
    )
    batch = models.ForeignKey(
        ImportBatch,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="allocations",
        verbose_name=_("import"),
    )

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        constraints = [
            models.CheckConstraint(
                name="allocation_negative_only_as_reversal",
                condition=Q(amount__gt=0, reverses__isnull=True) | Q(amount__lt=0, reverses__isnull=False),
            ),
            models.CheckConstraint(
                name="allocation_has_its_source",
                condition=(
                    Q(kind="cash", instalment__isnull=False, payment__isnull=False)
                    & Q(credit__isnull=True, write_off__isnull=True, days_late__isnull=False)
                )
                | (
                    Q(kind="credit", instalment__isnull=False, credit__isnull=False)
                    & Q(payment__isnull=True, write_off__isnull=True)
                )
                | (
                    Q(kind="write_off", instalment__isnull=False, write_off__isnull=False)
                    & Q(payment__isnull=True, credit__isnull=True)
                )
                | (
                    Q(kind="inferred", instalment__isnull=False, settled_after__isnull=False)
                    & Q(payment__isnull=True, credit__isnull=True, write_off__isnull=True)
                )
                | (
                    Q(kind__in=["returned", "refunded", "moved"], instalment__isnull=True)
                    & Q(payment__isnull=False, credit__isnull=True, write_off__isnull=True)
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["instalment", "effective_on"], name="allocation_of_instalment"),
            models.Index(fields=["account", "effective_on"], name="allocation_of_account"),
            models.Index(fields=["credit"], name="allocation_of_credit", condition=Q(credit__isnull=False)),
            models.Index(
                fields=["write_off"], name="allocation_of_write_off", condition=Q(write_off__isnull=False)
            ),
        ]
