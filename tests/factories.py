"""Small builders of real rows for tests; every one goes through the ledger's own verbs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import count

from django.db import transaction
from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.events import ledger_changed
from customers.ledger import InstalmentTerms, allocate_payment, post_document, post_payment
from customers.models import (
    Allocation,
    Company,
    CreditAccount,
    CreditSegment,
    Customer,
    ImportBatch,
    Instalment,
    Invoice,
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
    # Not its relations: what it already knows of them would be read again.
    fields = [field.attname for field in Instalment._meta.concrete_fields if not field.is_relation]
    instalment.refresh_from_db(fields=fields)
    value = Decimal(amount) if amount else instalment.open_amount.amount
    payment = receive(instalment.account, str(value), on, currency=instalment.currency, **extra)
    allocate_payment(payment, [(instalment, value)], actor=ACTOR)
    instalment.refresh_from_db(fields=fields)
    payment.refresh_from_db()
    return payment


@transaction.atomic
def history(
    account: CreditAccount, deals: Iterable[tuple[str, date, int, date | None]], known_on: date | None = None
) -> list[Instalment]:
    """Many past invoices, each (amount, issued on, days to pay, paid on or None): the rows of `invoice` and `pay`.

    In five statements instead of thirty per invoice, announced once, and without the trail of the acts: for pasts
    that tests only judge. In the account's currency; known_on: of the payments, instead of the day they came in.
    tests/customers/ledger/test_history.py holds it to the verbs.
    """
    source = account.company.sources.get(code="erp")
    owner = {"company_id": account.company_id, "account": account, "currency": account.currency}
    invoices, rows, payments, allocations = [], [], [], []
    for amount, issued_on, days, paid_on in deals:
        money = Money.of(Decimal(amount), account.currency)
        facts = {**owner, "amount": money, "kind": "invoice"}
        known = {"effective_on": issued_on, "known_on": issued_on, "recorded_at": timezone.now()}
        invoices.append(
            Invoice(**facts, **known, source=source, number=f"F-{next(_numbers)}", fiscal_year=issued_on.year)
        )
        due_on = issued_on + timedelta(days=days)
        rows.append(
            Instalment(
                **facts,
                **known,
                invoice=invoices[-1],
                due_on=due_on,
                account_amount=money.minor,
                open_amount=money,
            )
        )
        if paid_on is None:
            continue
        counted = max(paid_on, issued_on)
        zero = Money.zero(account.currency)
        rows[-1].open_amount, rows[-1].settled_on, rows[-1].settled_by = zero, counted, "cash"
        payments.append(
            Payment(
                **owner, source=source, key=f"P-{next(_numbers)}", amount=money, open_amount=zero,
                effective_on=paid_on, known_on=known_on or paid_on,
            )
        )  # fmt: skip
        allocations.append(
            Allocation(
                kind="cash", account=account, instalment=rows[-1], payment=payments[-1], currency=account.currency,
                amount=money, account_amount=money.minor, days_late=(counted - due_on).days,
                effective_on=counted, known_on=known_on or counted,
            )
        )  # fmt: skip
    Invoice.objects.bulk_create(invoices)
    Instalment.objects.bulk_create(rows)
    Payment.objects.bulk_create(payments)
    Allocation.objects.bulk_create(allocations)
    ledger_changed.send(sender=Invoice, account_ids={account.pk})
    return rows
