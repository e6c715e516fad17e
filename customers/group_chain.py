"""The group around one customer on a day: the heads above it and everybody below them, in two small queries.

For one customer at a time (a credit check); who asks for a whole book reads the memberships whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from django.db import connections, router

from customers.models import CreditAccount

DEEPEST = 50
"""Trees are not that deep: a circle that slipped past the checks ends here instead of never."""

# A customer without a membership seen by the day keeps the parent it was given, unless a later fact exists.
_PARENT = """
COALESCE(
  (SELECT COALESCE(m.parent_id, -1) FROM customers_groupmembership m WHERE m.customer_id = {who}
     AND m.superseded_at IS NULL AND m.effective_on <= %s ORDER BY m.effective_on DESC, m.id DESC LIMIT 1),
  (SELECT c.parent_id FROM customers_customer c WHERE c.id = {who} AND NOT EXISTS (
     SELECT 1 FROM customers_groupmembership l WHERE l.customer_id = c.id AND l.superseded_at IS NULL)),
  -1)
"""
_UP = f"""
WITH RECURSIVE up(customer_id, depth) AS (
  SELECT CAST(%s AS bigint), 0
  UNION ALL
  SELECT {_PARENT.format(who="up.customer_id")}, up.depth + 1 FROM up WHERE up.customer_id <> -1 AND up.depth < {DEEPEST}
)
SELECT customer_id FROM up WHERE customer_id <> -1 ORDER BY depth
"""
# Candidates are who names the head now or ever did; whether they do on the day is asked of each.
_DOWN = f"""
WITH RECURSIVE down(customer_id, parent_id, depth) AS (
  SELECT CAST(%s AS bigint), CAST(-1 AS bigint), 0
  UNION
  SELECT k.id, down.customer_id, down.depth + 1
  FROM down JOIN (
    SELECT c.id, c.parent_id FROM customers_customer c
    UNION ALL SELECT g.customer_id, g.parent_id FROM customers_groupmembership g
  ) k ON k.parent_id = down.customer_id
  WHERE down.depth < {DEEPEST} AND {_PARENT.format(who="k.id")} = down.customer_id
)
SELECT customer_id, parent_id FROM down
"""


@dataclass(frozen=True, slots=True)
class Chain:
    """heads: customers above, nearest first. below: per head, and of the customer itself, its whole tree, itself included."""

    customer_id: int
    heads: tuple[int, ...] = ()
    below: dict[int, frozenset[int]] = field(default_factory=dict)

    @property
    def customers(self) -> frozenset[int]:
        return frozenset({self.customer_id}).union(*self.below.values())


def chain_at(customer_id: int, as_of: date) -> Chain:
    """The heads above a customer on a day, and the trees below them and the customer; two queries."""
    with connections[router.db_for_read(CreditAccount)].cursor() as cursor:
        cursor.execute(_UP, [customer_id, as_of.isoformat()])
        path = [pk for (pk,) in cursor.fetchall()]
        heads = tuple(dict.fromkeys(pk for pk in path[1:] if pk != customer_id))
        cursor.execute(_DOWN, [heads[-1] if heads else customer_id, as_of.isoformat()])
        parents = dict(cursor.fetchall())
    below: dict[int, set[int]] = {head: set() for head in (customer_id, *heads)}
    for member in parents:
        for above in _upwards(member, parents):
            if above in below:
                below[above].add(member)
    return Chain(customer_id, heads, {head: frozenset(members) for head, members in below.items()})


def _upwards(member: int, parents: dict[int, int]) -> list[int]:
    seen: list[int] = []
    while member in parents and member not in seen:
        seen.append(member)
        member = parents[member]
    return seen


def accounts_of_chain(account: CreditAccount, chain: Chain) -> dict[int, CreditAccount]:
    """{customer id: account} of the chain's customers in the account's own segment, one query."""
    if len(chain.customers) == 1:
        return {account.customer_id: account}
    rows = CreditAccount.objects.filter(
        customer__in=chain.customers, segment=account.segment_id, joined_into__isnull=True
    )
    return {row.customer_id: row for row in rows.select_related("customer", "collector")}


__all__ = ["Chain", "accounts_of_chain", "chain_at"]
