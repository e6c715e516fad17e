"""Legal and public events."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import BETTER, WORSE, Family, Signal, Unit

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
    Signal(
        "protests_24m",
        Family.LEGAL,
        _("protested bills in 24 months"),
        Unit.COUNT,
        _("number of protests that happened in 730 days"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.protests",
    ),
    Signal(
        "liens_24m",
        Family.LEGAL,
        _("liens and pledges in 24 months"),
        Unit.COUNT,
        _("number of liens that happened in 730 days"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.liens",
    ),
    Signal(
        "litigation_24m",
        Family.LEGAL,
        _("litigation in 24 months"),
        Unit.COUNT,
        _("number of lawsuits that began in 730 days"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.litigation",
    ),
    Signal(
        "struck_off",
        Family.LEGAL,
        _("struck off the register"),
        Unit.FLAG,
        _("1 when striking off is recorded and not over, else 0"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.struck_off",
    ),
    Signal(
        "insolvency_over",
        Family.LEGAL,
        _("insolvency in the past"),
        Unit.FLAG,
        _("1 when insolvency proceedings have ended on or before the date, else 0"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.insolvency_over",
        carries_points=False,
    ),
    Signal(
        "address_changes_24m",
        Family.LEGAL,
        _("changes of registered office in 24 months"),
        Unit.COUNT,
        _("number of changes of registered office in 730 days"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.addresses",
    ),
    Signal(
        "company_age_months",
        Family.LEGAL,
        _("age of the company"),
        Unit.MONTHS,
        _("days since the day of foundation × 12 / 365, rounded down"),
        _("day of foundation of the customer"),
        _("grows with the date"),
        _("the day of foundation is not recorded"),
        BETTER,
        "CASE WHEN c.founded_on IS NOT NULL THEN days({as_of}, c.founded_on) * 12 / 365 END",
    ),
)
