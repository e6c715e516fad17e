"""Which accounts and customers a user may see: the companies and portfolios given to them (Access rows)."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from customers.models import Access, Company, CreditAccount, Customer

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
