from django.conf import settings
from django.db import migrations, models

from creditdesk.core.guards import append_only, erasable, refuse_when, undone

CHANGE = (
    "account_id kind currency old_amount new_amount valid_from valid_until reason_code reason_params evidence as_of "
    "proposer_kind proposer_id proposer_name proposed_at status is_automatic policy_ref gates_failed automatic_up_to "
    "decided_by_id decided_at"
).split()
DECISION = (
    "change_id verdict decided_by_id on_behalf_of_id delegation_id decided_on decided_at direction currency amount "
    "grade authority_group approvers_needed evidence"
).split()
HOLD = "account_id reason_code change_id placed_on placed_by_name placed_by_id placed_at released_on released_by_id".split()
HELD = "id account_id reason_code placed_on placed_by_name placed_by_id placed_at note".split()
CHANGE_DECIDED = refuse_when(
    "customers_limitchange_decided",
    "customers_limitchange",
    "BEFORE UPDATE",
    "OLD.status <> 'proposed'",
    "customers_limitchange: a decided change is never edited; propose a new one",
)
HOLD_RELEASED = refuse_when(
    "customers_credithold_released",
    "customers_credithold",
    "BEFORE UPDATE",
    "OLD.released_on IS NOT NULL",
    "customers_credithold: a released hold is never edited; place a new one",
)


def waits_with_its_words(table, condition):
    """What is still under way needs its words: they are erased afterwards."""
    return refuse_when(
        f"{table}_words_needed",
        table,
        "BEFORE UPDATE",
        f"{condition} AND NEW.erased_at IS NOT NULL",
        f"{table}: what is still under way keeps its words; erase them once it is over",
    )


class Migration(migrations.Migration):
    """What people wrote about a limit may be erased (GDPR art. 17); who decided what, and when, stays."""

    dependencies = [
        ("customers", "0024_agency_report_files"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="limitchangecomment",
            name="limit_comment_says_something",
        ),
        migrations.RemoveConstraint(
            model_name="limitdecision",
            name="limit_decision_says_why",
        ),
        migrations.AddField(
            model_name="credithold",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddField(
            model_name="limitchange",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddField(
            model_name="limitchangecomment",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddField(
            model_name="limitdecision",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="words erased at"),
        ),
        migrations.AddConstraint(
            model_name="limitchangecomment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("text", ""), _negated=True), ("erased_at__isnull", False), _connector="OR"
                ),
                name="limit_comment_says_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="limitdecision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reason", ""), _negated=True), ("erased_at__isnull", False), _connector="OR"
                ),
                name="limit_decision_says_why",
            ),
        ),
        undone(append_only("customers_limitchangecomment")[0]),
        erasable("customers_limitchangecomment", ["change_id", "author_id", "at"], ["text"]),
        undone(append_only("customers_limitdecision")[0]),
        erasable("customers_limitdecision", DECISION, ["reason"]),
        undone(CHANGE_DECIDED),
        erasable(
            "customers_limitchange",
            CHANGE,
            ["comment", "decision_reason"],
            once="OLD.status <> 'proposed'",
            name="customers_limitchange_decided",
            says="customers_limitchange: a decided change is never edited; propose a new one, or erase its words",
        ),
        waits_with_its_words("customers_limitchange", "OLD.status = 'proposed'"),
        undone(append_only("customers_credithold", HELD, set_once=("released_on", "released_by_id"))[0]),
        undone(HOLD_RELEASED),
        refuse_when(
            "customers_credithold_frozen",
            "customers_credithold",
            "BEFORE UPDATE",
            "OLD.released_on IS NULL AND ("
            + " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in HELD)
            + ")",
            "customers_credithold is append-only: release it and place a new one",
        ),
        waits_with_its_words("customers_credithold", "OLD.released_on IS NULL"),
        erasable(
            "customers_credithold",
            HOLD,
            ["note", "release_reason"],
            once="OLD.released_on IS NOT NULL",
            name="customers_credithold_released",
            says="customers_credithold: a released hold is never edited; place a new one, or erase its words",
        ),
    ]
