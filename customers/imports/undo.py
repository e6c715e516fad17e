"""Undoing an import: its facts are closed as if never known, what it corrected stands again.

Nothing is deleted. Refused while later facts rest on the import's documents; these are then named.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.sentences import gettext as _
from customers.events import ledger_changed
from customers.imports.correcting import CHUNK, chunks, name_allocation
from customers.imports.problems import ImportRefused
from customers.imports.spec import REQUIRED
from customers.ledger.counters import lock_instalments, lock_payments, recount
from customers.ledger.posting import copy_claims
from customers.models import (
    Access,
    Allocation,
    Dispute,
    DisputeItem,
    DunningBlock,
    ImportBatch,
    Instalment,
    Invoice,
    Payment,
    Promise,
    PromiseItem,
    Source,
)

NAMED = 10


def dependents(batch: ImportBatch) -> list[str]:
    """What rests on the import, by name (at most NAMED): while there is any, it cannot be undone."""
    return list(islice(_dependents(batch), NAMED))


def _dependents(batch: ImportBatch) -> Iterator[str]:
    here = Q(instalment__invoice__batch=batch) | Q(credit__invoice__batch=batch) | Q(payment__batch=batch)
    others = Allocation.objects.filter(here, superseded_at__isnull=True).exclude(batch=batch)
    for allocation in others.select_related("payment", "credit__invoice").order_by("pk")[:NAMED]:
        yield name_allocation(allocation)
    on_instalment = {"instalment__invoice__batch": batch}
    promises = PromiseItem.objects.filter(
        ~Exists(_carried_from(PromiseItem, "promise")),
        **on_instalment,
        promise__superseded_at__isnull=True,
    ).exclude(promise__status__in=[Promise.Status.WITHDRAWN, Promise.Status.REPLACED])
    for number, day in promises.values_list("instalment__invoice__number", "promise__effective_on")[:NAMED]:
        yield _("promise of %(day)s on %(number)s") % {"day": day, "number": number}
    disputes = DisputeItem.objects.filter(**on_instalment, dispute__superseded_at__isnull=True).filter(
        ~Exists(_carried_from(DisputeItem, "dispute")),
        Q(dispute__batch__isnull=True) | ~Q(dispute__batch=batch),
    )
    for number, day in disputes.values_list("instalment__invoice__number", "dispute__effective_on")[:NAMED]:
        yield _("dispute of %(day)s on %(number)s") % {"day": day, "number": number}
    blocks = DunningBlock.objects.filter(**on_instalment, superseded_at__isnull=True, lifted_on__isnull=True)
    for number, day in blocks.values_list("instalment__invoice__number", "effective_on")[:NAMED]:
        yield _("dunning block of %(day)s on %(number)s") % {"day": day, "number": number}
    key = ("company", "source", "number", "fiscal_year", "kind")
    newer = Invoice.objects.filter(superseded_at__isnull=True, **{k: OuterRef(k) for k in key}).exclude(
        batch=batch
    )
    corrected = Invoice.objects.filter(Exists(newer), batch=batch, superseded_at__isnull=False)
    for number in corrected.order_by("pk").values_list("number", flat=True)[:NAMED]:
        yield _("correction of %(number)s") % {"number": number}
    payment_key = ("company", "source", "key")
    newer_payment = Payment.objects.filter(
        superseded_at__isnull=True, **{k: OuterRef(k) for k in payment_key}
    ).exclude(batch=batch)
    for name in Payment.objects.filter(
        Exists(newer_payment), batch=batch, superseded_at__isnull=False
    ).values_list("key", flat=True)[:NAMED]:
        yield _("correction of payment %(key)s") % {"key": name}
    if batch.snapshot_on:
        later = ImportBatch.objects.filter(
            source=batch.source_id,
            status=ImportBatch.Status.COMMITTED,
            snapshot_on__gte=batch.snapshot_on,
            pk__gt=batch.pk,
        )
        for day in later.order_by("snapshot_on").values_list("snapshot_on", flat=True)[:NAMED]:
            yield _("snapshot of %(day)s") % {"day": day}


def _carried_from(model: Any, claim: str) -> QuerySet:
    """The same claim's item on the version that the instalment's document corrects: it goes back there."""
    return model.objects.filter(
        instalment__invoice=OuterRef("instalment__invoice__corrects"), **{claim: OuterRef(claim)}
    )


@transaction.atomic
def undo_batch(batch: ImportBatch, *, actor: Actor, reason: str, on: date) -> ImportBatch:
    """Undo one import. Raises ImportRefused when it was undone already or later facts rest on it."""
    if batch.mapping is not None and batch.mapping.layout not in REQUIRED:
        # Not the ledger's: bank lines, accounts and events rest on nothing but their own import.
        from customers.evidence.undo import undo_evidence

        return undo_evidence(batch, actor=actor, reason=reason, on=on)
    Source.objects.select_for_update().get(pk=batch.source_id)
    batch = ImportBatch.objects.select_for_update().get(pk=batch.pk)
    if batch.status == ImportBatch.Status.UNDONE:
        raise ImportRefused("batch_undone")
    if actor.user is not None:
        check_may_undo(actor.user, batch)
    instalments, payments = _lock(batch)
    found = dependents(batch)
    if found:
        raise ImportRefused("batch_depended_on", facts="; ".join(found))
    now = timezone.now()
    accounts = _accounts(batch)
    counts = _close(batch, now)
    restored, touched, touched_payments = _Restoring(batch, now).run()
    recount(instalments | touched, payments | touched_payments)
    ImportBatch.objects.filter(pk=batch.pk).update(status=ImportBatch.Status.UNDONE, undone_at=now)
    batch.refresh_from_db()
    record_act(
        "ledger.undo_import",
        actor=actor,
        subject=batch,
        note=reason,
        reason_code="undone",
        business_date=on,
        data={"closed": counts, "restored": restored},
    )
    if accounts:
        ledger_changed.send(sender=ImportBatch, account_ids=accounts)
    return batch


def check_may_undo(user: Any, batch: ImportBatch) -> None:
    company = batch.source.company
    if user.is_superuser:
        return
    if not Access.objects.filter(user=user, company=company, portfolio__isnull=True).exists():
        raise ImportRefused("not_allowed", company=company.code)


def _lock(batch: ImportBatch) -> tuple[set[int], set[int]]:
    """Lock the stored rows the import settled (not its own documents); returns instalments and payments."""
    rows = Allocation.objects.filter(batch=batch, superseded_at__isnull=True)
    instalments = set(
        rows.filter(instalment__isnull=False)
        .filter(Q(instalment__invoice__batch__isnull=True) | ~Q(instalment__invoice__batch=batch))
        .values_list("instalment_id", flat=True)
    )
    instalments |= set(
        rows.filter(credit__isnull=False)
        .filter(Q(credit__invoice__batch__isnull=True) | ~Q(credit__invoice__batch=batch))
        .values_list("credit_id", flat=True)
    )
    payments = set(
        rows.filter(payment__isnull=False)
        .filter(Q(payment__batch__isnull=True) | ~Q(payment__batch=batch))
        .values_list("payment_id", flat=True)
    )
    lock_instalments(instalments)
    lock_payments(payments)
    return instalments, payments


def _close(batch: ImportBatch, now: datetime) -> dict[str, int]:
    """Close the import's facts on the very day they were known: no backtest ever sees them again."""
    closing: dict[str, Any] = {"known_until": F("known_on"), "superseded_at": now}
    counts = {}
    instalments: QuerySet = Instalment.objects.filter(invoice__batch=batch, superseded_at__isnull=True)
    for name, rows in (
        ("allocations", Allocation.objects.filter(batch=batch, superseded_at__isnull=True)),
        ("disputes", Dispute.objects.filter(batch=batch, superseded_at__isnull=True)),
        ("payments", Payment.objects.filter(batch=batch, superseded_at__isnull=True)),
        ("instalments", instalments),
        ("documents", Invoice.objects.filter(batch=batch, superseded_at__isnull=True)),
    ):
        counts[name] = rows.update(**closing)
    # In place, as it was filled in, and on superseded versions too: what was recorded between the two is not told again
    # (docs/imports.md).
    told = Invoice.objects.filter(delivery_batch=batch)
    counts["deliveries"] = told.update(delivery="", delivery_batch=None)
    return counts


