"""A small book to post facts into, through the ledger's own verbs."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import count

from creditdesk.core.audit import Actor
from customers import ledger
from customers.models import (
    Company,
    CreditAccount,
    CreditSegment,
    Customer,
    DocumentKind,
    ImportBatch,
    Instalment,
    Invoice,
    Payment,
    Portfolio,
    Source,
)

ACTOR = Actor.job("test")
_numbers = count(1)


class Book:
    """One company with a portfolio; accounts on request."""

    def __init__(self, code: str = "acme", currency: str = "EUR") -> None:
        self.company = Company.objects.create(code=code, name=code.title(), currency=currency)
        self.segment = CreditSegment.objects.create(company=self.company, code="main", name="Main")
        self.portfolio = Portfolio.objects.create(company=self.company, code="all", name="All")
        self.source = Source.objects.create(company=self.company, code="erp", name="ERP")

    def account(self, name: str = "Rossi", *, currency: str | None = None, **more) -> CreditAccount:
        customer = Customer.objects.create(code=f"C{next(_numbers)}", name=name)
        more.setdefault("portfolio", self.portfolio)
        return CreditAccount.objects.create(
            customer=customer,
            segment=self.segment,
            company=self.company,
            currency=currency or self.company.currency,
            **more,
        )

    def invoice(
        self,
        account: CreditAccount,
        amount: str | int,
        issued: date,
        due: date | None = None,
        *,
        kind: str = DocumentKind.INVOICE,
        currency: str | None = None,
        known_on: date | None = None,
        parts: int = 1,
    ) -> Invoice:
        total = Decimal(amount)
        due = due or issued + timedelta(days=30)
        share = (total / parts).quantize(Decimal(1))
        terms = [ledger.InstalmentTerms(due + timedelta(days=30 * n), share) for n in range(parts - 1)]
        terms.append(
            ledger.InstalmentTerms(due + timedelta(days=30 * (parts - 1)), total - share * (parts - 1))
        )
        return ledger.post_document(
            account,
            self.source,
            f"F{next(_numbers)}",
            issued_on=issued,
            instalments=terms,
            actor=ACTOR,
            kind=kind,
            currency=currency,
            known_on=known_on,
        )

    def credit_note(self, account: CreditAccount, amount: str | int, issued: date, **more) -> Invoice:
        return self.invoice(account, amount, issued, issued, kind=DocumentKind.CREDIT_NOTE, **more)

    def cash(
        self, account: CreditAccount, amount: str | int, received: date, *, currency: str | None = None
    ) -> Payment:
        return ledger.post_payment(
            account,
            self.source,
            f"P{next(_numbers)}",
            received_on=received,
            amount=Decimal(amount),
            actor=ACTOR,
            currency=currency,
        )

    def pay(self, invoice: Invoice, received: date, amount: str | int | None = None) -> Payment:
        """Cash for the first instalment of an invoice (all that is open of it, or `amount`)."""
        row = first(invoice)
        value = Decimal(amount) if amount is not None else row.open_amount.amount
        payment = self.cash(invoice.account, value, received, currency=invoice.currency)
        ledger.allocate_payment(payment, [(row, value)], actor=ACTOR, on=received)
        return payment

    def apply_credit(self, note: Invoice, invoice: Invoice, amount: str | int, on: date) -> None:
        ledger.apply_credit_note(first(note), [(first(invoice), Decimal(amount))], actor=ACTOR, on=on)

    def complete_through(self, day: date) -> None:
        ImportBatch.objects.create(source=self.source, complete_through=day)


def first(invoice: Invoice) -> Instalment:
    return Instalment.objects.filter(invoice=invoice).order_by("number").first()
