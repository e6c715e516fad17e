"""Control totals: what the ledger says is open, from the documents, receipts and allocations alone.

Independent of the ageing on purpose: no instalment amounts, no stored counters, no buckets. Ageing and
control differ as soon as a counter, an instalment split or a bucket is wrong by a cent.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from django.db.models import Q, Sum

from creditdesk.core.facts import View
from creditdesk.core.money import Money
from customers.models import Allocation, DocumentKind, Invoice
from kpis.scope import Scope
from kpis.unapplied import cash_of, cash_received, used_after


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


@dataclass(frozen=True, slots=True)
class Allocated:
    """Minor units of one currency, each sum over the allocations of the ledger that count for it at the as-of date.

    used: what used up the payments received by then; used_after: what used them up later, by the same facts.
    """

    invoices: int = 0
    credit_notes: int = 0
    used: int = 0
    used_after: int = 0


def allocated_at(as_of: date, *, scope: Scope, view: View) -> dict[str, Allocated]:
    """All sums over the allocations, per currency, in one pass over them."""
    issued = Q(effective_on__lte=as_of, instalment__effective_on__lte=as_of) & scope.q(
        view, "instalment__account__"
    )
    paid = cash_of(as_of, scope, view)
    rows = (
        Allocation.objects.filter(view.q())
        .order_by()
        .values("instalment__kind", "kind", "currency")
        .annotate(
            to=Sum("amount", filter=issued),
            spent=Sum("amount", filter=paid),
            after=Sum("amount", filter=used_after(as_of) & paid),
        )
        .values_list("instalment__kind", "kind", "currency", "to", "spent", "after")
    )
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * 4)
    for kind, is_credit, currency, to, spent, after in rows:
        part = sums[currency]
        if kind == DocumentKind.INVOICE:
            part[0] += int(to or 0)
        elif kind == DocumentKind.CREDIT_NOTE:
            part[1] += int(to or 0)
        if is_credit == Allocation.Kind.CREDIT:
            part[1] += int(to or 0)
        part[2] += int(spent or 0) - int(after or 0)
        part[3] += int(after or 0)
    return {currency: Allocated(*part) for currency, part in sums.items()}


def documents_by(as_of: date, *, scope: Scope, view: View) -> dict[tuple[str, str], int]:
    """Minor units issued by `as_of`, per currency and kind."""
    documents = Invoice.objects.filter(
        view.q(), scope.q(view, "account__"), effective_on__lte=as_of
    ).order_by()
    rows = documents.values("currency", "kind").annotate(total=Sum("amount"))
    return {
        (currency, kind): int(total)
        for currency, kind, total in rows.values_list("currency", "kind", "total")
    }


def cash_and_control(
    as_of: date, *, scope: Scope, view: View, documents: dict[tuple[str, str], int] | None = None
) -> tuple[dict[str, int], dict[str, Control]]:
    """Unapplied cash (minor units) and the control totals, per currency, from three sums over the ledger.

    The current view's unapplied cash starts from the stored counters of the payments and goes back by what came
    after; the control takes amounts received less what was allocated. documents: `documents_by`, where known.
    """
    if documents is None:
        documents = documents_by(as_of, scope=scope, view=view)
    allocated = allocated_at(as_of, scope=scope, view=view)
    received = cash_received(as_of, scope=scope, view=view)
    cash, controls = {}, {}
    for currency in {*(currency for currency, _kind in documents), *allocated, *received}:
        part = allocated.get(currency) or Allocated()
        amount, counter = received.get(currency, (0, 0))
        cash[currency] = counter + part.used_after if view.is_current else amount - part.used
        controls[currency] = Control(
            documents=Money(documents.get((currency, DocumentKind.INVOICE), 0), currency),
            allocations=Money(part.invoices, currency),
            credits=Money(
                documents.get((currency, DocumentKind.CREDIT_NOTE), 0) - part.credit_notes, currency
            ),
            unapplied=Money(amount - part.used, currency),
        )
    return cash, controls
