"""Proof that the stored counters and the facts agree: each check is one set-based query naming bad rows.

What the database's CHECKs and triggers already refuse is not repeated here; this proves what they cannot see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, Window
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from creditdesk.core.dates import Days
from customers.models import (
    Allocation,
    Customer,
    Instalment,
    Invoice,
    Payment,
    Promise,
    PromiseMove,
    StatusChange,
)


@dataclass(frozen=True, slots=True)
class Check:
    code: str
    meaning: Any
    bad_rows: Callable[[], QuerySet]


@dataclass(frozen=True, slots=True)
class Finding:
    check: Check
    table: str
    pks: list[Any]
    count: int

    def __str__(self) -> str:
        shown = ", ".join(str(pk) for pk in self.pks)
        return f"{self.check.code}: {self.check.meaning} ({self.count} in {self.table}: {shown})"


def _total(rows: QuerySet, key: str, field: str = "amount") -> Coalesce:
    summed = rows.order_by().values(key).annotate(total=Sum(field)).values("total")
    return Coalesce(
        Subquery(summed, output_field=BigIntegerField()), Value(0), output_field=BigIntegerField()
    )


def _current(model: Any) -> QuerySet:
    return model.objects.filter(superseded_at__isnull=True)


def _allocations(**outer: Any) -> QuerySet:
    return _current(Allocation).filter(**outer)


def _open_differs() -> QuerySet:
    used = _total(_allocations(instalment=OuterRef("pk")), "instalment") + _total(
        _allocations(credit=OuterRef("pk")), "credit"
    )
    return _current(Instalment).annotate(used=used).exclude(open_amount=F("amount") - F("used"))


def _settled_on_differs() -> QuerySet:
    """Settled without an allocation on that very day: the date stands for nothing."""
    of_day = Allocation.objects.filter(
        Q(instalment=OuterRef("pk")) | Q(credit=OuterRef("pk")),
        superseded_at__isnull=True,
        effective_on=OuterRef("settled_on"),
        kind=OuterRef("settled_by"),
    )
    later = Allocation.objects.filter(
        Q(instalment=OuterRef("pk")) | Q(credit=OuterRef("pk")),
        superseded_at__isnull=True,
        effective_on__gt=OuterRef("settled_on"),
    )
    return _current(Instalment).filter(settled_on__isnull=False).filter(~Exists(of_day) | Exists(later))


def _payment_differs() -> QuerySet:
    used = _total(_allocations(payment=OuterRef("pk")), "payment")
    return _current(Payment).annotate(used=used).exclude(open_amount=F("amount") - F("used"))


def _invoice_total_differs() -> QuerySet:
    total = _total(Instalment.objects.filter(invoice=OuterRef("pk")), "invoice")
    return Invoice.objects.annotate(total=total).exclude(amount=F("total"))


def _copies_differ() -> QuerySet:
    """Columns repeated on instalments for speed that no longer equal their document's."""
    same = Q(
        account=F("invoice__account"),
        company=F("invoice__company"),
        kind=F("invoice__kind"),
        currency=F("invoice__currency"),
        effective_on=F("invoice__effective_on"),
    )
    return _current(Instalment).exclude(same)


def _currency_differs() -> QuerySet:
    return _current(Allocation).filter(
        ~Q(currency=F("instalment__currency"))
        | (Q(payment__isnull=False) & ~Q(currency=F("payment__currency")))
        | (Q(credit__isnull=False) & ~Q(currency=F("credit__currency"))),
        instalment__isnull=False,
    )


def _days_late_differ() -> QuerySet:
    return (
        _current(Allocation)
        .filter(kind=Allocation.Kind.CASH, reverses__isnull=True)
        .annotate(days=Days(F("effective_on"), F("instalment__due_on")))
        .exclude(days_late=F("days"))
    )


