"""Small made ledgers, as arrays and in the database."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from customers.models import Allocation, Instalment, Invoice, Payment
from scoring.invoices.ledger import Ledger
from tests.factories import make_account

START = date(2024, 1, 1)


def made(
    seed: int = 1, payers: int = 40, invoices: int = 1200, days: int = 600, a: float = 0.8, b: float = 1.6
) -> Ledger:
    """Payers late with a chance of their own; every invoice is paid in the end."""
    random = np.random.default_rng(seed)
    account = random.integers(0, payers, invoices)
    issued = np.sort(START.toordinal() + random.integers(0, days, invoices))
    late = random.random(invoices) < random.beta(a, b, payers)[account]
    delay = np.where(late, 1 + random.exponential(12, invoices), -random.gamma(2, 4, invoices))
    due = issued + 30
    paid = np.maximum(due + np.round(delay).astype(int), issued)
    return Ledger.of(
        account=account, issued=issued, due=due, amount=np.exp(random.normal(6, 1, invoices)), paid=paid
    )


def stored(company, ledger: Ledger, through: int) -> list[int]:
    """The same in the database, known as it happened, nothing after day `through`; returns the instalments."""
    accounts = {int(number): make_account(company) for number in np.unique(ledger.account)}
    source = company.sources.get(code="erp")
    day = date.fromordinal
    invoices, rows, payments, parts = [], [], [], []
    for n in np.flatnonzero(ledger.issued <= through):
        account, issued = accounts[int(ledger.account[n])], day(int(ledger.issued[n]))
        minor = round(float(ledger.amount[n]) * 100) or 1
        paid = int(ledger.paid[n])
        settled = day(paid) if paid <= through else None
        facts = {"effective_on": issued, "known_on": issued, "currency": "EUR", "amount": minor}
        invoices.append(
            Invoice(
                company=company,
                source=source,
                number=f"N-{n}",
                fiscal_year=issued.year,
                account=account,
                **facts,
            )
        )
        rows.append(
            Instalment(
                company=company,
                account=account,
                kind="invoice",
                due_on=day(int(ledger.due[n])),
                account_amount=minor,
                open_amount=0 if settled else minor,
                settled_on=settled,
                settled_by="cash" if settled else "",
                **facts,
            )
        )
        if not settled:
            continue
        known = {"effective_on": settled, "known_on": settled, "currency": "EUR", "amount": minor}
        payments.append(
            Payment(company=company, source=source, key=f"P-{n}", account=account, open_amount=0, **known)
        )
        late = paid - int(ledger.due[n])
        parts.append(
            (
                rows[-1],
                Allocation(kind="cash", account=account, account_amount=minor, days_late=late, **known),
            )
        )
    for row, invoice in zip(rows, Invoice.objects.bulk_create(invoices), strict=True):
        row.invoice = invoice
    Instalment.objects.bulk_create(rows)
    for (row, part), payment in zip(parts, Payment.objects.bulk_create(payments), strict=True):
        part.instalment, part.payment = row, payment
    Allocation.objects.bulk_create(part for _, part in parts)
    return [row.pk for row in rows]


def weeks(count: int) -> timedelta:
    return timedelta(weeks=count)
