"""Legal events, annual accounts, a group that changes and sectors, added to the accounts of a random book."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.utils import timezone

from customers.models import (
    BankAccount,
    BankConsent,
    BankTransaction,
    BureauBasis,
    BureauReport,
    Company,
    CreditAccount,
    Customer,
    FinancialStatement,
    GroupMembership,
    LegalEvent,
    SupplierPaymentDays,
)

FIRST, LAST = date(2023, 6, 1), date(2026, 3, 31)
KINDS = "lien litigation protest director_change director_change address_change struck_off insolvency".split()


def add_evidence(company: Company, accounts: Sequence[CreditAccount], seed: int) -> None:
    rng = random.Random(seed + 1000)
    for number, account in enumerate(accounts):
        customer = account.customer
        customer.sector = "" if number == 3 else "46.90" if number == 5 else "25.11"
        customer.founded_on = date(1990 + number, 1, 15) if number != 1 else date(2025, 1, 1)
        customer.parent = accounts[0].customer if number == 4 else None
        customer.save()
        _events(customer, rng, 0 if number in (0, 4) else 6)
        _statements(customer, rng, 0 if number == 2 else 3)
        _bank(customer, random.Random(seed + 2000 + number), account.currency, number)
        _supplier_days(customer, random.Random(seed + 3000 + number), 0 if number == 1 else 9)
        _agency_reports(customer, random.Random(seed + 4000 + number), number)
    _groups([a.customer for a in accounts])


def _dates(rng: random.Random, first: date = FIRST) -> dict[str, date]:
    on = first + timedelta(days=rng.randrange((LAST - first).days))
    return {"effective_on": on, "known_on": on + timedelta(days=rng.randrange(60))}


def _events(customer: Customer, rng: random.Random, count: int) -> None:
    for number in range(count):
        kind = rng.choice(KINDS)
        dates = _dates(rng)
        ended = dates["effective_on"] + timedelta(days=200) if rng.random() < 0.7 else None
        LegalEvent.objects.create(
            customer=customer, kind=kind, source=f"register {number}", ended_on=ended, **dates
        )
        if kind == "director_change" and rng.random() < 0.7:
            dates["effective_on"] += timedelta(days=100)
            dates["known_on"] += timedelta(days=100)
            LegalEvent.objects.create(customer=customer, kind="lien", source=f"pledge {number}", **dates)


def _statements(customer: Customer, rng: random.Random, years: int) -> None:
    """Annual accounts, published months later; some short years, gaps, losses, and a corrected version."""
    for number in range(years):
        closed = date(2022 + number, 12, 31)
        assets = rng.randrange(10_000_00, 900_000_00)
        figures = {
            "total_assets": assets,
            "current_assets": assets * rng.randrange(20, 80) // 100,
            "current_liabilities": assets * rng.randrange(10, 70) // 100,
            "total_liabilities": assets * rng.randrange(30, 120) // 100,
            "equity": assets * rng.randrange(-20, 60) // 100,
            "retained_earnings": assets * rng.randrange(-30, 40) // 100,
            "revenue": assets * rng.randrange(30, 300) // 100,
            "ebit": assets * rng.randrange(-20, 30) // 100,
            "net_income": assets * rng.randrange(-20, 20) // 100,
        }
        if rng.random() < 0.2:
            figures[rng.choice(sorted(figures))] = None
        fact = {
            "customer": customer,
            "currency": "EUR",
            "months": rng.choice([12, 12, 12, 6]),
            "effective_on": closed,
            "known_on": closed + timedelta(days=rng.randrange(60, 300)),
            "source": "register",
        }
        if rng.random() < 0.4:
            late = fact["known_on"] + timedelta(days=90)
            FinancialStatement.objects.create(
                **fact, **figures, known_until=late, superseded_at=_moment(rng), recorded_at=_moment(rng, 400)
            )
            figures["ebit"] = assets // 10
            fact |= {"known_on": late, "recorded_at": _moment(rng)}
        FinancialStatement.objects.create(**fact, **figures)


def _moment(rng: random.Random, days: int = 0) -> datetime:
    return timezone.now() - timedelta(days=days, hours=rng.randrange(1, 48))


def _groups(customers: list[Customer]) -> None:
    """Customer 0 heads a group: 1 joins and leaves it, 2 joins late, 4 has belonged for ever."""
    head = customers[0]
    for member, parent, on, known in (
        (1, head, date(2024, 3, 1), date(2024, 3, 1)),
        (1, None, date(2025, 12, 1), date(2026, 1, 15)),
        (2, head, date(2025, 5, 1), date(2025, 7, 1)),
    ):
        GroupMembership.objects.create(
            customer=customers[member], parent=parent, effective_on=on, known_on=known
        )


def _bank(customer: Customer, rng: random.Random, currency: str, number: int) -> None:
    """Bank lines of two years, with incidents, cash, unknown sources and one account without balances."""
    if number % 4 == 3:
        return
    since = FIRST + timedelta(days=rng.randrange(200))
    consent = BankConsent.objects.create(
        customer=customer, purpose="x", effective_on=since, known_on=since, expires_on=date(2099, 1, 1)
    )
    account = BankAccount.objects.create(consent=consent, customer=customer, iban="IT1", currency=currency)
    day, balance, rows = since, rng.randrange(500_000), []
    while day <= LAST:
        day += timedelta(days=rng.choice((1, 1, 2, 5, 9)))
        amount = rng.choice((1, 1, -1, -1)) * rng.randrange(100, rng.choice((5_000, 80_000)))
        balance += amount
        rows.append(
            BankTransaction(
                bank_account=account,
                key=str(len(rows)),
                effective_on=day,
                known_on=day + timedelta(days=rng.choice((0, 1, 30))),
                amount=amount,
                balance=None if number == 2 else balance,
                category=rng.choice(("", "cash", "sanction", "transfer")),
                is_rejected=rng.random() < 0.05,
                counterparty=rng.choice(("", "a", "b", "c", "d")),
            )
        )
    BankTransaction.objects.bulk_create(rows)


def _supplier_days(customer: Customer, rng: random.Random, quarters: int) -> None:
    for quarter in range(quarters):
        end = date(2024, 3, 31) + timedelta(days=91 * quarter + rng.choice((0, 0, 3)))
        if rng.random() < 0.15:
            continue
        SupplierPaymentDays.objects.create(
            customer=customer,
            effective_on=end,
            known_on=end + timedelta(days=rng.randrange(60)),
            days=rng.randrange(25, 95),
            source=rng.choice(("register", "filing")),
        )


def _agency_reports(customer: Customer, rng: random.Random, number: int) -> None:
    """Two agencies, some answers without a rating, two products on one day, corrections; customer 0 has none,
    customer 7 is a natural person whose consent ended."""
    if number == 0:
        return
    if number == 7:
        customer.kind = "sole_trader"
        customer.save()
        BureauBasis.objects.create(
            customer=customer,
            ground="consent",
            reference="folder 7",
            effective_on=date(2024, 6, 1),
            known_on=date(2024, 6, 1),
            revoked_on=date(2025, 12, 31),
        )
    for provider in ("alpha", "beta")[: 2 if number % 2 else 1]:
        on = date(2023, 9, 1) + timedelta(days=rng.randrange(120))
        while on <= LAST:
            for product in ("", "plus")[: 2 if rng.random() < 0.2 else 1]:
                _agency_report(customer, provider, product, on, rng, unknown=number == 6)
            on += timedelta(days=rng.choice((1, 90, 200, 365, 400, 420)))


def _agency_report(
    customer: Customer, provider: str, product: str, on: date, rng: random.Random, *, unknown: bool
) -> None:
    outcome = "not_found" if unknown else rng.choice(("rated", "rated", "rated", "unrated", "not_found"))
    figures: dict[str, object] = {"outcome": outcome}
    if outcome != "not_found":
        figures |= {
            "pd_basis_points": rng.choice((None, rng.randrange(3000))),
            "days_beyond_terms": rng.choice((None, rng.randrange(-5, 60))),
            "activity": rng.choice(("active", "active", "unknown", "dormant", "ceased")),
        }
    fact = {
        "customer": customer,
        "provider": provider,
        "product": product,
        "effective_on": on,
        "known_on": on + timedelta(days=rng.choice((0, 0, 3, 60))),
    }
    rated = {"standing": rng.randrange(101)} if outcome == "rated" else {}
    if rng.random() < 0.3:
        late = fact["known_on"] + timedelta(days=90)
        BureauReport.objects.create(
            **fact,
            **figures,
            **rated,
            known_until=late,
            superseded_at=_moment(rng),
            recorded_at=_moment(rng, 400),
        )
        rated = {"standing": rng.randrange(101)} if rated else {}
        fact |= {"known_on": late, "recorded_at": _moment(rng)}
    BureauReport.objects.create(**fact, **figures, **rated)