def _accounts(batch: ImportBatch) -> set[int]:
    told = Invoice.objects.filter(delivery_batch=batch)
    made = (model.objects.filter(batch=batch) for model in (Invoice, Payment, Allocation))
    found: set[int] = set()
    for rows in (told, *made):
        found |= set(rows.values_list("account_id", flat=True).distinct())
    return found


class _Restoring:
    """Repeat the versions the import had closed, known again from the day it closed them."""

    def __init__(self, batch: ImportBatch, now: datetime) -> None:
        self.batch, self.now = batch, now
        # Everything an import closes carries the import's own time stamp.
        self.closed: dict[str, Any] = {"superseded_at": batch.recorded_at}
        self.instalments: dict[int, int] = {}
        self.payments: dict[int, int] = {}

    def _repeat(self, rows: list[Any], **changes: Any) -> dict[int, Any]:
        """New rows like the old ones, but for the closing columns and `changes` (column: old row -> value)."""
        copies = {}
        for old in rows:
            values = {
                f.attname: old.__dict__[f.attname] for f in old._meta.concrete_fields if not f.primary_key
            }
            values |= {
                "known_on": max(old.known_on, old.known_until),
                "known_until": None,
                "superseded_at": None,
                "recorded_at": self.now,
            }
            values |= {name: value(old) for name, value in changes.items()}
            copies[old.pk] = type(old)(**values)
        for part in chunks(list(copies.values())):
            type(part[0]).objects.bulk_create(part, batch_size=CHUNK)
        return copies

    def run(self) -> tuple[dict[str, int], set[int], set[int]]:
        source = self.batch.source_id
        invoices = list(Invoice.objects.filter(source=source, **self.closed).exclude(batch=self.batch))
        current = {
            i.corrects_id: i.pk for i in Invoice.objects.filter(batch=self.batch, corrects__isnull=False)
        }
        new = self._repeat(invoices, corrects_id=lambda old: current.get(old.pk, old.corrects_id))
        rows = list(
            Instalment.objects.filter(invoice__source=source, **self.closed).exclude(
                invoice__batch=self.batch
            )
        )
        # Whole until recounted below: what was allocated is repeated first.
        whole = {
            "invoice_id": lambda old: new[old.invoice_id].pk,
            "open_amount": lambda old: old.amount.minor,
            "settled_on": lambda old: None,
            "settled_by": lambda old: "",
            "settled_after": lambda old: None,
        }
        again = self._repeat(rows, **whole)
        self.instalments = {pk: row.pk for pk, row in again.items()}
        payments = list(Payment.objects.filter(source=source, **self.closed).exclude(batch=self.batch))
        self.payments = {
            pk: row.pk for pk, row in self._repeat(payments, open_amount=lambda old: old.amount.minor).items()
        }
        allocations = self._allocations(source)
        for part in chunks(list(again)):
            copy_claims({pk: again[pk] for pk in part})
        disputes = self._disputes(source)
        counts = {"documents": len(invoices), "payments": len(payments), "allocations": len(allocations)}
        touched = {pk for a in allocations for pk in (a.instalment_id, a.credit_id) if pk}
        touched_payments = {a.payment_id for a in allocations if a.payment_id}
        return counts | {"disputes": disputes}, touched | set(self.instalments.values()), touched_payments

    def _allocations(self, source: int) -> list[Allocation]:
        of_source = (
            Q(instalment__invoice__source=source)
            | Q(payment__source=source)
            | Q(credit__invoice__source=source)
        )
        closed = Allocation.objects.filter(of_source, **self.closed).exclude(batch=self.batch).order_by("pk")
        rows = list(closed)
        moved = {
            "instalment_id": lambda old: self.instalments.get(old.instalment_id, old.instalment_id),
            "credit_id": lambda old: self.instalments.get(old.credit_id, old.credit_id),
            "payment_id": lambda old: self.payments.get(old.payment_id, old.payment_id),
        }
        first = self._repeat([a for a in rows if a.reverses_id is None], **moved)
        reversals = self._repeat(
            [a for a in rows if a.reverses_id is not None],
            **moved,
            reverses_id=lambda old: (
                first[old.reverses_id].pk if old.reverses_id in first else old.reverses_id
            ),
        )
        return [*first.values(), *reversals.values()]

    def _disputes(self, source: int) -> int:
        rows = list(Dispute.objects.filter(account__company=self.batch.source.company_id, **self.closed))
        rows = [row for row in rows if row.batch_id not in (None, self.batch.pk)]
        new = self._repeat(rows)
        items = DisputeItem.objects.filter(dispute__in=[row.pk for row in rows])
        DisputeItem.objects.bulk_create(
            DisputeItem(
                dispute=new[item.dispute_id],
                instalment_id=self.instalments.get(item.instalment_id, item.instalment_id),
                amount=item.__dict__["amount"],
            )
            for item in items
        )
        return len(rows)
