"""The families of facts the signals stand on: one grouped query (CTE) per family and account or customer.

Placeholders: {judged} the day lateness is judged on, {as_of}, the window starts derived from them, and
`seen(x)`/`scope(x.column)`/`customer_scope(x.column)`, filled in by scoring/statement.py for the view and the
accounts asked for.
"""

from __future__ import annotations

from . import claims, ledger, legal
from .ledger import INVOICES_CURRENT, INVOICES_OTHER, MOVED_CURRENT, MOVED_OTHER, UNUSUAL

# In order of definition; `unusual` and `moved` come before them, `moved` depends on the view.
CTES = (*ledger.CTES, *claims.CTES, *legal.CTES)

# Joined to the account by its id, and by its customer, where a signal names them.
OF_ACCOUNT = ("l", "o", "b", "p", "d", "m")
OF_CUSTOMER: tuple[str, ...] = ()

__all__ = [
    "CTES",
    "INVOICES_CURRENT",
    "INVOICES_OTHER",
    "MOVED_CURRENT",
    "MOVED_OTHER",
    "OF_ACCOUNT",
    "OF_CUSTOMER",
    "UNUSUAL",
]
