from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when_exists


class Migration(migrations.Migration):
    """A decision stays as it was given; a person settles only what was left to a person, on the same account."""

    dependencies = [
        ("scoring", "0010_credit_decisions"),
    ]

    operations = [
        *append_only("scoring_decision"),
        # A decision names the versions it followed: a version is never edited, a newer one replaces it.
        *append_only("scoring_termspolicy"),
        *append_only("scoring_termspolicygrade"),
        refuse_when_exists(
            "scoring_decision_settles_a_review",
            "scoring_decision",
            "BEFORE INSERT",
            "SELECT 1 FROM scoring_decision d WHERE d.id = NEW.answers_id "
            "AND (d.outcome <> 'review' OR d.account_id <> NEW.account_id OR NEW.by_kind <> 'person')",
            "scoring_decision: a person settles a decision left to a person, on its own account",
        ),
    ]
