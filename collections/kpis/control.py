"""Control totals: what the ledger says is open, from the documents, receipts and allocations alone.

Independent of the ageing on purpose: no instalment amounts, no stored counters, no buckets. Ageing and
control differ as soon as a counter, an instalment split or a bucket is wrong by a cent.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from django.db.models import Sum

from creditdesk.core.facts import View
from creditdesk.core.money import Money
from customers.models import Allocation, DocumentKind, Invoice, Payment
from kpis.scope import Scope
from kpis.unapplied import cash_used


@dataclass(frozen=True)
class Control:
    """Documents less allocations of one currency, with the two sides of the invoices for the reader to add up."""

    documents: Money
    allocations: Money
    credits: Money
    unapplied: Money

    @classmethod
    def empty(cls, currency: str) -> Control:
        return cls(*(Money.zero(currency),) * 4)

    @property
    def invoices(self) -> Money:
        return self.documents - self.allocations


def control_totals(as_of: date, *, scope: Scope, view: View) -> dict[str, Control]:
    """Per currency, in four sums over the ledger."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    documents = Invoice.objects.filter(
        view.q(), scope.q(view, "account__"), effective_on__lte=as_of
    ).order_by()
    for kind, currency, total in (
        documents.values("kind", "currency")
        .annotate(total=Sum("amount"))
        .values_list("kind", "currency", "total")
    ):
        sums[currency][kind] += int(total)
    allocated = Allocation.objects.filter(
        view.q(),
        scope.q(view, "instalment__account__"),
        effective_on__lte=as_of,
        instalment__effective_on__lte=as_of,
    ).order_by()
    for kind, is_credit, currency, total in (
        allocated.values("instalment__kind", "kind", "currency")
        .annotate(total=Sum("amount"))
        .values_list("instalment__kind", "kind", "currency", "total")
    ):
        sums[currency][f"{kind} allocated"] += int(total)
        if is_credit == Allocation.Kind.CREDIT:
            sums[currency]["credit_note allocated"] += int(total)
    received = Payment.objects.filter(
        view.q(), scope.q(view, "account__"), effective_on__lte=as_of
    ).order_by()
    for currency, total in (
        received.values("currency").annotate(total=Sum("amount")).values_list("currency", "total")
    ):
        sums[currency]["received"] += int(total)
    used = cash_used(as_of, scope, view, after=False)
    for currency, total in (
        used.values("currency").annotate(total=Sum("amount")).values_list("currency", "total")
    ):
        sums[currency]["used"] += int(total)
    return {
        currency: Control(
            documents=Money(part[DocumentKind.INVOICE], currency),
            allocations=Money(part["invoice allocated"], currency),
            credits=Money(part[DocumentKind.CREDIT_NOTE] - part["credit_note allocated"], currency),
            unapplied=Money(part["received"] - part["used"], currency),
        )
        for currency, part in sums.items()
    }
