"""What credit checks look at, for the accounts of one business, in a fixed number of queries.

It is about now: open amounts are the ledger's stored counters. Nobody is late beyond the day the ledger is complete
through. Amounts come in each account's own currency, other currencies at the rates of the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Sum

from creditdesk.core.compiled import asked
from creditdesk.core.money import Money
from customers.completeness import complete_through_all
from customers.disputes import open_at
from customers.events import dunning_levels_wanted
from customers.exposure import Exposure, exposures
from customers.holds import open_holds
from customers.instruments import SegmentTerms
from customers.limits import Limit, limits_at
from customers.models import (
    CreditAccount,
    Customer,
    DisputeItem,
    DocumentKind,
    Instalment,
    Payment,
    Promise,
    PromiseItem,
)
from customers.rates import RateTable
from customers.reservations import reserved
from customers.status import status_at
from scoring.limit_inputs import SCORE_MAX_AGE
from scoring.models import AccountScore
from scoring.overrides import effective, overrides_at


@dataclass(slots=True)
class Late:
    """Overdue invoices of an account: everything, and of it what is in dispute."""

    overdue: Money
    overdue_disputed: Money
    open: Money
    open_disputed: Money
    older: dict[int, Money]
    older_disputed: dict[int, Money]
    oldest_due: date | None = None
    oldest_undisputed_due: date | None = None


@dataclass(slots=True)
class AccountFacts:
    """One account as the checks see it. Amounts in its currency."""

    account: CreditAccount
    exposure: Exposure
    limit: Limit
    reserved: Money
    late: Late
    status: str
    judged_on: date | None
    holds: list[str] = field(default_factory=list)
    broken: list[tuple[date, Money]] = field(default_factory=list)
    dunning_level: int = 0
    last_paid_on: date | None = None
    score: int | None = None
    grade: str = ""


class Rates:
    """The rates of a day, read when the first amount in another currency comes along."""

    def __init__(self, as_of: date) -> None:
        self.as_of = as_of
        self._table: RateTable | None = None

    def convert(self, money: Money, currency: str) -> Money:
        if money.currency == currency:
            return money
        if self._table is None:
            self._table = RateTable.at(self.as_of)
        return self._table.convert(money, currency)


def gather(
    accounts: Mapping[int, CreditAccount],
    as_of: date,
    at: datetime,
    *,
    rates: Rates,
    segments: SegmentTerms,
    older_days: Iterable[int] = (),
    promise_days: int | None = None,
    wants: Iterable[str] = (),
    without_reservation: int | None = None,
) -> dict[int, AccountFacts]:
    """Facts of each account (with `customer` loaded), keyed by account id. Raises MissingRate.

    segments: horizons and return periods of the day.
    older_days: for which ages sums of older items are wanted. promise_days: how far back broken promises count.
    wants: codes of rules whose facts cost a query of their own (dunning_level, last_payment, grade, score, unscored).
    """
    ids, wanted = list(accounts), set(wants)
    through = complete_through_all(sorted({account.company_id for account in accounts.values()}))
    judged = {pk: _judged(as_of, through.get(account.company_id)) for pk, account in accounts.items()}
    exposure = exposures(list(accounts.values()), as_of, terms=segments)
    limits = limits_at(ids, as_of)
    held = reserved(ids, at, without=without_reservation, on=as_of, terms=segments)
    late = _late(accounts, as_of, judged, tuple(older_days), rates)
    statuses = status_at(Customer.objects.filter(pk__in={a.customer_id for a in accounts.values()}), as_of)
    broken = _broken(accounts, as_of, promise_days, rates) if promise_days is not None else {}
    levels = _dunning_levels(ids, as_of) if "dunning_level" in wanted else {}
    paid = _last_paid(ids, as_of) if "last_payment" in wanted else {}
    scores = _scores(ids, as_of) if wanted & {"grade", "score", "unscored"} else {}
    found = {
        pk: AccountFacts(
            account=account,
            exposure=exposure[pk],
            limit=limits[pk],
            reserved=_sum(held, pk, account.currency, rates),
            late=late[pk],
            status=statuses[account.customer_id],
            judged_on=judged[pk],
            broken=broken.get(pk, []),
            dunning_level=levels.get(pk, 0),
            last_paid_on=paid.get(pk),
            score=scores.get(pk, (None, ""))[0],
            grade=scores.get(pk, (None, ""))[1],
        )
        for pk, account in accounts.items()
    }
    holds = open_holds(as_of).filter(account__in=ids).order_by("placed_on", "pk")
    for pk, reason in holds.values_list("account", "reason_code"):
        found[pk].holds.append(reason)
    return found


def _judged(as_of: date, through: date | None) -> date | None:
    return min(as_of, through) if through else None


def _sum(parts: Mapping[tuple[int, str], int], pk: int, currency: str, rates: Rates) -> Money:
    total = Money.zero(currency)
    for (owner, other), minor in parts.items():
        if owner == pk:
            total += rates.convert(Money(minor, other), currency)
    return total


def _late(
    accounts: Mapping[int, CreditAccount],
    as_of: date,
    judged: Mapping[int, date | None],
    ages: Sequence[int],
    rates: Rates,
) -> dict[int, Late]:
    """Open and overdue invoices, summed in SQL; the few disputed items are read one by one."""
    days = {day for day in judged.values() if day}
    found = {}
    for pk, account in accounts.items():
        zero = Money.zero(account.currency)
        found[pk] = Late(zero, zero, zero, zero, dict.fromkeys(ages, zero), dict.fromkeys(ages, zero))
    wholly = _add_disputes(found, accounts, as_of, judged, ages, rates)
    # Companies close their books on different days; the accounts of one business nearly always share one.
    for day in sorted(days):
        mine = [pk for pk in accounts if judged[pk] == day]
        behind = (as_of - day).days
        # The same statement for every account, unless some of its items are disputed whole.
        name = None if wholly or behind > 300 else ("check.late", tuple(ages), behind)
        rows = asked(name, lambda scope, on, n=behind: _late_sums(scope, on, n, ages, wholly), mine, as_of)
        for row in rows:
            values = dict(zip(_late_columns(ages), row, strict=True))
            _add_late(found[values["account"]], values, ages, accounts[values["account"]].currency, rates)
    unjudged = [pk for pk in accounts if judged[pk] is None]
    if unjudged:
        sums = _still_open(unjudged, as_of).values("account", "currency").annotate(open=Sum("open_amount"))
        for total in sums:
            _add_late(found[total["account"]], total, (), accounts[total["account"]].currency, rates)
    return found


def _late_columns(ages: Sequence[int]) -> list[str]:
    older = [f"older_{age}" for age in ages]
    return ["account", "currency", "open", "overdue", "oldest", "oldest_undisputed", *older]


def _still_open(scope: Any, as_of: date) -> QuerySet[Instalment]:
    return Instalment.objects.filter(
        account__in=scope,
        kind=DocumentKind.INVOICE,
        open_amount__gt=0,
        superseded_at__isnull=True,
        effective_on__lte=as_of,
    ).order_by()


def _late_sums(
    scope: Any, as_of: date, behind: int, ages: Sequence[int], wholly: Sequence[int]
) -> QuerySet[Instalment, Any]:
    """Sums per account and currency; lateness is judged `behind` days before `as_of`."""
    day = as_of - timedelta(days=behind)
    late = Q(due_on__lt=day)
    undisputed = late & ~Q(pk__in=wholly) if wholly else late
    sums = (
        _still_open(scope, as_of)
        .values("account", "currency")
        .annotate(
            open=Sum("open_amount"),
            overdue=Sum("open_amount", filter=late),
            oldest=Min("due_on", filter=late),
            oldest_undisputed=Min("due_on", filter=undisputed),
            **{f"older_{n}": Sum("open_amount", filter=Q(due_on__lt=day - timedelta(days=n))) for n in ages},
        )
    )
    return sums.values_list(*_late_columns(ages))


def _add_late(late: Late, row: Mapping[str, Any], ages: Sequence[int], currency: str, rates: Rates) -> None:
    def money(name: str) -> Money:
        return rates.convert(Money(int(row.get(name) or 0), row["currency"]), currency)

    late.open += money("open")
    late.overdue += money("overdue")
    for age in ages:
        late.older[age] += money(f"older_{age}")
    late.oldest_due = _earlier(late.oldest_due, row.get("oldest"))
    late.oldest_undisputed_due = _earlier(late.oldest_undisputed_due, row.get("oldest_undisputed"))


def _add_disputes(
    found: Mapping[int, Late],
    accounts: Mapping[int, CreditAccount],
    as_of: date,
    judged: Mapping[int, date | None],
    ages: Sequence[int],
    rates: Rates,
) -> list[int]:
    """Fill in what is disputed of open items; returns the items that are disputed whole."""

    def build(scope: Any, on: date) -> QuerySet[DisputeItem, Any]:
        items = DisputeItem.objects.filter(
            open_at(on, prefix="dispute__"),
            dispute__account__in=scope,
            instalment__kind=DocumentKind.INVOICE,
            instalment__open_amount__gt=0,
            instalment__superseded_at__isnull=True,
        )
        columns = ("instalment", "instalment__account", "instalment__due_on", "instalment__currency")
        sums = items.order_by().values(*columns).annotate(d=Sum("amount"), o=Max("instalment__open_amount"))
        return sums.values_list(*columns, "d", "o")

    wholly = []
    for item, pk, due_on, currency, disputed, still in asked("check.disputed", build, list(accounts), as_of):
        if pk not in found:
            continue
        late, day = found[pk], judged[pk]
        part = min(int(disputed), int(still))
        money = rates.convert(Money(part, currency), accounts[pk].currency)
        late.open_disputed += money
        if part == int(still):
            wholly.append(item)
        if day is None or due_on >= day:
            continue
        late.overdue_disputed += money
        for age in ages:
            if due_on < day - timedelta(days=age):
                late.older_disputed[age] += money
    return wholly


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((day for day in (one, other) if day), default=None)


def _broken(
    accounts: Mapping[int, CreditAccount], as_of: date, days: int, rates: Rates
) -> dict[int, list[tuple[date, Money]]]:
    """Promises broken, or kept only in part, within so many days, of which something is open still."""

    def build(scope: Any, on: date) -> QuerySet[Promise, Any]:
        still = PromiseItem.objects.filter(promise=OuterRef("pk"), instalment__open_amount__gt=0)
        rows = Promise.objects.filter(
            Exists(still),
            account__in=scope,
            superseded_at__isnull=True,
            status__in=[Promise.Status.BROKEN, Promise.Status.PARTLY_KEPT],
            resolved_on__lte=on,
            resolved_on__gte=on - timedelta(days=days),
        ).order_by("resolved_on", "pk")
        return rows.values_list("account", "resolved_on", "currency", F("amount") - F("kept_amount"))

    found: dict[int, list[tuple[date, Money]]] = defaultdict(list)
    name = ("check.broken", days) if days < 400 else None
    for pk, day, currency, rest in asked(name, build, list(accounts), as_of):
        found[pk].append((day, rates.convert(Money(int(rest), currency), accounts[pk].currency)))
    return found


def _dunning_levels(ids: Sequence[int], as_of: date) -> dict[int, int]:
    levels: dict[int, int] = {}
    for _receiver, answer in dunning_levels_wanted.send(sender=CreditAccount, account_ids=ids, as_of=as_of):
        for pk, level in (answer or {}).items():  # type: ignore[union-attr]
            levels[pk] = max(level, levels.get(pk, 0))
    return levels


def _last_paid(ids: Sequence[int], as_of: date) -> dict[int, date]:
    rows = Payment.objects.filter(account__in=ids, superseded_at__isnull=True, effective_on__lte=as_of)
    last = rows.order_by().values("account").annotate(day=Max("effective_on"))
    return dict(last.values_list("account", "day"))


def _scores(ids: Sequence[int], as_of: date) -> dict[int, tuple[int, str]]:
    """(score, grade to decide on) of accounts with a current score; an override's grade where one holds."""
    rows = AccountScore.objects.filter(account__in=ids, as_of__lte=as_of, as_of__gte=as_of - SCORE_MAX_AGE)
    overrides = overrides_at(ids, as_of)
    only = rows.only("account_id", "score", "grade", "recommendation", "pd")
    return {row.account_id: (row.score, effective(row, overrides.get(row.account_id))[0]) for row in only}
