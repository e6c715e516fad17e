"""Who may read bank lines; what was told from them is kept from everybody else, wherever it stands (scoring/bank_right.py)."""

from __future__ import annotations

from typing import Any, Protocol

from django.utils.translation import gettext as _

RIGHT = "customers.view_banktransaction"


class Reader(Protocol):
    def has_perm(self, perm: str, obj: Any = None) -> bool: ...


def sees_bank(user: Reader) -> bool:
    return user.has_perm(RIGHT)


def withheld() -> str:
    """What stands in the place of a figure that the reader has no right to."""
    return _("Bank flows: the figures are for those who may read bank data.")
