"""Temporary limits that are about to end, soon enough to do something about it: how long before is said by the policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import QuerySet

from creditdesk.core.money import Money
from customers.exposure import exposures
from customers.limits import limits_at
from customers.models import CreditAccount, CreditLimit, LimitKind
from customers.rates import MissingRate
from scoring.policies import policies_at


@dataclass(frozen=True, slots=True)
class Ending:
    """A temporary limit in force that ends soon. over: what is owed today above the limit that comes after it."""

    account: CreditAccount
    temporary: Money
    until: date
    base: Money | None
    exposure: Money | None
    days_left: int

    @property
    def over(self) -> Money | None:
        if self.exposure is None:
            return None
        after = self.base or Money.zero(self.account.currency)
        rest = self.exposure - after
        return rest if rest.minor > 0 else Money.zero(self.account.currency)


def ending_limits(accounts: QuerySet[CreditAccount], today: date) -> list[Ending]:
    """Temporary limits that end within the days their policy warns before, the soonest first. Constant queries."""
    policies = policies_at(today, causes=False)
    longest = max(policy.warn_days for policy in policies.values())
    running = CreditLimit.objects.filter(
        kind=LimitKind.TEMPORARY,
        valid_from__lte=today,
        valid_until__gte=today,
        valid_until__lte=today + timedelta(days=longest),
    )
    rows = list(
        accounts.filter(pk__in=running.values("account"), joined_into__isnull=True).select_related(
            "customer", "company", "segment"
        )
    )
    limits = limits_at(rows, today)
    found = []
    for row in rows:
        limit = limits[row.pk]
        warn = (policies.get(row.segment_id) or policies[None]).warn_days
        if not limit.is_temporary or limit.temporary_until is None or limit.temporary is None:
            continue
        days = (limit.temporary_until - today).days
        if days <= warn:
            found.append((row, limit, days))
    owed = _exposures([row for row, _limit, _days in found], today)
    endings = [
        Ending(row, limit.temporary, limit.temporary_until, limit.base, owed.get(row.pk), days)
        for row, limit, days in found
    ]
    return sorted(endings, key=lambda one: (one.until, one.account.pk))


def _exposures(accounts: Sequence[CreditAccount], today: date) -> dict[int, Money]:
    try:
        return {pk: found.total for pk, found in exposures(accounts, today).items()}
    except MissingRate:  # the warning itself matters more than the amount
        return {}
