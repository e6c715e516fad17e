"""Guarantees: what is on file for an account on a day, and what a decision asked for beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import F, Q

from creditdesk.core.facts import CURRENT
from creditdesk.core.money import Money
from customers.limit_evidence import money_of
from customers.models import Cover, CreditAccount
from customers.rates import MissingRate, RateTable
from scoring.models import Decision


def cover_on_file(accounts: Sequence[CreditAccount], as_of: date, rates: RateTable) -> dict[int, Money]:
    """Guarantees per account after the share covered and the haircut; without a rate they do not count. One query."""
    currencies = {account.pk: account.currency for account in accounts}
    rows = Cover.objects.filter(
        Q(expires_on__isnull=True) | Q(expires_on__gte=as_of),
        CURRENT.q(),
        account__in=list(currencies),
        effective_on__lte=as_of,
    ).annotate(worth=F("amount") * F("percent") * (100 - F("haircut_percent")) / 10_000)
    found: dict[int, Money] = {}
    for pk, currency, worth in rows.values_list("account", "currency", "worth"):
        try:
            money = rates.convert(Money(int(worth), currency), currencies[pk])
        except MissingRate:
            continue
        found[pk] = found.get(pk, Money.zero(money.currency)) + money
    return found


def still_missing(decision: Decision, on: date) -> Money:
    """What of the guarantees a decision asks for is not on file on a day; zero when nothing is asked."""
    asked: Any = decision.guarantees.get("amount")
    zero = Money.zero(decision.currency)
    if not asked:
        return zero
    held = cover_on_file([decision.account], on, RateTable.at(on)).get(decision.account_id, zero)
    return max(money_of(asked) - held, zero)
