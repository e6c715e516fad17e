"""How long and how steadily the customer has been buying from us."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import BETTER, WORSE, Family, Signal, Unit

_LEDGER = _("as old as the day the ledger is complete to; counts for as long as the window reaches")

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "relationship_months",
        Family.RELATIONSHIP,
        _("months of relationship"),
        Unit.MONTHS,
        _("days since the earlier of first invoice and recorded start × 12 / 365, rounded down"),
        _("the customer's first invoice, or the day recorded as start of the relationship"),
        _LEDGER,
        _("no invoice and no recorded start"),
        BETTER,
        "CASE WHEN COALESCE(c.since, b.first_on) IS NOT NULL "
        "THEN days({as_of}, least(COALESCE(c.since, b.first_on), COALESCE(b.first_on, c.since))) * 12 / 365 END",
    ),
    Signal(
        "days_since_invoice",
        Family.RELATIONSHIP,
        _("days since the last invoice"),
        Unit.DAYS,
        _("as-of day − issue day of the latest invoice"),
        _("the latest invoice"),
        _LEDGER,
        _("no invoice was ever issued"),
        WORSE,
        "days({as_of}, b.last_on)",
    ),
    Signal(
        "open_months",
        Family.RELATIONSHIP,
        _("open debt, in months of its purchases"),
        Unit.MONTHS,
        _("open amount of all instalments × 12 / amount invoiced in 365 days, at most 99"),
        _("open instalments, due or not, and invoices issued in the last 12 months"),
        _LEDGER,
        _("nothing was invoiced in the period"),
        WORSE,
        "CASE WHEN b.invoiced > 0 THEN least(99, ratio(COALESCE(o.open, 0) * 12, b.invoiced)) END",
    ),
    Signal(
        "turnover_trend",
        Family.RELATIONSHIP,
        _("purchases of half a year against the half before"),
        Unit.SHARE,
        _("amount invoiced in days 0-181 / amount invoiced in days 182-364 before the date, at most 10"),
        _("invoices issued in the last 12 months"),
        _LEDGER,
        _("nothing was invoiced in the older half of the year"),
        BETTER,
        "CASE WHEN COALESCE(b.q3, 0) + COALESCE(b.q4, 0) > 0 THEN least(10, "
        "ratio(COALESCE(b.q1, 0) + COALESCE(b.q2, 0), COALESCE(b.q3, 0) + COALESCE(b.q4, 0))) END",
    ),
    Signal(
        "active_quarters_12m",
        Family.RELATIONSHIP,
        _("quarters with purchases"),
        Unit.COUNT,
        _("number of the last four spans of 91 days with an invoice"),
        _("invoices issued in the last 12 months"),
        _LEDGER,
        _("never: an account without invoices counts as zero"),
        BETTER,
        "CASE WHEN b.q1 > 0 THEN 1 ELSE 0 END + CASE WHEN b.q2 > 0 THEN 1 ELSE 0 END "
        "+ CASE WHEN b.q3 > 0 THEN 1 ELSE 0 END + CASE WHEN b.q4 > 0 THEN 1 ELSE 0 END",
    ),
    Signal(
        "turnover_swing",
        Family.RELATIONSHIP,
        _("unevenness of purchases"),
        Unit.SHARE,
        _("(largest − smallest amount invoiced in a quarter of the last four) / amount invoiced in 365 days"),
        _("invoices issued in the last 12 months"),
        _LEDGER,
        _("nothing was invoiced in the period"),
        WORSE,
        "CASE WHEN b.invoiced > 0 THEN ratio("
        "greatest(COALESCE(b.q1, 0), COALESCE(b.q2, 0), COALESCE(b.q3, 0), COALESCE(b.q4, 0)) "
        "- least(COALESCE(b.q1, 0), COALESCE(b.q2, 0), COALESCE(b.q3, 0), COALESCE(b.q4, 0)), b.invoiced) END",
    ),
    Signal(
        "revenue_share",
        Family.RELATIONSHIP,
        _("share of our revenue"),
        Unit.SHARE,
        _(
            "amount invoiced to the account / amount we invoiced to everybody, 365 days each; accounts in the company's own currency"
        ),
        _("invoices, and our company's total stored with the peer figures"),
        _("the total is as old as the latest peer figures (stored weekly), at most 12 months"),
        _("no peer figures before the date, or an account in another currency"),
        WORSE,
        "CASE WHEN peer.invoiced > 0 AND peer.currency = a.currency "
        "THEN least(1, ratio(COALESCE(b.invoiced, 0), peer.invoiced)) END",
    ),
)
