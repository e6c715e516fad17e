"""Who may see what bank lines tell: figures of bank signals stand in scores, reasons and caps, too.

Whoever may not read bank data sees the points of all bank signals together (so that the points still add up), and
no figure, sentence or bin from which a balance or a flow could be read.
"""

from __future__ import annotations

from customers.bank.right import RIGHT, Reader, sees_bank, withheld
from scoring.signals import BY_NAME
from scoring.signals.base import Family

__all__ = ["RIGHT", "Reader", "is_of_bank", "sees_bank", "withheld"]


def is_of_bank(signal: str) -> bool:
    """Whether a signal (also of an earlier version of the product) is told from bank lines."""
    known = BY_NAME.get(signal)
    return known.family == Family.BANK if known else signal.startswith("bank_")
