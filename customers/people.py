"""Which people who work here an account concerns: who holds a right and sees it, and who is responsible for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from creditdesk.core.models import User
from customers.approval_rules import DECIDE, PROPOSE
from customers.models import Access, Company, CreditAccount

Seen = dict[int, set[int]]
"""Ids of people per id of an account."""


def staff_with(permission: str) -> set[int]:
    """Active people who work in the pages and were given a right, by a role or by name (not by being superuser)."""
    app, _dot, codename = permission.partition(".")
    by_role = {"groups__permissions__codename": codename, "groups__permissions__content_type__app_label": app}
    by_name = {"user_permissions__codename": codename, "user_permissions__content_type__app_label": app}
    people = User.objects.filter(is_active=True, is_staff=True)
    return set(people.filter(**by_role).values_list("pk", flat=True)) | set(
        people.filter(**by_name).values_list("pk", flat=True)
    )


def seen_by(accounts: Iterable[CreditAccount], people: Collection[int]) -> Seen:
    """Which of these people see each account; two queries."""
    everything = set(User.objects.filter(pk__in=people, is_superuser=True).values_list("pk", flat=True))
    given: dict[tuple[int, int | None], set[int]] = defaultdict(set)
    for user, company, portfolio in Access.objects.filter(user__in=people).values_list(
        "user_id", "company_id", "portfolio_id"
    ):
        given[company, portfolio].add(user)
    return {
        row.pk: everything
        | given.get((row.company_id, None), set())
        | (given.get((row.company_id, row.portfolio_id), set()) if row.portfolio_id else set())
        for row in accounts
    }


def responsible_for(accounts: Iterable[CreditAccount]) -> Seen:
    """The controllers of each account: who proposes limits and does not decide them, with the narrowest scope.

    Somebody who was given just the account's portfolio goes before those who were given its whole company. Where an
    account has no controller, whoever else proposes limits for it. Only people who can be written to.
    """
    rows = list(accounts)
    written_to = User.objects.filter(pk__in=staff_with(PROPOSE)).exclude(email="")
    proposing = set(written_to.values_list("pk", flat=True))
    seen = seen_by(rows, proposing)
    deciding = staff_with(DECIDE)
    narrow: dict[int, set[int]] = defaultdict(set)
    for user, portfolio in Access.objects.filter(user__in=proposing, portfolio__isnull=False).values_list(
        "user_id", "portfolio_id"
    ):
        narrow[portfolio].add(user)
    found = {}
    for row in rows:
        controllers = seen[row.pk] - deciding
        own = controllers & narrow.get(row.portfolio_id or 0, set())
        found[row.pk] = own or controllers or seen[row.pk]
    return found


def companies_of(people: Collection[int]) -> dict[int, set[int]]:
    """The companies of which each person sees anything."""
    found: dict[int, set[int]] = defaultdict(set)
    for user, company in Access.objects.filter(user__in=people).values_list("user_id", "company_id"):
        found[user].add(company)
    everything = User.objects.filter(pk__in=people, is_superuser=True).values_list("pk", flat=True)
    if everything:
        companies = set(Company.objects.values_list("pk", flat=True))
        found |= dict.fromkeys(everything, companies)
    return found


def name_of(account: CreditAccount) -> str:
    """A customer as a mail names it: by its number where it is a natural person (a mail travels unsealed)."""
    customer = account.customer
    return customer.code if customer.is_natural_person else customer.name
