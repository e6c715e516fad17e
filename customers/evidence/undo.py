"""Undoing an import of evidence: what it stored is closed, what it had corrected stands again."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import F, UniqueConstraint
from django.db.models.functions import Greatest
from django.utils import timezone

from creditdesk.core.audit import Actor, record_act
from customers.bank.feeds import announce, undo_bank_batch
from customers.evidence.business import KEYS as BUSINESS_KEYS
from customers.evidence.imports import KEYS
from customers.imports.problems import ImportRefused
from customers.models import (
    BilledPart,
    BureauReport,
    Cover,
    Delivery,
    FinancialStatement,
    ImportBatch,
    ImportMapping,
    LegalEvent,
    OpenOrder,
    SupplierPaymentDays,
)

Layout = ImportMapping.Layout
MODELS: dict[str, tuple[Any, ...]] = {
    Layout.ACCOUNTS: (FinancialStatement,),
    Layout.LEGAL: (LegalEvent,),
    Layout.SUPPLIER: (SupplierPaymentDays,),
    Layout.ORDERS: (OpenOrder,),
    Layout.DELIVERIES: (Delivery, BilledPart),
    Layout.BILLED: (BilledPart,),
    Layout.COVER: (Cover,),
    Layout.RATINGS: (BureauReport,),
}
# What tells one fact of a customer or account from another, beside whose it is: as imports find what a row corrects.
IDENTITY: dict[Any, tuple[str, ...]] = {
    MODELS[layout][0]: key for layout, key in KEYS.items()
} | BUSINESS_KEYS


@transaction.atomic
def undo_evidence(batch: ImportBatch, *, actor: Actor, reason: str, on: date) -> ImportBatch:
    """Undo an import of bank lines, accounts, events or supplier days. Raises ImportRefused if it was undone.

    What followed from a legal event (a limit cut, a status) stays: people undo decisions, imports undo facts.
    """
    if actor.user is not None:
        from customers.imports.undo import check_may_undo

        check_may_undo(actor.user, batch)
    layout = batch.mapping.layout if batch.mapping else ""
    if layout == ImportMapping.Layout.BANK:
        return undo_bank_batch(batch, actor=actor, reason=reason, on=on)
    batch = ImportBatch.objects.select_for_update().get(pk=batch.pk)
    if batch.status == ImportBatch.Status.UNDONE:
        raise ImportRefused("batch_undone")
    now = timezone.now()
    closed, restored = 0, 0
    customers: set[int] = set()
    for model in MODELS[layout]:
        gone, again, whose = _undo(model, batch, now, on)
        closed, restored, customers = closed + gone, restored + again, customers | whose
    batch.status, batch.undone_at = ImportBatch.Status.UNDONE, now
    batch.save(update_fields=["status", "undone_at"])
    record_act(
        "evidence.undo",
        actor=actor,
        subject=batch,
        note=reason,
        business_date=on,
        data={"kind": layout, "closed": closed, "restored": restored, "customers": sorted(customers)},
    )
    announce(customers)
    return batch


def _undo(model: Any, batch: ImportBatch, now: datetime, on: date) -> tuple[int, int, set[int]]:
    """Rows closed, rows standing again, customers touched; for one model of the import."""
    of_account = any(f.name == "account" for f in model._meta.concrete_fields)
    customer, owner = ("account__customer", "account") if of_account else ("customer", "customer")
    rows = model.objects.filter(batch=batch, superseded_at__isnull=True)
    customers = set(rows.order_by().values_list(customer, flat=True))
    owners = set(rows.order_by().values_list(owner, flat=True))
    closed = rows.update(superseded_at=now, known_until=Greatest(F("known_on"), on))
    earlier = _replaced_by(model, batch, owner, owners)
    # What somebody has corrected again since then has its current version already.
    for key in [*_keys(model), [f"{owner}_id", *IDENTITY[model]]]:
        current = model.objects.filter(superseded_at__isnull=True, **{f"{owner}__in": owners})
        taken = set(current.order_by().values_list(*key))
        earlier = [old for old in earlier if tuple(getattr(old, name) for name in key) not in taken]
    again = []
    for old in earlier:
        values = {
            f.attname: old.__dict__[f.attname] for f in model._meta.concrete_fields if not f.primary_key
        }
        values |= {"known_on": max(old.known_on, old.known_until or old.known_on), "known_until": None}
        again.append(model(**(values | {"superseded_at": None, "recorded_at": now})))
    model.objects.bulk_create(again, batch_size=1000)
    return closed, len(again), customers


def _replaced_by(model: Any, batch: ImportBatch, owner: str, owners: set[int]) -> list[Any]:
    """The versions that an import had replaced; where the import such a one came with was undone as well, what that
    one had replaced, and so on. Everything an import closes carries the import's own time stamp."""
    standing: list[Any] = []
    undone, seen = [batch], set()
    while undone:
        seen |= {one.pk for one in undone}
        stamps = {one.recorded_at for one in undone}
        closed = model.objects.filter(superseded_at__in=stamps).select_related("batch").order_by("-pk")
        further: dict[int, ImportBatch] = {}
        for old in closed:
            if _owner(old, owner) not in owners:
                continue
            if old.batch is None or old.batch.status != ImportBatch.Status.UNDONE:
                standing.append(old)
            elif old.batch_id not in seen:
                further[old.batch_id] = old.batch
        undone = list(further.values())
    # Of one fact, the latest.
    told: set[tuple[Any, ...]] = set()
    latest = []
    for old in standing:
        key = (_owner(old, owner), *(getattr(old, name) for name in IDENTITY[model]))
        if key not in told:
            latest.append(old)
        told.add(key)
    return latest


def _keys(model: Any) -> list[list[str]]:
    """Columns that are unique among current rows."""
    found = [
        one.fields for one in model._meta.constraints if isinstance(one, UniqueConstraint) and one.fields
    ]
    return [[model._meta.get_field(name).attname for name in fields] for fields in found]


def _owner(row: Any, name: str) -> int:
    return getattr(row, f"{name}_id")
