"""Weak signals: what tends to come months before trouble. They point, they do not prove."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import WORSE, Family, Signal, Unit

_EVENTS = _("from the day the event happened, as known on the day; as long as the window reaches")

_SUPPLIERS = _("days the customer takes to pay its suppliers, by period, recorded or imported")
_PERIOD = _("from the end of the period on, as known on the day; nine months")
_NO_PERIOD = _("no period known, or the newest ended more than nine months ago")

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
        _("days of the newest period"),
        _SUPPLIERS,
        _PERIOD,
        _NO_PERIOD,
        WORSE,
        "sup.now",
    ),
    Signal(
        "supplier_days_rise",
        Family.WEAK,
        _("rise of the days to pay its suppliers over two quarters"),
        Unit.DAYS,
        _("days of the newest period less those of the period that ended 150 to 240 days before it"),
        _SUPPLIERS,
        _PERIOD,
        _("no period known, or none two quarters before the newest"),
        WORSE,
        "sup.now - sup.before",
        # A slow payer that was as slow before would look better than one that was fast once.
        carries_points=False,
    ),
    Signal(
        "supplier_days_slow",
        Family.WEAK,
        _("more than 60 days to pay its suppliers, two quarters running"),
        Unit.FLAG,
        _(
            "1 when the newest period and the one before it, at most 120 days earlier, are both above 60 days; else 0"
        ),
        _SUPPLIERS,
        _PERIOD,
        _("no two periods in a row known, or the newest ended more than nine months ago"),
        WORSE,
        "CASE WHEN sup.last IS NOT NULL THEN CASE WHEN sup.now > 60 AND sup.last > 60 THEN 1 ELSE 0 END END",
    ),
)
