from django.conf import settings
from django.db import migrations, models

from creditdesk.core.guards import refuse_when, refuse_when_exists, undone

TABLE = "scoring_scorecard"
NEVER = f"{TABLE}: a card that was active is never edited; make a new version"
SECOND = f"{TABLE}: a version is published by somebody who neither made nor edited it"
FIRST = f"{TABLE}: a draft is proposed first, and published by a second person"
SIGNED = f"{TABLE}: who made, proposed and published a version stays as it was"
CARD = ("code", "version", "base_points", "grade_a_from", "grade_b_from", "grade_c_from", "grade_d_from")
CARD += ("review_from", "review_to", "guarantees_below", "thin_below", "thin_recent_below", "calibration")
CARD += ("anchor_score", "odds_at_anchor", "points_to_double", "is_shipped")
PERSONS = ("created_by_id", "proposed_by_id", "proposed_at", "decided_by_id", "decision_reason")
BEFORE = (
    "NOT (NEW.status = OLD.status OR (OLD.status = 'proposed' AND NEW.status IN ('draft', 'active')) "
    "OR (OLD.status = 'active' AND NEW.status = 'retired'))"
)
# Agreed by two persons for a later day: on it the card is in use, before it one person makes it a draft again.
NOW = (
    "NOT (NEW.status = OLD.status OR (OLD.status = 'proposed' AND NEW.status IN ('draft', 'active', 'planned')) "
    "OR (OLD.status = 'planned' AND NEW.status IN ('draft', 'active')) "
    "OR (OLD.status = 'active' AND NEW.status = 'retired'))"
)


def changed(columns):
    return " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in columns)


def update(name, condition, message):
    return refuse_when(f"{TABLE}_{name}", TABLE, "BEFORE UPDATE", condition, message)


def frozen(back):
    return update(
        "frozen", f"OLD.status <> 'draft' AND ({changed(CARD)} OR (NEW.status = 'draft' AND {back}))", NEVER
    )


def moves(allowed):
    return update("moves", f"OLD.status <> 'draft' AND {allowed}", NEVER)


def first_proposed(states):
    return update(
        "first_proposed", f"OLD.status = 'draft' AND NEW.status IN ({states}) AND NOT NEW.is_shipped", FIRST
    )


def second_person(published):
    return refuse_when_exists(
        f"{TABLE}_second_person",
        TABLE,
        "BEFORE UPDATE",
        f"SELECT 1 WHERE {published} AND OLD.status = 'proposed' AND (NEW.decided_by_id = NEW.created_by_id "
        f"OR EXISTS (SELECT 1 FROM {TABLE}editor e WHERE e.card_id = NEW.id AND e.user_id = NEW.decided_by_id))",
        SECOND,
    )


class Migration(migrations.Migration):
    """A scorecard published today may count from a later day on."""

    dependencies = [
        ("scoring", "0030_what_taught_a_card"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="scorecard",
            name="first_day",
            field=models.DateField(
                blank=True,
                editable=False,
                help_text="Set by publishing. A planned card takes the place of the one in use on this day.",
                null=True,
                verbose_name="in use from",
            ),
        ),
        migrations.AlterField(
            model_name="checkpolicy",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "draft"),
                    ("proposed", "waiting for a second person"),
                    ("planned", "planned"),
                    ("active", "active"),
                    ("retired", "retired"),
                ],
                default="draft",
                max_length=8,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="limitpolicy",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "draft"),
                    ("proposed", "waiting for a second person"),
                    ("planned", "planned"),
                    ("active", "active"),
                    ("retired", "retired"),
                ],
                default="draft",
                max_length=8,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="scorecard",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "draft"),
                    ("proposed", "waiting for a second person"),
                    ("planned", "planned"),
                    ("active", "active"),
                    ("retired", "retired"),
                ],
                default="draft",
                max_length=8,
                verbose_name="status",
            ),
        ),
        migrations.AlterField(
            model_name="termspolicy",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "draft"),
                    ("proposed", "waiting for a second person"),
                    ("planned", "planned"),
                    ("active", "active"),
                    ("retired", "retired"),
                ],
                default="draft",
                max_length=8,
                verbose_name="status",
            ),
        ),
        migrations.AddConstraint(
            model_name="scorecard",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "planned")),
                fields=("kind", "first_day"),
                name="one_planned_scorecard_a_day",
            ),
        ),
        migrations.AddConstraint(
            model_name="scorecard",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "planned"), _negated=True),
                    ("first_day__isnull", False),
                    _connector="OR",
                ),
                name="scorecard_planned_dated",
            ),
        ),
        undone(frozen("OLD.status <> 'proposed'")),
        frozen("OLD.status NOT IN ('proposed', 'planned')"),
        undone(moves(BEFORE)),
        moves(NOW),
        undone(first_proposed("'active', 'retired'")),
        first_proposed("'active', 'planned', 'retired'"),
        undone(second_person("NEW.status = 'active'")),
        second_person("NEW.status IN ('active', 'planned')"),
        # What was signed stays until the card is taken back as a whole; the day of one in use for ever.
        update(
            "plan_signed",
            f"OLD.status = 'planned' AND NEW.status <> 'draft' AND ({changed((*PERSONS, 'first_day'))})",
            SIGNED,
        ),
        update(
            "first_day_kept",
            "OLD.status IN ('active', 'retired') AND OLD.first_day IS DISTINCT FROM NEW.first_day",
            SIGNED,
        ),
    ]
