"""Gathers the situations of a company's accounts from the ledger: a fixed number of queries, whatever the size.

The first query finds the accounts with something open; every further one asks about just these. An IN list of a
hundred thousand ids would be slow, and too long for SQLite, and the condition that selects them costs a look at
the whole book each time: beyond a thousand they travel as one parameter that the database reads as a table.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from creditdesk.core.money import Money
from customers.exposure import instalments_open_at
from customers.models import (
    Company,
    CreditAccount,
    Customer,
    DocumentKind,
    Instalment,
    LegalEvent,
)
from customers.promises import open_promised
from customers.rates import MissingRate, RateTable
from worklists import evidence
from worklists.groups import collect_groups
from worklists.situations import Item, Situation

ID_LIST_UP_TO = 1000


@dataclass(slots=True)
class Gathered:
    """The situations found, and the currency pairs for which no rate exists (their items weigh nothing)."""

    situations: dict[int, Situation]
    missing_rates: set[str] = field(default_factory=set)


def gather(
    company: Company, as_of: date, judged_on: date, *, account_ids: Collection[int] | None = None
) -> Gathered:
    """Every account with something overdue at `judged_on` (or insolvent and owing), or those of `account_ids`."""
    accounts = CreditAccount.objects.filter(company=company)
    if account_ids is not None:
        accounts = accounts.filter(pk__in=account_ids)
    legal = _insolvent_accounts(accounts, as_of)
    items = _open_items(company, judged_on, account_ids, legal)
    scope = _scope(list(items if account_ids is None else account_ids))
    found = Gathered({})
    for row in _account_rows(scope):
        pk = row["pk"]
        found.situations[pk] = Situation(
            account_id=pk,
            customer=row["customer__name"],
            collector_id=row["collector_id"],
            currency=row["currency"],
            company_currency=company.currency,
            as_of=as_of,
            judged_on=judged_on,
            grade=row["score_row__grade"] or "",
            insolvent=pk in legal,
            insolvent_on=legal.get(pk),
            items=items.get(pk, []),
        )
    holds(found.situations, scope, as_of)
    rates = _Rates(company.currency, as_of, found.missing_rates)
    for situation in found.situations.values():
        _weigh(situation, rates)
    evidence.collect(found.situations, scope, as_of, judged_on, rates.to)
    collect_groups(found.situations, company, judged_on, account_ids, rates.to)
    return found


def _scope(ids: list[int]) -> Any:
    """What `account__in` takes: a short list as it is, a long one as a table made of a single parameter."""
    if len(ids) <= ID_LIST_UP_TO:
        return ids
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", ["{" + ",".join(map(str, ids)) + "}"])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(ids)])


def _account_rows(scope: Any) -> QuerySet:
    return CreditAccount.objects.filter(pk__in=scope).values(
        "pk", "collector_id", "currency", "customer__name", "score_row__grade"
    )


def _insolvent_accounts(accounts: QuerySet[CreditAccount], as_of: date) -> dict[int, date | None]:
    """Accounts of insolvent customers: {account: day the proceedings opened, if an event says so}."""
    event = LegalEvent.objects.filter(
        customer=OuterRef("customer"),
        kind=LegalEvent.Kind.INSOLVENCY,
        superseded_at__isnull=True,
        effective_on__lte=as_of,
    ).filter(Q(ended_on__isnull=True) | Q(ended_on__gt=as_of))
    rows = accounts.filter(Q(customer__status=Customer.Status.INSOLVENT) | Exists(event))
    customers = dict(rows.values_list("pk", "customer_id"))
    if not customers:
        return {}
    days = dict(
        LegalEvent.objects.filter(
            customer__in=set(customers.values()),
            kind=LegalEvent.Kind.INSOLVENCY,
            superseded_at__isnull=True,
            effective_on__lte=as_of,
        )
        .order_by("-effective_on")
        .values_list("customer_id", "effective_on")
    )
    return {pk: days.get(customer) for pk, customer in customers.items()}


def _open_items(
    company: Company,
    judged_on: date,
    account_ids: Collection[int] | None,
    legal: dict[int, date | None],
) -> dict[int, list[Item]]:
    base = Instalment.objects.filter(company=company, kind=DocumentKind.INVOICE)
    if account_ids is not None:
        base = base.filter(account__in=account_ids)
    rows = _item_rows(base.filter(due_on__lt=judged_on), judged_on)
    found: dict[int, list[Item]] = defaultdict(list)
    for account_id, *values in rows:
        found[account_id].append(Item(*values))
    if legal:
        # The whole claim counts in insolvency, due or not.
        not_due = base.filter(due_on__gte=judged_on, account__in=list(legal))
        for account_id, *values in _item_rows(not_due, judged_on):
            found[account_id].append(Item(*values))
    return found


def _item_rows(base: QuerySet[Instalment], judged_on: date) -> Iterable[tuple]:
    rows = instalments_open_at(judged_on, instalments=base).order_by("account_id", "due_on", "pk")
    return rows.values_list(
        "account_id", "pk", "invoice__number", "currency", "open_then", "effective_on", "due_on"
    ).iterator(chunk_size=5000)


def holds(situations: dict[int, Situation], scope: Any, as_of: date) -> None:
    """Mark what is disputed, promised or blocked on each item."""
    promised = open_promised(scope, as_of)
    disputed = evidence.disputed_items(scope, as_of)
    account_blocks, item_blocks = evidence.blocks(scope, as_of)
    for pk, situation in situations.items():
        block = account_blocks.get(pk)
        if block is not None:
            code, starts_on, until = block
            if code == evidence.HANDED_OVER:
                situation.handed_over_on = starts_on
            else:
                situation.blocked_until = until
        for item in situation.items:
            item.promised = promised.get(item.pk, 0)
            minor, reason = disputed.get(item.pk, (0, ""))
            item.disputed = minor
            situation.disputed_reason = situation.disputed_reason or reason
            item.blocked = situation.blocked_until is not None or item.pk in item_blocks


class _Rates:
    """Conversion at the rates of a day, read only when two currencies meet."""

    def __init__(self, company_currency: str, on: date, missing: set[str]) -> None:
        self.company_currency, self.on, self.missing = company_currency, on, missing
        self._table: RateTable | None = None

    def to(self, minor: int, currency: str, wanted: str) -> int:
        """Minor units of the wanted currency; 0 where no rate exists, and the pair is noted."""
        if currency == wanted:
            return minor
        if self._table is None:
            self._table = RateTable.at(self.on)
        try:
            return self._table.convert(Money(minor, currency), wanted).minor
        except MissingRate:
            self.missing.add(f"{currency}/{wanted}")
            return 0


def _weigh(s: Situation, rates: _Rates) -> None:
    """Totals: overdue in the account's currency, collectable parts in the company's."""
    totals: dict[str, int] = defaultdict(int)
    for item in s.items:
        if item.due_on < s.judged_on or s.insolvent:
            totals[item.currency] += item.open_minor
    s.overdue = sum(rates.to(minor, currency, s.currency) for currency, minor in totals.items())
    s.parts = [
        (
            rates.to(item.collectable, item.currency, s.company_currency),
            max((s.judged_on - item.due_on).days, 0),
        )
        for item in s.chased
    ]
