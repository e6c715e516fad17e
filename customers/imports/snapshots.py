"""A full snapshot of open items against the last one: what vanished or shrank was settled in between.

The day is not known, only the two snapshots around it, so the settlement is inferred: it counts from the
snapshot's day, keeps the last day on which the item was seen open, and never counts as punctual.
"""

from __future__ import annotations

from datetime import date

from customers.imports import staging
from customers.imports.matching import Target, refuse_siblings, shown
from customers.imports.past import hold_to_the_past, used_since
from customers.imports.problems import WARNING, ImportRefused, Problem
from customers.models import ImportBatch


def last_snapshot(source_id: int, before: date | None = None) -> date | None:
    batches = ImportBatch.objects.filter(
        source_id=source_id, status=ImportBatch.Status.COMMITTED, snapshot_on__isnull=False
    )
    if before is not None:
        batches = batches.filter(snapshot_on__lt=before)
    return batches.order_by("-snapshot_on").values_list("snapshot_on", flat=True).first()


def check_order(target: Target) -> None:
    """Snapshots are read in the order they were taken: what vanished has no meaning otherwise."""
    last = last_snapshot(target.source_id)
    if last and target.snapshot_on and last > target.snapshot_on:
        raise ImportRefused("snapshot_out_of_order", last=last)


def plan_snapshot(target: Target) -> None:
    """Fill import_vanish: what shrank, what grew back, what vanished, and what a new item had paid before."""
    previous = (target.previous_snapshot or date(1970, 1, 1)).isoformat()
    assert target.snapshot_on is not None
    day = target.snapshot_on.isoformat()
    has_amount = target.spec.has("amount")
    amount = "d.amount" if has_amount else "t.amount"
    after = staging.later_of("i.effective_on", f"{_date('%s')}")
    # Still listed. `real` is what was settled otherwise than by inference.
    # What was posted for days after the snapshot, it cannot show.
    used = "(t.amount - t.open_amount - COALESCE(l.amount, 0))"
    later = f"LEFT JOIN ({used_since(_date('%s'))}) l ON l.id = t.id"
    staging.execute(
        f"""INSERT INTO import_vanish
        SELECT d.number, d.fiscal_year, d.kind, d.instalment, {amount} - {used} - d.open_amount, {after},
            CASE WHEN {amount} - {used} < d.open_amount THEN 1 ELSE 0 END, 0
        FROM import_good d
        JOIN import_match m ON m.number = d.number AND m.fiscal_year = d.fiscal_year AND m.kind = d.kind
        JOIN customers_invoice i ON i.id = m.invoice_id
        JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = d.instalment {later}
        WHERE {amount} - {used} <> d.open_amount""",
        [previous, day, day],
    )
    _refuse_growth(target)
    staging.execute(
        """INSERT INTO import_vanish
        SELECT w.number, w.fiscal_year, w.kind, w.instalment, w.amount - w.open_amount, w.issued_on, 0, 1
        FROM import_write w WHERE w.old_id IS NULL AND w.amount > w.open_amount"""
    )
    if _held_back(target) != "all":
        _plan_vanished(target, after, previous, day)
    hold_to_the_past(target)
    refuse_siblings(target.spec)
    # Refused rows neither settle nor reopen; an exact repetition leaves its first row good.
    staging.execute(
        """DELETE FROM import_vanish WHERE EXISTS (SELECT 1 FROM import_doc d
            WHERE d.number = import_vanish.number AND d.fiscal_year = import_vanish.fiscal_year
            AND d.kind = import_vanish.kind AND d.instalment = import_vanish.instalment)
        AND NOT EXISTS (SELECT 1 FROM import_good d
            WHERE d.number = import_vanish.number AND d.fiscal_year = import_vanish.fiscal_year
            AND d.kind = import_vanish.kind AND d.instalment = import_vanish.instalment)"""
    )


def _plan_vanished(target: Target, after: str, previous: str, day: str) -> None:
    params: list[object] = [previous, target.company_id, target.source_id, day]
    staging.execute(
        f"""INSERT INTO import_vanish
        SELECT i.number, i.fiscal_year, i.kind, t.number, t.open_amount, {after}, 0, 0
        FROM customers_instalment t JOIN customers_invoice i ON i.id = t.invoice_id
        WHERE i.company_id = %s AND i.source_id = %s AND i.superseded_at IS NULL AND t.open_amount > 0
          AND t.superseded_at IS NULL AND i.effective_on <= %s
          AND NOT EXISTS (SELECT 1 FROM import_doc d WHERE d.number = i.number AND d.kind = i.kind
              AND d.fiscal_year = i.fiscal_year AND d.instalment = t.number)
          AND NOT EXISTS (SELECT 1 FROM import_unread u WHERE u.number = i.number)
          AND NOT EXISTS (SELECT 1 FROM import_unread u
              JOIN customers_customerkey k ON k.source_id = i.source_id AND k.key = u.customer
              JOIN customers_customer c ON c.id = k.customer_id
              JOIN customers_creditaccount a ON a.customer_id = COALESCE(c.merged_into_id, c.id)
              WHERE u.number IS NULL AND a.id = i.account_id)""",
        params,
    )


def _date(mark: str) -> str:
    return f"CAST({mark} AS date)" if staging.is_postgres() else mark


def _held_back(target: Target) -> str:
    """A refused row that names neither its document nor its customer could be any item: close nothing then."""
    column = target.spec.columns.get("number", "number")
    unnamed = staging.rows("SELECT row_no, customer FROM import_unread WHERE number IS NULL ORDER BY row_no")
    if not unnamed:
        return ""
    staging.report([Problem(unnamed[0][0], column, "", "vanished_held_back", {}, WARNING)])
    return "all" if any(customer is None for _row, customer in unnamed) else "some"


def _refuse_growth(target: Target) -> None:
    """More is open than before: fine when the settlement was only inferred, a contradiction when it was real."""
    column = target.spec.columns.get("open_amount", "open_amount")
    grown = staging.rows(
        """SELECT d.row_no, d.open_amount, t.open_amount, t.currency FROM import_vanish v
        JOIN import_good d ON d.number = v.number AND d.fiscal_year = v.fiscal_year AND d.kind = v.kind
            AND d.instalment = v.instalment
        JOIN import_match m ON m.number = d.number AND m.fiscal_year = d.fiscal_year AND m.kind = d.kind
        JOIN customers_instalment t ON t.invoice_id = m.invoice_id AND t.number = d.instalment
        WHERE v.grew = 1 AND -v.amount > COALESCE((SELECT SUM(a.amount) FROM customers_allocation a
            WHERE a.instalment_id = t.id AND a.kind = 'inferred' AND a.superseded_at IS NULL), 0)
        ORDER BY d.row_no"""
    )
    staging.report(
        Problem(row, column, shown(listed, currency), "open_amount_grew", {"open": shown(was, currency)})
        for row, listed, was, currency in grown
    )
