"""Posting documents and payments, and correcting documents by a new version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.events import ledger_changed
from customers.models import (
    Allocation,
    CreditAccount,
    DisputeItem,
    DocumentKind,
    ImportBatch,
    Instalment,
    Invoice,
    Payment,
    PromiseItem,
    Source,
)
from customers.models.customer import Customer
from customers.rates import RateTable

from .counters import lock_instalments, recount
from .errors import LedgerError
from .timeline import most_used, uses_of_instalment


@dataclass(frozen=True, slots=True)
class InstalmentTerms:
    """One due date and the part of the document due then (major units)."""

    due_on: date
    amount: Decimal


def document_facts(invoice: Invoice) -> dict:
    """What the audit trail keeps of a document."""
    return {
        "number": invoice.number,
        "kind": invoice.kind,
        "account": invoice.account_id,
        "issued_on": invoice.effective_on,
        "amount": invoice.amount.minor,
        "currency": invoice.currency,
        **({"delivery": invoice.delivery} if invoice.delivery else {}),
    }


@transaction.atomic
def post_document(
    account: CreditAccount,
    source: Source,
    number: str,
    *,
    issued_on: date,
    instalments: Sequence[InstalmentTerms],
    actor: Actor,
    kind: str = DocumentKind.INVOICE,
    currency: str | None = None,
    fiscal_year: int | None = None,
    known_on: date | None = None,
    orderer: Customer | None = None,
    batch: ImportBatch | None = None,
    corrects: Invoice | None = None,
    recorded_at: datetime | None = None,
    delivery: str = "",
    delivery_batch: ImportBatch | None = None,
) -> Invoice:
    """Post an invoice or credit note with its instalments (amounts positive, in major units of `currency`).

    delivery: how it was sent (SentBy), empty where that is not known; delivery_batch: the import that said so later.

    Raises LedgerError when there is no instalment, an amount is not positive, an instalment is due before
    the document is issued, or the key (company, source, number, fiscal year, kind) exists.
    """
    currency = currency or account.currency
    fiscal_year = fiscal_year or issued_on.year
    _check_instalments(issued_on, instalments)
    key = {
        "company_id": account.company_id,
        "source": source,
        "number": number,
        "fiscal_year": fiscal_year,
        "kind": kind,
    }
    if Invoice.objects.filter(**key, superseded_at__isnull=True).exists():
        raise LedgerError(
            "duplicate_document",
            _("Document %(number)s of %(year)s exists already: correct it instead of posting it again.")
            % {"number": number, "year": fiscal_year},
        )
    dates: dict[str, Any] = {
        "effective_on": issued_on,
        "known_on": known_on or issued_on,
        "recorded_at": recorded_at or timezone.now(),
    }
    total = sum((terms.amount for terms in instalments), Decimal(0))
    invoice = Invoice.objects.create(
        **key,
        **dates,
        account=account,
        orderer=orderer,
        currency=currency,
        amount=total,
        batch=batch,
        corrects=corrects,
        delivery=delivery,
        delivery_batch=delivery_batch,
    )
    Instalment.objects.bulk_create(_instalment_rows(invoice, account, instalments, dates))
    record_act(
        "ledger.correct_document" if corrects else "ledger.post_document",
        actor=actor,
        subject=invoice,
        business_date=issued_on,
        changes=[Change.of(invoice, document_facts(corrects) if corrects else None, document_facts(invoice))],
    )
    ledger_changed.send(sender=Invoice, account_ids={account.pk})
    return invoice


def _instalment_rows(
    invoice: Invoice, account: CreditAccount, instalments: Sequence[InstalmentTerms], dates: dict[str, Any]
) -> list[Instalment]:
    """The document's instalments, each also in the account's currency at the issue day's rate."""
    rates = RateTable.at(invoice.effective_on) if invoice.currency != account.currency else None
    rows = []
    for position, terms in enumerate(instalments, start=1):
        amount = Money.of(terms.amount, invoice.currency)
        in_account = rates.convert(amount, account.currency) if rates else amount
        rows.append(
            Instalment(
                **dates,
                invoice=invoice,
                number=position,
                company_id=account.company_id,
                account=account,
                kind=invoice.kind,
                due_on=terms.due_on,
                currency=invoice.currency,
                amount=amount,
                account_amount=in_account.minor,
                open_amount=amount,
            )
        )
    return rows


