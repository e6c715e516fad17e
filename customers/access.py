"""Which accounts and customers a user may see: the companies and portfolios given to them (Access rows)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from customers.models import Access, Company, CreditAccount, Customer

# Where accounts are: (company, portfolio) ids. Access is given by them.
Places = tuple[tuple[int, int | None], ...]
# Where a request keeps what was given to its user (creditdesk/rights.py fills it).
ACCESS_CACHE = "_access_given"


def given_to(user: Any) -> list[tuple[int, int | None]]:
    """(company, portfolio) ids given to the user; portfolio None: the company whole."""
    kept = getattr(user, ACCESS_CACHE, None)
    if kept is None:
        kept = list(Access.objects.filter(user=user).values_list("company_id", "portfolio_id"))
    return kept


def account_scope(user: Any, prefix: str = "") -> Q:
    """Condition on credit accounts (or, with prefix "account__", on rows that have one).

    A superuser sees everything; a user without Access rows sees nothing.
    """
    if user.is_superuser:
        return Q()
    scope = Q(pk__in=[])
    for company_id, portfolio_id in given_to(user):
        if portfolio_id is None:
            scope |= Q(**{f"{prefix}company_id": company_id})
        else:
            scope |= Q(**{f"{prefix}portfolio_id": portfolio_id})
    return scope


def places_of(accounts: Iterable[CreditAccount]) -> Places:
    found = {(account.company_id, account.portfolio_id) for account in accounts}
    return tuple(sorted(found, key=lambda place: (place[0], place[1] or 0)))


def sight_of(user: Any, company_id: int | None = None) -> Callable[[Places], bool]:
    """Does the user see every account of places? company_id: the only one, of a key. No places: nobody knows which.

    What was given to the user is read at most once by each answer of this function: ask once, use it for all rows.
    """
    given = cache(lambda: frozenset(given_to(user)))

    def sees(places: Places) -> bool:
        if company_id is not None and any(company != company_id for company, _portfolio in places):
            return False
        if user.is_superuser:
            return True
        return bool(places) and all({(place[0], None), place} & given() for place in places)

    return sees


def sees_all(user: Any) -> bool:
    """Every company there is was given to the user whole: no condition on accounts says the same, and is faster."""
    if user.is_superuser:
        return True
    whole = [company_id for company_id, portfolio_id in given_to(user) if portfolio_id is None]
    return bool(whole) and not Company.objects.exclude(pk__in=whole).exists()


def visible_accounts(user: Any) -> QuerySet[CreditAccount]:
    return CreditAccount.objects.filter(account_scope(user))


def visible_customers(user: Any) -> QuerySet[Customer]:
    """Customers of whom the user may see at least one account."""
    if user.is_superuser:
        return Customer.objects.all()
    return Customer.objects.filter(Exists(visible_accounts(user).filter(customer_id=OuterRef("pk"))))
