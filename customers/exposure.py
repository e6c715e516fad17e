"""Exposure of credit accounts at any date, in the account's currency.

exposure = open instalments + unbilled deliveries + open orders within the horizon + tendered instruments not
yet safe - unallocated cash - open credit notes (DESIGN.md, 'Facts and dates'). Risk exposure = exposure -
cover. Other currencies are converted at the rates of `as_of`, per account and currency, never row by row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money, MoneyField
from customers.models import (
    Allocation,
    Cover,
    CreditAccount,
    Delivery,
    DocumentKind,
    Instalment,
    OpenOrder,
    Payment,
)
from customers.rates import RateTable

ORDER_HORIZON_DAYS = 90


@dataclass(slots=True)
class Exposure:
    """The parts of one account's exposure, each a non-negative Money in the account's currency."""

    currency: str
    as_of: date
    open_invoices: Money = field(init=False)
    unbilled_deliveries: Money = field(init=False)
    open_orders: Money = field(init=False)
    instruments: Money = field(init=False)
    unapplied_cash: Money = field(init=False)
    open_credits: Money = field(init=False)
    cover: Money = field(init=False)
    overdue: Money = field(init=False)
    oldest_due_on: date | None = None

    def __post_init__(self) -> None:
        for name in (*PLUS, *MINUS, "cover", "overdue"):
            setattr(self, name, Money.zero(self.currency))

    @property
    def total(self) -> Money:
        plus = sum((getattr(self, name) for name in PLUS), Money.zero(self.currency))
        return sum((-getattr(self, name) for name in MINUS), plus)

    @property
    def at_risk(self) -> Money:
        """Exposure less cover, never below zero."""
        rest = self.total - self.cover
        return rest if rest.minor > 0 else Money.zero(self.currency)

    @property
    def oldest_days_past_due(self) -> int:
        """Days past due of the oldest open instalment; 0 when nothing is overdue."""
        return max((self.as_of - self.oldest_due_on).days, 0) if self.oldest_due_on else 0


PLUS = ("open_invoices", "unbilled_deliveries", "open_orders", "instruments")
MINUS = ("unapplied_cash", "open_credits")


def _later_sum(as_of: date, view: View, **outer: Any) -> Coalesce:
    """Signed allocations after `as_of` of the outer row: added to a stored counter they give the past value."""
    rows = Allocation.objects.filter(view.q(), effective_on__gt=as_of, **outer).order_by()
    (key,) = outer
    return Coalesce(
        Subquery(rows.values(key).annotate(total=Sum("amount")).values("total")),
        Value(0),
        output_field=MoneyField(),
    )


def _sum_until(as_of: date, view: View, **outer: Any) -> Coalesce:
    rows = Allocation.objects.filter(view.q(), effective_on__lte=as_of, **outer).order_by()
    (key,) = outer
    return Coalesce(
        Subquery(rows.values(key).annotate(total=Sum("amount")).values("total")),
        Value(0),
        output_field=MoneyField(),
    )


def instalments_open_at(
    as_of: date, *, view: View = CURRENT, instalments: QuerySet[Instalment] | None = None
) -> QuerySet[Instalment]:
    """Instalments issued by `as_of` with `open_then` (int minor units) > 0, whatever happened since."""
    rows = Instalment.objects.all() if instalments is None else instalments
    rows = rows.filter(view.q(), effective_on__lte=as_of)
    if view.is_current:
        rows = rows.filter(Q(settled_on__isnull=True) | Q(settled_on__gt=as_of))
        invoice_then = F("open_amount") + _later_sum(as_of, view, instalment=OuterRef("pk"))
        # A credit note is used through `credit`; one that vanished from a snapshot, like an invoice.
        credit_then = invoice_then + _later_sum(as_of, view, credit=OuterRef("pk"))
    else:
        invoice_then = F("amount") - _sum_until(as_of, view, instalment=OuterRef("pk"))
        credit_then = invoice_then - _sum_until(as_of, view, credit=OuterRef("pk"))
    open_then = Case(
        When(kind=DocumentKind.INVOICE, then=invoice_then), default=credit_then, output_field=MoneyField()
    )
    return rows.annotate(open_then=open_then).filter(open_then__gt=0)  # type: ignore[misc]


def payments_open_at(
    as_of: date, *, view: View = CURRENT, payments: QuerySet[Payment] | None = None
) -> QuerySet[Payment]:
    """Payments received by `as_of` with `open_then` (int minor units) > 0: cash unapplied on that day."""
    rows = Payment.objects.all() if payments is None else payments
    rows = rows.filter(view.q(), effective_on__lte=as_of)
    if view.is_current:
        open_then = F("open_amount") + _later_sum(as_of, view, payment=OuterRef("pk"))
    else:
        open_then = F("amount") - _sum_until(as_of, view, payment=OuterRef("pk"))
    return rows.annotate(open_then=open_then).filter(open_then__gt=0)  # type: ignore[misc]


def exposures(
    accounts: QuerySet[CreditAccount] | Iterable[CreditAccount],
    as_of: date,
    *,
    view: View = CURRENT,
    order_horizon_days: int = ORDER_HORIZON_DAYS,
) -> dict[int, Exposure]:
    """Exposure of each account at `as_of`, in a constant number of queries. Raises MissingRate."""
    found = {account.pk: account for account in accounts}
    result = {pk: Exposure(account.currency, as_of) for pk, account in found.items()}
    # A queryset of accounts stays a subquery: an IN list of a whole book breaks SQLite's variable limit.
    scope: Any = accounts.order_by().values("pk") if isinstance(accounts, QuerySet) else list(found)
    parts: dict[tuple[int, str, str], int] = defaultdict(int)

    due = instalments_open_at(as_of, view=view, instalments=Instalment.objects.filter(account__in=scope))
    rows = due.order_by().values_list("account_id", "currency", "kind", "due_on", "open_then")
    for pk, currency, kind, due_on, minor in rows.iterator(chunk_size=5000):
        if kind == DocumentKind.CREDIT_NOTE:
            parts[pk, currency, "open_credits"] += minor
            continue
        parts[pk, currency, "open_invoices"] += minor
        if due_on < as_of:
            parts[pk, currency, "overdue"] += minor
            oldest = result[pk].oldest_due_on
            result[pk].oldest_due_on = due_on if oldest is None else min(oldest, due_on)

    cash = payments_open_at(as_of, view=view, payments=Payment.objects.filter(account__in=scope))
    for pk, currency, minor in cash.order_by().values_list("account_id", "currency", "open_then"):
        parts[pk, currency, "unapplied_cash"] += minor
    for name, facts in _grouped_facts(scope, as_of, view, order_horizon_days):
        for pk, currency, minor in facts:
            parts[pk, currency, name] += minor

    rates = None
    for (pk, currency, name), minor in parts.items():
        exposure = result[pk]
        money = Money(minor, currency)
        if currency != exposure.currency:
            rates = rates or RateTable.at(as_of, recorded_by=view.recorded_by)
            money = rates.convert(money, exposure.currency)
        setattr(exposure, name, getattr(exposure, name) + money)
    for exposure in result.values():
        exposure.cover = min(exposure.cover, max(exposure.total, Money.zero(exposure.currency)))
    return result


def totals_now(
    scope: Any, as_of: date, *, order_horizon_days: int = ORDER_HORIZON_DAYS
) -> dict[tuple[int, str], int]:
    """Exposure today in minor units per (account, currency), summed in SQL from the stored counters.

    scope: account ids, or a queryset of them. For ranking a whole book: `exposures` reads every open instalment.
    The same figure where nothing is recorded with a date after `as_of`.
    """
    found: dict[tuple[int, str], int] = defaultdict(int)
    known = {"account__in": scope, "superseded_at__isnull": True, "effective_on__lte": as_of}
    rows = Instalment.objects.filter(**known, open_amount__gt=0).order_by()
    due = rows.values("account_id", "currency", "kind").annotate(total=Sum("open_amount"))
    for pk, currency, kind, minor in due.values_list("account_id", "currency", "kind", "total"):
        found[pk, currency] += -minor if kind == DocumentKind.CREDIT_NOTE else minor
    cash = Payment.objects.filter(**known, open_amount__gt=0).order_by().values("account_id", "currency")
    sums = cash.annotate(total=Sum("open_amount")).values_list("account_id", "currency", "total")
    for pk, currency, minor in sums:
        found[pk, currency] -= minor
    for name, facts in _grouped_facts(scope, as_of, CURRENT, order_horizon_days):
        if name in PLUS:
            for pk, currency, minor in facts:
                found[pk, currency] += minor
    return found


def _grouped_facts(scope: Any, as_of: date, view: View, horizon: int) -> Iterable[tuple[str, Any]]:
    def summed(rows: QuerySet, amount: str = "amount") -> QuerySet:
        return (
            rows.order_by()
            .values("account_id", "currency")
            .annotate(total=Sum(amount))
            .values_list("account_id", "currency", "total")
        )

    def known(model: Any) -> QuerySet:
        return model.objects.filter(view.q(), account__in=scope, effective_on__lte=as_of)

    yield (
        "open_orders",
        summed(
            known(OpenOrder)
            .filter(Q(closed_on__isnull=True) | Q(closed_on__gt=as_of))
            .filter(expected_on__lte=as_of + timedelta(days=horizon))
        ),
    )
    yield (
        "unbilled_deliveries",
        summed(known(Delivery).filter(Q(invoiced_on__isnull=True) | Q(invoiced_on__gt=as_of))),
    )
    # A tendered bill settles its invoices on paper; the money can still come back until safe_on.
    tendered = Allocation.objects.filter(
        view.q(),
        kind=Allocation.Kind.CASH,
        account__in=scope,
        effective_on__lte=as_of,
        payment__safe_on__gt=as_of,
    )
    yield "instruments", summed(tendered)
    valid = known(Cover).filter(Q(expires_on__isnull=True) | Q(expires_on__gte=as_of))
    yield (
        "cover",
        (
            (pk, currency, amount * percent * (100 - haircut) // 10000)
            for pk, currency, amount, percent, haircut in valid.values_list(
                "account_id", "currency", "amount", "percent", "haircut_percent"
            )
        ),
    )
