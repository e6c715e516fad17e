from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when_exists


class Migration(migrations.Migration):
    """Reviews are never edited, and nobody answers the contest of their own decision."""

    dependencies = [("scoring", "0008_score_reviews")]

    operations = [
        *append_only("scoring_scorereview"),
        refuse_when_exists(
            "scoring_scorereview_two_people",
            "scoring_scorereview",
            "BEFORE INSERT",
            "SELECT 1 FROM scoring_scorereview c WHERE c.id = NEW.answers_id "
            "AND (c.outcome <> 'contested' OR c.account_id <> NEW.account_id OR c.first_by_id = NEW.by_id)",
            "scoring_scorereview: a contest is answered on its own account, by another person than decided first",
        ),
    ]
