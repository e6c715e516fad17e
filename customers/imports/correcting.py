"""Changed rows as corrections: the old version is closed, the new one known from the correction's day on.

What was allocated to the old version moves with it (transactions, snapshot), or is replaced by the row's own
settlement (settled layout); promises and disputes follow it in every layout. A correction that cannot carry
over what rests on the old version is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q

from creditdesk.core.audit import Change
from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import in_a_row
from customers.imports import staging
from customers.imports.matching import Target, account_share, shown
from customers.imports.past import most_in_use, refuse_early_arrivals, refuse_moved_payments
from customers.imports.problems import Problem
from customers.ledger.counters import lock_instalments, lock_payments
from customers.ledger.posting import copy_claims, document_facts
from customers.models import (
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
)

CHUNK = 500


def chunks(values: list[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def lock_matched() -> None:
    """Lock what the file changes (instalments, then payments, in id order as everywhere) before reading it."""
    instalments = staging.rows(
        """SELECT t.id FROM customers_instalment t JOIN import_match m ON m.invoice_id = t.invoice_id
        WHERE m.state <> 0"""
    )
    payments = staging.rows(
        """SELECT payment_id FROM import_match WHERE state <> 0 AND payment_id IS NOT NULL
        UNION SELECT payment_id FROM import_paymatch"""
    )
    lock_instalments([pk for (pk,) in instalments])
    lock_payments([pk for (pk,) in payments])


def plan_corrections(target: Target) -> None:
    """Refuse the changed rows whose old version cannot be replaced; leave the rest in import_match."""
    changed = staging.rows(
        """SELECT m.invoice_id, m.payment_id, d.row_no, d.number, d.instalment, d.amount, d.currency
        FROM import_match m
        JOIN import_good d ON d.number = m.number AND d.fiscal_year = m.fiscal_year AND d.kind = m.kind
        WHERE m.state = 1 ORDER BY m.invoice_id, d.row_no"""
    )
    by_invoice: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in changed:
        by_invoice[row[0]].append(row)
    column = target.spec.columns.get("number", "number")
    problems: list[Problem] = []
    for part in chunks(list(by_invoice)):
        refused = _refusals(target, {pk: by_invoice[pk] for pk in part})
        for pk, (code, params) in refused.items():
            problems += [Problem(row[2], column, row[3], code, params) for row in by_invoice[pk]]
    staging.report(problems)
    _check_arrivals(target)
    refuse_early_arrivals(target)
    _check_payments(target)
    refuse_moved_payments(target)
    drop_refused()


def drop_refused() -> None:
    """Matches of refused rows must not be acted on."""
    for table in ("import_match", "import_paymatch"):
        staging.execute(f"DELETE FROM {table} WHERE row_no IN (SELECT row_no FROM import_bad)")


def _refusals(
    target: Target, rows: dict[int, list[tuple[Any, ...]]]
) -> dict[int, tuple[str, dict[str, Any]]]:
    settled = target.spec.layout == "settled"
    instalments = list(Instalment.objects.filter(invoice__in=list(rows)))
    owner = {t.pk: t.invoice_id for t in instalments}
    depends: dict[int, list[str]] = defaultdict(list)
    for instalment_id, text in blocks_on(list(owner)):
        depends[owner[instalment_id]].append(text)
    homeless = _without_new_version(target, instalments, rows)
    for instalment_id, text in claims_on(homeless, own_disputes=settled):
        depends[owner[instalment_id]].append(text)
    refused: dict[int, tuple[str, dict[str, Any]]] = {}
    if settled:
        payment_of = {rows_[0][1]: pk for pk, rows_ in rows.items() if rows_[0][1]}
        others = Allocation.objects.filter(
            Q(instalment__in=owner) | Q(credit__in=owner) | Q(payment__in=payment_of),
            superseded_at__isnull=True,
        ).select_related("payment", "credit__invoice", "instalment")
        for allocation in others:
            invoice = owner.get(allocation.instalment_id) or owner.get(allocation.credit_id)
            home = payment_of.get(allocation.payment_id)
            if invoice is None or home != invoice:
                depends[invoice or home].append(name_allocation(allocation))  # type: ignore[index]
    else:
        most = most_in_use(t.pk for t in instalments if t.reopened)
        for t in instalments:
            used = most.get(t.pk, 0) if t.reopened else t.amount.minor - t.open_amount.minor
            new = {row[4]: row[5] for row in rows[t.invoice_id]}.get(t.number, 0)
            if target.spec.layout == "snapshot" and not target.spec.has("amount"):
                new = t.amount.minor
            if used and rows[t.invoice_id][0][6] != t.currency:
                depends[t.invoice_id].append(shown(used, t.currency))
            elif new < used:
                refused[t.invoice_id] = ("below_allocated", {"allocated": shown(used, t.currency)})
    for pk, texts in depends.items():
        refused[pk] = ("facts_depend", {"facts": in_a_row(sorted(set(texts))[:5], "; ")})
    return refused


def _without_new_version(
    target: Target, instalments: list[Instalment], rows: dict[int, list[tuple[Any, ...]]]
) -> list[int]:
    """Instalments whose claims have nowhere to go: the corrected document lacks them, or changed its currency."""
    lost = []
    for t in instalments:
        kept = {row[4] for row in rows[t.invoice_id]}
        if t.number not in kept or rows[t.invoice_id][0][6] != t.currency:
            lost.append(t.pk)
    return lost


def claims_on(instalment_ids: list[int], *, own_disputes: bool = False) -> Iterator[tuple[int, str]]:
    """Promises and disputes that rest on instalments, as (instalment, what it is).

    own_disputes: leave out the disputes that imports made, because the correction replaces them.
    """
    promises = PromiseItem.objects.filter(
        instalment__in=instalment_ids, promise__superseded_at__isnull=True
    ).exclude(promise__status__in=[Promise.Status.WITHDRAWN, Promise.Status.REPLACED])
    for pk, day in promises.values_list("instalment_id", "promise__effective_on"):
        yield pk, _("promise of %(day)s") % {"day": day}
    disputes = DisputeItem.objects.filter(instalment__in=instalment_ids, dispute__superseded_at__isnull=True)
    if own_disputes:
        disputes = disputes.filter(dispute__batch__isnull=True)
    for pk, day in disputes.values_list("instalment_id", "dispute__effective_on"):
        yield pk, _("dispute of %(day)s") % {"day": day}


def blocks_on(instalment_ids: list[int]) -> Iterator[tuple[int, str]]:
    """Dunning blocks on instalments: they do not move, so that nobody is reminded by mistake."""
    blocks = DunningBlock.objects.filter(
        instalment__in=instalment_ids, superseded_at__isnull=True, lifted_on__isnull=True
    )
    for pk, day in blocks.values_list("instalment_id", "effective_on"):
        yield pk, _("dunning block of %(day)s") % {"day": day}


def name_allocation(allocation: Allocation) -> str:
    if allocation.payment_id:
        return _("payment %(key)s of %(day)s") % {
            "key": allocation.payment.key,
            "day": allocation.effective_on,
        }
    if allocation.credit_id:
        return _("credit note %(number)s of %(day)s") % {
            "number": allocation.credit.invoice.number,
            "day": allocation.effective_on,
        }
    return _("%(kind)s of %(day)s") % {
        "kind": Allocation.Kind(allocation.kind).label,
        "day": allocation.effective_on,
    }


def _check_arrivals(target: Target) -> None:
    """A settlement that arrives for a stored invoice needs that much open on it."""
    column = target.spec.columns.get("settled_on", "settled_on")
    short = staging.rows(
        f"""SELECT d.row_no, d.number, d.settled_on, t.open_amount, d.currency FROM import_match m
        JOIN import_good d ON d.number = m.number AND d.fiscal_year = m.fiscal_year AND d.kind = m.kind
        JOIN customers_instalment t ON t.invoice_id = m.invoice_id AND t.number = d.instalment
        WHERE m.state = 2 AND t.open_amount < {staging.lesser_of("d.paid", "d.amount")} ORDER BY d.row_no"""
    )
    staging.report(
        Problem(row, column, str(day), "exceeds_open", {"document": number, "open": shown(left, currency)})
        for row, number, day, left, currency in short
    )


def _check_payments(target: Target) -> None:
    """A changed payment keeps its allocations, so it must still cover them."""
    column = target.spec.columns.get("amount", "amount")
    short = staging.rows(
        """SELECT p.row_no, p.amount, y.amount - y.open_amount, y.currency, p.currency FROM import_paymatch m
        JOIN import_pay p ON p.row_no = m.row_no JOIN customers_payment y ON y.id = m.payment_id
        WHERE m.state = 1 AND (y.amount - y.open_amount > p.amount
            OR (y.currency <> p.currency AND y.amount <> y.open_amount)) ORDER BY p.row_no"""
    )
    staging.report(
        Problem(row, column, shown(amount, new), "below_allocated", {"allocated": shown(used, was)})
        for row, amount, used, was, new in short
    )


# Applying ----------------------------------------------------------------------------------------


class Corrections:
    """The old versions a commit closes and what it carries over to the new ones."""

    def __init__(self, target: Target, batch: ImportBatch, now: datetime) -> None:
        self.target, self.batch, self.now = target, batch, now
        self.settled = target.spec.layout == "settled"
        found = staging.rows("SELECT invoice_id, payment_id FROM import_match WHERE state = 1")
        self.invoices = sorted({pk for pk, _payment in found})
        self.payments = sorted({payment for _pk, payment in found if payment} if self.settled else set())
        changed = staging.rows("SELECT payment_id FROM import_paymatch WHERE state = 1")
        self.payments += sorted({pk for (pk,) in changed})
        self.carried: list[Allocation] = []
        self.changes: list[Change] = []
        self.touched: set[int] = set()
        self.touched_payments: set[int] = set()

    def close(self) -> None:
        """Close the old versions: nothing of them is current once the new ones are written."""
        closing = {"known_until": self.target.corrected_on, "superseded_at": self.now}
        for part in chunks(self.invoices):
            documents = Invoice.objects.filter(pk__in=part)
            self.changes += [Change.of(i, document_facts(i), {"superseded": True}) for i in documents]
            old = Instalment.objects.filter(invoice__in=part)
            ids = list(old.values_list("pk", flat=True))
            self._carry(Q(instalment__in=ids) | Q(credit__in=ids))
            if self.settled:
                disputes = Dispute.objects.filter(
                    items__instalment__in=ids, batch__isnull=False, superseded_at__isnull=True
                )
                Dispute.objects.filter(pk__in=list(disputes.values_list("pk", flat=True))).update(**closing)
            old.update(**closing)
            documents.update(**closing)
        for part in chunks(self.payments):
            self._carry(Q(payment__in=part))
            payments = Payment.objects.filter(pk__in=part)
            self.changes += [
                Change.of(y, {"amount": y.amount.minor, "received_on": y.effective_on}, {"superseded": True})
                for y in payments
            ]
            payments.update(**closing)

    def _carry(self, which: Q) -> None:
        found = Allocation.objects.filter(which, superseded_at__isnull=True)
        rows = list(found.order_by("pk").select_related("payment", "instalment"))
        Allocation.objects.filter(pk__in=[a.pk for a in rows]).update(
            known_until=self.target.corrected_on, superseded_at=self.now
        )
        # In the settled layout the row's own settlement takes the place of the old one.
        self.carried += rows if not self.settled else []

    def carry_over(self) -> None:
        """Repeat the closed allocations, the promises and the disputes on the new versions."""
        instalments = self._new_instalments()
        for part in chunks(sorted(instalments)):
            copy_claims({pk: instalments[pk] for pk in part})
        if not self.carried:
            return
        payments = self._new_payments()
        copies: dict[int, Allocation] = {}
        for reversals in (False, True):
            batch = []
            for old in self.carried:
                if (old.reverses_id is not None) is not reversals or old.pk in copies:
                    continue
                copies[old.pk] = self._copy(old, instalments, payments, copies)
                batch.append(copies[old.pk])
            Allocation.objects.bulk_create(batch, batch_size=CHUNK)
        for copy in copies.values():
            self.touched |= {pk for pk in (copy.instalment_id, copy.credit_id) if pk}
            self.touched_payments |= {pk for pk in (copy.payment_id,) if pk}

    def _new_instalments(self) -> dict[int, Instalment]:
        """Old instalment id -> its new version, by document and instalment number."""
        by_key: dict[tuple[int, int], Instalment] = {}
        for part in chunks(self.invoices):
            for row in Instalment.objects.filter(invoice__corrects__in=part).select_related(
                "invoice", "account"
            ):
                by_key[row.invoice.corrects_id, row.number] = row  # type: ignore[index]
        moved = {}
        for part in chunks(self.invoices):
            for pk, invoice_id, number in Instalment.objects.filter(invoice__in=part).values_list(
                "pk", "invoice_id", "number"
            ):
                if (invoice_id, number) in by_key:
                    moved[pk] = by_key[invoice_id, number]
        return moved

    def _new_payments(self) -> dict[int, Payment]:
        new = {}
        for part in chunks(self.payments):
            keys = dict(Payment.objects.filter(pk__in=part).values_list("key", "pk"))
            rows = Payment.objects.filter(
                source_id=self.target.source_id, key__in=list(keys), superseded_at__isnull=True
            )
            new.update({keys[row.key]: row for row in rows})
        return new

    def _copy(
        self,
        old: Allocation,
        instalments: dict[int, Instalment],
        payments: dict[int, Payment],
        copies: dict[int, Allocation],
    ) -> Allocation:
        payment = payments.get(old.payment_id or 0)
        target = instalments.get(old.instalment_id or 0)
        on = old.effective_on
        if payment is not None and old.payment is not None and on == old.payment.effective_on:
            on = payment.effective_on
        mirrored = copies.get(old.reverses_id or 0)
        due = target.due_on if target else old.instalment.due_on if old.instalment else None
        credit = instalments.get(old.credit_id or 0)
        # Nothing is used before both sides stand, and nothing is taken back before it was used.
        after = (target, credit, payment, mirrored)
        on = max([on, *(row.effective_on for row in after if row is not None)])
        days = old.days_late
        if days is not None:
            days = mirrored.days_late if mirrored else ((on - due).days if due else days)
        account_amount = old.account_amount.minor
        if target is not None:
            account_amount = account_share(old.amount.minor, target.amount.minor, target.account_amount.minor)
        return Allocation(
            kind=old.kind,
            account_id=old.account_id,
            instalment_id=target.pk if target else old.instalment_id,
            payment_id=payment.pk if payment else old.payment_id,
            credit_id=instalments[old.credit_id].pk if old.credit_id in instalments else old.credit_id,
            write_off_id=old.write_off_id,
            currency=old.currency,
            amount=old.amount.minor,
            account_amount=account_amount,
            days_late=days,
            settled_after=old.settled_after,
            reverses_id=mirrored.pk if mirrored else old.reverses_id,
            effective_on=on,
            known_on=max(old.known_on, self.target.corrected_on),
            recorded_at=self.now,
            batch=self.batch,
        )
