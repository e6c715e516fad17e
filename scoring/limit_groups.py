"""Who belongs to which group at a date, and what its other members' limits are; three queries for a whole book."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from django.db.models import OuterRef, Subquery

from creditdesk.core.facts import CURRENT
from creditdesk.core.money import Money
from customers.groups import group_of
from customers.limits import limits_at
from customers.models import CreditAccount, Customer, GroupMembership


class Groups:
    """Groups of customers of any depth: everybody under one head. A customer alone is in no group.

    of: only the group of this customer, without reading the others.
    """

    def __init__(self, as_of: date, of: int | None = None) -> None:
        self._head = _heads(as_of) if of is None else _heads_around(of, as_of)
        self._members: dict[int, list[tuple[int, int, Money]]] = defaultdict(list)
        if not self._head:
            return
        accounts = CreditAccount.objects.filter(customer__in=list(self._head), joined_into__isnull=True)
        # A queryset stays a subquery where the book has more groups than a list of parameters may hold.
        limits = limits_at(accounts, as_of)
        for pk, customer, company in accounts.values_list("pk", "customer_id", "company_id"):
            limit = limits[pk].base
            if limit is not None:
                self._members[self._head[customer]].append((pk, company, limit))

    def others(self, account: CreditAccount) -> list[tuple[int, Money]] | None:
        """Base limits of the group's other accounts with the same company; None outside a group."""
        head = self._head.get(account.customer_id)
        if head is None:
            return None
        return [
            (pk, limit)
            for pk, company, limit in self._members[head]
            if pk != account.pk and company == account.company_id
        ]


def _heads_around(customer: int, as_of: date) -> dict[int, int]:
    """The same of one customer's group; one query whatever its depth."""
    tree = group_of(customer, as_of)
    return {pk: tree.head_of(pk) for pk in {*tree.parents, *tree.parents.values()}}


def _heads(as_of: date) -> dict[int, int]:
    """{customer: head of its group} of everybody who is in a group of two or more."""
    then = (
        GroupMembership.objects.filter(CURRENT.q(), customer=OuterRef("pk"), effective_on__lte=as_of)
        .order_by("-effective_on", "-pk")
        .values("parent")
    )
    ever = GroupMembership.objects.filter(CURRENT.q()).values("customer")
    named = Customer.objects.filter(pk__in=ever).annotate(then=Subquery(then[:1]))
    parents = dict(
        Customer.objects.filter(parent__isnull=False).exclude(pk__in=ever).values_list("pk", "parent_id")
    )
    parents |= {pk: parent for pk, parent in named.values_list("pk", "then") if parent}
    heads: dict[int, int] = {}
    for pk in {*parents, *parents.values()}:
        head, seen = pk, {pk}
        while head in parents and parents[head] not in seen:
            head = parents[head]
            seen.add(head)
        heads[pk] = head
    return heads
