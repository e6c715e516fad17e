"""Applying cash and credit notes to instalments, taking it back, and giving up small or lost amounts.

Every function takes business dates and an actor, locks instalments and payments in id order, writes signed
allocations, recounts the counters and announces the change. Amounts are major units of the row's currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.events import ledger_changed
from customers.models import (
    Allocation,
    CreditAccount,
    DocumentKind,
    ImportBatch,
    Instalment,
    Payment,
    WriteOff,
)

from .counters import lock_instalments, lock_payments, recount
from .errors import LedgerError
from .posting import post_payment
from .timeline import earliest_day, uses_of_instalment, uses_of_payment


def _account_amount(row: Instalment, minor: int) -> int:
    """`minor` of the instalment's amount, in the account's currency at the document's rate."""
    if row.account_amount.minor == row.amount.minor:
        return minor
    return int((Decimal(minor) * row.account_amount.minor / row.amount.minor).to_integral_value())


def _take(row: Instalment, amount: Money) -> None:
    """Check that the instalment can give `amount`; keeps the in-memory open amount for the next check."""
    if row.superseded_at is not None:
        raise LedgerError("superseded", _("%(number)s has a newer version.") % {"number": row.invoice.number})
    if amount.minor <= 0:
        raise LedgerError("amount_not_positive", _("An allocation's amount must be positive."))
    if row.currency != amount.currency:
        raise LedgerError(
            "currency",
            _("%(number)s is in %(currency)s.") % {"number": row.invoice.number, "currency": row.currency},
        )
    if amount > row.open_amount:
        raise LedgerError(
            "over_allocated",
            _("%(number)s has %(open)s open, less than %(amount)s.")
            % {"number": row.invoice.number, "open": row.open_amount, "amount": amount},
        )
    row.open_amount = row.open_amount - amount


def _day_of_use(
    rows: Sequence[tuple[Instalment, int]],
    payment: Payment | None,
    taken: int,
    on: date | None,
    not_before: date,
) -> date:
    """The day a use counts: `on` when it fits, else (on None) the first day from which there is room for good.

    rows: instalments with the minor units taken from each. Raises LedgerError when `on` is too early.
    """
    # Only what was freed by a reversal can have been fuller in the past than it is now.
    parts = [(row.amount.minor, uses_of_instalment(row), minor) for row, minor in rows if row.reopened]
    if payment is not None:
        uses = uses_of_payment(payment)
        if any(minor < 0 for _day, minor in uses):
            parts.append((payment.amount.minor, uses, taken))
    day = earliest_day(parts, not_before)
    if day is None:
        raise LedgerError("not_open_then", _("There is no day on which all of this is open at once."))
    if on is None or on == day:
        return day
    if on < not_before or earliest_day(parts, on) != on:
        raise LedgerError(
            "not_open_then",
            _("On %(on)s this was not open yet: date it %(day)s or later.") % {"on": on, "day": day},
        )
    return on


def _commit(
    act: str,
    allocations: Sequence[Allocation],
    actor: Actor,
    on: date,
    accounts: set[int],
    reason_code: str = "",
) -> list[Allocation]:
    Allocation.objects.bulk_create(allocations)
    instalments = {pk for a in allocations for pk in (a.instalment_id, a.credit_id) if pk}
    payments = {a.payment_id for a in allocations if a.payment_id}
    recount(instalments, payments)
    record_act(
        act,
        actor=actor,
        business_date=on,
        reason_code=reason_code,
        changes=[
            Change.of(
                a,
                None,
                {
                    "kind": a.kind,
                    "instalment": a.instalment_id,
                    "payment": a.payment_id,
                    "credit": a.credit_id,
                    "amount": a.amount.minor,
                    "currency": a.currency,
                    "on": on,
                },
            )
            for a in allocations
        ],
    )
    ledger_changed.send(sender=Allocation, account_ids=accounts)
    return list(allocations)


