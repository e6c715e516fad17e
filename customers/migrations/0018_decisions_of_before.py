from django.db import migrations

# Until now the change itself said who decided. One way to read decisions: each of them gets its row; the authority
# it stood on was not kept, so grade and group stay empty.
FORWARDS = """
INSERT INTO customers_limitdecision (
    change_id, verdict, decided_by_id, decided_on, decided_at, reason, direction, currency, amount, grade,
    authority_group, approvers_needed, evidence
)
SELECT
    c.id, CASE c.status WHEN 'applied' THEN 'approve' ELSE 'reject' END, c.decided_by_id, date(c.decided_at),
    c.decided_at, CASE c.decision_reason WHEN '' THEN '-' ELSE c.decision_reason END,
    CASE WHEN c.new_amount > COALESCE(c.old_amount, 0) THEN 'rise' ELSE 'cut' END, c.currency,
    CASE WHEN COALESCE(c.old_amount, 0) > c.new_amount THEN c.old_amount ELSE c.new_amount END, '', '', 1, '{}'
FROM customers_limitchange c
WHERE c.decided_by_id IS NOT NULL AND c.status IN ('applied', 'rejected')
"""


class Migration(migrations.Migration):
    """Decisions of persons taken so far become rows of their own."""

    dependencies = [
        ("customers", "0017_approval_matrix"),
    ]

    operations = [migrations.RunSQL(FORWARDS, migrations.RunSQL.noop)]
