"""Disputes and credit notes."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import WORSE, Family, Signal, Unit

_NO_INVOICES = _("nothing was invoiced in the period")
_LEDGER = _("as old as the day the ledger is complete to; counts for as long as the window reaches")

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "disputed_share",
        Family.DISPUTES,
        _("in dispute now, of what was invoiced in 12 months"),
        Unit.SHARE,
        _("open amount in dispute / amount invoiced in 365 days, at most 1"),
        _("open disputes and the invoices they are about"),
        _LEDGER,
        _NO_INVOICES,
        WORSE,
        "CASE WHEN b.invoiced > 0 THEN least(1, ratio(COALESCE(o.disputed, 0), b.invoiced)) END",
    ),
    Signal(
        "dispute_rate",
        Family.DISPUTES,
        _("disputes raised per invoice, 12 months"),
        Unit.SHARE,
        _("disputes raised / instalments invoiced, 365 days"),
        _("disputes raised and instalments invoiced in the last 12 months"),
        _LEDGER,
        _NO_INVOICES,
        WORSE,
        "CASE WHEN b.invoiced_count > 0 THEN ratio(COALESCE(d.raised, 0), b.invoiced_count) END",
    ),
    Signal(
        "credit_share",
        Family.DISPUTES,
        _("credit notes, of what was invoiced in 12 months"),
        Unit.SHARE,
        _("amount of credit notes / amount invoiced, 365 days, at most 1"),
        _("credit notes and invoices issued in the last 12 months"),
        _LEDGER,
        _NO_INVOICES,
        WORSE,
        "CASE WHEN b.invoiced > 0 THEN least(1, ratio(COALESCE(b.credited, 0), b.invoiced)) END",
    ),
    Signal(
        "disputes_open",
        Family.DISPUTES,
        _("disputes open now"),
        Unit.COUNT,
        _("number of disputes raised and not closed at the date"),
        _("open disputes"),
        _LEDGER,
        _("never: an account without disputes counts as zero"),
        WORSE,
        "COALESCE(d.open_count, 0)",
    ),
    Signal(
        "oldest_dispute_days",
        Family.DISPUTES,
        _("age of the oldest open dispute"),
        Unit.DAYS,
        _("as-of day − day the oldest open dispute was raised"),
        _("open disputes"),
        _LEDGER,
        _("never: an account without disputes counts as zero"),
        WORSE,
        "COALESCE(d.oldest_days, 0)",
    ),
    Signal(
        "credit_rate",
        Family.DISPUTES,
        _("credit notes per invoice, 12 months"),
        Unit.SHARE,
        _("credit notes / instalments invoiced, by number, 365 days"),
        _("credit notes and invoices issued in the last 12 months"),
        _LEDGER,
        _NO_INVOICES,
        WORSE,
        "CASE WHEN b.invoiced_count > 0 THEN ratio(b.credited_count, b.invoiced_count) END",
    ),
)
