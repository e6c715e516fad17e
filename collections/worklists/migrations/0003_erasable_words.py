from django.db import migrations

from creditdesk.core.guards import refuse_when


class Migration(migrations.Migration):
    """The words of a follow-up may be erased (GDPR art. 17), never written anew."""

    dependencies = [("worklists", "0001_squashed_0002_guards")]

    operations = [
        refuse_when(
            "worklists_followup_words",
            "worklists_followup",
            "BEFORE UPDATE",
            "OLD.text IS DISTINCT FROM NEW.text AND NEW.text <> ''",
            "worklists_followup is append-only: only its words may be erased, all of them and for good",
        ),
    ]
