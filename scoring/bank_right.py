"""Who may see what bank lines tell: figures of bank signals stand in scores, reasons and caps, too.

Whoever may not read bank data sees the points of all bank signals together (so that the points still add up), and
no figure, sentence or bin from which a balance or a flow could be read.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from customers.bank.right import RIGHT, Reader, sees_bank, withheld
from scoring.signals import BY_NAME
from scoring.signals.base import Family

__all__ = ["RIGHT", "Reader", "is_of_agencies", "is_of_bank", "is_withheld", "sees_bank", "withheld"]


def is_of_agencies(signal: str) -> bool:
    known = BY_NAME.get(signal)
    return known is not None and known.family == Family.BUREAU


def is_withheld(signal: str, reader: Reader, agencies: bool) -> bool:
    """Whether a signal is kept from the reader. agencies False: reports about the customer are withheld from them, as
    its legal basis ended (customers/bureau/bases.py)."""
    return (is_of_bank(signal) and not sees_bank(reader)) or (not agencies and is_of_agencies(signal))


def withheld_family(agencies: bool) -> str:
    """What the points are called that a reader is told in one sum."""
    return _("bank flows") if agencies else _("what is withheld")


def withheld_because(agencies: bool) -> str:
    if agencies:
        return _("figures for those who may read bank data")
    return _("reports of agencies whose legal basis ended, and what you may not read")


def is_of_bank(signal: str) -> bool:
    """Whether a signal (also of an earlier version of the product) is told from bank lines."""
    known = BY_NAME.get(signal)
    return known.family == Family.BANK if known else signal.startswith("bank_")