@transaction.atomic
def allocate_payment(
    payment: Payment,
    parts: Sequence[tuple[Instalment, Decimal]],
    *,
    actor: Actor,
    on: date | None = None,
    known_on: date | None = None,
    batch: ImportBatch | None = None,
) -> list[Allocation]:
    """Apply a payment to instalments of its currency; `on` is the day it counts.

    Default: the day it was received, or later when an invoice was issued or freed later. Raises LedgerError
    when the payment or an instalment has not that much open, now or on any day since `on`.
    """
    rows = lock_instalments([row.pk for row, _amount in parts])
    locked = lock_payments([payment.pk])[payment.pk]
    allocations = []
    available = locked.open_amount
    taken = [(rows[given.pk], Money.of(amount, payment.currency)) for given, amount in parts]
    for row, money in taken:
        if row.kind != DocumentKind.INVOICE:
            raise LedgerError(
                "not_an_invoice", _("%(number)s is a credit note.") % {"number": row.invoice.number}
            )
        _take(row, money)
        if money > available:
            raise LedgerError(
                "over_allocated",
                _("Payment %(key)s has %(open)s left, less than %(amount)s.")
                % {"key": payment.key, "open": available, "amount": money},
            )
        available = available - money
    on = _day_of_use(
        [(row, money.minor) for row, money in taken],
        locked,
        (locked.open_amount - available).minor,
        on,
        max(locked.effective_on, *(row.effective_on for row, _money in taken)),
    )
    for row, money in taken:
        allocations.append(
            Allocation(
                kind=Allocation.Kind.CASH,
                account_id=row.account_id,
                instalment=row,
                payment=locked,
                currency=row.currency,
                amount=money,
                account_amount=_account_amount(row, money.minor),
                days_late=(on - row.due_on).days,
                effective_on=on,
                known_on=known_on or max(payment.known_on, on),
                batch=batch,
            )
        )
    accounts = {row.account_id for row in rows.values()} | {locked.account_id}
    return _commit("ledger.allocate", allocations, actor, on, accounts)


@transaction.atomic
def reverse_allocation(
    allocation: Allocation,
    *,
    actor: Actor,
    on: date,
    reason_code: str,
    known_on: date | None = None,
    batch: ImportBatch | None = None,
) -> Allocation:
    """Take an allocation back from `on` on; what it settled is open again. Raises LedgerError when already done."""
    touched = [pk for pk in (allocation.instalment_id, allocation.credit_id) if pk]
    lock_instalments(touched)
    if allocation.payment_id:
        lock_payments([allocation.payment_id])
    current = Allocation.objects.select_for_update().get(pk=allocation.pk)
    if (
        current.amount.minor < 0
        or current.superseded_at
        or Allocation.objects.filter(reverses=current).exists()
    ):
        raise LedgerError("already_reversed", _("This allocation has been reversed already."))
    if on < current.effective_on:
        raise LedgerError("reversed_before", _("An allocation cannot be reversed before the day it counts."))
    reversal = Allocation(
        **{name: getattr(current, name) for name in ("kind", "currency", "days_late", "settled_after")},
        account_id=current.account_id,
        instalment_id=current.instalment_id,
        payment_id=current.payment_id,
        credit_id=current.credit_id,
        write_off_id=current.write_off_id,
        amount=-current.amount,
        account_amount=-current.account_amount.minor,
        reverses=current,
        effective_on=on,
        known_on=known_on or on,
        batch=batch,
    )
    accounts = {current.account_id}
    if current.payment_id:
        accounts.add(Payment.objects.values_list("account_id", flat=True).get(pk=current.payment_id))
    _commit("ledger.reverse_allocation", [reversal], actor, on, accounts, reason_code)
    return reversal


@transaction.atomic
def apply_credit_note(
    credit: Instalment,
    parts: Sequence[tuple[Instalment, Decimal]],
    *,
    actor: Actor,
    on: date | None = None,
    known_on: date | None = None,
    batch: ImportBatch | None = None,
) -> list[Allocation]:
    """Apply a credit note's instalment to invoices of the same currency and account.

    `on`: the day it counts; default the first day on which both stand.
    """
    rows = lock_instalments([credit.pk, *(row.pk for row, _amount in parts)])
    source = rows[credit.pk]
    if source.kind != DocumentKind.CREDIT_NOTE:
        raise LedgerError(
            "not_a_credit_note", _("%(number)s is not a credit note.") % {"number": source.invoice.number}
        )
    allocations = []
    taken = [(rows[given.pk], Money.of(amount, source.currency)) for given, amount in parts]
    free = source.open_amount
    for row, money in taken:
        if row.account_id != source.account_id:
            raise LedgerError("other_account", _("A credit note is applied within its own account."))
        if row.kind != DocumentKind.INVOICE:
            raise LedgerError(
                "not_an_invoice", _("%(number)s is a credit note.") % {"number": row.invoice.number}
            )
        _take(row, money)
        _take(source, money)
    on = _day_of_use(
        [*((row, money.minor) for row, money in taken), (source, (free - source.open_amount).minor)],
        None,
        0,
        on,
        max(source.effective_on, *(row.effective_on for row, _money in taken)),
    )
    for row, money in taken:
        allocations.append(
            Allocation(
                kind=Allocation.Kind.CREDIT,
                account_id=row.account_id,
                instalment=row,
                credit=source,
                currency=row.currency,
                amount=money,
                account_amount=_account_amount(row, money.minor),
                effective_on=on,
                known_on=known_on or on,
                batch=batch,
            )
        )
    return _commit("ledger.apply_credit_note", allocations, actor, on, {source.account_id})


