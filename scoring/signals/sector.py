"""The customers of the same sector (the first two digits of NACE) among our own customers."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .base import WORSE, Family, Signal, Unit

_SOURCE = _("our customers of the same sector, as stored with the peer figures")
_VALID = _("as old as the latest peer figures (stored weekly), at most 12 months")
_FEW = _("the sector is not recorded, or too few customers of it have enough history")

SIGNALS: tuple[Signal, ...] = (
    Signal(
        "sector_late_share",
        Family.SECTOR,
        _("share paid late in its sector"),
        Unit.SHARE,
        _(
            "average of the share paid or open late (12 months) over our customers of the sector with enough history"
        ),
        _SOURCE,
        _VALID,
        _FEW,
        WORSE,
        "round6(sec.late_share)",
    ),
    Signal(
        "sector_days_late",
        Family.SECTOR,
        _("days late in its sector"),
        Unit.DAYS,
        _("average of days late on average (12 months) over our customers of the sector with enough history"),
        _SOURCE,
        _VALID,
        _FEW,
        WORSE,
        "round6(sec.days_late)",
    ),
)
