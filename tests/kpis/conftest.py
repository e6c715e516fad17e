from __future__ import annotations

from datetime import date

import pytest
from django.contrib.auth.models import Permission

from creditdesk.core.models import User
from customers.models import Access

from .ledgers import Book

AS_OF = date(2026, 3, 31)


@pytest.fixture
def book(db) -> Book:
    return Book()


@pytest.fixture
def make_reader(db):
    """A user with the KPI permission who may see a company, or one portfolio of it."""

    def make(name: str, company=None, portfolio=None, *, permission: bool = True) -> User:
        user = User.objects.create_user(name, is_staff=True)
        if permission:
            user.user_permissions.add(Permission.objects.get(codename="view_kpis"))
        if company is not None:
            Access.objects.create(user=user, company=company, portfolio=portfolio)
        return user

    return make


@pytest.fixture
def transactional_rollback(db):
    """Each example of a property starts from an empty ledger: facts cannot be deleted, only rolled back."""
    from contextlib import contextmanager

    from django.db import transaction

    class Undo(Exception):
        pass

    @contextmanager
    def scope():
        try:
            with transaction.atomic():
                yield
                raise Undo
        except Undo:
            pass

    return scope
