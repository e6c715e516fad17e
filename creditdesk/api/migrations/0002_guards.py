from django.db import migrations

from creditdesk.core.guards import append_only


class Migration(migrations.Migration):
    dependencies = [("api", "0001_initial")]

    operations = [
        # What a key is and may do never changes; a key revoked stays revoked.
        *append_only(
            "api_apikey",
            frozen=(
                "user_id",
                "company_id",
                "prefix",
                "digest",
                "scopes",
                "created_at",
                "created_by_id",
                "replaces_id",
            ),
            set_once=("revoked_at",),
        ),
        # The log may be swept when it is old, never rewritten.
        *append_only("api_apirequest", deletable_when="1 = 1"),
        # Written twice in its transaction: when the key is taken, and with the answer.
        *append_only(
            "api_idempotentanswer", frozen=("user_id", "key", "fingerprint", "at"), deletable_when="1 = 1"
        ),
    ]
