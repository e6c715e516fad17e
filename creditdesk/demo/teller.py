"""Writes the facts around a customer's ledger: the customer itself, terms, limits, events, orders, cover."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from .accounts import AccountLedger
from .behaviour import Plan, Story
from .book import Book
from .cast import TERRITORIES, Territory
from .days import iso, month_end, month_start
from .identity import Identity, iban
from .papers import World


@dataclass(slots=True)
class Client:
    """A customer as far as it is told."""

    id: int
    identity: Identity
    since: int
    rng: Random


@dataclass(slots=True)
class Teller:
    world: World
    neighbours: dict[int, int]
    feeds: int = 0

    @property
    def book(self) -> Book:
        return self.world.book

    def customer(
        self,
        identity: Identity,
        rng: Random,
        *,
        since: int,
        founded: int,
        terms: int,
        end_of_month: bool = False,
        status: str = "active",
        status_on: int | None = None,
        status_known: int | None = None,
        parent: int | None = None,
        parent_since: int | None = None,
        lei: str = "",
        preference: str = "",
    ) -> Client:
        """A customer with its contact, terms and status history."""
        book = self.book
        pk = next(book["Customer"].ids)
        book["Customer"].rows.append(
            (
                *(pk, f"C-{pk:05d}", identity.name),
                "sole_trader" if identity.is_sole_trader else "company",
                *(identity.country, identity.city, identity.vat_number, identity.registration_number, lei),
                *(identity.sector, identity.language, iso(since), iso(founded), None, status, parent, terms),
            )
        )
        book["Contact"].add(
            pk,
            identity.contact_name,
            "management" if identity.is_sole_trader else "accounting",
            identity.email,
            identity.phone,
            identity.language,
            preference,
            None,
        )
        first = "prospect" if status == "prospect" else "active"
        book["StatusChange"].add(iso(since), iso(since), pk, first, "opened")
        if status_on is not None:
            # The reason that customers/legal.py gives, so that taking the event back finds what it caused.
            why = "insolvency" if status == "insolvent" else "legal_event"
            book["StatusChange"].add(iso(status_on), iso(status_known or status_on), pk, status, why)
        book["PaymentTerms"].add(iso(since), iso(since), pk, terms, end_of_month)
        if parent is not None:
            on = iso(parent_since or since)
            book["GroupMembership"].add(on, on, pk, parent)
        return Client(pk, identity, since, rng)

    def account(
        self,
        client: Client,
        plan: Plan,
        *,
        collector: str = "",
        currency: str = "EUR",
        territory: Territory | None = None,
    ) -> Story:
        """A credit account with its collector, and the story that will happen on it."""
        territory = territory or TERRITORIES[client.identity.country]
        collector = "@" + (collector or territory.collector)
        company = territory.company
        pk = self.book["CreditAccount"].add(
            client.id, company.id, company.id, currency, territory.id, collector, None
        )
        since = iso(max(client.since, self.world.start))
        self.book["CollectorAssignment"].add(since, since, pk, collector)
        self.book["CustomerKey"].add(company.id, f"{company.country}{10000 + client.id}", client.id)
        ledger = AccountLedger(
            self.world, pk, company.id, company.country, company.id, currency, self.world.sending(pk)
        )
        neighbour = self.neighbours.get(company.id)
        if currency == "EUR":
            self.neighbours[company.id] = pk
        return Story(
            ledger,
            plan,
            client.rng,
            neighbour=neighbour if currency == "EUR" else None,
            collector=collector,  # type: ignore[arg-type]
        )

    # Limits

    def limit(
        self,
        story: Story,
        amount: int,
        on: int,
        *,
        before: int | None = None,
        reason: str = "opening_limit",
        params: dict[str, Any] | None = None,
        proposer: str = "",
        decider: str = "",
        comment: str = "",
    ) -> None:
        """An applied limit change of that day and the limit it set. Without people: taken over by the import."""
        ledger = story.ledger
        day = iso(on)
        change = self.book["LimitChange"].add(
            ledger.account,
            "base",
            ledger.currency,
            before,
            amount,
            day,
            None,
            reason,
            json.dumps(params or ({"source": "ERP"} if reason == "opening_limit" else {})),
            comment,
            "{}",
            day,
            "person" if proposer else ("event" if reason == "insolvency" else "import"),
            f"@{proposer}" if proposer else None,
            proposer or ("insolvency" if reason == "insolvency" else "erp"),
            f"{day} 08:30:00",
            "applied",
            not proposer,
            f"@{decider}" if decider else None,
            f"{day} 14:10:00",
            comment if decider else "",
        )
        self.book["CreditLimit"].add(ledger.account, "base", ledger.currency, amount, day, None, change)

    # Evidence

    def legal(
        self, client: Client, kind: str, on: int, *, known: int | None = None, source: str = "register"
    ) -> None:
        self.book["LegalEvent"].add(
            iso(on), iso(on if known is None else known), client.id, kind, source, "", None, None, None
        )

    def statement(
        self, client: Client, year_end: int, published: int, *, assets: int, health: float, currency: str
    ) -> None:
        """Annual accounts in proportion to total assets (minor units); health 0 (failing) to 1 (excellent)."""

        def part(share: float) -> int:
            return int(Decimal(assets) * Decimal(round(share * 1000)) / 1000)

        equity = 0.05 + 0.5 * health
        self.book["FinancialStatement"].add(
            iso(year_end),
            iso(published),
            client.id,
            currency,
            12,
            part(1),
            part(0.45 + 0.2 * health),
            part(0.55 - 0.25 * health),
            part(1 - equity),
            part(equity),
            part(equity - 0.08),
            part(1.2 + 0.6 * health),
            part(-0.06 + 0.2 * health),
            part(-0.08 + 0.16 * health),
            part(0.02 + 0.12 * health),
            part(0.16),
            part(0.22),
            part(0.26 - 0.1 * health),
            part(0.3 - 0.2 * health),
            part(0.8 + 0.35 * health),
            part(0.03),
            part(0.02 - 0.012 * health),
            "filed accounts",
            None,
        )

    def supplier_days(self, client: Client, *days: int, source: str = "trade report") -> None:
        """How long the customer takes to pay its suppliers, by quarter, the newest first."""
        for back, count in enumerate(days):
            end = month_end(month_start(self.world.as_of, 3 * back + 2))
            known = min(end + 25, self.world.as_of)
            self.book["SupplierPaymentDays"].add(iso(end), iso(known), client.id, count, source, None)

    def order(self, story: Story, amount: int, on: int, expected: int, *, closed: int | None = None) -> str:
        number = self.world.number("O", story.ledger.company, on)
        self.book["OpenOrder"].add(
            iso(on),
            iso(on),
            story.ledger.account,
            number,
            iso(expected),
            story.ledger.currency,
            amount,
            iso(closed) if closed else None,
            None,
        )
        return number

    def delivery(self, story: Story, amount: int, on: int, *, order: str = "") -> None:
        number = self.world.number("D", story.ledger.company, on)
        self.book["Delivery"].add(
            iso(on), iso(on), story.ledger.account, number, order, story.ledger.currency, amount, None, None
        )

    def cover(
        self,
        story: Story,
        amount: int,
        on: int,
        *,
        kind: str = "insurance",
        provider: str = "",
        percent: int = 90,
        expires: int | None = None,
        policy: str = "",
        extension: int | None = None,
        notify: int | None = None,
        withdrawn: int | None = None,
        guarantor: int | None = None,
    ) -> None:
        self.book["Cover"].add(
            iso(on),
            iso(on),
            story.ledger.account,
            kind,
            provider,
            story.ledger.currency,
            amount,
            percent,
            0,
            iso(expires) if expires else None,
            json.dumps({}),
            policy,
            guarantor,
            iso(withdrawn) if withdrawn else None,
            extension,
            notify,
        )

    def block(self, story: Story, on: int, until: int, reason: str) -> None:
        """No reminders for the account for a while."""
        self.book["DunningBlock"].add(
            iso(on), iso(on), story.ledger.account, None, reason, iso(until), None, story.collector
        )

    def bank(
        self,
        client: Client,
        *,
        currency: str,
        balance: int,
        monthly: int,
        weeks: int = 60,
        falling_for_weeks: int = 0,
        standing: str = "in force",
    ) -> None:
        """Bank movements that the customer let us read; the last weeks may run dry.

        standing: "in force", "expired" (read until it ended, three weeks ago) or "revoked" (the data is gone).
        """
        world, rng = self.world, client.rng
        first = world.complete - 7 * weeks
        ended = world.as_of - 21
        consent = self.book["BankConsent"].add(
            iso(first),
            iso(first),
            client.id,
            "credit assessment",
            "transactions,balances",
            f"consent form {client.id}-{world.number('B', 1, first)}",
            iso(ended if standing == "expired" else world.as_of + 90),
            iso(ended) if standing == "revoked" else None,
            f"{iso(first)} 05:00:00",
        )
        if standing == "revoked":
            return
        account = self.book["BankAccount"].add(
            consent, client.id, iban(client.identity.country, rng), currency, f"{iso(first)} 05:30:00"
        )
        feed = Feed(self.book, account, balance, ended if standing == "expired" else world.complete)
        payers = [f"{rng.getrandbits(64):016x}" for _ in range(rng.randint(2, 7))]
        sellers = [f"{rng.getrandbits(64):016x}" for _ in range(4)]
        for week in range(weeks):
            day = first + 7 * week
            dry = bool(falling_for_weeks) and week >= weeks - falling_for_weeks
            sold = int(monthly / 4 * rng.uniform(0.7, 1.3) * (0.35 if dry else 1.0))
            spent = int(monthly / 4 * rng.uniform(0.75, 1.2))
            parts = rng.randint(1, 3)
            for n in range(parts):
                feed.book_line(day + n, sold // parts, "sales", rng.choice(payers))
            feed.book_line(day + 2, -spent * 55 // 100, "suppliers", rng.choice(sellers), may_bounce=dry)
            feed.book_line(day + 3, -spent * 8 // 100, "card", "")
            if week % 4 == 3:
                feed.book_line(day + 4, -spent * 110 // 100, "salary", "")
                feed.book_line(day + 4, -spent * 30 // 100, "tax", "")
                feed.book_line(day + 4, -monthly // 400, "fee", "")
                if feed.balance < 0:
                    feed.book_line(day + 4, feed.balance // 100 - 1_000, "sanction", "", rejected=True)


@dataclass(slots=True)
class Feed:
    """The lines of one bank account as the bank books them, up to the day the feed ends."""

    book: Book
    account: int
    balance: int
    ends: int
    number: int = 0

    def book_line(
        self,
        day: int,
        amount: int,
        category: str,
        counterparty: str,
        *,
        may_bounce: bool = False,
        rejected: bool = False,
    ) -> None:
        """A line; one that would leave the account far below zero comes back, as an incident of its own."""
        if day >= self.ends:
            return
        self._add(day, amount, category, counterparty, rejected)
        if may_bounce and self.balance < amount // 2:
            self._add(day, -amount, "returned", counterparty, True)

    def _add(self, day: int, amount: int, category: str, counterparty: str, rejected: bool) -> None:
        self.number += 1
        self.balance += amount
        self.book["BankTransaction"].add(
            iso(day),
            iso(day + 1),
            self.account,
            f"{self.number:06d}",
            amount,
            self.balance,
            category,
            rejected,
            counterparty,
            "",
            None,
            f"{iso(day + 1)} 06:00:00",
        )
