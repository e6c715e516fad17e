from django.db import migrations

from creditdesk.core.guards import refuse_when

PROSPECTS = ("currency", "prospect_amount", "prospect_grade", "prospect_z")


class Migration(migrations.Migration):
    """What a terms policy says of prospects is frozen with the rest of it."""

    dependencies = [("scoring", "0021_own_risk_and_prospects")]

    operations = [
        refuse_when(
            "scoring_termspolicy_prospects",
            "scoring_termspolicy",
            "BEFORE UPDATE",
            "OLD.status <> 'draft' AND ("
            + " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in PROSPECTS)
            + ")",
            "scoring_termspolicy: a policy that was proposed is never edited; make a new version",
        ),
    ]
