import hashlib
import json

import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from creditdesk.core.guards import append_only, refuse_when, undone

KEPT = (
    *(
        "id",
        "effective_on",
        "known_on",
        "recorded_at",
        "company_id",
        "source_id",
        "number",
        "fiscal_year",
        "kind",
    ),
    *("account_id", "orderer_id", "currency", "amount", "corrects_id", "batch_id"),
)
CLOSING = ("known_until", "superseded_at")
# Shipped mappings as they were saved so far (a digest of their JSON), and the column they read from now on.
SAVED = {
    "d38b884b3f941c9ed53ca6cd043802592372cdf28c7c8adaeacb2187b886c303": (
        "PaperlessBill",
        {"Paper": "paper", "Electronic": "electronic"},
    ),
    "885ba0420a3e2fb7218bd415c0a1a4573d3ccf3a4778d3b3003361f3192479d1": ("delivery", None),
    "10b68700fc6f2c10c308cfa2c2c15442e5d850c36b4ada66ef6aaa635657c0a8": ("delivery", None),
}


def frozen():
    """As before, and how a document was sent: filled in once by an import, emptied again only when that is undone."""
    changed = [f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in KEPT]
    changed += [
        f"(OLD.{column} IS NOT NULL AND OLD.{column} IS DISTINCT FROM NEW.{column})" for column in CLOSING
    ]
    told = (
        "(OLD.delivery = '' AND NEW.delivery <> '' AND OLD.delivery_batch_id IS NULL "
        "AND NEW.delivery_batch_id IS NOT NULL)"
    )
    undone_again = (
        "(OLD.delivery_batch_id IS NOT NULL AND NEW.delivery_batch_id IS NULL AND NEW.delivery = '')"
    )
    moved = (
        "(OLD.delivery <> NEW.delivery OR OLD.delivery_batch_id IS DISTINCT FROM NEW.delivery_batch_id) "
        f"AND NOT ({told} OR {undone_again})"
    )
    return refuse_when(
        "customers_invoice_frozen",
        "customers_invoice",
        "BEFORE UPDATE",
        " OR ".join([*changed, f"({moved})"]),
        "customers_invoice is append-only: record a correction that supersedes the row instead",
    )


class SavedMappings(Operation):
    """A desk that saved a shipped mapping, and never changed it, reads the new column too."""

    reversible = True

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT id, spec FROM customers_importmapping")
            for pk, stored in cursor.fetchall():
                spec = json.loads(stored) if isinstance(stored, str) else stored
                text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
                known = SAVED.get(hashlib.sha256(text.encode()).hexdigest())
                if known is None:
                    continue
                column, words = known
                spec["columns"]["delivery"] = column
                if words:
                    spec["values"]["delivery"] = words
                else:
                    spec["optional"].append(column)
                cursor.execute(
                    "UPDATE customers_importmapping SET spec = %s WHERE id = %s", [json.dumps(spec), pk]
                )

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        pass

    def describe(self):
        return "Saved copies of shipped mappings read how documents were sent"


class Migration(migrations.Migration):
    """How an invoice was sent: known from its day of issue on, told with the document or once afterwards."""

    dependencies = [("customers", "0025_erasable_words")]

    operations = [
        undone(append_only("customers_invoice", KEPT, set_once=CLOSING)[0]),
        migrations.AddField(
            model_name="invoice",
            name="delivery",
            field=models.CharField(
                blank=True,
                choices=[("electronic", "electronic"), ("paper", "paper")],
                db_default="",
                default="",
                max_length=12,
                verbose_name="how it was sent",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="delivery_batch",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="customers.importbatch",
                verbose_name="import that said how it was sent",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("delivery_batch__isnull", False)),
                fields=["delivery_batch"],
                name="invoice_delivery_from",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("delivery__in", ["", "electronic", "paper"])),
                name="invoice_delivery_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("delivery_batch__isnull", True),
                    models.Q(("delivery", ""), _negated=True),
                    _connector="OR",
                ),
                name="invoice_delivery_filled_in",
            ),
        ),
        frozen(),
        SavedMappings(),
    ]
