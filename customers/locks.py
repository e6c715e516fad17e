"""Locking accounts whose headroom is about to be taken: always in one order, so that two never wait for each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import Q

from customers.bindings import Bound, bound_at
from customers.groups import Tree, group_of
from customers.models import CreditAccount, LimitBinding

TRIES = 5


class GroupKeepsMoving(RuntimeError):
    """The group changed each time its accounts were locked."""


@dataclass(frozen=True, slots=True)
class _Reach:
    """Whose room an account's business takes besides its own: its group's heads, its totals over our companies."""

    tree: Tree
    heads: frozenset[int]
    bound: Bound

    @classmethod
    def of(cls, account: CreditAccount, as_of: date) -> _Reach:
        tree = group_of(account.customer_id, as_of)
        above = tree.above(account.customer_id)
        return cls(tree, frozenset(above), bound_at([account.customer_id, *above], account.company_id, as_of))

    def within(self, locked: _Reach) -> bool:
        """Everything that has to be locked was."""
        same = self.bound.reach <= locked.bound.reach and self.bound.of_total <= locked.bound.of_total
        return same and self.heads <= locked.heads


def lock_headroom(account_id: int, as_of: date) -> tuple[CreditAccount, Tree]:
    """Lock an account and whatever else its business takes room of; the account (customer, company, segment loaded), its group.

    That is the accounts of its group's heads and, where a total over our companies binds it, the customer's accounts
    with each of them; where a ceiling bounds a group over our companies, the setting that says so. Two businesses that
    want the same room then come one after the other: each sees what the other took. Settings are locked first, then
    accounts, each in one statement in order of id; a try that has to be made again gives its locks back before. Decisions on limits lock the account the same way
    (customers/approval.py); posting goes on meanwhile.
    Group and settings are read again under the lock: they may have moved while it was waited for. So may the account
    itself, joined into another by a merge of customers: the other one is locked then, and given back.
    """
    own = CreditAccount.objects.select_related("customer", "company", "segment", "collector").get(
        pk=account_id
    )
    if own.joined_into_id is not None:
        return lock_headroom(own.joined_into_id, as_of)
    reach = _Reach.of(own, as_of)
    for _try in range(TRIES):
        before = transaction.savepoint()
        joined = own.pk not in _lock(own, reach)
        again = _Reach.of(own, as_of)
        if not joined and again.within(reach):
            transaction.savepoint_commit(before)
            return own, again.tree
        # Its locks are given back: a setting found now may be held by somebody who waits for these accounts.
        transaction.savepoint_rollback(before)
        transaction.savepoint_commit(before)
        if joined:
            return lock_headroom(account_id, as_of)
        reach = again
    raise GroupKeepsMoving(f"the group of account {account_id} changes all the time")


def _lock(own: CreditAccount, reach: _Reach) -> list[int]:
    """Ids of the accounts locked."""
    if reach.bound.ceilings:
        rows = LimitBinding.objects.select_for_update(no_key=True)
        list(rows.filter(pk__in=[row.pk for row in reach.bound.ceilings]).order_by("pk").values_list("pk"))
    wanted = Q(pk=own.pk)
    if reach.heads:
        wanted |= Q(customer__in=reach.heads, segment=own.segment_id)
    if reach.bound.of_total:
        wanted |= Q(customer=own.customer_id)
    ids = {own.pk}
    if reach.heads or reach.bound.of_total:
        ids |= set(CreditAccount.objects.filter(wanted).values_list("pk", flat=True))
    locked = CreditAccount.objects.select_for_update(no_key=True).filter(pk__in=ids, joined_into__isnull=True)
    return list(locked.order_by("pk").values_list("pk", flat=True))
