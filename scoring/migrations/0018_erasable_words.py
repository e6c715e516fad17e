from django.db import migrations, models

from creditdesk.core.guards import append_only, refuse_when, undone

OVERRIDE = "account_id grade computed_score computed_grade card_id reason_code valid_from valid_until made_by_id made_at".split()
ENDED = ("ended_on", "ended_by_id")
REVIEW = (
    "account_id outcome score grade recommendation kept_id by_id on valid_until made_at override_id contests_id "
    "first_by_id answers_id"
).split()
MESSAGE = "{table}: what was recorded stays; only its words may be erased, all of them and for good"


def differ(columns):
    return " OR ".join(f'OLD."{column}" IS DISTINCT FROM NEW."{column}"' for column in columns)


def unless_erased(words):
    """Condition under which an UPDATE touches the words, or the mark of their erasure, but does not erase them."""
    touched = differ([*words, "erased_at"])
    gone = " AND ".join(f"NEW.{word} = ''" for word in words)
    there = " OR ".join(f"OLD.{word} <> ''" for word in words)
    return f"(({touched}) AND NOT ({gone} AND ({there}) AND NEW.erased_at IS NOT NULL))"


# Ending an override writes why; that is no erasure.
ENDING = "(OLD.ended_on IS NULL AND NEW.ended_on IS NOT NULL AND OLD.note = NEW.note)"


class Migration(migrations.Migration):
    """What a person wrote about a score may be erased (GDPR art. 17); who decided what, and when, stays."""

    dependencies = [("scoring", "0017_limit_reviews")]

    operations = [
        migrations.AlterModelOptions(
            name="scorereview",
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("review_score", "Can decide on scores that a person must decide"),
                    ("contest_score", "Can record that a customer contests a score"),
                    ("erase_words", "Can erase the words of reviews and overrides of scores"),
                ],
                "verbose_name": "review of a score",
                "verbose_name_plural": "reviews of scores",
            },
        ),
        migrations.RemoveConstraint(
            model_name="scoreoverride",
            name="override_reasoned",
        ),
        migrations.RemoveConstraint(
            model_name="scoreoverride",
            name="override_end_named",
        ),
        migrations.RemoveConstraint(
            model_name="scorereview",
            name="review_explained",
        ),
        migrations.AddField(
            model_name="scoreoverride",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddField(
            model_name="scorereview",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddConstraint(
            model_name="scoreoverride",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("note", ""), _negated=True), ("erased_at__isnull", False), _connector="OR"
                    ),
                    ("valid_until__gte", models.F("valid_from")),
                ),
                name="override_reasoned",
            ),
        ),
        migrations.AddConstraint(
            model_name="scoreoverride",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_by__isnull", True), ("ended_on__isnull", True)),
                    models.Q(
                        ("ended_by__isnull", False),
                        ("ended_on__isnull", False),
                        models.Q(
                            models.Q(("end_reason", ""), _negated=True),
                            ("erased_at__isnull", False),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="override_end_named",
            ),
        ),
        migrations.AddConstraint(
            model_name="scorereview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("note", ""), _negated=True), ("erased_at__isnull", False), _connector="OR"
                    ),
                    ("valid_until__gte", models.F("on")),
                ),
                name="review_explained",
            ),
        ),
        undone(
            append_only(
                "scoring_scoreoverride",
                frozen=(
                    "account_id grade computed_score computed_grade card_id reason_code note valid_from valid_until "
                    "made_by_id made_at"
                ).split(),
                set_once=ENDED,
            )[0]
        ),
        refuse_when(
            "scoring_scoreoverride_frozen",
            "scoring_scoreoverride",
            "BEFORE UPDATE",
            f"{differ(OVERRIDE)} OR (OLD.ended_on IS NOT NULL AND ({differ(ENDED)})) "
            f"OR ({unless_erased(['note', 'end_reason'])} AND NOT {ENDING})",
            MESSAGE.format(table="scoring_scoreoverride"),
        ),
        undone(append_only("scoring_scorereview")[0]),
        refuse_when(
            "scoring_scorereview_frozen",
            "scoring_scorereview",
            "BEFORE UPDATE",
            f"{differ(REVIEW)} OR {unless_erased(['note'])}",
            MESSAGE.format(table="scoring_scorereview"),
        ),
    ]
