from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .company import Source


class ImportMapping(models.Model):
    """How one source's files are read: layout, columns, formats, constants. Saved once, used every day."""

    class Layout(models.TextChoices):
        TRANSACTIONS = "transactions", _("transactions: one row per document or payment")
        SETTLED = "settled", _("settled invoices: one row per invoice with its payment")
        SNAPSHOT = "snapshot", _("open items: a full snapshot")
        BANK = "bank", _("bank lines of customers")
        ACCOUNTS = "accounts", _("annual accounts of customers")
        LEGAL = "legal", _("legal events of customers")
        SUPPLIER = "supplier", _("days customers take to pay their suppliers")
        ORDERS = "orders", _("orders of customers")
        DELIVERIES = "deliveries", _("deliveries to customers")
        BILLED = "billed", _("what of orders and deliveries was billed")
        COVER = "cover", _("insurance, guarantees and deposits")
        RATINGS = "ratings", _("ratings of credit agencies")

    class OnChange(models.TextChoices):
        SUPERSEDE = "supersede", _("a changed row corrects the earlier one")
        REFUSE = "refuse", _("a changed row is refused")

    slug = models.SlugField(_("name"), max_length=60, unique=True)
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, related_name="mappings")
    layout = models.CharField(_("layout"), max_length=12, choices=Layout)
    on_change = models.CharField(
        _("changed rows"), max_length=10, choices=OnChange, default=OnChange.SUPERSEDE
    )
    spec = models.JSONField(
        _("columns and formats"), help_text=_("See docs/imports.md for every key and an example.")
    )

    class Meta:
        verbose_name = _("import mapping")
        verbose_name_plural = _("import mappings")

    def __str__(self) -> str:
        return self.slug


class ImportBatch(models.Model):
    """One file taken in. `complete_through`: the day up to which the source's ledger is complete with it."""

    class Status(models.TextChoices):
        COMMITTED = "committed", _("committed")
        UNDONE = "undone", _("undone")

    source = models.ForeignKey(Source, models.PROTECT, related_name="batches", verbose_name=_("source"))
    mapping = models.ForeignKey(
        ImportMapping,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="batches",
        verbose_name=_("mapping"),
    )
    file_name = models.CharField(_("file"), max_length=200, blank=True)
    sha256 = models.CharField(_("fingerprint"), max_length=64, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.COMMITTED)
    complete_through = models.DateField(_("ledger complete through"), null=True, blank=True)
    snapshot_on = models.DateField(_("snapshot of"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now)
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    counts = models.JSONField(_("counts"), default=dict, blank=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["source", "complete_through"], name="batch_completeness")]

    def __str__(self) -> str:
        return f"{self.file_name or self.source} {self.recorded_at:%Y-%m-%d %H:%M}"


class RefusedRow(models.Model):
    """A row an import refused: where, what, why and the cure (code and parameters, rendered when read)."""

    class Severity(models.TextChoices):
        REFUSED = "refused", _("refused")
        WARNING = "warning", _("taken, with a warning")

    batch = models.ForeignKey(
        ImportBatch, models.CASCADE, related_name="refused_rows", verbose_name=_("import")
    )
    row = models.PositiveIntegerField(_("row"))
    column = models.CharField(_("column"), max_length=80, blank=True)
    value = models.CharField(_("value"), max_length=200, blank=True)
    code = models.CharField(_("code"), max_length=40)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    severity = models.CharField(_("kind"), max_length=8, choices=Severity, default=Severity.REFUSED)
    # The row as the file has it, once per row, so that refused rows can be mended and imported again.
    cells = models.JSONField(_("row as read"), null=True, blank=True)

    class Meta:
        verbose_name = _("refused row")
        verbose_name_plural = _("refused rows")
        ordering = ["batch", "row", "pk"]


class ImportUpload(models.Model):
    """An uploaded file between preview and confirmation, so that any host can confirm what another previewed.

    Emptied by the confirmation and swept when it is old (customers/imports/uploads.py).
    """

    token = models.CharField(max_length=43, unique=True)
    suffix = models.CharField(max_length=8)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    uploaded_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("uploaded file")
        verbose_name_plural = _("uploaded files")


class ImportUploadPart(models.Model):
    """A piece of the file: large files are never in memory as a whole."""

    upload = models.ForeignKey(ImportUpload, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["upload", "number"]
        constraints = [models.UniqueConstraint(fields=["upload", "number"], name="import_upload_part_once")]
