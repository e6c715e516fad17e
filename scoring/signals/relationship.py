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
)
