from django.conf import settings
from django.db import migrations, models

from creditdesk.core.guards import append_only, erasable, undone

DECISION = (
    "public_id account_id application_id as_of decided_at outcome advised score grade pd depth scored_as_of kept_id "
    "score_pass card_id limit_policy_id terms_policy_id currency requested current limit terms_days guarantees advice "
    "reasons inputs is_natural_person asked_by by_kind decided_by_id answers_id"
).split()
REVIEW = "account_id currency limit reviewed_on by_id at score grade".split()


class Migration(migrations.Migration):
    """What people wrote when they decided on credit may be erased (GDPR art. 17); the decision stays."""

    dependencies = [
        ("scoring", "0028_planned_versions"),
        ("customers", "0025_erasable_words"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="decision",
            name="decision_person_named",
        ),
        migrations.RemoveConstraint(
            model_name="limitreview",
            name="limit_review_reasoned",
        ),
        migrations.AddField(
            model_name="decision",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddField(
            model_name="limitreview",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("by_kind", "rules"), ("decided_by__isnull", True)),
                    models.Q(
                        ("by_kind", "person"),
                        ("decided_by__isnull", False),
                        models.Q(
                            models.Q(("note", ""), _negated=True),
                            ("erased_at__isnull", False),
                            _connector="OR",
                        ),
                        models.Q(("outcome", "review"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="decision_person_named",
            ),
        ),
        migrations.AddConstraint(
            model_name="limitreview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("note", ""), _negated=True), ("erased_at__isnull", False), _connector="OR"
                    ),
                    ("limit__gte", 0),
                ),
                name="limit_review_reasoned",
            ),
        ),
        undone(append_only("scoring_decision")[0]),
        erasable("scoring_decision", DECISION, ["note"]),
        undone(append_only("scoring_limitreview")[0]),
        erasable("scoring_limitreview", REVIEW, ["note"]),
    ]
