"""Exposure of credit accounts at any date, in the account's currency.

exposure = open instalments + unbilled deliveries + open orders within the horizon + tendered instruments not
yet safe - unallocated cash - open credit notes (DESIGN.md, 'Facts and dates'). Risk exposure = exposure -
cover. Other currencies are converted at the rates of `as_of`, per account and currency, never row by row.

The rows behind it: customers/open_items.py. Stages from order to invoice: customers/stages.py. What cover is worth:
customers/cover_terms.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet, Sum

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.cover_facts import covers_known, facts_for
from customers.cover_terms import CoverStanding, assess
from customers.instruments import SegmentTerms, not_safe
from customers.models import Allocation, CreditAccount, DocumentKind, Instalment, Payment
from customers.open_items import BESIDE, MINUS, PLUS, Item, instalments_open_at, open_items, payments_open_at
from customers.rates import RateTable
from customers.stages import ORDER, stages_at

__all__ = [
    "BESIDE",
    "MINUS",
    "ORDER_HORIZON_DAYS",
    "PLUS",
    "Exposure",
    "exposures",
    "instalments_open_at",
    "payments_open_at",
    "totals_now",
]

# A segment's own horizon when nothing else is set (CreditSegment.order_horizon_days).
ORDER_HORIZON_DAYS = 90


@dataclass(slots=True)
class Exposure:
    """The parts of one account's exposure, each a non-negative Money in the account's currency.

    far_orders, unsafe_cash and other_currency stand beside it (customers/open_items.py).
    standing: the account's covers one by one (None: it has none).
    """

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
    far_orders: Money = field(init=False)
    unsafe_cash: Money = field(init=False)
    other_currency: Money = field(init=False)
    oldest_due_on: date | None = None
    standing: CoverStanding | None = None

    def __post_init__(self) -> None:
        # One by one and from one zero: a whole book makes a hundred thousand of these.
        zero = Money.zero(self.currency)
        self.open_invoices = self.unbilled_deliveries = self.open_orders = self.instruments = zero
        self.unapplied_cash = self.open_credits = self.far_orders = self.unsafe_cash = zero
        self.cover = self.overdue = self.other_currency = zero

    @property
    def total(self) -> Money:
        plus = sum(getattr(self, name).minor for name in PLUS)
        return Money(plus - sum(getattr(self, name).minor for name in MINUS), self.currency)

    @property
    def at_risk(self) -> Money:
        """Exposure less cover, never below zero."""
        rest = self.total - self.cover
        return rest if rest.minor > 0 else Money.zero(self.currency)

    @property
    def oldest_days_past_due(self) -> int:
        """Days past due of the oldest open instalment; 0 when nothing is overdue."""
        return max((self.as_of - self.oldest_due_on).days, 0) if self.oldest_due_on else 0


class Rates:
    """The rates of a day, read when the first amount needs one."""

    def __init__(self, as_of: date, view: View) -> None:
        self.as_of, self.view = as_of, view
        self.table: RateTable | None = None
        self.used: set[tuple[str, str]] = set()

    def convert(self, money: Money, currency: str) -> Money:
        """Raises MissingRate."""
        if money.currency == currency:
            return money
        if self.table is None:
            self.table = RateTable.at(self.as_of, recorded_by=self.view.recorded_by)
        self.used.add((money.currency, currency))
        return self.table.convert(money, currency)


def exposures(
    accounts: QuerySet[CreditAccount] | Iterable[CreditAccount],
    as_of: date,
    *,
    view: View = CURRENT,
    order_horizon_days: int | None = None,
    rows_of: dict[int, list[Item]] | None = None,
    terms: SegmentTerms | None = None,
) -> dict[int, Exposure]:
    """Exposure of each account at `as_of`, in a constant number of queries. Raises MissingRate.

    order_horizon_days: for every order; default by segment and product line (customers/instruments.py). rows_of: lists, by account, that are filled
    with the rows behind the figures. terms: of the segments on that day, where they are known already.
    """
    found = {account.pk: account for account in accounts}
    result = {pk: Exposure(account.currency, as_of) for pk, account in found.items()}
    # A queryset of accounts stays a subquery: an IN list of a whole book breaks SQLite's variable limit.
    scope: Any = accounts.order_by().values("pk") if isinstance(accounts, QuerySet) else list(found)
    rates = Rates(as_of, view)
    covers = covers_known(scope, as_of, view)
    covered: dict[int, list[Item]] = {pk: [] for pk in covers}
    parts: dict[tuple[int, str, str], int] = defaultdict(int)
    wanted = rows_of if rows_of is not None else {}
    for item in open_items(
        scope, as_of, view, order_horizon_days=order_horizon_days, numbers=bool(wanted), terms=terms
    ):
        pk = item.account_id
        parts[pk, item.currency, item.part] += item.minor
        if item.part == "open_invoices" and item.due_on < as_of:  # type: ignore[operator]
            parts[pk, item.currency, "overdue"] += item.minor
            oldest = result[pk].oldest_due_on
            result[pk].oldest_due_on = item.due_on if oldest is None else min(oldest, item.due_on)  # type: ignore[type-var]
        if pk in covered:
            covered[pk].append(item)
        if pk in wanted:
            wanted[pk].append(item)
    _net_within_currencies(parts)
    for (pk, currency, name), minor in parts.items():
        exposure = result[pk]
        money = rates.convert(Money(minor, currency), exposure.currency)
        setattr(exposure, name, getattr(exposure, name) + money)
    facts = facts_for(covers, as_of, view)
    for pk, items in covered.items():
        exposure = result[pk]
        currency = exposure.currency
        exposure.standing = assess(
            pk, exposure.total, items, facts, as_of, lambda money, to=currency: rates.convert(money, to)
        )
        exposure.cover = exposure.standing.secured
    return result


def _net_within_currencies(parts: dict[tuple[int, str, str], int]) -> None:
    """Cash and credit notes reduce what is owed in their own currency; what is over stands beside the exposure."""
    nets: dict[int, dict[str, int]] = defaultdict(dict)
    for (pk, currency, name), minor in parts.items():
        if name in PLUS or name in MINUS:
            own = nets[pk]
            own[currency] = own.get(currency, 0) + (minor if name in PLUS else -minor)
    for pk, own in nets.items():
        for currency in _in_excess(own):
            over = -own[currency]
            for name in MINUS:
                taken = min(over, parts.get((pk, currency, name), 0))
                if taken:
                    parts[pk, currency, name] -= taken
                    parts[pk, currency, "other_currency"] += taken
                    over -= taken


def _in_excess(nets: dict[str, int]) -> list[str]:
    """Currencies with a credit balance in an account that owes in another one."""
    if len(nets) < 2 or max(nets.values()) <= 0:
        return []
    return [currency for currency, net in nets.items() if net < 0]


def totals_now(
    scope: Any, as_of: date, *, order_horizon_days: int | None = None
) -> dict[tuple[int, str], int]:
    """Exposure today in minor units per (account, currency), summed in SQL from the stored counters.

    scope: account ids, or a queryset of them. For ranking a whole book: `exposures` reads every open instalment.
    The same figure where nothing is recorded with a date after `as_of`.
    """
    found: dict[tuple[int, str], int] = defaultdict(int)
    terms = SegmentTerms.load(as_of)
    known = {"account__in": scope, "superseded_at__isnull": True, "effective_on__lte": as_of}
    rows = Instalment.objects.filter(**known, open_amount__gt=0).order_by()
    due = rows.values("account_id", "currency", "kind").annotate(total=Sum("open_amount"))
    for pk, currency, kind, minor in due.values_list("account_id", "currency", "kind", "total"):
        found[pk, currency] += -minor if kind == DocumentKind.CREDIT_NOTE else minor

    def summed(rows: QuerySet, amount: str) -> Iterable[tuple[int, str, int]]:
        groups = rows.order_by().values("account_id", "currency").annotate(total=Sum(amount))
        return groups.values_list("account_id", "currency", "total")

    cash = Payment.objects.filter(**known, open_amount__gt=0)
    for pk, currency, minor in summed(cash, "open_amount"):
        found[pk, currency] -= minor
    # Cash that can still come back reduces nothing; what it was allocated to is exposure still.
    back = Payment.objects.filter(not_safe(as_of, terms), **known, open_amount__gt=0)
    tendered = Allocation.objects.filter(not_safe(as_of, terms, "payment__"), kind="cash", **known)
    for risky, amount in ((back, "open_amount"), (tendered, "amount")):
        for pk, currency, minor in summed(risky, amount):
            found[pk, currency] += minor
    for stage in stages_at(scope, as_of):
        if stage.kind == ORDER:
            days = (
                terms.days(stage.segment_id, stage.product_line)
                if order_horizon_days is None
                else order_horizon_days
            )
            if stage.expected_on > as_of + timedelta(days=days):  # type: ignore[operator]
                continue
        found[stage.account_id, stage.currency] += stage.counted
    by_account: dict[int, dict[str, int]] = defaultdict(dict)
    for (pk, currency), minor in found.items():
        by_account[pk][currency] = minor
    for pk, nets in by_account.items():
        for currency in _in_excess(nets):
            del found[pk, currency]
    return found
