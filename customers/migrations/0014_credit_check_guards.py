from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when


class Migration(migrations.Migration):
    """What a reservation or a hold of an order says stays; it is closed once, and never deleted."""

    dependencies = [
        ("customers", "0013_credit_checks"),
    ]

    operations = [
        # The account may move in a merge of customers, as long as the row is open.
        *append_only(
            "customers_reservation",
            (
                *(
                    "id",
                    "public_id",
                    "company_id",
                    "orderer_id",
                    "reference",
                    "currency",
                    "amount",
                    "expected_on",
                ),
                *("reserved_on", "made_at", "made_by_name", "made_by_id", "expires_at"),
            ),
            set_once=("closed_at",),
        ),
        refuse_when(
            "customers_reservation_closed",
            "customers_reservation",
            "BEFORE UPDATE",
            "OLD.status <> 'active'",
            "customers_reservation: a closed reservation is never edited; reserve again",
        ),
        *append_only(
            "customers_orderhold",
            (
                *("id", "order_number", "point", "cause", "at_entry", "currency", "amount", "placed_on"),
                *("placed_at", "placed_by_name", "placed_by_id"),
            ),
            set_once=("resolved_on", "resolved_by_id"),
        ),
        refuse_when(
            "customers_orderhold_decided",
            "customers_orderhold",
            "BEFORE UPDATE",
            "OLD.status <> 'waiting'",
            "customers_orderhold: a decided hold is never edited; the order is held anew",
        ),
    ]