@transaction.atomic
def write_off(
    parts: Sequence[tuple[Instalment, Decimal]],
    *,
    actor: Actor,
    on: date,
    reason_code: str,
    is_small: bool = False,
    known_on: date | None = None,
    batch: ImportBatch | None = None,
) -> WriteOff:
    """Give up parts of instalments of one account and currency. Raises LedgerError when more than is open."""
    rows = lock_instalments([row.pk for row, _amount in parts])
    if len({(row.account_id, row.currency) for row in rows.values()}) != 1:
        raise LedgerError("other_account", _("A write-off is within one account and one currency."))
    first = next(iter(rows.values()))
    taken = [(rows[given.pk], Money.of(amount, first.currency)) for given, amount in parts]
    for row, money in taken:
        _take(row, money)
    _day_of_use(
        [(row, money.minor) for row, money in taken], None, 0, on, max(row.effective_on for row, _m in taken)
    )
    dates: dict[str, Any] = {"effective_on": on, "known_on": known_on or on, "batch": batch}
    total = sum((money for _row, money in taken), Money.zero(first.currency))
    fact = WriteOff.objects.create(
        account_id=first.account_id,
        currency=first.currency,
        amount=total,
        is_small=is_small,
        reason_code=reason_code,
        decided_by=actor.user,
        **dates,
    )
    allocations = []
    for row, money in taken:
        allocations.append(
            Allocation(
                kind=Allocation.Kind.WRITE_OFF,
                account_id=row.account_id,
                instalment=row,
                write_off=fact,
                currency=row.currency,
                amount=money,
                account_amount=_account_amount(row, money.minor),
                **dates,
            )
        )
    _commit("ledger.write_off", allocations, actor, on, {first.account_id}, reason_code)
    return fact


def _use_up(payment: Payment, kind: str, amount: Money, on: date, known_on: date | None) -> Allocation:
    if amount > payment.open_amount or amount.minor <= 0:
        raise LedgerError(
            "over_allocated",
            _("Payment %(key)s has %(open)s left, less than %(amount)s.")
            % {"key": payment.key, "open": payment.open_amount, "amount": amount},
        )
    _day_of_use([], payment, amount.minor, on, payment.effective_on)
    return Allocation(
        kind=kind,
        account_id=payment.account_id,
        payment=payment,
        currency=payment.currency,
        amount=amount,
        account_amount=amount.minor,
        effective_on=on,
        known_on=known_on or on,
    )


@transaction.atomic
def return_payment(
    payment: Payment, *, actor: Actor, on: date, reason_code: str, known_on: date | None = None
) -> Payment:
    """A payment bounced (NSF, returned bill): its allocations are reversed from `on`, what it settled is open again."""
    active = list(
        Allocation.objects.filter(
            payment=payment,
            instalment__isnull=False,
            amount__gt=0,
            superseded_at__isnull=True,
            reversed_by__isnull=True,
        )
    )
    lock_instalments([a.instalment_id for a in active if a.instalment_id])
    lock_payments([payment.pk])
    for allocation in active:
        reverse_allocation(allocation, actor=actor, on=on, reason_code=reason_code, known_on=known_on)
    locked = lock_payments([payment.pk])[payment.pk]
    _commit(
        "ledger.return_payment",
        [_use_up(locked, Allocation.Kind.RETURNED, locked.open_amount, on, known_on)],
        actor,
        on,
        {locked.account_id},
        reason_code,
    )
    locked.refresh_from_db()
    return locked


@transaction.atomic
def refund_payment(payment: Payment, amount: Decimal, *, actor: Actor, on: date, reason_code: str) -> Payment:
    """Pay unapplied cash back to the customer."""
    locked = lock_payments([payment.pk])[payment.pk]
    use = _use_up(locked, Allocation.Kind.REFUNDED, Money.of(amount, locked.currency), on, None)
    _commit("ledger.refund", [use], actor, on, {locked.account_id}, reason_code)
    locked.refresh_from_db()
    return locked


@transaction.atomic
def move_payment(payment: Payment, to: CreditAccount, *, actor: Actor, on: date, reason_code: str) -> Payment:
    """Move the unapplied rest of a payment that was booked on the wrong account; the original stays dated as it was."""
    locked = lock_payments([payment.pk])[payment.pk]
    rest = locked.open_amount
    _commit(
        "ledger.move_payment",
        [_use_up(locked, Allocation.Kind.MOVED, rest, on, None)],
        actor,
        on,
        {locked.account_id},
        reason_code,
    )
    moves = Payment.objects.filter(transferred_from=payment).count()
    return post_payment(
        to,
        locked.source,
        f"{locked.key}>{moves + 1}",
        received_on=on,
        amount=rest.amount,
        actor=actor,
        currency=locked.currency,
        instrument=locked.instrument,
        transferred_from=locked,
    )
