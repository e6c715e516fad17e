"""Carrying the facts of one credit account over to another, when two accounts turn out to be one.

Facts are never edited, so nothing is re-pointed: every current fact of the account is closed and repeated on the
other one as a new version, known from the day of the merge, exactly as a correction does it. The old versions stay
where they were recorded: a reprint of an old report, or a view of what was known then, still shows two accounts.
Amounts, dates and counters are the same, so no total of the book moves. docs/decisions/merged-customers.md.

A constant number of queries per table and CHUNK rows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Greatest

from creditdesk.core.audit import Change
from customers.models import (
    Allocation,
    BilledPart,
    Cover,
    CoverNotice,
    CreditAccount,
    Customer,
    Delivery,
    Dispute,
    DisputeItem,
    DunningBlock,
    Instalment,
    Invoice,
    OpenOrder,
    OrderHold,
    Payment,
    Promise,
    PromiseItem,
    PromiseMove,
    Reservation,
    WriteOff,
)

CHUNK = 2000


@dataclass
class Carrying:
    """One account's facts on their way to another: what became what (old id -> new id), per table."""

    old: CreditAccount
    new: CreditAccount
    on: date
    now: datetime
    moved: dict[type[Model], dict[int, int]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def run(self) -> dict[type[Model], int]:
        """Close and repeat every current fact; returns how many rows of each table moved."""
        mine = Q(account=self.old)
        self._carry(Invoice, Invoice.objects.filter(mine), note_origin="corrects_id")
        self._carry(Instalment, Instalment.objects.filter(mine), maps={"invoice_id": Invoice})
        self._carry(WriteOff, WriteOff.objects.filter(mine))
        self._carry_payments(mine)
        self._carry_allocations()
        self._carry_claims(mine)
        self._carry(DunningBlock, DunningBlock.objects.filter(mine), maps={"instalment_id": Instalment})
        for model in (OpenOrder, Delivery, BilledPart, Cover, CoverNotice):
            self._carry(model, model.objects.filter(mine))
        self._move_open_orders(mine)
        return {model: len(pks) for model, pks in self.moved.items() if pks}

    def _move_open_orders(self, mine: Q) -> None:
        """What is reserved or waits goes on for the surviving account. A release does not: its order is checked anew."""
        for model, status in (
            (Reservation, Reservation.Status.ACTIVE),
            (OrderHold, OrderHold.Status.WAITING),
        ):
            rows = model._default_manager.filter(mine, status=status)
            self.changes += [
                Change.of(row, {"account": self.old.pk}, {"account": self.new.pk})
                for row in rows.order_by("pk")
            ]
            rows.update(account=self.new)

    def _carry(
        self,
        model: type[Model],
        rows: QuerySet,
        *,
        maps: Mapping[str, type[Model]] | None = None,
        note_origin: str = "",
    ) -> None:
        """maps: column -> table whose new ids it takes; note_origin: column that names the old version."""
        self.moved.setdefault(model, {})
        pending = rows.filter(superseded_at__isnull=True).order_by("pk")
        for part in _parts(pending):
            copies = []
            for row in part:
                new = self._copy(row, maps or {})
                if note_origin:
                    setattr(new, note_origin, row.pk)
                copies.append(new)
            # The old version first: keys are unique among current facts.
            self._close(model, part)
            self._insert(model, part, copies)

    def _copy(self, row: Any, maps: Mapping[str, type[Model]]) -> Any:
        new = copy.copy(row)
        new._state = copy.copy(row._state)
        new._state.fields_cache = {}
        new.pk, new._state.adding = None, True
        if getattr(new, "account_id", None) == self.old.pk:
            new.account_id = self.new.pk
        if hasattr(new, "recorded_at"):
            new.recorded_at, new.known_on = self.now, max(row.known_on, self.on)
            new.known_until = new.superseded_at = None
        if hasattr(new, "batch_id"):
            # Not the import's doing: undoing the import must find that something rests on its rows.
            new.batch_id = None
        for column, table in maps.items():
            value = getattr(row, column)
            setattr(new, column, self.moved[table].get(value, value))
        return new

    def _close(self, model: type[Model], part: Iterable[Any]) -> None:
        model._default_manager.filter(pk__in=[row.pk for row in part]).update(
            known_until=Greatest(F("known_on"), self.on), superseded_at=self.now
        )

    def _insert(self, model: type[Model], part: list[Any], copies: list[Any]) -> None:
        stored = model._default_manager.bulk_create(copies, batch_size=CHUNK)
        found = self.moved[model]
        for row, new in zip(part, stored, strict=True):
            found[row.pk] = new.pk
            self.changes.append(Change.of(row, {"account": self.old.pk}, {"superseded_by": new.pk}))

    def _carry_payments(self, mine: Q) -> None:
        """A payment moved from another one of the same account names that one's new version."""
        pending = Payment.objects.filter(mine)
        self._carry(Payment, pending.filter(transferred_from__isnull=True))
        while True:
            before = len(self.moved[Payment])
            left = pending.filter(superseded_at__isnull=True)
            inner = left.filter(transferred_from__in=left.values("pk"))
            ready = left.exclude(pk__in=list(inner.values_list("pk", flat=True)))
            self._carry(Payment, ready, maps={"transferred_from_id": Payment})
            if len(self.moved[Payment]) == before:
                return

    def _carry_allocations(self) -> None:
        """Uses first, then what reverses them, then what reverses those."""
        instalments, payments = self.moved[Instalment], self.moved[Payment]
        maps = {
            "instalment_id": Instalment,
            "credit_id": Instalment,
            "payment_id": Payment,
            "write_off_id": WriteOff,
            "reverses_id": Allocation,
        }
        self.moved.setdefault(Allocation, {})
        ids: set[int] = set(
            Allocation.objects.filter(account=self.old, superseded_at__isnull=True).values_list(
                "pk", flat=True
            )
        )
        # Cash of this account on another one's item, or the other way round.
        for part in _chunks(list(instalments)):
            across = Allocation.objects.filter(Q(instalment__in=part) | Q(credit__in=part))
            ids.update(across.filter(superseded_at__isnull=True).values_list("pk", flat=True))
        for part in _chunks(list(payments)):
            across = Allocation.objects.filter(payment__in=part, superseded_at__isnull=True)
            ids.update(across.values_list("pk", flat=True))
        while ids:
            waiting: set[int] = set()
            for part in _chunks(sorted(ids)):
                waiting.update(
                    Allocation.objects.filter(pk__in=part, reverses__in=ids).values_list("pk", flat=True)
                )
            for part in _chunks(sorted(ids - waiting)):
                self._carry(Allocation, Allocation.objects.filter(pk__in=part), maps=maps)
            if waiting == ids:
                raise RuntimeError("Allocations reverse each other in a circle")
            ids = waiting

    def _carry_claims(self, mine: Q) -> None:
        self._carry(Promise, Promise.objects.filter(mine))
        promises = self.moved[Promise]
        # Which promise replaced which, among the new versions.
        replaced = [
            Promise(pk=promises[old], replaced_by_id=promises[by])
            for part in _chunks(list(promises))
            for old, by in Promise.objects.filter(pk__in=part).values_list("pk", "replaced_by_id")
            if by in promises
        ]
        Promise.objects.bulk_update(replaced, ["replaced_by"], batch_size=CHUNK)
        for part in _chunks(list(promises)):
            moves = PromiseMove.objects.filter(promise__in=part)
            self._carry(PromiseMove, moves, maps={"promise_id": Promise})
        self._carry(Dispute, Dispute.objects.filter(mine))
        for model, owner, table in ((PromiseItem, "promise", Promise), (DisputeItem, "dispute", Dispute)):
            for part in _chunks(list(self.moved[table])):
                # Items on versions of an instalment that were corrected before stay with the old claim.
                items = model._default_manager.filter(**{f"{owner}__in": part}).order_by("pk")
                copies = [
                    self._copy(item, {f"{owner}_id": table, "instalment_id": Instalment})
                    for item in items.select_related(owner, "instalment")
                    if item.instalment_id in self.moved[Instalment] or item.instalment.superseded_at is None
                ]
                model._default_manager.bulk_create(copies, batch_size=CHUNK)


def _parts(rows: QuerySet) -> Iterable[list[Any]]:
    """The rows in lists of CHUNK, by id; safe while rows are closed and added meanwhile."""
    last = 0
    top = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    while part := list(rows.filter(pk__gt=last, pk__lte=top)[:CHUNK]):
        yield part
        last = part[-1].pk


def _chunks(ids: list[int]) -> Iterable[list[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


# What makes a customer's own fact the same one: the day, and where it comes from.
SAME: dict[str, tuple[str, ...]] = {
    "bureaureport": ("effective_on", "provider", "product"),
    "bureaubasis": ("effective_on", "ground", "reference"),
}


def repeat_for_customer(
    model: type[Model], old: Customer, new: Customer, *, on: date, now: datetime
) -> list[Change]:
    """Close a customer's own facts (annual accounts, supplier days, agency reports) and repeat them for the other one.

    Where the other customer has a fact of the same source and day, its own stays.
    """
    same = SAME.get(model._meta.model_name or "", ("effective_on", "source"))
    current = model._default_manager.filter(superseded_at__isnull=True)
    known = set(current.filter(customer=new).values_list(*same))
    facts: list[Any] = list(current.filter(customer=old).order_by("pk"))
    rows = [row for row in facts if tuple(getattr(row, name) for name in same) not in known]
    copies = []
    for row in rows:
        fact: Any = copy.copy(row)
        fact._state = copy.copy(row._state)
        fact._state.fields_cache = {}
        fact.pk, fact._state.adding, fact.customer_id = None, True, new.pk
        fact.recorded_at, fact.known_on = now, max(row.known_on, on)
        if hasattr(fact, "batch_id"):
            fact.batch_id = None
        copies.append(fact)
    current.filter(pk__in=[row.pk for row in rows]).update(
        known_until=Greatest(F("known_on"), on), superseded_at=now
    )
    stored = model._default_manager.bulk_create(copies, batch_size=CHUNK)
    return [
        Change.of(row, {"customer": old.pk}, {"superseded_by": new_row.pk})
        for row, new_row in zip(rows, stored, strict=True)
    ]
