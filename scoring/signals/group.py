"""Group and network: what happens to those the customer belongs with.

Members' scores are those kept up to the evening before the date, so that one pass is enough; a card caps what
contagion may cost by the points of these signals."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import BETTER, WORSE, Family, Signal, Unit

_SOURCE = _("last kept scores of the other members of the group before the date")
_VALID = _("the evening before the date")
_ALONE = _("the customer stands alone, or no other member has been scored")

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "group_score",
        Family.GROUP,
        _("score of the rest of the group"),
        Unit.NUMBER,
        _("average of the other members' scores, weighted by their open debt + 1 minor unit"),
        _SOURCE,
        _VALID,
        _ALONE,
        BETTER,
        "CASE WHEN g.weight > 0 THEN ratio(g.scores, g.weight) END",
    ),
    Signal(
        "group_days_late",
        Family.GROUP,
        _("days late of the rest of the group"),
        Unit.DAYS,
        _(
            "average of the other members' days late on average (12 months), weighted by their open debt + 1 minor unit"
        ),
        _SOURCE,
        _VALID,
        _ALONE,
        WORSE,
        "CASE WHEN g.weight_late > 0 THEN ratio(g.late_days, g.weight_late * 1000000) END",
    ),
    Signal(
        "group_overdue_share",
        Family.GROUP,
        _("overdue share of the rest of the group"),
        Unit.SHARE,
        _("average of the other members' overdue share, weighted by their open debt + 1 minor unit"),
        _SOURCE,
        _VALID,
        _ALONE,
        WORSE,
        "CASE WHEN g.weight_overdue > 0 THEN ratio(g.overdue, g.weight_overdue * 1000000) END",
    ),
    Signal(
        "group_insolvent",
        Family.GROUP,
        _("members of the group insolvent"),
        Unit.COUNT,
        _("number of other members that were insolvent at their last kept score"),
        _SOURCE,
        _VALID,
        _("never: a customer that stands alone counts as zero"),
        WORSE,
        "COALESCE(g.insolvent, 0)",
    ),
)
