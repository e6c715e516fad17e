from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when, refuse_when_exists, undone

CARD = ("code", "version", "base_points", "grade_a_from", "grade_b_from", "grade_c_from", "grade_d_from")
CARD += ("review_from", "review_to", "guarantees_below", "thin_below", "thin_recent_below", "calibration")
CARD += ("anchor_score", "odds_at_anchor", "points_to_double")
MESSAGE = "scoring_scorecard: a card that was active is never edited; make a new version"


def changed(columns):
    return " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in columns)


REPORT = "scoring_cardreport is append-only: make a new report instead"
# What a second person reads must not change while they read it; sent back, the proposal is a draft again.
BACK = "NEW.status = 'draft' AND OLD.status <> 'proposed'"


def frozen(condition):
    return refuse_when("scoring_scorecard_frozen", "scoring_scorecard", "BEFORE UPDATE", condition, MESSAGE)


class Migration(migrations.Migration):
    """A proposed card is frozen too; reports, gates and overrides are evidence and stay as they were."""

    dependencies = [("scoring", "0003_scorecard_publishing")]

    operations = [
        undone(frozen(f"OLD.status <> 'draft' AND ({changed(CARD)} OR NEW.status = 'draft')")),
        frozen(f"OLD.status <> 'draft' AND ({changed((*CARD, 'is_shipped'))} OR ({BACK}))"),
        refuse_when(
            "scoring_scorecard_first_proposed",
            "scoring_scorecard",
            "BEFORE UPDATE",
            "OLD.status = 'draft' AND NEW.status IN ('active', 'retired') AND NOT NEW.is_shipped",
            "scoring_scorecard: a draft is proposed first, and published by a second person",
        ),
        refuse_when("scoring_cardreport_frozen", "scoring_cardreport", "BEFORE UPDATE", "", REPORT),
        refuse_when_exists(
            "scoring_cardreport_kept",
            "scoring_cardreport",
            "BEFORE DELETE",
            "SELECT 1 FROM scoring_scorecard c WHERE c.id = OLD.card_id AND c.status <> 'draft'",
            REPORT,
        ),
        *append_only("scoring_publishinggate"),
        *append_only(
            "scoring_scoreoverride",
            frozen=(
                "account_id grade computed_score computed_grade card_id reason_code note valid_from valid_until "
                "made_by_id made_at"
            ).split(),
            set_once=("ended_on", "ended_by_id"),
        ),
    ]
