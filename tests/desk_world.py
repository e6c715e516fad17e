"""One row of every kind that a customer page or an admin list shows, for tests of pages."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.test import Client

from creditdesk.core.audit import record_act
from creditdesk.core.models import User
from customers.attributes import assign_collector, set_status
from customers.disputes import open_dispute
from customers.models import (
    Contact,
    Cover,
    CreditAccount,
    CreditHold,
    FinancialStatement,
    LegalEvent,
    LimitChange,
    OpenOrder,
)
from customers.promises import take_promise
from tests.factories import ACTOR, invoice, pay, receive

TODAY = date(2026, 11, 20)


@transaction.atomic
def fill(account: CreditAccount, user: User | None = None, *, decisions: bool = True) -> None:
    """One row of every kind a customer page or an admin list shows. decisions: also a hold and a waiting change."""
    first = invoice(account, "1000.00", TODAY - timedelta(days=120))
    pay(first, TODAY - timedelta(days=80))
    late = invoice(account, "700.00", TODAY - timedelta(days=70))
    invoice(account, "300.00", TODAY - timedelta(days=5))
    receive(account, "55.00", TODAY - timedelta(days=3))
    take_promise(
        account, [(late, Decimal("400.00"))], due_on=TODAY + timedelta(days=4), given_on=TODAY, actor=ACTOR
    )
    open_dispute(account, [(late, Decimal("100.00"))], reason="price", opened_on=TODAY, actor=ACTOR)
    dates = {"effective_on": TODAY - timedelta(days=30), "known_on": TODAY - timedelta(days=29)}
    number = LegalEvent.objects.count()
    LegalEvent.objects.create(customer=account.customer, kind="lien", source=f"register {number}", **dates)
    Cover.objects.create(account=account, kind="insurance", currency=account.currency, amount=50000, **dates)
    OpenOrder.objects.create(
        account=account,
        number=f"O-{number}",
        expected_on=TODAY + timedelta(days=9),
        currency="EUR",
        amount=9900,
        **dates,
    )
    FinancialStatement.objects.create(customer=account.customer, currency="EUR", revenue=100, **dates)
    Contact.objects.create(customer=account.customer, name="Anna B.", phone="+39 02 5550100")
    set_status(account.customer, "active", on=TODAY - timedelta(days=400), actor=ACTOR)
    assign_collector(account, user, on=TODAY - timedelta(days=100), actor=ACTOR)
    record_act("customer.note", actor=ACTOR, subject=account.customer, business_date=TODAY)
    if not decisions:
        return
    CreditHold.objects.create(
        account=account, reason_code="long_overdue", placed_on=TODAY, placed_by_name="limit policy"
    )
    LimitChange.objects.create(
        account=account,
        currency=account.currency,
        new_amount=500000,
        valid_from=TODAY,
        as_of=TODAY,
        reason_code="first_limit",
        proposer_kind="policy",
        proposer_name="limit policy",
    )


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="creditdesk.rights.RightsBackend")
    return client
