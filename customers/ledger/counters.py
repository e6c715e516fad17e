"""The stored counters (open amounts, settled_on, settled_by), recounted from the allocations.

Recounting instead of incrementing keeps them equal to the allocations whatever happened before. Callers
hold the row locks (see `lock_instalments`, `lock_payments`), always taken in id order: no deadlocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import Q

from customers.models import Allocation, Instalment, Payment

CHUNK = 500
MANY_ALIKE = 20
"""So many rows for each of several plain UPDATEs make these faster than one that tells all rows apart."""
Row = TypeVar("Row", bound=models.Model)


def chunks(ids: Collection[int]) -> Iterator[list[int]]:
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def lock_instalments(ids: Collection[int]) -> dict[int, Instalment]:
    """The instalments, locked in id order until the transaction ends."""
    locked: dict[int, Instalment] = {}
    for part in chunks(ids):
        rows = Instalment.objects.select_for_update(of=("self",)).filter(pk__in=part).order_by("pk")
        locked.update((row.pk, row) for row in rows.select_related("invoice", "account"))
    return locked


def lock_payments(ids: Collection[int]) -> dict[int, Payment]:
    locked: dict[int, Payment] = {}
    for part in chunks(ids):
        rows = Payment.objects.select_for_update(of=("self",)).filter(pk__in=part).order_by("pk")
        locked.update((row.pk, row) for row in rows.select_related("account"))
    return locked


@dataclass(slots=True)
class _Settlement:
    """Running sum of one instalment's allocations in the order they count."""

    open_minor: int
    settled_on: date | None = None
    settled_by: str = ""
    settled_after: date | None = None
    reopened: bool = False

    def add(self, amount: int, kind: str, on: date, after: date | None) -> None:
        self.open_minor -= amount
        if self.open_minor == 0:
            self.settled_on, self.settled_by, self.settled_after = on, kind, after
        else:
            self.settled_on, self.settled_by, self.settled_after = None, "", None
        if amount < 0:
            self.reopened = True


def recount(instalment_ids: Collection[int], payment_ids: Collection[int] = ()) -> list[Instalment]:
    """Recount these instalments (invoices and credit notes) and payments; returns the instalments that changed.

    settled_on is the effective date of the allocation that brought the open amount to zero, in order of
    effective date; several on one day count together, reversals last.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("recount needs the transaction that holds the row locks")
    changed: list[Instalment] = []
    for part in chunks(instalment_ids):
        changed += _recount_instalments(part)
    for part in chunks(payment_ids):
        _recount_payments(part)
    return changed


def _recount_instalments(ids: list[int]) -> list[Instalment]:
    rows = list(Instalment.objects.filter(pk__in=ids))
    states = {row.pk: _Settlement(row.amount.minor) for row in rows}
    facts = (
        Allocation.objects.filter(Q(instalment__in=ids) | Q(credit__in=ids), superseded_at__isnull=True)
        .order_by("effective_on", "-amount", "pk")
        .values_list("instalment_id", "credit_id", "kind", "amount", "effective_on", "settled_after")
    )
    for instalment_id, credit_id, kind, amount, on, after in facts:
        for target in (instalment_id, credit_id):
            if target in states:
                states[target].add(amount, kind, on, after)
    changed = []
    for row in rows:
        state = states[row.pk]
        now = (row.open_amount.minor, row.settled_on, row.settled_by, row.settled_after, row.reopened)
        then = (state.open_minor, state.settled_on, state.settled_by, state.settled_after, state.reopened)
        if now != then:
            row.open_amount = state.open_minor
            row.settled_on, row.settled_by = state.settled_on, state.settled_by
            row.settled_after, row.reopened = state.settled_after, state.reopened
            changed.append(row)
    _store(changed, "open_amount", "settled_on", "settled_by", "settled_after", "reopened")
    return changed


def _store(changed: Sequence[Row], *names: str) -> None:
    """Rows that become alike (settled by one payment) by one plain UPDATE.

    The cases that tell many rows apart take Django longer than all the rest of it.
    """
    if not changed:
        return
    rows: models.Manager[Row] = type(changed[0])._default_manager
    alike: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in changed:
        alike[tuple(getattr(row, name) for name in names)].append(row.pk)
    if len(alike) == 1 or len(alike) * MANY_ALIKE <= len(changed):
        for values, pks in alike.items():
            rows.filter(pk__in=pks).update(**dict(zip(names, values, strict=True)))
    else:
        rows.bulk_update(changed, names, batch_size=CHUNK)


def _recount_payments(ids: list[int]) -> None:
    rows = {row.pk: row for row in Payment.objects.filter(pk__in=ids)}
    open_minor = {pk: row.amount.minor for pk, row in rows.items()}
    facts = Allocation.objects.filter(payment__in=ids, superseded_at__isnull=True)
    for payment_id, amount in facts.values_list("payment_id", "amount"):
        open_minor[payment_id] -= amount
    changed = [row for pk, row in rows.items() if row.open_amount.minor != open_minor[pk]]
    for row in changed:
        row.open_amount = open_minor[row.pk]
    _store(changed, "open_amount")
