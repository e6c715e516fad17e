"""Small builders for tests of credit checks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from creditdesk.core.money import Money
from customers.models import CreditAccount, CreditLimit, ImportBatch, LimitChange
from customers.reservations import reserve
from scoring.checks.check import check_credit
from tests.factories import ACTOR

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def eur(amount: int | str) -> Money:
    return Money.of(amount, "EUR")


def give_limit(account: CreditAccount, amount: int | str, on: date = date(2026, 1, 2)) -> None:
    """A limit as an import opens it, or (afterwards) as a machine cuts it."""
    old = CreditLimit.objects.filter(account=account).order_by("-pk").first()
    change = LimitChange.objects.create(
        account=account,
        currency=account.currency,
        old_amount=old and old.amount,
        new_amount=Money.of(amount, account.currency),
        valid_from=on,
        as_of=on,
        reason_code="opening_limit",
        proposer_kind="event" if old else "import",
        proposer_name="ERP",
        status="applied",
        is_automatic=True,
        decided_at=timezone.now(),
    )
    CreditLimit.objects.create(
        account=account,
        kind="base",
        currency=account.currency,
        amount=Money.of(amount, account.currency),
        valid_from=on,
        change=change,
    )


def complete(company: Any, through: date = DAY) -> None:
    ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=through)


def check(account: CreditAccount, amount: int | str, **extra: Any):
    money = Money.of(amount, extra.pop("currency", account.currency))
    return check_credit(account, money, **({"as_of": DAY, "at": NOW} | extra))


def codes(result: Any, level: str | None = None) -> list[str]:
    return [f.code for f in result.failures if f.stops and level in (None, f.level)]


def hold_room(account: CreditAccount, amount: int | str, reference: str, **extra: Any):
    values = {"as_of": DAY, "at": NOW, "actor": ACTOR} | extra
    return reserve(account, Money.of(amount, account.currency), reference=reference, **values)


def graded(accounts: Any, on: date) -> dict[int, str]:
    """Grades for deciding which limit binds: a C for everybody."""
    return dict.fromkeys(accounts, "C")


def later(**span: int) -> datetime:
    return NOW + timedelta(**span)
