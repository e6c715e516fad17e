from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when

ASKED = ("public_id", "account_id", "channel", "currency", "requested", "requested_terms_days")
ASKED += ("yearly_purchases", "received_on", "submitted_by_id", "submitted_name", "created_at")
KEPT = ("application_id", "kind", "name", "content_type", "size", "sha256", "uploaded_by_id", "uploaded_at")
REMOVED = ("removed_at", "removed_by_id")


class Migration(migrations.Migration):
    """What was asked for, and which documents came, stays as it was; a document's content may go, its row may not."""

    dependencies = [
        ("customers", "0011_credit_applications"),
    ]

    operations = [
        *append_only("customers_creditapplication", ASKED),
        refuse_when(
            "customers_creditapplication_over",
            "customers_creditapplication",
            "BEFORE UPDATE",
            "OLD.status IN ('active', 'withdrawn') AND OLD.status <> NEW.status",
            "customers_creditapplication: an application that is over stays over; take in a new one",
        ),
        *append_only("customers_applicationdocument", KEPT, set_once=REMOVED),
    ]
