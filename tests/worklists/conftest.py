from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from customers.models import Access, CreditLimit, LimitChange
from tests.factories import invoice, make_account, make_company, pay

AS_OF = date(2026, 11, 23)  # a Monday


def ago(days: int) -> date:
    return AS_OF - timedelta(days=days)


@pytest.fixture
def company(db):
    return make_company(complete_through=AS_OF)


@pytest.fixture
def marta(company):
    return make_collector("marta", company)


@pytest.fixture
def actor(marta):
    return Actor.person(marta)


def make_collector(name, company, portfolio=None, *, may_work=True, **extra):
    user = User.objects.create_user(name, password="x", first_name=name.title(), is_staff=True, **extra)
    Access.objects.create(user=user, company=company, portfolio=portfolio)
    if may_work:
        user.user_permissions.add(
            Permission.objects.get(codename="work_worklist", content_type__app_label="worklists")
        )
    user.user_permissions.add(
        Permission.objects.get(codename="view_worklistrow", content_type__app_label="worklists")
    )
    return user


def overdue(account, amount="1000.00", days=20, **extra):
    """An invoice that fell due `days` before AS_OF."""
    return invoice(account, amount, ago(days + 30), 30, **extra)


def history(account, late, *, count=8, amount="1000.00", first=330, step=30, number=None):
    """Paid invoices: one every `step` days from `first` days ago on, each `late` days late."""
    for position in range(count):
        due = first - position * step
        row = invoice(account, amount, ago(due + 30), 30)
        pay(row, row.due_on + timedelta(days=late))


def give_limit(account, amount, on=None):
    on = on or ago(400)
    change = LimitChange.objects.create(
        account=account,
        currency=account.currency,
        new_amount=Decimal(amount),
        valid_from=on,
        reason_code="test",
        as_of=on,
        proposer_kind=LimitChange.ProposerKind.IMPORT,
        proposer_name="test",
        status=LimitChange.Status.APPLIED,
        is_automatic=True,
        decided_at=f"{on}T12:00:00Z",
    )
    return CreditLimit.objects.create(
        account=account,
        kind="base",
        currency=account.currency,
        amount=Decimal(amount),
        valid_from=on,
        change=change,
    )


def account_of(company, collector, name="", **extra):
    account = make_account(company, name, **extra)
    account.collector = collector
    account.save()
    return account