def _check_instalments(issued_on: date, instalments: Sequence[InstalmentTerms]) -> None:
    if not instalments:
        raise LedgerError("no_instalment", _("A document needs at least one instalment with a due date."))
    for terms in instalments:
        if terms.amount <= 0:
            raise LedgerError(
                "amount_not_positive",
                _("%(amount)s is not a positive amount: post a credit note for a negative one.")
                % {"amount": terms.amount},
            )
        if terms.due_on < issued_on:
            raise LedgerError(
                "due_before_issue",
                _("Due on %(due)s, before it was issued on %(issued)s: correct one of the two dates.")
                % {"due": terms.due_on, "issued": issued_on},
            )


@transaction.atomic
def post_payment(
    account: CreditAccount,
    source: Source,
    key: str,
    *,
    received_on: date,
    amount: Decimal,
    actor: Actor,
    currency: str | None = None,
    instrument: str = Payment.Instrument.TRANSFER,
    matures_on: date | None = None,
    safe_on: date | None = None,
    known_on: date | None = None,
    batch: ImportBatch | None = None,
    transferred_from: Payment | None = None,
) -> Payment:
    """Post money received, unapplied until `allocate_payment`. Raises LedgerError on a bad amount or known key."""
    if amount <= 0:
        raise LedgerError("amount_not_positive", _("A payment's amount must be positive."))
    if Payment.objects.filter(
        company_id=account.company_id, source=source, key=key, superseded_at__isnull=True
    ).exists():
        raise LedgerError("duplicate_payment", _("Payment %(key)s exists already.") % {"key": key})
    currency = currency or account.currency
    payment = Payment.objects.create(
        company_id=account.company_id,
        source=source,
        key=key,
        account=account,
        instrument=instrument,
        matures_on=matures_on,
        safe_on=safe_on,
        currency=currency,
        amount=amount,
        open_amount=amount,
        effective_on=received_on,
        known_on=known_on or received_on,
        batch=batch,
        transferred_from=transferred_from,
    )
    record_act(
        "ledger.post_payment",
        actor=actor,
        subject=payment,
        business_date=received_on,
        changes=[
            Change.of(
                payment, None, {"account": account.pk, "amount": payment.amount.minor, "currency": currency}
            )
        ],
    )
    ledger_changed.send(sender=Payment, account_ids={account.pk})
    return payment


@transaction.atomic
def correct_document(
    invoice: Invoice,
    *,
    actor: Actor,
    corrected_on: date,
    account: CreditAccount | None = None,
    issued_on: date | None = None,
    instalments: Sequence[InstalmentTerms] | None = None,
    currency: str | None = None,
    delivery: str | None = None,
    batch: ImportBatch | None = None,
) -> Invoice:
    """Replace a document by a new version known from `corrected_on` on; what was allocated moves with it.

    What is not given stays as it is.

    Raises LedgerError when it was superseded already, when the new instalments cannot hold what is allocated
    to the old ones of the same number, or when account or currency change while something is allocated.
    """
    old_rows = lock_instalments(invoice.instalments.values_list("pk", flat=True))
    invoice.refresh_from_db()
    if invoice.superseded_at is not None:
        raise LedgerError(
            "superseded",
            _("Document %(number)s has a newer version: correct that one.") % {"number": invoice.number},
        )
    by_number = {row.number: row for row in old_rows.values()}
    allocated = list(
        Allocation.objects.filter(
            Q(instalment__in=old_rows) | Q(credit__in=old_rows), superseded_at__isnull=True
        ).order_by("pk")
    )
    _check_correction(invoice, by_number, allocated, account, currency, instalments)
    terms = instalments or [InstalmentTerms(r.due_on, r.amount.amount) for _n, r in sorted(by_number.items())]
    # One instant closes the old version and opens the new one: a reprint sees exactly one of them.
    now = timezone.now()
    closing = {"known_until": corrected_on, "superseded_at": now}
    Invoice.objects.filter(pk=invoice.pk).update(**closing)
    Instalment.objects.filter(pk__in=old_rows).update(**closing)
    new = post_document(
        account or invoice.account,
        invoice.source,
        invoice.number,
        issued_on=issued_on or invoice.effective_on,
        instalments=terms,
        actor=actor,
        kind=invoice.kind,
        currency=currency or invoice.currency,
        fiscal_year=invoice.fiscal_year,
        known_on=max(corrected_on, invoice.known_on),
        orderer=invoice.orderer,
        batch=batch,
        corrects=invoice,
        recorded_at=now,
        delivery=invoice.delivery if delivery is None else delivery,
        delivery_batch=invoice.delivery_batch if delivery is None else None,
    )
    new_by_number = {row.number: row for row in new.instalments.all()}
    moves = {row.pk: new_by_number[n] for n, row in by_number.items() if n in new_by_number}
    copied = copy_allocations(allocated, moves, corrected_on, batch, now)
    copy_claims(moves)
    recount([row.pk for row in new_by_number.values()] + copied)
    ledger_changed.send(sender=Invoice, account_ids={invoice.account_id, new.account_id})
    return new


