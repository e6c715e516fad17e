from django.conf import settings
from django.db import migrations

from creditdesk.core.guards import append_only, refuse_when_exists

# The change and our company behind it, from a decision that is being stored.
CHANGE = "customers_limitchange c JOIN customers_creditaccount a ON a.id = c.account_id"
# Two people who decide at the same instant come one after the other, whoever writes: PostgreSQL's triggers do not see
# what another transaction has not committed yet.
LOCK = "SELECT 1 FROM customers_limitchange c WHERE c.id = NEW.change_id FOR NO KEY UPDATE"


class Migration(migrations.Migration):
    """Segregation of duties as the database keeps it: who may not decide, and what no change is applied without."""

    dependencies = [
        ("customers", "0018_decisions_of_before"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *append_only("customers_limitdecision"),
        *append_only("customers_limitreminder"),
        *append_only(
            "customers_approvaldelegation",
            (
                *("id", "delegator_id", "delegate_id", "company_id", "starts_on", "ends_on", "reason"),
                *("created_by_id", "created_at"),
            ),
            set_once=("revoked_at", "revoked_by_id"),
        ),
        refuse_when_exists(
            "customers_limitdecision_four_eyes",
            "customers_limitdecision",
            "BEFORE INSERT",
            "SELECT 1 FROM customers_limitchange c WHERE c.id = NEW.change_id "
            "AND (c.proposer_id = NEW.decided_by_id OR c.proposer_id = NEW.on_behalf_of_id)",
            "customers_limitdecision: nobody decides their own proposal or for its proposer; let somebody else decide",
        ),
        refuse_when_exists(
            "customers_limitdecision_once",
            "customers_limitdecision",
            "BEFORE INSERT",
            "SELECT 1 FROM customers_limitdecision d WHERE d.change_id = NEW.change_id "
            "AND (d.decided_by_id = NEW.on_behalf_of_id OR d.on_behalf_of_id = NEW.decided_by_id "
            "OR d.on_behalf_of_id = NEW.on_behalf_of_id)",
            "customers_limitdecision: nobody decides twice, in person or by deputy; let somebody else decide",
            lock=LOCK,
        ),
        refuse_when_exists(
            "customers_limitdecision_waiting",
            "customers_limitdecision",
            "BEFORE INSERT",
            "SELECT 1 FROM customers_limitchange c WHERE c.id = NEW.change_id AND c.status <> 'proposed'",
            "customers_limitdecision: only a waiting change is decided; propose a new one",
            lock=LOCK,
        ),
        refuse_when_exists(
            "customers_limitdecision_deputy",
            "customers_limitdecision",
            "BEFORE INSERT",
            "SELECT 1 WHERE NEW.delegation_id IS NOT NULL AND NOT EXISTS ("
            f"SELECT 1 FROM {CHANGE} JOIN customers_approvaldelegation g ON g.company_id = a.company_id "
            "WHERE c.id = NEW.change_id AND g.id = NEW.delegation_id AND g.delegate_id = NEW.decided_by_id "
            "AND g.delegator_id = NEW.on_behalf_of_id AND g.revoked_at IS NULL "
            "AND NEW.decided_on >= g.starts_on AND NEW.decided_on <= g.ends_on)",
            "customers_limitdecision: a deputy decides only under a delegation in force; record one first",
        ),
        # In another currency than the authority's the amount is the application's to convert.
        refuse_when_exists(
            "customers_limitdecision_authority",
            "customers_limitdecision",
            "BEFORE INSERT",
            f"SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {CHANGE} "
            "JOIN customers_approvalauthority t ON t.company_id = a.company_id "
            "JOIN core_user_groups m ON m.group_id = t.group_id "
            "WHERE c.id = NEW.change_id AND m.user_id = COALESCE(NEW.on_behalf_of_id, NEW.decided_by_id) "
            "AND NEW.currency = c.currency AND t.approvers_needed = NEW.approvers_needed "
            "AND t.direction = NEW.direction AND NEW.direction = "
            "CASE WHEN c.new_amount > COALESCE(c.old_amount, 0) THEN 'rise' ELSE 'cut' END "
            "AND NEW.amount = "
            "CASE WHEN COALESCE(c.old_amount, 0) > c.new_amount THEN c.old_amount ELSE c.new_amount END "
            "AND NEW.grade <> '' AND NEW.grade <= t.worst_grade "
            "AND (t.max_amount IS NULL OR t.currency <> c.currency OR NEW.amount <= t.max_amount))",
            "customers_limitdecision: no authority covers this direction, amount and grade; ask somebody whose does",
        ),
        refuse_when_exists(
            "customers_limitchange_needs_decisions",
            "customers_limitchange",
            "BEFORE UPDATE",
            "SELECT 1 WHERE OLD.status = 'proposed' AND (NEW.status = 'applied' AND ("
            "EXISTS (SELECT 1 FROM customers_limitdecision r WHERE r.change_id = NEW.id AND r.verdict = 'reject') "
            "OR NOT EXISTS (SELECT 1 FROM customers_limitdecision d WHERE d.change_id = NEW.id "
            "AND d.decided_by_id = NEW.decided_by_id AND d.verdict = 'approve' AND (d.approvers_needed = 1 "
            "OR EXISTS (SELECT 1 FROM customers_limitdecision o WHERE o.change_id = NEW.id "
            "AND o.verdict = 'approve' AND o.decided_by_id <> d.decided_by_id)))) "
            "OR NEW.status = 'rejected' AND NOT EXISTS (SELECT 1 FROM customers_limitdecision n "
            "WHERE n.change_id = NEW.id AND n.decided_by_id = NEW.decided_by_id AND n.verdict = 'reject'))",
            "customers_limitchange: a change is decided only by the decisions its authority asks for; record them first",
        ),
    ]
