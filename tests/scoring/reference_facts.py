"""What the references share: which facts a view shows, ratios, disputed amounts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from creditdesk.core.facts import View
from customers.models import CreditAccount, Dispute, Instalment

LONG_AGO = date(1900, 1, 1)
"""Long before any fact: the judged day of a ledger that is complete to no day."""


def visible(fact: Any, view: View) -> bool:
    if view.known_at:
        return fact.known_on <= view.known_at and (
            fact.known_until is None or fact.known_until > view.known_at
        )
    if view.recorded_by:
        return fact.recorded_at <= view.recorded_by and (
            fact.superseded_at is None or fact.superseded_at > view.recorded_by
        )
    return fact.superseded_at is None


def seen(facts: Iterable[Any], view: View, as_of: date) -> list[Any]:
    return [f for f in facts if visible(f, view) and f.effective_on <= as_of]


def ratio(a: int, b: int) -> float:
    return float((Decimal(a) / Decimal(b)).quantize(Decimal("0.000001"), ROUND_HALF_UP))


def in_account_currency(row: Instalment, minor: int) -> int:
    if row.account_amount.minor == row.amount.minor:
        return minor
    return row.account_amount.minor * (minor * 100000 // row.amount.minor) // 100000


def disputed_of(account: CreditAccount, as_of: date, view: View) -> dict[int, int]:
    amounts: dict[int, int] = {}
    for dispute in seen(Dispute.objects.filter(account=account), view, as_of):
        closed = dispute.closed_on is not None and dispute.closed_on <= as_of
        if closed and view.known_at and dispute.closed_known_on > view.known_at:
            closed = False
        if closed and view.recorded_by and dispute.closed_recorded_at > view.recorded_by:
            closed = False
        if not closed:
            for item in dispute.items.all():
                amounts[item.instalment_id] = amounts.get(item.instalment_id, 0) + item.amount.minor
    return amounts


def round6(value: float) -> float:
    return float(Decimal(str(value)).quantize(Decimal("0.000001"), ROUND_HALF_UP))
