"""Small builders of real rows for tests; every one goes through the ledger's own verbs."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import count

from creditdesk.core.audit import Actor
from customers.ledger import InstalmentTerms, allocate_payment, post_document, post_payment
from customers.models import (
    Company,
    CreditAccount,
    CreditSegment,
    Customer,
    ImportBatch,
    Instalment,
    Payment,
    Portfolio,
    Source,
)

ACTOR = Actor.job("test")
_numbers = count(1)


def make_company(
    code: str = "acme", currency: str = "EUR", complete_through: date | None = None, **extra
) -> Company:
    company = Company.objects.create(code=code, name=code.title(), currency=currency, **extra)
    CreditSegment.objects.create(company=company, code="main", name="Main")
    Portfolio.objects.create(company=company, code="all", name="All")
    source = Source.objects.create(company=company, code="erp", name="ERP")
    if complete_through:
        ImportBatch.objects.create(source=source, complete_through=complete_through)
    return company


def make_account(
    company: Company, name: str = "", *, currency: str = "", portfolio=None, **customer
) -> CreditAccount:
    number = next(_numbers)
    row = Customer.objects.create(code=f"T-{number:05}", name=name or f"Customer {number}", **customer)
    return CreditAccount.objects.create(
        customer=row,
        segment=company.segments.get(code="main"),
        company=company,
        currency=currency or company.currency,
        portfolio=portfolio or company.portfolios.get(code="all"),
    )


def invoice(account: CreditAccount, amount: str, issued_on: date, days: int = 30, **extra) -> Instalment:
    """Post an invoice of one instalment; returns the instalment."""
    terms = [InstalmentTerms(issued_on + timedelta(days=days), Decimal(amount))]
    document = post_document(
        account,
        account.company.sources.get(code="erp"),
        extra.pop("number", f"F-{next(_numbers)}"),
        issued_on=issued_on,
        instalments=extra.pop("instalments", terms),
        actor=ACTOR,
        **extra,
    )
    return document.instalments.get(number=1)


def receive(account: CreditAccount, amount: str, on: date, **extra) -> Payment:
    key = extra.pop("key", f"P-{next(_numbers)}")
    source = account.company.sources.get(code="erp")
    return post_payment(account, source, key, received_on=on, amount=Decimal(amount), actor=ACTOR, **extra)


def pay(instalment: Instalment, on: date, amount: str | None = None, **extra) -> Payment:
    """Receive the open (or a given) amount of an instalment on a day and apply it."""
    instalment.refresh_from_db()
    value = Decimal(amount) if amount else instalment.open_amount.amount
    payment = receive(instalment.account, str(value), on, currency=instalment.currency, **extra)
    allocate_payment(payment, [(instalment, value)], actor=ACTOR)
    instalment.refresh_from_db()
    payment.refresh_from_db()
    return payment
