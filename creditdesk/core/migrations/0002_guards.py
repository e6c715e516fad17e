from django.db import migrations

from creditdesk.core.guards import append_only


class Migration(migrations.Migration):
    """The audit trail only grows. Notes alone may be erased."""

    dependencies = [("core", "0001_initial")]

    operations = [
        *append_only("core_auditentry"),
        *append_only("core_auditchange"),
        *append_only("core_auditseal"),
        *append_only("core_sealedentry"),
    ]
