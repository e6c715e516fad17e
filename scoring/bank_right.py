"""Who may see what bank lines tell: figures of bank signals stand in scores, reasons and caps, too.

Whoever may not read bank data sees the points of all bank signals together (so that the points still add up), and
no figure, sentence or bin from which a balance or a flow could be read.
"""

from __future__ import annotations

from typing import Any, Protocol

from django.utils.translation import gettext as _

from scoring.signals import BY_NAME
from scoring.signals.base import Family

RIGHT = "customers.view_banktransaction"


class Reader(Protocol):
    def has_perm(self, perm: str, obj: Any = None) -> bool: ...


def sees_bank(user: Reader) -> bool:
    return user.has_perm(RIGHT)


def is_of_bank(signal: str) -> bool:
    """Whether a signal (also of an earlier version of the product) is told from bank lines."""
    known = BY_NAME.get(signal)
    return known.family == Family.BANK if known else signal.startswith("bank_")


def withheld() -> str:
    """What stands in the place of a figure that the reader has no right to."""
    return _("Bank flows: the figures are for those who may read bank data.")
