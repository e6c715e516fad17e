"""Weak signals: what tends to come months before trouble. They point, they do not prove."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import WORSE, Family, Signal, Unit

_EVENTS = _("from the day the event happened, as known on the day; as long as the window reaches")

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
)
