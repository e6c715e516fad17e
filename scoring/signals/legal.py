"""Legal and public events."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import WORSE, Family, Signal, Unit

_NEVER = _("never: an account without such debt counts as zero")
_EVENTS = _("from the day the event happened, as known on the day; as long as the window reaches or it lasts")

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "legal_marks_24m",
        Family.LEGAL,
        _("protests, liens and litigation in 24 months"),
        Unit.COUNT,
        _("number of protests, liens and litigation that happened in 730 days"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _NEVER,
        WORSE,
        "c.legal_marks",
    ),
    Signal(
        "insolvent",
        Family.LEGAL,
        _("insolvency proceedings open"),
        Unit.FLAG,
        _(
            "1 when insolvency or striking off is recorded and not over, or the status in force is insolvent; else 0"
        ),
        _("legal events recorded for the customer, and the customer's status"),
        _EVENTS,
        _NEVER,
        WORSE,
        "c.insolvent",
    ),
)
