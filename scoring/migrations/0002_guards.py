from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when, refuse_when_exists

NOT_DRAFT = "SELECT 1 FROM scoring_scorecard c WHERE c.id = {row}.card_id AND c.status <> 'draft'"
CARD = ("code", "version", "base_points", "grade_a_from", "grade_b_from", "grade_c_from", "grade_d_from")
CARD += ("review_from", "review_to", "guarantees_below", "thin_below", "thin_recent_below", "calibration")
CARD += ("anchor_score", "odds_at_anchor", "points_to_double")
MESSAGE = "scoring_scorecard: a card that was active is never edited; make a new version"


def changed(columns):
    return " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in columns)


def leave_room(apps, schema_editor):
    """Every row is rewritten every night: with room on its page the new version needs no new index entries."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE scoring_accountscore SET (fillfactor = 45)")


class Migration(migrations.Migration):
    """A score must stay explicable: kept scores and the cards they came from do not change."""

    dependencies = [("scoring", "0001_initial")]

    operations = [
        migrations.RunPython(leave_room, migrations.RunPython.noop, elidable=False),
        *append_only("scoring_scorehistory"),
        # A proposal names the version it followed: a version is never edited, a newer one replaces it.
        *append_only("scoring_limitpolicy"),
        *append_only("scoring_limitpolicygrade"),
        refuse_when(
            "scoring_scorecard_frozen",
            "scoring_scorecard",
            "BEFORE UPDATE",
            f"OLD.status <> 'draft' AND ({changed(CARD)} OR NEW.status = 'draft')",
            MESSAGE,
        ),
        refuse_when(
            "scoring_scorecard_kept", "scoring_scorecard", "BEFORE DELETE", "OLD.status <> 'draft'", MESSAGE
        ),
        refuse_when_exists(
            "scoring_scorecardbin_no_insert",
            "scoring_scorecardbin",
            "BEFORE INSERT",
            NOT_DRAFT.format(row="NEW"),
            MESSAGE,
        ),
        refuse_when_exists(
            "scoring_scorecardbin_no_update",
            "scoring_scorecardbin",
            "BEFORE UPDATE",
            NOT_DRAFT.format(row="OLD") + " UNION ALL " + NOT_DRAFT.format(row="NEW"),
            MESSAGE,
        ),
        refuse_when_exists(
            "scoring_scorecardbin_no_delete",
            "scoring_scorecardbin",
            "BEFORE DELETE",
            NOT_DRAFT.format(row="OLD"),
            MESSAGE,
        ),
    ]
