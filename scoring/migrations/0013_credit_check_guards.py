from django.db import migrations

from creditdesk.core.guards import append_only


class Migration(migrations.Migration):
    """A version of the credit checks is never edited: a new one takes its place."""

    dependencies = [
        ("scoring", "0012_credit_checks"),
    ]

    operations = [*append_only("scoring_checkpolicy"), *append_only("scoring_checkrule")]