def _check_correction(invoice, by_number, allocated, account, currency, instalments) -> None:
    if not allocated:
        return
    if account is not None and account.pk != invoice.account_id:
        raise LedgerError(
            "allocated_account",
            _(
                "Document %(number)s has payments allocated: reverse them before moving it to another customer."
            )
            % {"number": invoice.number},
        )
    if currency is not None and currency != invoice.currency:
        raise LedgerError(
            "allocated_currency",
            _("Document %(number)s has payments allocated: reverse them before changing its currency.")
            % {"number": invoice.number},
        )
    if instalments is None:
        return
    for number, row in by_number.items():
        # The most ever in use: lowering the amount below it would make a past day negative.
        most = most_used(uses_of_instalment(row)) if row.reopened else (row.amount - row.open_amount).minor
        used = Money(most, invoice.currency)
        new_amount = Money.of(
            instalments[number - 1].amount if number <= len(instalments) else 0, invoice.currency
        )
        if new_amount < used:
            raise LedgerError(
                "below_allocated",
                _(
                    "Document %(number)s: %(used)s is allocated already, more than the new %(amount)s. Reverse allocations first."
                )
                % {"number": invoice.number, "used": used, "amount": new_amount},
            )


def copy_allocations(
    allocated: Sequence[Allocation],
    moves: dict[int, Instalment],
    corrected_on: date,
    batch: ImportBatch | None,
    now: datetime,
) -> list[int]:
    """Close the allocations and repeat them on the new instalments; returns the other instalments they touch.

    days_late follows the new due date, so that behaviour is judged by the corrected document.
    """
    Allocation.objects.filter(pk__in=[a.pk for a in allocated]).update(
        known_until=corrected_on, superseded_at=now
    )
    copies: dict[int, Allocation] = {}
    touched: list[int] = []
    for old in allocated:
        target = moves.get(old.instalment_id or 0)
        copy = Allocation(
            kind=old.kind,
            account_id=old.account_id,
            instalment_id=target.pk if target else old.instalment_id,
            payment_id=old.payment_id,
            credit_id=moves[old.credit_id].pk if old.credit_id in moves else old.credit_id,
            write_off_id=old.write_off_id,
            currency=old.currency,
            amount=old.amount,
            account_amount=old.account_amount.minor,
            days_late=old.days_late,
            settled_after=old.settled_after,
            reverses=copies.get(old.reverses_id or 0),
            effective_on=max(old.effective_on, target.effective_on) if target else old.effective_on,
            known_on=max(old.known_on, corrected_on),
            recorded_at=now,
            batch=batch or old.batch,
        )
        if target is not None:
            # A reversal repeats the days of what it reverses, so that the two cancel in every sum.
            if old.days_late is not None:
                reversed_copy = copies.get(old.reverses_id or 0)
                copy.days_late = (
                    reversed_copy.days_late if reversed_copy else (copy.effective_on - target.due_on).days
                )
            share = Decimal(old.amount.minor) / Decimal(target.amount.minor)
            copy.account_amount = int((Decimal(target.account_amount.minor) * share).to_integral_value())
        copy.save()
        copies[old.pk] = copy
        touched += [pk for pk in (copy.instalment_id, copy.credit_id) if pk]
    return touched


def copy_claims(moves: dict[int, Instalment]) -> None:
    """Promises and disputes follow their instalments to the new version, up to its amount.

    The items of the old version stay: a view that still sees it sees them with it. Claims that were themselves
    superseded stay with it alone.
    """
    _copy_items(
        PromiseItem.objects.filter(promise__superseded_at__isnull=True).select_related("promise"), moves
    )
    _copy_items(
        DisputeItem.objects.filter(dispute__superseded_at__isnull=True).select_related("dispute"), moves
    )


def _copy_items(items: QuerySet, moves: dict[int, Instalment]) -> None:
    copies = []
    for item in items.filter(instalment__in=moves):
        target = moves[item.instalment_id]
        item.pk = None
        item._state.adding = True
        item.amount = min(item.amount.minor, target.amount.minor)
        item.instalment = target
        copies.append(item)
    items.model._default_manager.bulk_create(copies)
