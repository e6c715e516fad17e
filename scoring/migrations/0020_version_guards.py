from django.db import migrations

from creditdesk.core.guards import Guard, append_only, refuse_when, refuse_when_exists, undone

SECOND = "a version is published by somebody who neither made nor edited it"
SIGNED = "created_by_id proposed_by_id proposed_at decided_by_id decision_reason activated_at".split()
# From where to where a version may go; everything else is refused.
MOVES = (
    "NOT (NEW.status = OLD.status OR (OLD.status = 'proposed' AND NEW.status IN ('draft', 'active')) "
    "OR (OLD.status = 'active' AND NEW.status = 'retired'))"
)


def changed(columns):
    return " OR ".join(f"OLD.{c} IS DISTINCT FROM NEW.{c}" for c in columns)


def by_a_second_person(table, editors, key):
    """Of every kind of version: who publishes is nobody who worked on it, and what was signed then stays."""
    return [
        refuse_when_exists(
            f"{table}_second_person",
            table,
            "BEFORE UPDATE",
            "SELECT 1 WHERE NEW.status = 'active' AND OLD.status = 'proposed' AND (NEW.decided_by_id = NEW.created_by_id "
            f"OR EXISTS (SELECT 1 FROM {editors} e WHERE e.{key} = NEW.id AND e.user_id = NEW.decided_by_id))",
            f"{table}: {SECOND}",
        ),
        refuse_when(
            f"{table}_signed",
            table,
            "BEFORE UPDATE",
            f"OLD.status IN ('active', 'retired') AND ({changed(SIGNED)})",
            f"{table}: who made, proposed and published a version stays as it was",
        ),
    ]


def life(table, terms):
    """A version starts as a draft, is proposed, then frozen."""
    never = f"{table}: a policy that was proposed is never edited; make a new version"
    first = f"{table}: a draft is proposed first, and published by a second person"
    return [
        refuse_when(
            f"{table}_frozen",
            table,
            "BEFORE UPDATE",
            f"OLD.status <> 'draft' AND ({changed((*terms, 'is_shipped'))} OR {MOVES} "
            "OR (OLD.status <> 'proposed' AND OLD.valid_from IS DISTINCT FROM NEW.valid_from))",
            never,
        ),
        refuse_when(
            f"{table}_first_proposed",
            table,
            "BEFORE UPDATE",
            "OLD.status = 'draft' AND NEW.status IN ('active', 'retired') AND NOT NEW.is_shipped",
            first,
        ),
        refuse_when(f"{table}_starts_as_draft", table, "BEFORE INSERT", "NEW.status <> 'draft'", first),
        refuse_when(f"{table}_kept", table, "BEFORE DELETE", "OLD.status <> 'draft'", never),
    ]


def rows_of(child, table):
    not_draft = f"SELECT 1 FROM {table} p WHERE p.id = {{row}}.policy_id AND p.status <> 'draft'"
    both = not_draft.format(row="OLD") + " UNION ALL " + not_draft.format(row="NEW")
    never = f"{table}: a policy that was proposed is never edited; make a new version"
    return [
        refuse_when_exists(f"{child}_no_insert", child, "BEFORE INSERT", not_draft.format(row="NEW"), never),
        refuse_when_exists(f"{child}_frozen", child, "BEFORE UPDATE", both, never),
        refuse_when_exists(f"{child}_kept", child, "BEFORE DELETE", not_draft.format(row="OLD"), never),
    ]


def reports_of(report, table):
    only = f"{report} is append-only: measure anew instead"
    return [
        refuse_when(f"{report}_frozen", report, "BEFORE UPDATE", "", only),
        refuse_when_exists(
            f"{report}_kept",
            report,
            "BEFORE DELETE",
            f"SELECT 1 FROM {table} p WHERE p.id = OLD.policy_id AND p.status <> 'draft'",
            only,
        ),
    ]


def published(table):
    """Before there were two persons a version was in use from its day on: the newest of a segment is the active one."""
    return (
        f"UPDATE {table} SET is_shipped = TRUE, status = CASE WHEN EXISTS (SELECT 1 FROM {table} o "
        f"WHERE COALESCE(o.segment_id, 0) = COALESCE({table}.segment_id, 0) "
        f"AND (o.valid_from > {table}.valid_from OR (o.valid_from = {table}.valid_from "
        f"AND o.version > {table}.version))) THEN 'retired' ELSE 'active' END"
    )


CHECKS = (
    "segment_id version currency group_binds check_orderer reservation_minutes decide_within_days release_days"
).split()
TERMS = "segment_id version usual_days".split()
PUBLISHED = [published("scoring_checkpolicy"), published("scoring_termspolicy")]


class Migration(migrations.Migration):
    """Credit checks and terms too are proposed by one person and published by another; what they said then stays."""

    dependencies = [("scoring", "0019_policies_in_versions")]

    operations = [
        *(
            undone(guard)
            for table in ("checkpolicy", "checkrule", "termspolicy", "termspolicygrade")
            for guard in append_only(f"scoring_{table}")
        ),
        Guard(PUBLISHED, PUBLISHED, []),
        *life("scoring_checkpolicy", CHECKS),
        *rows_of("scoring_checkrule", "scoring_checkpolicy"),
        *reports_of("scoring_checkpolicyreport", "scoring_checkpolicy"),
        *life("scoring_termspolicy", TERMS),
        *rows_of("scoring_termspolicygrade", "scoring_termspolicy"),
        *reports_of("scoring_termspolicyreport", "scoring_termspolicy"),
        *by_a_second_person("scoring_checkpolicy", "scoring_checkpolicyeditor", "policy_id"),
        *by_a_second_person("scoring_termspolicy", "scoring_termspolicyeditor", "policy_id"),
        *by_a_second_person("scoring_limitpolicy", "scoring_limitpolicyeditor", "policy_id"),
        *by_a_second_person("scoring_scorecard", "scoring_scorecardeditor", "card_id"),
        # As the other versions: a card that is no longer in use does not come back, a new version does.
        refuse_when(
            "scoring_scorecard_moves",
            "scoring_scorecard",
            "BEFORE UPDATE",
            f"OLD.status <> 'draft' AND {MOVES}",
            "scoring_scorecard: a card that was active is never edited; make a new version",
        ),
    ]
