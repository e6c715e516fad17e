from django.db import migrations

from creditdesk.core.guards import Guard, append_only, refuse_when, refuse_when_exists, undone

MESSAGE = "scoring_limitpolicy: a policy that was proposed is never edited; make a new version"
PROPOSE = "scoring_limitpolicy: a draft is proposed first, and published by a second person"
REPORT = "scoring_policyreport is append-only: make a new simulation instead"
RISE = "customers_limitchange: a rise that waits for nobody stays within the active policy, its steps and its cool-down"
TERMS = (
    "segment_id version currency buffer_days capacity_percent bank_percent concentration_percent "
    "concentration_from_customers group_ceiling step max_rise_percent cool_down_days year_rise_percent year_rises "
    "material_percent material_amount rise_max_days_past_due gate_promise_days gate_event_days gate_score_fall "
    "gate_use_percent auto_rise_amount auto_limit_amount loss_percent review_months_unscored warn_days is_shipped"
).split()
CHANGED = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in TERMS)
# From where to where a version may go; everything else is refused.
MOVES = (
    "NOT (NEW.status = OLD.status OR (OLD.status = 'proposed' AND NEW.status IN ('draft', 'active')) "
    "OR (OLD.status = 'active' AND NEW.status = 'retired'))"
)
NOT_DRAFT = "SELECT 1 FROM scoring_limitpolicy p WHERE p.id = {row}.policy_id AND p.status <> 'draft'"


def children(table):
    both = NOT_DRAFT.format(row="OLD") + " UNION ALL " + NOT_DRAFT.format(row="NEW")
    return [
        refuse_when_exists(
            f"{table}_no_insert", table, "BEFORE INSERT", NOT_DRAFT.format(row="NEW"), MESSAGE
        ),
        refuse_when_exists(f"{table}_frozen", table, "BEFORE UPDATE", both, MESSAGE),
        refuse_when_exists(f"{table}_kept", table, "BEFORE DELETE", NOT_DRAFT.format(row="OLD"), MESSAGE),
    ]


# Before there were two persons a version was in use from its day on: the newest of a segment is the active one.
PUBLISHED = (
    "UPDATE scoring_limitpolicy SET is_shipped = TRUE, status = CASE WHEN EXISTS (SELECT 1 FROM scoring_limitpolicy o "
    "WHERE COALESCE(o.segment_id, 0) = COALESCE(scoring_limitpolicy.segment_id, 0) "
    "AND (o.valid_from > scoring_limitpolicy.valid_from OR (o.valid_from = scoring_limitpolicy.valid_from "
    "AND o.version > scoring_limitpolicy.version))) THEN 'retired' ELSE 'active' END"
)
# As the reviews were in the code until now.
REVIEWS = "UPDATE scoring_limitpolicygrade SET review_months = CASE grade WHEN 'C' THEN 6 WHEN 'D' THEN 3 WHEN 'E' THEN 3 ELSE 12 END"


def rise_of_policy():
    """A rise that waits for nobody: asked of the policy itself, whatever the application wrote beside it."""
    head = (
        "NEW.is_automatic AND NEW.proposer_kind = 'policy' AND NEW.old_amount IS NOT NULL "
        "AND NEW.new_amount > NEW.old_amount AND NOT EXISTS (SELECT 1 FROM scoring_limitpolicy p "
        "WHERE p.id = NEW.policy_ref AND p.status = 'active' AND p.currency = NEW.currency "
        "AND NEW.new_amount - NEW.old_amount <= p.auto_rise_amount AND NEW.new_amount <= p.auto_limit_amount "
        "AND (NEW.new_amount - NEW.old_amount) * 100 <= NEW.old_amount * p.max_rise_percent "
        "AND NOT EXISTS (SELECT 1 FROM customers_creditlimit l JOIN customers_limitchange c ON c.id = l.change_id "
        "WHERE l.account_id = NEW.account_id AND l.kind = 'base' AND c.old_amount IS NOT NULL "
        "AND c.new_amount > c.old_amount AND l.valid_from <= NEW.valid_from AND {days} < p.cool_down_days))"
    )
    name, table = "customers_limitchange_rise_of_policy", "customers_limitchange"
    sqlite = head.format(days="julianday(NEW.valid_from) - julianday(l.valid_from)")
    postgres = head.format(days="NEW.valid_from - l.valid_from")
    return Guard(
        [
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW WHEN {sqlite} "
            f"BEGIN SELECT RAISE(ABORT, '{RISE}'); END"
        ],
        [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN IF {postgres} THEN "
            f"RAISE EXCEPTION USING MESSAGE = '{RISE}', ERRCODE = 'check_violation'; END IF; RETURN NEW; END $guard$",
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.is_automatic) "
            f"EXECUTE FUNCTION {name}()",
        ],
        [f"DROP TRIGGER {name} ON {table}", f"DROP FUNCTION {name}()"],
    )


class Migration(migrations.Migration):
    """A policy is proposed by one person and published by another; what it said then stays."""

    dependencies = [
        ("scoring", "0014_limit_policy_versions"),
        ("customers", "0016_automatic_rise_guards"),
    ]

    operations = [
        *(undone(guard) for guard in append_only("scoring_limitpolicy")),
        *(undone(guard) for guard in append_only("scoring_limitpolicygrade")),
        Guard([PUBLISHED, REVIEWS], [PUBLISHED, REVIEWS], []),
        refuse_when(
            "scoring_limitpolicy_frozen",
            "scoring_limitpolicy",
            "BEFORE UPDATE",
            f"OLD.status <> 'draft' AND ({CHANGED} OR {MOVES} "
            "OR (OLD.status <> 'proposed' AND OLD.valid_from IS DISTINCT FROM NEW.valid_from))",
            MESSAGE,
        ),
        refuse_when(
            "scoring_limitpolicy_first_proposed",
            "scoring_limitpolicy",
            "BEFORE UPDATE",
            "OLD.status = 'draft' AND NEW.status IN ('active', 'retired') AND NOT NEW.is_shipped",
            PROPOSE,
        ),
        refuse_when(
            "scoring_limitpolicy_starts_as_draft",
            "scoring_limitpolicy",
            "BEFORE INSERT",
            "NEW.status <> 'draft'",
            PROPOSE,
        ),
        refuse_when(
            "scoring_limitpolicy_kept",
            "scoring_limitpolicy",
            "BEFORE DELETE",
            "OLD.status <> 'draft'",
            MESSAGE,
        ),
        *children("scoring_limitpolicygrade"),
        *children("scoring_limitpolicycause"),
        refuse_when("scoring_policyreport_frozen", "scoring_policyreport", "BEFORE UPDATE", "", REPORT),
        refuse_when_exists(
            "scoring_policyreport_kept",
            "scoring_policyreport",
            "BEFORE DELETE",
            NOT_DRAFT.format(row="OLD"),
            REPORT,
        ),
        *append_only("scoring_creditcause"),
        rise_of_policy(),
    ]
