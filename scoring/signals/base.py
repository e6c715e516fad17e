"""What a signal is: its words, its unit, where it comes from, and the one database expression that defines it."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WINDOW_DAYS = 365
RECENT_DAYS = 90
WRITE_OFF_DAYS = 730

WORSE, BETTER = 1, -1


class Unit:
    DAYS = "days"
    SHARE = "share"
    COUNT = "count"
    MONTHS = "months"
    FLAG = "flag"
    NUMBER = "number"
    MONEY = "money"
    POINTS = "points"


class Family:
    """The families of DESIGN.md; a signal belongs to one."""

    PAYMENT = "payment"
    DISPUTES = "disputes"
    RELATIONSHIP = "relationship"
    LEGAL = "legal"
    ACCOUNTS = "accounts"
    BANK = "bank"
    BUREAU = "bureau"
    GROUP = "group"
    SECTOR = "sector"
    WEAK = "weak"


FAMILIES: dict[str, str | Promise] = {
    Family.PAYMENT: _("payment behaviour"),
    Family.DISPUTES: _("disputes and credit notes"),
    Family.RELATIONSHIP: _("relationship"),
    Family.LEGAL: _("legal and public events"),
    Family.ACCOUNTS: _("accounts"),
    Family.BANK: _("bank flows"),
    Family.BUREAU: _("credit agencies"),
    Family.GROUP: _("group and network"),
    Family.SECTOR: _("sector"),
    Family.WEAK: _("weak signals"),
}


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. `higher_is`: WORSE or BETTER, the direction in which points must never rise or fall.

    formula: the definition in plain words. freshness: how its age is known, or for how long it is valid.
    needs_depth: an average, missing while the history is thin; the rest are facts and always count.
    carries_points: False where a worse fact could make the value look better (a trend, a rate among the late):
    it informs people and fitted estimates, and no card may give it points.
    Ratios and averages are stored rounded to 6 decimals, counts and days as integers.
    """

    name: str
    family: str
    label: str | Promise
    unit: str
    formula: str | Promise
    source: str | Promise
    freshness: str | Promise
    missing: str | Promise
    higher_is: int
    expression: str
    needs_depth: bool = False
    carries_points: bool = True

    @property
    def is_ratio(self) -> bool:
        return any(f"{macro}(" in self.expression for macro in ("ratio", "round6", "root"))
