"""Random ledgers with every kind of fact and mishap, made through the ledger's own verbs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.disputes import DisputeError, close_dispute, open_dispute
from customers.ledger import (
    InstalmentTerms,
    LedgerError,
    apply_credit_note,
    correct_document,
    post_document,
    return_payment,
    reverse_allocation,
    write_off,
)
from customers.ledger.counters import recount
from customers.models import (
    Allocation,
    CreditAccount,
    Customer,
    ExchangeRate,
    Instalment,
    LegalEvent,
    StatusChange,
)
from customers.promises import PromiseError, settle_promises, take_promise
from scoring.engine import rescore
from scoring.peers import store_peer_figures
from tests.factories import ACTOR, invoice, make_account, make_company, pay
from tests.scoring.books_evidence import add_evidence

START, END = date(2024, 1, 1), date(2026, 3, 31)
JUDGED = date(2026, 3, 10)


class BookMaker:
    """Fills one company with `accounts` accounts; the same seed gives the same book.

    scored_on: scores and peer figures of these days are stored, the first half of them half way.
    """

    def __init__(
        self, seed: int, accounts: int = 6, invoices: int = 14, scored_on: Sequence[date] = ()
    ) -> None:
        self.rng = random.Random(seed)
        self.company = make_company(f"book{seed}", complete_through=JUDGED)
        ExchangeRate.objects.get_or_create(
            base="EUR", quote="USD", on=START, source="test", defaults={"rate": Decimal("1.0837")}
        )
        self.accounts = [self._account(n) for n in range(accounts)]
        add_evidence(self.company, self.accounts, seed)
        for number in range(invoices):
            for account in self.accounts:
                self._story(account)
            if number == invoices // 2:
                self._score(scored_on[: len(scored_on) // 2])
                self.half_way = timezone.now()
        settle_promises(END, account_ids=[a.pk for a in self.accounts], actor=ACTOR)
        self._score(scored_on[len(scored_on) // 2 :])

    def _score(self, days: Sequence[date]) -> None:
        for day in days:
            store_peer_figures(day)
            rescore(day)

    def _account(self, number: int) -> CreditAccount:
        account = make_account(
            self.company,
            customer_since=START - timedelta(days=400) if number % 3 == 0 else None,
            status=Customer.Status.INSOLVENT if number == 5 else Customer.Status.ACTIVE,
        )
        if number == 1:
            self._status(account, "insolvent", date(2025, 6, 1))
            self._status(account, "active", date(2025, 9, 1))
        for kind, on, end in [("insolvency", date(2025, 10, 1), date(2026, 1, 10)), ("protest", END, None)]:
            if number == 2:
                LegalEvent.objects.create(
                    customer=account.customer,
                    kind=kind,
                    effective_on=on,
                    known_on=on + timedelta(days=20),
                    ended_on=end,
                    source="register",
                )
        return account

    def _status(self, account: CreditAccount, status: str, on: date) -> None:
        StatusChange.objects.create(customer=account.customer, status=status, effective_on=on, known_on=on)

    def day(self, earliest: date, spread: int) -> date:
        return min(earliest + timedelta(days=self.rng.randrange(spread + 1)), END)

    def _story(self, account: CreditAccount) -> None:
        """One invoice of the account and what becomes of it."""
        issued = START + timedelta(days=self.rng.randrange((END - START).days))
        amount = str(Decimal(self.rng.randrange(2000, 900_000)) / 100)
        foreign = {"currency": "USD"} if self.rng.random() < 0.15 else {}
        row = invoice(account, amount, issued, days=self.rng.choice([0, 14, 30, 60]), **foreign)
        fate = self.rng.choice(
            "pay pay pay pay part part open return reverse credit loss small dispute closed infer correct promise promise promise".split()
        )
        try:
            with transaction.atomic():
                getattr(self, f"_{fate}")(account, row)
        except (LedgerError, DisputeError, PromiseError):
            pass

    def _paid_on(self, row: Instalment) -> date:
        return self.day(row.due_on + timedelta(days=self.rng.choice([-10, 0, 2, 20, 40])), 30)

    def _some(self, row: Instalment) -> str:
        row.refresh_from_db()
        return str(row.open_amount.amount * self.rng.randrange(20, 80) // 1 / 100 + Decimal("0.01"))

    def _pay(self, account: CreditAccount, row: Instalment) -> None:
        pay(row, self._paid_on(row), known_on=self.day(self._paid_on(row), 10))

    def _part(self, account: CreditAccount, row: Instalment) -> None:
        pay(row, self._paid_on(row), self._some(row))
        if self.rng.random() < 0.6:
            pay(row, END)

    def _open(self, account: CreditAccount, row: Instalment) -> None:
        pass

    def _return(self, account: CreditAccount, row: Instalment) -> None:
        payment = pay(row, self._paid_on(row))
        back = self.day(payment.effective_on, 40)
        return_payment(payment, actor=ACTOR, on=back, reason_code="nsf")
        if self.rng.random() < 0.5:
            pay(row, self.day(back, 60))

    def _reverse(self, account: CreditAccount, row: Instalment) -> None:
        payment = pay(row, self._paid_on(row))
        reverse_allocation(
            payment.allocations.get(),
            actor=ACTOR,
            on=self.day(payment.effective_on, 90),
            reason_code="mistake",
        )

    def _credit(self, account: CreditAccount, row: Instalment) -> None:
        amount = self._some(row)
        note = post_document(
            account,
            self.company.sources.get(code="erp"),
            f"CN-{row.pk}",
            issued_on=self.day(row.effective_on, 50),
            instalments=[InstalmentTerms(row.due_on, Decimal(amount))],
            actor=ACTOR,
            kind="credit_note",
            currency=row.currency,
        ).instalments.get()
        apply_credit_note(note, [(row, Decimal(amount))], actor=ACTOR, on=note.effective_on)

    def _loss(self, account: CreditAccount, row: Instalment, *, small: bool = False) -> None:
        amount = Decimal(self._some(row))
        fact = write_off(
            [(row, amount)], actor=ACTOR, on=self.day(row.due_on, 200), reason_code="bad_debt", is_small=small
        )
        if self.rng.random() < 0.3:
            reverse_allocation(fact.allocations.get(), actor=ACTOR, on=END, reason_code="recovered")

    def _small(self, account: CreditAccount, row: Instalment) -> None:
        self._loss(account, row, small=True)

    def _dispute(self, account: CreditAccount, row: Instalment):
        return open_dispute(
            account,
            [(row, Decimal(self._some(row)))],
            reason="price",
            opened_on=self.day(row.effective_on, 80),
            actor=ACTOR,
        )

    def _closed(self, account: CreditAccount, row: Instalment) -> None:
        dispute = self._dispute(account, row)
        on = self.day(dispute.effective_on, 120)
        close_dispute(dispute, outcome="rejected", on=on, actor=ACTOR, known_on=self.day(on, 30))

    def _infer(self, account: CreditAccount, row: Instalment) -> None:
        """Gone from a snapshot of open items: settled some day after it was last seen open."""
        after = self.day(row.due_on - timedelta(days=5), 40)
        minor = row.amount.minor if self.rng.random() < 0.7 else row.amount.minor // 3
        weight = row.account_amount.minor if minor == row.amount.minor else row.account_amount.minor // 3
        on = self.day(after, 9)
        Allocation.objects.create(
            kind="inferred",
            account=account,
            instalment=row,
            currency=row.currency,
            amount=minor,
            account_amount=weight,
            settled_after=after,
            effective_on=on,
            known_on=on,
        )
        recount([row.pk])

    def _correct(self, account: CreditAccount, row: Instalment) -> None:
        on = self._paid_on(row)
        pay(row, on, self._some(row))
        correct_document(
            row.invoice,
            actor=ACTOR,
            corrected_on=self.day(on, 60),
            instalments=[InstalmentTerms(row.due_on + timedelta(days=15), row.amount.amount + 10)],
        )

    def _promise(self, account: CreditAccount, row: Instalment) -> None:
        given = self.day(row.due_on, 40)
        amount = Decimal(self._some(row))
        take_promise(account, [(row, amount)], due_on=given + timedelta(days=10), given_on=given, actor=ACTOR)
        if self.rng.random() < 0.5:
            pay(row, self.day(given, 30), str(amount) if self.rng.random() < 0.5 else None)