def _overdrawn(key: str) -> QuerySet:
    """Rows whose uses, summed to the end of some day, exceed the amount or fall below nothing.

    The window's default frame takes all rows of a day together.
    """
    total = Window(Sum("amount"), partition_by=[F(key)], order_by=[F("effective_on").asc()])
    return (
        _allocations(**{f"{key}__isnull": False})
        .annotate(total=total)
        .filter(Q(total__lt=0) | Q(total__gt=F(f"{key}__amount")))
    )


def _used_before_it_stood() -> QuerySet:
    return _current(Allocation).filter(
        Q(effective_on__lt=F("instalment__effective_on"))
        | Q(effective_on__lt=F("payment__effective_on"))
        | Q(effective_on__lt=F("credit__effective_on"))
    )


def _allocated_to_superseded() -> QuerySet:
    return _current(Allocation).filter(
        Q(instalment__superseded_at__isnull=False)
        | Q(credit__superseded_at__isnull=False)
        | Q(payment__superseded_at__isnull=False)
    )


def _reversal_differs() -> QuerySet:
    return (
        _current(Allocation)
        .filter(reverses__isnull=False)
        .exclude(
            amount=-F("reverses__amount"),
            kind=F("reverses__kind"),
            days_late__isnull=True,
        )
        .exclude(amount=-F("reverses__amount"), kind=F("reverses__kind"), days_late=F("reverses__days_late"))
    )


def _promise_differs() -> QuerySet:
    last = (
        PromiseMove.objects.filter(promise=OuterRef("pk"))
        .order_by("-recorded_at", "-pk")
        .values("to_status")[:1]
    )
    status = Coalesce(Subquery(last), Value(Promise.Status.OPEN.value))
    return Promise.objects.annotate(last=status).exclude(status=F("last"))


def _status_differs() -> QuerySet:
    newest = (
        _current(StatusChange)
        .filter(customer=OuterRef("pk"))
        .order_by("-effective_on", "-pk")
        .values("status")[:1]
    )
    return (
        Customer.objects.annotate(last=Subquery(newest)).filter(last__isnull=False).exclude(status=F("last"))
    )


CHECKS = (
    Check("instalment_open", _("open amount is not amount less allocations"), _open_differs),
    Check("instalment_settled_on", _("settlement date without its allocation"), _settled_on_differs),
    Check("payment_open", _("unapplied amount is not amount less allocations"), _payment_differs),
    Check("document_total", _("document amount is not the sum of its instalments"), _invoice_total_differs),
    Check("instalment_copies", _("instalment differs from its document"), _copies_differ),
    Check("allocation_currency", _("allocation in another currency"), _currency_differs),
    Check("allocation_days_late", _("days late do not follow from the dates"), _days_late_differ),
    Check(
        "instalment_overdrawn",
        _("more allocated than its amount on a past day"),
        lambda: _overdrawn("instalment"),
    ),
    Check("payment_overdrawn", _("more used than was received on a past day"), lambda: _overdrawn("payment")),
    Check(
        "credit_overdrawn",
        _("more credited than the credit note on a past day"),
        lambda: _overdrawn("credit"),
    ),
    Check("allocation_too_early", _("allocation before both sides existed"), _used_before_it_stood),
    Check("allocation_superseded", _("current allocation on a superseded row"), _allocated_to_superseded),
    Check("reversal", _("reversal does not mirror what it reverses"), _reversal_differs),
    Check("promise_status", _("promise differs from its last move"), _promise_differs),
    Check("customer_status", _("status differs from the newest status change"), _status_differs),
)


def check_ledger(sample: int = 5) -> Iterator[Finding]:
    """Yield one Finding per check that fails, with up to `sample` primary keys of bad rows."""
    for check in CHECKS:
        rows = check.bad_rows()
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[: sample + 1])
        if pks:
            count = rows.count() if len(pks) > sample else len(pks)
            yield Finding(check, rows.model._meta.db_table, pks[:sample], count)
