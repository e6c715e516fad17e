"""What the limits of a group's other members are, for the cap of the group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from creditdesk.core.money import Money
from customers.groups import group_of, tree_at
from customers.limits import limits_at
from customers.models import CreditAccount


def limits_of_others(accounts: Sequence[CreditAccount], as_of: date) -> dict[int, list[Money]]:
    """Per account in a group: base limits of the group's other accounts with the same company, in their currencies.

    An account in no group is left out. A constant number of queries.
    """
    customers = {account.customer_id for account in accounts}
    tree = group_of(next(iter(customers)), as_of) if len(customers) == 1 else tree_at(as_of)
    grouped = {pk for pk in customers if pk in tree.parents or pk in tree.members}
    if not grouped:
        return {}
    heads = {pk: tree.head_of(pk) for pk in grouped}
    members = {head: set(tree.below(head)) for head in set(heads.values())}
    head_of = {pk: head for head, below in members.items() for pk in below}
    rows = list(
        CreditAccount.objects.filter(customer__in=list(head_of), joined_into__isnull=True).values_list(
            "pk", "customer_id", "company_id"
        )
    )
    limits = limits_at([pk for pk, _customer, _company in rows], as_of)
    together: dict[tuple[int, int], list[tuple[int, Money]]] = defaultdict(list)
    for pk, customer, company in rows:
        limit = limits[pk].base
        if limit is not None:
            together[head_of[customer], company].append((pk, limit))
    return {
        account.pk: [
            limit
            for pk, limit in together[heads[account.customer_id], account.company_id]
            if pk != account.pk
        ]
        for account in accounts
        if account.customer_id in heads
    }
