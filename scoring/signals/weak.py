"""Weak signals: what tends to come months before trouble. They point, they do not prove."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import WORSE, Family, Signal, Unit

_EVENTS = _("from the day the event happened, as known on the day; as long as the window reaches")

_SUPPLIERS = _("days the customer takes to pay its suppliers, as its suppliers or a bureau measured them")
_MEASURED = _("by the end of the period measured; after 200 days it counts as missing")

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "director_changes_18m",
        Family.WEAK,
        _("changes of director in 18 months"),
        Unit.COUNT,
        _("number of changes of director in 548 days"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.directors",
    ),
    Signal(
        "pledge_after_director",
        Family.WEAK,
        _("pledge right after a new director"),
        Unit.FLAG,
        _("1 when a lien within 730 days followed a change of director by at most 180 days, else 0"),
        _("legal events recorded for the customer"),
        _EVENTS,
        _("never: a customer without such events counts as zero"),
        WORSE,
        "c.pledged",
    ),
    Signal(
        "supplier_days",
        Family.WEAK,
        _("days to pay its suppliers"),
        Unit.DAYS,
        _("the latest measure on or before the date"),
        _SUPPLIERS,
        _MEASURED,
        _("no measure, or none that is recent enough"),
        WORSE,
        "sp.days",
    ),
    Signal(
        "supplier_days_rise",
        Family.WEAK,
        _("rise of the days to pay its suppliers"),
        Unit.DAYS,
        _("the latest measure − the latest of those 150 to 270 days before it"),
        _SUPPLIERS,
        _MEASURED,
        _("no recent measure, or none about two quarters before it"),
        WORSE,
        "sp.days - sp.days_before",
    ),
    Signal(
        "supplier_days_over_60",
        Family.WEAK,
        _("more than 60 days to pay its suppliers for two quarters"),
        Unit.FLAG,
        _("1 when both the latest measure and the one 150 to 270 days before it are above 60 days, else 0"),
        _SUPPLIERS,
        _MEASURED,
        _("no recent measure, or none about two quarters before it"),
        WORSE,
        "CASE WHEN sp.days_before IS NOT NULL "
        "THEN CASE WHEN sp.days > 60 AND sp.days_before > 60 THEN 1 ELSE 0 END END",
    ),
)
