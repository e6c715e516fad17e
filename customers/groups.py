"""Groups of customers, of any depth, as they were on a day; and what a group owes in one currency.

A customer's parent on a day is that of its newest membership by then (its current parent when none was ever
recorded). A circle cannot be recorded (customers.attributes.set_parent); one that came in otherwise is cut where it
closes, so that every customer still stands in exactly one place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from django.db import connection
from django.db.models import F, OuterRef, Subquery, Window
from django.db.models.functions import RowNumber

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.exposure import Exposure, Rates, exposures
from customers.models import Company, CreditAccount, Customer, GroupMembership
from customers.open_items import Item
from customers.view_sql import view_sql

DEEPEST = 50


@dataclass(frozen=True)
class Tree:
    """Parents and members of customers (ids) on a day; customers who stand alone are not in it."""

    as_of: date
    parents: Mapping[int, int]
    members: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, as_of: date, parents: Mapping[int, int]) -> Tree:
        """From customer -> parent; a circle is cut at its smallest id."""
        kept = dict(parents)
        settled: set[int] = set()
        for start in sorted(parents):
            path: list[int] = []
            at: int | None = start
            while at is not None and at not in settled and at not in path:
                path.append(at)
                at = kept.get(at)
            if at in path:
                kept.pop(min(path[path.index(at) :]))
            settled.update(path)
        members: dict[int, list[int]] = defaultdict(list)
        for customer, parent in sorted(kept.items()):
            members[parent].append(customer)
        return cls(as_of, kept, {parent: tuple(own) for parent, own in members.items()})

    def head_of(self, customer: int) -> int:
        """The top of the customer's group: itself when it stands alone."""
        while (above := self.parents.get(customer)) is not None:
            customer = above
        return customer

    def above(self, customer: int) -> list[int]:
        """Its parent, the parent's parent, and so on up to the head."""
        found = []
        while (customer := self.parents.get(customer, 0)) != 0:
            found.append(customer)
        return found

    def walk(self, head: int, depth: int = 0) -> Iterator[tuple[int, int]]:
        """(customer, depth) of the head and everybody below it, parents before their members."""
        stack = [(head, depth)]
        while stack:
            customer, level = stack.pop()
            yield customer, level
            stack.extend((one, level + 1) for one in reversed(self.members.get(customer, ())))

    def below(self, head: int) -> list[int]:
        """The head and everybody below it."""
        return [customer for customer, _level in self.walk(head)]


def tree_at(as_of: date, view: View = CURRENT) -> Tree:
    """All groups on a day; two queries, whatever their depth and number."""
    ranked = (
        GroupMembership.objects.at(as_of, view)
        .annotate(
            rank=Window(
                RowNumber(), partition_by=[F("customer")], order_by=[F("effective_on").desc(), F("pk").desc()]
            )
        )
        .filter(rank=1)
    )
    parents = {
        customer: parent for customer, parent in ranked.values_list("customer_id", "parent_id") if parent
    }
    recorded = GroupMembership.objects.filter(customer=OuterRef("pk"))
    loose = Customer.objects.filter(parent__isnull=False).annotate(
        recorded=Subquery(recorded.values("pk")[:1])
    )
    for customer, parent in loose.filter(recorded__isnull=True).values_list("pk", "parent_id"):
        parents.setdefault(customer, parent)
    return Tree.of(as_of, parents)


def group_of(customer_id: int, as_of: date, view: View = CURRENT) -> Tree:
    """The one group a customer belongs to on a day: one query whatever its depth, however many groups there are."""
    condition, params = view_sql(view, "m")
    newest = f"""CASE WHEN EXISTS (SELECT 1 FROM customers_groupmembership e WHERE e.customer_id = c.id)
        THEN (SELECT m.parent_id FROM customers_groupmembership m WHERE m.customer_id = c.id
              AND m.effective_on <= %s AND {condition} ORDER BY m.effective_on DESC, m.id DESC LIMIT 1)
        ELSE c.parent_id END"""
    # Told to look below each customer in turn, PostgreSQL reads its few members; left alone it reads every customer.
    on_server = connection.vendor == "postgresql"
    lateral = "JOIN LATERAL" if on_server else "JOIN"

    def of_one(table: str) -> str:
        return f"{table}.parent_id = d.id" if on_server else f"{table}.parent_id IS NOT NULL"

    statement = f"""WITH RECURSIVE
        up(id, depth) AS (
            SELECT CAST(%s AS bigint), 0 UNION ALL
            SELECT {newest}, up.depth + 1 FROM up JOIN customers_customer c ON c.id = up.id WHERE up.depth < {DEEPEST}
        ),
        down(id, parent, depth) AS (
            SELECT id, CAST(NULL AS bigint), 0 FROM up WHERE id IS NOT NULL
            UNION
            SELECT c.id, d.id, d.depth + 1 FROM down d
            {lateral} (
                SELECT k.id, k.parent_id, k.parent_id AS above FROM customers_customer k WHERE {of_one("k")}
                UNION ALL
                SELECT k.id, k.parent_id, g.parent_id AS above FROM customers_groupmembership g
                JOIN customers_customer k ON k.id = g.customer_id WHERE {of_one("g")}
            ) c ON c.above = d.id
            WHERE {newest} = d.id AND d.depth < {DEEPEST}
        )
        SELECT DISTINCT id, parent FROM down WHERE parent IS NOT NULL"""
    day = [as_of, *params]
    with connection.cursor() as cursor:
        cursor.execute(statement, [customer_id, *day, *day])
        return Tree.of(as_of, dict(cursor.fetchall()))


