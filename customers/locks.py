"""Locking accounts whose headroom is about to be taken: always in one order, so that two never wait for each other."""

from __future__ import annotations

from datetime import date

from customers.groups import Tree, group_of
from customers.models import CreditAccount

TRIES = 5


class GroupKeepsMoving(RuntimeError):
    """The group changed each time its accounts were locked."""


def lock_headroom(account_id: int, as_of: date) -> tuple[CreditAccount, Tree]:
    """Lock an account and those of its group's heads; the account (customer, company, segment loaded), its group.

    Two businesses of one group then come one after the other: each sees what the other took. One statement locks in
    order of id. Decisions on limits lock the account the same way (customers/approval.py); posting goes on meanwhile.
    The group is read again under the lock: it may have moved while the lock was waited for. So may the account itself,
    joined into another by a merge of customers: the other one is locked then, and given back.
    """
    own = CreditAccount.objects.select_related("customer", "company", "segment", "collector").get(
        pk=account_id
    )
    if own.joined_into_id is not None:
        return lock_headroom(own.joined_into_id, as_of)
    tree = group_of(own.customer_id, as_of)
    for _try in range(TRIES):
        heads = tree.above(own.customer_id)
        ids = {own.pk}
        if heads:
            ids |= set(
                CreditAccount.objects.filter(customer__in=heads, segment=own.segment_id).values_list(
                    "pk", flat=True
                )
            )
        locked = list(
            CreditAccount.objects.select_for_update(no_key=True)
            .filter(pk__in=ids, joined_into__isnull=True)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        if own.pk not in locked:
            return lock_headroom(account_id, as_of)
        again = group_of(own.customer_id, as_of)
        if set(again.above(own.customer_id)) <= set(heads):
            return own, again
        tree = again
    raise GroupKeepsMoving(f"the group of account {account_id} changes all the time")
