from django.db import migrations, models

from creditdesk.core.guards import erasable, undone

DECISION = (
    "public_id account_id application_id as_of decided_at outcome advised score grade pd depth scored_as_of kept_id "
    "score_pass card_id limit_policy_id terms_policy_id currency requested current limit terms_days guarantees advice "
    "reasons inputs is_natural_person asked_by by_kind decided_by_id answers_id"
).split()
CODE = "told"


def _of_people(apps, schema_editor):
    decisions = apps.get_model("scoring", "Decision").objects.using(schema_editor.connection.alias)
    rows = decisions.filter(by_kind="person").order_by("pk")
    for row in rows.only("reasons", "told", "erased_at").iterator(chunk_size=500):
        if any(reason["code"] == CODE for reason in row.reasons):
            yield decisions.filter(pk=row.pk), row


def take_words_out(apps, schema_editor):
    """What a person wrote goes from the reasons to its own column. Where the words of the row were erased, it goes
    for good: it was asked for, and could not be done."""
    for same, row in _of_people(apps, schema_editor):
        words = [reason["params"].get("text", "") for reason in row.reasons if reason["code"] == CODE]
        kept = [reason for reason in row.reasons if reason["code"] != CODE]
        same.update(
            reasons=[*kept, {"code": CODE, "params": {}}],
            told="" if row.erased_at else "\n".join(filter(None, words)),
        )


def put_words_back(apps, schema_editor):
    for same, row in _of_people(apps, schema_editor):
        kept = [reason for reason in row.reasons if reason["code"] != CODE]
        same.update(reasons=[*kept, {"code": CODE, "params": {"text": row.told}}])


class Migration(migrations.Migration):
    """What a person wrote to an applicant as the reason of a decision may be erased, too (GDPR art. 17)."""

    dependencies = [
        ("scoring", "0032_scores_beside"),
    ]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="told",
            field=models.TextField(
                blank=True, default="", verbose_name="further reasons, in the customer's language"
            ),
        ),
        undone(erasable("scoring_decision", DECISION, ["note"])),
        migrations.RunPython(take_words_out, put_words_back),
        erasable("scoring_decision", DECISION, ["note", "told"]),
    ]
