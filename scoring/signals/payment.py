"""Payment behaviour: what fell due, when its cash came, and what is still open.

No signal improves when a debt is paid later or stays open longer: windows hang on the due date, denominators
do not depend on payment.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import BETTER, WORSE, Family, Signal, Unit

_CASH = _("cash allocations, open and written-off rests of invoices that fell due in the last 12 months")
_RECENT = _("cash allocations, open and written-off rests of invoices that fell due in the last 90 days")
_OPEN = _("undisputed open instalments past due")
_THIN = _("too few invoices have fallen due to speak of an average")
_NEVER = _("never: an account without such debt counts as zero")
_LEDGER = _("as old as the day the ledger is complete to; counts for as long as the window reaches")
_PROMISED = _("moves when a promise is judged; counts for 12 months after the promised day")

DEEP = "b.due_count >= {thin}"
DEEP_RECENT = "b.due_count >= {thin} AND b.due_recent >= {thin_recent}"

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "days_late_12m",
        Family.PAYMENT,
        _("days late on average, 12 months"),
        Unit.DAYS,
        _(
            "sum of weight × days late / sum of weight, over the parts (docs/scoring.md) of what fell due in 365 days before the judged day; early counts as 0"
        ),
        _CASH,
        _LEDGER,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.weighted_days, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "days_late_3m",
        Family.PAYMENT,
        _("days late on average, last 90 days"),
        Unit.DAYS,
        _("the same average over what fell due in 90 days before the judged day"),
        _RECENT,
        _LEDGER,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP_RECENT} AND l.weight_recent > 0 THEN ratio(l.weighted_days_recent, l.weight_recent) END",
        needs_depth=True,
    ),
    Signal(
        "late_share_12m",
        Family.PAYMENT,
        _("share paid or open late, by amount"),
        Unit.SHARE,
        _("weight of the parts at least one day late / weight of all parts, 365 days"),
        _CASH,
        _LEDGER,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.late, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "late15_share_12m",
        Family.PAYMENT,
        _("share more than 15 days late, by amount"),
        Unit.SHARE,
        _("weight of the parts more than 15 days late / weight of all parts, 365 days"),
        _CASH,
        _LEDGER,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.late15, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "late30_share_12m",
        Family.PAYMENT,
        _("share more than 30 days late, by amount"),
        Unit.SHARE,
        _("weight of the parts more than 30 days late / weight of all parts, 365 days"),
        _CASH,
        _LEDGER,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.late30, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "max_days_late_12m",
        Family.PAYMENT,
        _("worst delay in 12 months"),
        Unit.DAYS,
        _("the greatest number of days late of any part, 365 days"),
        _CASH,
        _LEDGER,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN l.max_days END",
        needs_depth=True,
    ),
    Signal(
        "oldest_overdue_days",
        Family.PAYMENT,
        _("oldest overdue debt"),
        Unit.DAYS,
        _("judged day − due day of the oldest open, undisputed instalment past due"),
        _OPEN,
        _LEDGER,
        _NEVER,
        WORSE,
        "COALESCE(o.oldest_days, 0)",
    ),
    Signal(
        "overdue_share",
        Family.PAYMENT,
        _("overdue now, of what fell due in 12 months"),
        Unit.SHARE,
        _("open undisputed amount past due / (amount that fell due in 365 days + what is open from before)"),
        _OPEN,
        _LEDGER,
        _("nothing fell due in 12 months and nothing older is open"),
        WORSE,
        "CASE WHEN COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0) > 0 "
        "THEN ratio(COALESCE(o.overdue, 0), COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0)) END",
    ),
    Signal(
        "overdue60_share",
        Family.PAYMENT,
        _("more than 60 days overdue, of what fell due in 12 months"),
        Unit.SHARE,
        _(
            "open undisputed amount more than 60 days past due / (amount that fell due in 365 days + what is open from before)"
        ),
        _OPEN,
        _LEDGER,
        _("nothing fell due in 12 months and nothing older is open"),
        WORSE,
        "CASE WHEN COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0) > 0 "
        "THEN ratio(COALESCE(o.overdue60, 0), COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0)) END",
    ),
    Signal(
        "overdue_count",
        Family.PAYMENT,
        _("instalments overdue now"),
        Unit.COUNT,
        _("number of instalments past due with an open, undisputed amount"),
        _OPEN,
        _LEDGER,
        _NEVER,
        WORSE,
        "COALESCE(o.overdue_count, 0)",
    ),
    Signal(
        "broken_promises_12m",
        Family.PAYMENT,
        _("promises broken in 12 months"),
        Unit.COUNT,
        _("number of promises due in 365 days that ended broken or kept in part"),
        _("promises to pay that were due in the last 12 months and judged by the cash received"),
        _PROMISED,
        _NEVER,
        WORSE,
        "COALESCE(p.broken, 0)",
    ),
    Signal(
        "broken_promise_share",
        Family.PAYMENT,
        _("share of promises broken"),
        Unit.SHARE,
        _("promises broken or kept in part / promises judged, 365 days"),
        _("promises to pay that were due in the last 12 months and judged by the cash received"),
        _PROMISED,
        _("no promise was judged"),
        WORSE,
        "CASE WHEN p.judged > 0 THEN ratio(p.broken, p.judged) END",
    ),
    Signal(
        "written_off_share",
        Family.PAYMENT,
        _("written off, of what was invoiced in 24 months"),
        Unit.SHARE,
        _("amount written off less recovered / amount invoiced, 730 days, at most 1"),
        _("write-offs of the last 24 months other than small differences, less what was recovered"),
        _LEDGER,
        _NEVER,
        WORSE,
        "CASE WHEN COALESCE(m.written_off, 0) <= 0 THEN 0 WHEN COALESCE(b.invoiced_long, 0) <= 0 THEN 1 "
        "ELSE least(1, ratio(m.written_off, b.invoiced_long)) END",
    ),
    Signal(
        "returned_payments_12m",
        Family.PAYMENT,
        _("payments returned in 12 months"),
        Unit.COUNT,
        _("payments returned less returns taken back, 365 days"),
        _("payments that bounced: returned direct debits, cheques and bills"),
        _LEDGER,
        _NEVER,
        WORSE,
        "COALESCE(m.returned, 0)",
    ),
    Signal(
        "due_count_12m",
        Family.PAYMENT,
        _("instalments fallen due in 12 months"),
        Unit.COUNT,
        _("number of instalments with a due day in 365 days before the judged day"),
        _("invoices and their due dates"),
        _LEDGER,
        _NEVER,
        BETTER,
        "COALESCE(b.due_count, 0)",
    ),
)
