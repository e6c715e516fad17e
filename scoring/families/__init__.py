"""The families of facts the signals stand on: one grouped query (CTE) per family and account or customer.

Placeholders: {judged} the day lateness is judged on, {as_of}, the window starts derived from them, and
`seen(x)`/`scope(x.column)`/`customer_scope(x.column)`, filled in by scoring/statement.py for the view and the
accounts asked for.
"""

from __future__ import annotations

from . import accounts, bank, claims, group, ledger, legal, sector, weak

# Joined to the account by its id, and by its customer, where a signal names them.
OF_ACCOUNT = ("l", "o", "b", "u", "p", "d", "m", "g")
OF_CUSTOMER: tuple[str, ...] = ("fs", "bk", "sup")
# Joined by our company and, for its sector's figures, the customer's division.
OTHER_JOINS = (
    "LEFT JOIN peer ON peer.company_id = a.company_id AND peer.sector = '' "
    "LEFT JOIN peer sec ON sec.company_id = a.company_id AND sec.sector = c.division AND c.division <> ''"
)
EXPOSURE = "CAST(COALESCE(o.open, 0) AS bigint)"


def ctes(view: str) -> tuple[tuple[str, str], ...]:
    """(name, SQL) in order of definition, for the view they are read in: "current", "known" or "recorded"."""
    return (
        *ledger.ctes(view),
        *claims.CTES,
        *legal.CTES,
        *accounts.CTES,
        *bank.CTES,
        *group.CTES,
        *sector.CTES,
        *weak.CTES,
    )
