from django.db import migrations

from creditdesk.core.guards import Guard, refuse_when, undone

NEVER_BEFORE = "a version never counts for days before it was made"
RISE = "customers_limitchange: a rise that waits for nobody stays within the active policy, its steps and its cool-down"
# Of the published versions of its segment whose first day has come, the one published last.
LATER = (
    "(o.activated_at > p.activated_at OR (o.activated_at IS NOT NULL AND p.activated_at IS NULL) "
    "OR ((o.activated_at = p.activated_at OR (o.activated_at IS NULL AND p.activated_at IS NULL)) "
    "AND (o.valid_from > p.valid_from OR (o.valid_from = p.valid_from AND o.version > p.version))))"
)
IN_FORCE = (
    "p.status IN ('active', 'retired') AND p.valid_from <= NEW.valid_from AND NOT EXISTS (SELECT 1 "
    "FROM scoring_limitpolicy o WHERE COALESCE(o.segment_id, 0) = COALESCE(p.segment_id, 0) "
    f"AND o.status IN ('active', 'retired') AND o.valid_from <= NEW.valid_from AND {LATER})"
)


def never_before(table):
    """Publishing sets the first day: today or a later one, and so never before the draft was made."""
    return refuse_when(
        f"{table}_first_day",
        table,
        "BEFORE UPDATE",
        "OLD.status = 'proposed' AND NEW.status = 'active' AND NEW.valid_from < OLD.valid_from",
        f"{table}: {NEVER_BEFORE}",
    )


def rise_of_policy(in_use):
    """A rise that waits for nobody: asked of the policy itself, whatever the application wrote beside it."""
    head = (
        "NEW.is_automatic AND NEW.proposer_kind = 'policy' AND NEW.old_amount IS NOT NULL "
        "AND NEW.new_amount > NEW.old_amount AND NOT EXISTS (SELECT 1 FROM scoring_limitpolicy p "
        f"WHERE p.id = NEW.policy_ref AND {in_use} AND p.currency = NEW.currency "
        "AND NEW.new_amount - NEW.old_amount <= p.auto_rise_amount AND NEW.new_amount <= p.auto_limit_amount "
        "AND (NEW.new_amount - NEW.old_amount) * 100 <= NEW.old_amount * p.max_rise_percent "
        "AND NOT EXISTS (SELECT 1 FROM customers_creditlimit l JOIN customers_limitchange c ON c.id = l.change_id "
        "WHERE l.account_id = NEW.account_id AND l.kind = 'base' AND c.old_amount IS NOT NULL "
        "AND c.new_amount > c.old_amount AND l.valid_from <= NEW.valid_from AND {days} < p.cool_down_days))"
    )
    name, table = "customers_limitchange_rise_of_policy", "customers_limitchange"
    sqlite = head.replace("{days}", "julianday(NEW.valid_from) - julianday(l.valid_from)")
    postgres = head.replace("{days}", "NEW.valid_from - l.valid_from")
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
    """A version may be published for a later first day: until then the one before is in force, though retired."""

    dependencies = [
        ("scoring", "0027_agency_cap"),
    ]

    operations = [
        undone(rise_of_policy("p.status = 'active'")),
        rise_of_policy(IN_FORCE),
        *(never_before(f"scoring_{kind}policy") for kind in ("limit", "check", "terms")),
    ]
