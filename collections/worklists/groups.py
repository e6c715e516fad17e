"""Which accounts belong to a group of companies in which others are late or insolvent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from django.db.models import Q

from customers.exposure import instalments_open_at
from customers.models import Company, CreditAccount, Customer, DocumentKind, Instalment
from worklists.evidence import Convert
from worklists.situations import Situation


def collect_groups(
    found: dict[int, Situation],
    company: Company,
    judged_on: date,
    account_ids: Collection[int] | None,
    convert: Convert,
) -> None:
    """Which accounts belong to a group in which others are in trouble."""
    members = Customer.objects.filter(parent__isnull=False)
    if account_ids is not None:
        own = list(
            CreditAccount.objects.filter(pk__in=account_ids).values_list("customer_id", "customer__parent_id")
        )
        heads = {parent or customer for customer, parent in own}
        members = members.filter(parent__in=heads)
    rows = list(members.values_list("pk", "parent_id", "name", "status", "parent__name", "parent__status"))
    if not rows:
        return
    people: dict[int, tuple[int, str, str]] = {}
    for pk, parent_id, name, status, parent_name, parent_status in rows:
        people[pk] = (parent_id, name, status)
        people.setdefault(parent_id, (parent_id, parent_name, parent_status))
    customers: Any = list(people)
    if len(people) > 1000:
        customers = Customer.objects.filter(
            Q(parent__isnull=False) | Q(pk__in=members.values("parent_id"))
        ).values("pk")
    accounts = dict(
        CreditAccount.objects.filter(company=company, customer__in=customers).values_list("pk", "customer_id")
    )
    late, amounts, insolvent = _lateness_of_groups(people, accounts, company, customers, judged_on, convert)
    names = {head: people[head][1] for head, _name, _status in people.values()}
    for pk, customer in accounts.items():
        situation = found.get(pk)
        if situation is None:
            continue
        head = people[customer][0]
        others = [sister for sister in insolvent.get(head, []) if sister[0] != customer]
        situation.group = {
            "name": names[head],
            "late": len(late[head]) if customer in late[head] else 0,
            "minor": amounts[head],
            "currency": company.currency,
            "insolvent": others[0][1] if others else "",
        }


def _lateness_of_groups(people, accounts, company, customers, judged_on, convert):
    """Per group head: its members more than 30 days late, their overdue in company currency, the insolvent."""
    late: dict[int, set[int]] = defaultdict(set)
    amounts: dict[int, int] = defaultdict(int)
    insolvent: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for pk, (head, name, status) in people.items():
        if status == Customer.Status.INSOLVENT:
            insolvent[head].append((pk, name))
    rows = instalments_open_at(
        judged_on,
        instalments=Instalment.objects.filter(
            account__company=company,
            account__customer__in=customers,
            kind=DocumentKind.INVOICE,
            due_on__lt=judged_on,
        ),
    ).order_by()
    totals: dict[tuple[int, str], int] = defaultdict(int)
    for account_id, currency, minor, due_on in rows.values_list(
        "account_id", "currency", "open_then", "due_on"
    ):
        head = people[accounts[account_id]][0]
        totals[head, currency] += minor
        if due_on < judged_on - timedelta(days=30):
            late[head].add(accounts[account_id])
    for (head, currency), minor in totals.items():
        amounts[head] += convert(minor, currency, company.currency)
    return late, amounts, insolvent
