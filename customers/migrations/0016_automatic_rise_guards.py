from django.db import migrations

from creditdesk.core.guards import refuse_when

GATED = ("policy_ref", "gates_failed", "automatic_up_to")


class Migration(migrations.Migration):
    """On what a rise of the policy was let through stays as it was written."""

    dependencies = [
        ("customers", "0015_automatic_rises"),
    ]

    operations = [
        refuse_when(
            "customers_limitchange_gates",
            "customers_limitchange",
            "BEFORE UPDATE",
            " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in GATED),
            "customers_limitchange: what is proposed and by whom stays; amend it, which proposes a new one",
        ),
    ]
