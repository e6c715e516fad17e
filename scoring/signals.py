"""The signals: what each one is, where it comes from, and the one database expression that defines it.

An expression is SQL over the families of scoring/families.py (`b` billed, `l` lateness, `o` open debt,
`p` promises, `d` disputes, `m` other ledger moves, `c` customer facts) and over the placeholders {as_of},
{judged}, {thin} and {thin_recent}. It is valid on SQLite and PostgreSQL; `ratio(...)`, `days(...)` and
`least(...)` are written by scoring/dialect.py. Nothing else in the product computes a signal, except the
brute-force reference in tests/scoring/reference.py that holds these expressions to account.

No signal improves when a debt is paid later or stays open longer: windows hang on the due date, denominators
do not depend on payment, and there are no trends (an older lateness would make a trend look better).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WINDOW_DAYS = 365
RECENT_DAYS = 90
WRITE_OFF_DAYS = 730

WORSE, BETTER = 1, -1


class Unit:
    DAYS = "days"
    SHARE = "share"
    COUNT = "count"
    MONTHS = "months"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. `higher_is`: WORSE or BETTER, the direction in which points must never rise or fall.

    needs_depth: an average, missing while the history is thin; the rest are facts and always count.
    Ratios and averages are stored rounded to 6 decimals, counts and days as integers.
    """

    name: str
    label: str | Promise
    unit: str
    source: str | Promise
    missing: str | Promise
    higher_is: int
    expression: str
    needs_depth: bool = False

    @property
    def is_ratio(self) -> bool:
        return "ratio(" in self.expression

    @property
    def points_column(self) -> str:
        return f"{self.name}_points"


_CASH = _("cash allocations, open and written-off rests of invoices that fell due in the last 12 months")
_RECENT = _("cash allocations, open and written-off rests of invoices that fell due in the last 90 days")
_OPEN = _("undisputed open instalments past due")
_THIN = _("too few invoices have fallen due to speak of an average")
_NEVER = _("never: an account without such debt counts as zero")
_NO_INVOICES = _("nothing was invoiced in the period")

