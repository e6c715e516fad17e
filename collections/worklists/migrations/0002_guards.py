from django.db import migrations

from creditdesk.core.guards import append_only


class Migration(migrations.Migration):
    """The log of what was done only grows; text and contact may be erased (GDPR)."""

    dependencies = [("worklists", "0001_initial")]

    operations = [
        *append_only(
            "worklists_followup",
            (
                *("id", "account_id", "row_id", "kind", "outcome", "business_date", "at", "by_id"),
                *("promise_id", "dispute_id", "reminder_id", "snooze_id", "compensates_id"),
            ),
        ),
        *append_only(
            "worklists_snooze",
            ("id", "account_id", "starts_on", "until", "reason", "placed_by_id", "placed_at"),
            set_once=("ended_on",),
        ),
    ]
