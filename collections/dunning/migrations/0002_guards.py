from django.db import migrations

from creditdesk.core.guards import append_only


class Migration(migrations.Migration):
    """What was written to a customer stays as it was written; only its fate moves on."""

    dependencies = [("dunning", "0001_initial")]

    operations = [
        *append_only(
            "dunning_reminder",
            (
                *("id", "account_id", "level", "business_date", "language", "subject", "body"),
                *("currency", "amount", "written_by_id", "written_at"),
            ),
            set_once=("sent_at",),
        ),
        *append_only("dunning_reminderitem"),
    ]
