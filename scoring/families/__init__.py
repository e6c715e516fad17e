"""The families of facts the signals stand on: one grouped query (CTE) per family and account or customer.

Placeholders: {judged} the day lateness is judged on, {as_of}, the window starts derived from them, and
`seen(x)`/`scope(x.column)`/`customer_scope(x.column)`, filled in by scoring/statement.py for the view and the
accounts asked for.
"""

from __future__ import annotations

from . import accounts, bank, bureau, claims, group, ledger, legal, sector, weak

# How a family joins an account `a` of a customer `c`: by account, by customer, or by our company and the division.
JOINS = (
    *((name, f"{name} ON {name}.account_id = a.id") for name in ("l", "o", "b", "u", "p", "d", "m", "g")),
    *((name, f"{name} ON {name}.customer_id = a.customer_id") for name in ("fs", "bk", "ag", "sup")),
    ("peer", "peer ON peer.company_id = a.company_id AND peer.sector = ''"),
    ("sec", "peer sec ON sec.company_id = a.company_id AND sec.sector = c.division AND c.division <> ''"),
)
EXPOSURE = "CAST(COALESCE(o.open, 0) AS bigint)"


def ctes(view: str, given: bool = False) -> tuple[tuple[str, str], ...]:
    """(name, SQL) in order of definition, for the view they are read in: "current", "known" or "recorded".

    given: with stand-ins for what no pass had stored by then.
    """
    others = (claims, legal, accounts, bank, bureau, group, sector, weak)
    found = (*ledger.ctes(view), *(cte for family in others for cte in family.CTES))
    if not given:
        return found
    instead = {"peer": sector.GIVEN, "last_kept": group.GIVEN}
    return tuple((name, instead.get(name, sql)) for name, sql in found)
