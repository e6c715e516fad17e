"""Exposure of credit accounts at any date, in the account's currency.

exposure = open instalments + unbilled deliveries + open orders within the horizon + tendered instruments not
yet safe - unallocated cash - open credit notes (DESIGN.md, 'Facts and dates'). Risk exposure = exposure -
cover. Other currencies are converted at the rates of `as_of`, per account and currency, never row by row.

The rows behind it: customers/open_items.py, as SQL in customers/exposure_sql.py. Stages from order to invoice:
customers/stages.py. What cover is worth: customers/cover_terms.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.cover_facts import covers_known, covers_of, facts_for
from customers.cover_terms import CoverStanding, assess
from customers.instruments import SegmentTerms
from customers.models import CreditAccount
from customers.open_items import (
    BESIDE,
    MINUS,
    PLUS,
    Item,
    OpenSum,
    instalments_open_at,
    open_items,
    open_sums,
    payments_open_at,
    summed_up,
)
from customers.rates import RateTable

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

# Beyond this many, accounts travel to the database as a condition instead of a list.
MANY = 1000
# A segment's own horizon when nothing else is set (CreditSegment.order_horizon_days).
ORDER_HORIZON_DAYS = 90


def _part(name: str) -> property:
    """A part as Money; its minor units lie in `minor`, where a whole book makes a hundred thousand of them."""

    def read(exposure: Exposure) -> Money:
        return Money(exposure.minor.get(name, 0), exposure.currency)

    return property(read)


@dataclass(slots=True)
class Exposure:
    """The parts of one account's exposure, each a non-negative Money in the account's currency.

    far_orders, unsafe_cash and other_currency stand beside it (customers/open_items.py). minor: the parts that are
    there, in minor units. standing: the account's covers one by one (None: it has none).
    """

    currency: str
    as_of: date
    minor: dict[str, int] = field(default_factory=dict)
    oldest_due_on: date | None = None
    standing: CoverStanding | None = None

    open_invoices = _part("open_invoices")
    unbilled_deliveries = _part("unbilled_deliveries")
    open_orders = _part("open_orders")
    instruments = _part("instruments")
    unapplied_cash = _part("unapplied_cash")
    open_credits = _part("open_credits")
    overdue = _part("overdue")
    far_orders = _part("far_orders")
    unsafe_cash = _part("unsafe_cash")
    other_currency = _part("other_currency")

    @property
    def cover(self) -> Money:
        return Money.zero(self.currency) if self.standing is None else self.standing.secured

    @property
    def total(self) -> Money:
        own = self.minor
        owed = sum(own.get(name, 0) for name in PLUS) - sum(own.get(name, 0) for name in MINUS)
        return Money(owed, self.currency)

    @property
    def at_risk(self) -> Money:
        """Exposure less cover, never below zero."""
        rest = self.total - self.cover
        return rest if rest.minor > 0 else Money.zero(self.currency)

    @property
    def oldest_days_past_due(self) -> int:
        """Days past due of the oldest open instalment; 0 when nothing is overdue."""
        return max((self.as_of - self.oldest_due_on).days, 0) if self.oldest_due_on else 0

    def add(self, name: str, minor: int) -> None:
        if minor:
            self.minor[name] = self.minor.get(name, 0) + minor


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
    """Exposure of each account at `as_of`, summed by the database in a constant number of queries.

    Row by row are read only the accounts that have cover (its terms speak of single invoices) and those of rows_of:
    lists, by account, that are filled with the rows behind the figures. order_horizon_days: for every order; default
    by segment and product line (customers/instruments.py). terms: of the segments on that day, where they are known
    already. Raises MissingRate.
    """
    scope, result = _scope(accounts, as_of)
    rates = Rates(as_of, view)
    covers = covers_known(scope, as_of, view)
    wanted = rows_of if rows_of is not None else {}
    items: dict[int, list[Item]] = {pk: [] for pk in result if pk in covers or pk in wanted}
    reading: dict[str, Any] = {
        "order_horizon_days": order_horizon_days,
        "numbers": bool(wanted),
        "terms": terms,
    }
    rows: Iterable[OpenSum | Item]
    if len(items) == len(result):
        rows = open_items(scope, as_of, view, **reading)
    else:
        rows = open_sums(scope, as_of, view, listed=_listed(scope, items, wanted, as_of, view), **reading)
    _add_up(result, _apart(rows, items, as_of), rates)
    for pk in wanted:
        wanted[pk].extend(items[pk])
    facts = facts_for(covers, as_of, view, scope)
    for pk in covers:
        exposure = result[pk]
        currency = exposure.currency
        exposure.standing = assess(
            pk, exposure.total, items[pk], facts, as_of, lambda money, to=currency: rates.convert(money, to)
        )
    return result


def _scope(accounts: Any, as_of: date) -> tuple[Any, dict[int, Exposure]]:
    """What the statements are told of the accounts, and an exposure of nothing for each.

    A queryset stays a subquery, and its accounts need not be loaded.
    """
    if not isinstance(accounts, QuerySet):
        result = {account.pk: Exposure(account.currency, as_of) for account in accounts}
        return list(result), result
    if accounts._result_cache is not None:
        pairs: Iterable[tuple[int, str]] = [(account.pk, account.currency) for account in accounts]
    else:
        pairs = accounts.values_list("pk", "currency")
    result = {pk: Exposure(currency, as_of) for pk, currency in pairs}
    return accounts.order_by().values("pk"), result


def _listed(scope: Any, items: dict[int, list[Item]], wanted: Any, as_of: date, view: View) -> Any:
    """The accounts to be read row by row: named one by one, or as a condition where they are many."""
    if len(items) <= MANY or not isinstance(scope, QuerySet):
        return list(items) or None
    covered = Q(pk__in=covers_of(scope, as_of, view).values("account"))
    return CreditAccount.objects.filter(covered | Q(pk__in=list(wanted)) if wanted else covered).values("pk")


def _apart(rows: Iterable[OpenSum | Item], items: dict[int, list[Item]], as_of: date) -> Iterator[OpenSum]:
    """The sums among what was read, and those of the single rows, which are kept in `items`."""
    for row in rows:
        if isinstance(row, OpenSum):
            yield row
        else:
            items[row.account_id].append(row)
    yield from summed_up((item for own in items.values() for item in own), as_of)


def _add_up(result: dict[int, Exposure], sums: Iterable[OpenSum], rates: Rates) -> None:
    """Put sums into the exposures, those of other currencies converted once per account, currency and part."""
    mixed: dict[int, list[OpenSum]] = defaultdict(list)
    for one in sums:
        exposure = result[one.account_id]
        if one.currency != exposure.currency:
            mixed[one.account_id].append(one)
        else:
            exposure.minor[one.part] = one.minor
            if one.overdue:
                exposure.minor["overdue"] = one.overdue
        oldest = one.oldest_due_on
        if oldest is not None and (exposure.oldest_due_on is None or oldest < exposure.oldest_due_on):
            exposure.oldest_due_on = oldest
    for pk, foreign in mixed.items():
        exposure = result[pk]
        own = exposure.currency
        parts = {(own, name): minor for name, minor in exposure.minor.items()}
        for one in foreign:
            parts[one.currency, one.part] = one.minor
            if one.overdue:
                parts[one.currency, "overdue"] = one.overdue
        _net_within_currencies(parts)
        exposure.minor = {}
        for (currency, name), minor in parts.items():
            exposure.add(name, rates.convert(Money(minor, currency), own).minor)


def _net_within_currencies(parts: dict[tuple[str, str], int]) -> None:
    """Cash and credit notes reduce what is owed in their own currency; what is over stands beside the exposure.

    parts: of one account, by currency and name.
    """
    nets: dict[str, int] = defaultdict(int)
    for (currency, name), minor in parts.items():
        if name in PLUS or name in MINUS:
            nets[currency] += minor if name in PLUS else -minor
    if len(nets) < 2 or max(nets.values()) <= 0:
        return
    for currency, net in nets.items():
        over = -net
        for name in MINUS if over > 0 else ():
            taken = min(over, parts.get((currency, name), 0))
            if taken:
                parts[currency, name] -= taken
                parts[currency, "other_currency"] = parts.get((currency, "other_currency"), 0) + taken
                over -= taken


def totals_now(
    scope: Any, as_of: date, *, order_horizon_days: int | None = None
) -> dict[tuple[int, str], int]:
    """Exposure in minor units per (account, currency), before conversion, summed in SQL.

    scope: account ids, or a queryset of them. For ranking a whole book: no account is loaded, no cover assessed. What
    an account has over in one currency while it owes in another is left out, as it is of its exposure.
    """
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for one in open_sums(scope, as_of, order_horizon_days=order_horizon_days):
        if one.part in BESIDE:
            continue
        own = found[one.account_id]
        own[one.currency] = own.get(one.currency, 0) + (-one.minor if one.part in MINUS else one.minor)
    return {
        (pk, currency): net
        for pk, own in found.items()
        for currency, net in own.items()
        if net >= 0 or len(own) < 2 or max(own.values()) <= 0
    }
