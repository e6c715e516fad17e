from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when

KEPT = "is append-only: record a correction that supersedes the row instead"


class Migration(migrations.Migration):
    """Which limit binds and how far ahead orders count only grows; an order's product line stays what it was."""

    dependencies = [
        ("customers", "0020_which_limit_binds"),
    ]

    operations = [
        *append_only(
            "customers_limitbinding",
            (
                *("id", "customer_id", "company_id", "binds", "currency", "ceiling", "wanted_from", "reason"),
                *("proposed_by_id", "proposed_on", "proposed_at"),
            ),
            set_once=("decided_by_id", "decided_on", "decided_at", "valid_from"),
        ),
        refuse_when(
            "customers_limitbinding_decided",
            "customers_limitbinding",
            "BEFORE UPDATE",
            "OLD.status <> 'waiting'",
            "customers_limitbinding: what was decided is never edited; propose a new one",
        ),
        *append_only(
            "customers_orderhorizon",
            (*("id", "effective_on", "known_on", "recorded_at", "segment_id", "product_line", "days"),),
            set_once=("known_until", "superseded_at"),
        ),
        refuse_when(
            "customers_openorder_line",
            "customers_openorder",
            "BEFORE UPDATE",
            "OLD.product_line IS DISTINCT FROM NEW.product_line",
            f"customers_openorder {KEPT}",
        ),
        refuse_when(
            "customers_reservation_line",
            "customers_reservation",
            "BEFORE UPDATE",
            "OLD.product_line IS DISTINCT FROM NEW.product_line",
            f"customers_reservation {KEPT}",
        ),
    ]