@dataclass(slots=True)
class Sums:
    """Exposure, cover, overdue and limits of some accounts in one currency; limit None: none was ever decided."""

    currency: str
    exposure: Money = field(init=False)
    cover: Money = field(init=False)
    overdue: Money = field(init=False)
    accounts: int = 0

    def __post_init__(self) -> None:
        self.exposure = self.cover = self.overdue = Money.zero(self.currency)

    @property
    def at_risk(self) -> Money:
        rest = self.exposure - self.cover
        return rest if rest.minor > 0 else Money.zero(self.currency)

    def add(self, exposure: Money, cover: Money, overdue: Money, accounts: int = 1) -> None:
        self.exposure += exposure
        self.cover += cover
        self.overdue += overdue
        self.accounts += accounts

    def add_sums(self, other: Sums) -> None:
        self.add(other.exposure, other.cover, other.overdue, other.accounts)


@dataclass(slots=True)
class Member:
    """A customer in a group: its accounts with their exposures (own currency), itself, and itself with all below."""

    customer: Customer
    depth: int
    accounts: list[tuple[CreditAccount, Exposure]]
    own: Sums
    subtree: Sums


@dataclass(slots=True)
class GroupExposure:
    """What a customer and everybody below it owes, in `currency` at the rates of `as_of`.

    members: parents before their members. entities: the same total by our selling company. rates: {(from, to):
    units of `to` for one of `from`}, what was used. A group is the sum of its members: credits of one do not reduce
    what another owes, so an account with a credit balance counts for nothing here.
    """

    head: Customer
    as_of: date
    currency: str
    total: Sums
    members: list[Member]
    entities: list[tuple[Company, Sums]]
    rates: dict[tuple[str, str], object]

    @property
    def account_ids(self) -> list[int]:
        return [account.pk for member in self.members for account, _exposure in member.accounts]


def group_exposure(
    head: Customer,
    as_of: date,
    currency: str,
    view: View = CURRENT,
    *,
    tree: Tree | None = None,
    accounts: Iterable[CreditAccount] | None = None,
    rows_of: dict[int, list[Item]] | None = None,
) -> GroupExposure:
    """The exposure of `head` and everybody below it; a fixed number of queries. Raises MissingRate.

    accounts: only these of the group's (those a person may see, with customer and company loaded); default all.
    tree: when it was read before. rows_of: as for `exposures`.
    """
    tree = tree or group_of(head.pk, as_of, view)
    places = dict(tree.walk(head.pk))
    if accounts is None:
        rows = CreditAccount.objects.filter(customer__in=list(places), joined_into__isnull=True)
        accounts = rows.select_related("customer", "company", "segment")
    own: dict[int, list[CreditAccount]] = defaultdict(list)
    for account in accounts:
        if account.customer_id in places:
            own[account.customer_id].append(account)
    every = [account for some in own.values() for account in some]
    owed = exposures(every, as_of, view=view, rows_of=rows_of)
    people = {customer.pk: customer for customer in Customer.objects.filter(pk__in=list(places))}
    rates = Rates(as_of, view)
    members, entities = [], {}
    for customer, depth in places.items():
        member = Member(people[customer], depth, [], Sums(currency), Sums(currency))
        for account in sorted(own.get(customer, ()), key=lambda a: (a.company.name, a.pk)):
            exposure = owed[account.pk]
            member.accounts.append((account, exposure))
            amounts = _amounts(exposure, currency, rates)
            member.own.add(*amounts)
            if account.company_id not in entities:
                entities[account.company_id] = (account.company, Sums(currency))
            entities[account.company_id][1].add(*amounts)
        members.append(member)
    by_id = {member.customer.pk: member for member in members}
    for member in reversed(members):
        member.subtree.add_sums(member.own)
        above = tree.parents.get(member.customer.pk)
        if above in by_id and member.depth:
            by_id[above].subtree.add_sums(member.subtree)
    return GroupExposure(
        people[head.pk],
        as_of,
        currency,
        by_id[head.pk].subtree,
        members,
        sorted(entities.values(), key=lambda pair: pair[0].name),
        {pair: rates.table.rate(*pair) for pair in sorted(rates.used)} if rates.table else {},
    )


def _amounts(exposure: Exposure, currency: str, rates: Rates) -> tuple[Money, Money, Money]:
    total = exposure.total
    counted = total if total.minor > 0 else Money.zero(exposure.currency)
    converted = [rates.convert(money, currency) for money in (counted, exposure.cover, exposure.overdue)]
    return converted[0], converted[1], converted[2]