DEEP = "b.due_count >= {thin}"
DEEP_RECENT = "b.due_count >= {thin} AND b.due_recent >= {thin_recent}"

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "days_late_12m",
        _("days late on average, 12 months"),
        Unit.DAYS,
        _CASH,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.weighted_days, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "days_late_3m",
        _("days late on average, last 90 days"),
        Unit.DAYS,
        _RECENT,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP_RECENT} AND l.weight_recent > 0 THEN ratio(l.weighted_days_recent, l.weight_recent) END",
        needs_depth=True,
    ),
    Signal(
        "late_share_12m",
        _("share paid or open late, by amount"),
        Unit.SHARE,
        _CASH,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.late, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "late15_share_12m",
        _("share more than 15 days late, by amount"),
        Unit.SHARE,
        _CASH,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.late15, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "late30_share_12m",
        _("share more than 30 days late, by amount"),
        Unit.SHARE,
        _CASH,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN ratio(l.late30, l.weight) END",
        needs_depth=True,
    ),
    Signal(
        "max_days_late_12m",
        _("worst delay in 12 months"),
        Unit.DAYS,
        _CASH,
        _THIN,
        WORSE,
        f"CASE WHEN {DEEP} AND l.weight > 0 THEN l.max_days END",
        needs_depth=True,
    ),
    Signal(
        "oldest_overdue_days",
        _("oldest overdue debt"),
        Unit.DAYS,
        _OPEN,
        _NEVER,
        WORSE,
        "COALESCE(o.oldest_days, 0)",
    ),
    Signal(
        "overdue_share",
        _("overdue now, of what fell due in 12 months"),
        Unit.SHARE,
        _OPEN,
        _("nothing fell due in 12 months and nothing older is open"),
        WORSE,
        "CASE WHEN COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0) > 0 "
        "THEN ratio(COALESCE(o.overdue, 0), COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0)) END",
    ),
    Signal(
        "overdue60_share",
        _("more than 60 days overdue, of what fell due in 12 months"),
        Unit.SHARE,
        _OPEN,
        _("nothing fell due in 12 months and nothing older is open"),
        WORSE,
        "CASE WHEN COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0) > 0 "
        "THEN ratio(COALESCE(o.overdue60, 0), COALESCE(b.due_amount, 0) + COALESCE(o.overdue_old, 0)) END",
    ),
    Signal(
        "overdue_count",
        _("instalments overdue now"),
        Unit.COUNT,
        _OPEN,
        _NEVER,
        WORSE,
        "COALESCE(o.overdue_count, 0)",
    ),
    Signal(
        "broken_promises_12m",
        _("promises broken in 12 months"),
        Unit.COUNT,
        _("promises to pay that were due in the last 12 months and judged by the cash received"),
        _NEVER,
        WORSE,
        "COALESCE(p.broken, 0)",
    ),
    Signal(
        "broken_promise_share",
        _("share of promises broken"),
        Unit.SHARE,
        _("promises to pay that were due in the last 12 months and judged by the cash received"),
        _("no promise was judged"),
        WORSE,
        "CASE WHEN p.judged > 0 THEN ratio(p.broken, p.judged) END",
    ),
    Signal(
        "disputed_share",
        _("in dispute now, of what was invoiced in 12 months"),
        Unit.SHARE,
        _("open disputes and the invoices they are about"),
        _NO_INVOICES,
        WORSE,
        "CASE WHEN b.invoiced > 0 THEN least(1, ratio(COALESCE(o.disputed, 0), b.invoiced)) END",
    ),
    Signal(
        "dispute_rate",
        _("disputes raised per invoice, 12 months"),
        Unit.SHARE,
        _("disputes raised and instalments invoiced in the last 12 months"),
        _NO_INVOICES,
        WORSE,
        "CASE WHEN b.invoiced_count > 0 THEN ratio(COALESCE(d.raised, 0), b.invoiced_count) END",
    ),
    Signal(
        "credit_share",
        _("credit notes, of what was invoiced in 12 months"),
        Unit.SHARE,
        _("credit notes and invoices issued in the last 12 months"),
        _NO_INVOICES,
        WORSE,
        "CASE WHEN b.invoiced > 0 THEN least(1, ratio(COALESCE(b.credited, 0), b.invoiced)) END",
    ),
    Signal(
        "written_off_share",
        _("written off, of what was invoiced in 24 months"),
        Unit.SHARE,
        _("write-offs of the last 24 months other than small differences, less what was recovered"),
        _NEVER,
        WORSE,
        "CASE WHEN COALESCE(m.written_off, 0) <= 0 THEN 0 WHEN COALESCE(b.invoiced_long, 0) <= 0 THEN 1 "
        "ELSE least(1, ratio(m.written_off, b.invoiced_long)) END",
    ),
    Signal(
        "returned_payments_12m",
        _("payments returned in 12 months"),
        Unit.COUNT,
        _("payments that bounced: returned direct debits, cheques and bills"),
        _NEVER,
        WORSE,
        "COALESCE(m.returned, 0)",
    ),
    Signal(
        "due_count_12m",
        _("instalments fallen due in 12 months"),
        Unit.COUNT,
        _("invoices and their due dates"),
        _NEVER,
        BETTER,
        "COALESCE(b.due_count, 0)",
    ),
    Signal(
        "relationship_months",
        _("months of relationship"),
        Unit.MONTHS,
        _("the customer's first invoice, or the day recorded as start of the relationship"),
        _("no invoice and no recorded start"),
        BETTER,
        "CASE WHEN COALESCE(c.since, b.first_on) IS NOT NULL "
        "THEN days({as_of}, least(COALESCE(c.since, b.first_on), COALESCE(b.first_on, c.since))) * 12 / 365 END",
    ),
    Signal(
        "days_since_invoice",
        _("days since the last invoice"),
        Unit.DAYS,
        _("the latest invoice"),
        _("no invoice was ever issued"),
        WORSE,
        "days({as_of}, b.last_on)",
    ),
    Signal(
        "legal_marks_24m",
        _("protests, liens and litigation in 24 months"),
        Unit.COUNT,
        _("legal events recorded for the customer"),
        _NEVER,
        WORSE,
        "c.legal_marks",
    ),
    Signal(
        "insolvent",
        _("insolvency proceedings open"),
        Unit.FLAG,
        _("legal events recorded for the customer, and the customer's status"),
        _NEVER,
        WORSE,
        "c.insolvent",
    ),
)

BY_NAME = {signal.name: signal for signal in SIGNALS}
