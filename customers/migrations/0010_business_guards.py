from django.db import migrations

from creditdesk.core.guards import append_only

DATES = ("effective_on", "known_on", "recorded_at")
CLOSING = ("known_until", "superseded_at")


def fact(table, *columns, set_once=()):
    return append_only(table, ("id", *DATES, *columns), set_once=(*CLOSING, *set_once))


class Migration(migrations.Migration):
    """Orders, deliveries, billed parts, cover and its notices are facts: corrected by a new version, never edited."""

    dependencies = [
        ("customers", "0009_business_and_cover"),
    ]

    operations = [
        *fact(
            "customers_openorder",
            *(
                "account_id",
                "orderer_id",
                "number",
                "expected_on",
                "currency",
                "amount",
                "open_on",
                "batch_id",
            ),
            set_once=("closed_on",),
        ),
        *fact(
            "customers_delivery",
            *("account_id", "number", "order_number", "currency", "amount", "batch_id"),
            set_once=("invoiced_on",),
        ),
        *fact(
            "customers_billedpart",
            *(
                "account_id",
                "order_number",
                "delivery_number",
                "invoice_number",
                "currency",
                "amount",
                "batch_id",
            ),
        ),
        *fact(
            "customers_cover",
            *("account_id", "kind", "provider", "policy", "basis", "guarantor_id", "currency", "amount"),
            *("policy_limit", "percent", "haircut_percent", "expires_on", "withdrawn_on", "max_terms_days"),
            *("max_extension_days", "notify_days", "excludes_disputed", "batch_id"),
        ),
        *fact("customers_covernotice", "account_id", "policy", "due_through"),
    ]
