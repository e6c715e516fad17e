"""What agencies cost: spent in a calendar month against the month's budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import Sum
from django.db.models.functions import Coalesce

from creditdesk.core.money import Money
from customers.models import BureauProvider, BureauPull


@dataclass(frozen=True, slots=True)
class Budget:
    """One agency's month. left None: without a limit."""

    spent: Money
    budget: Money | None

    @property
    def left(self) -> Money | None:
        return None if self.budget is None else self.budget - self.spent

    def allows(self, price: Money) -> bool:
        return self.left is None or price.minor == 0 or self.left >= price


def month_of(day: date) -> tuple[date, date]:
    """First and last day of the calendar month."""
    first = day.replace(day=1)
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return first, date.fromordinal(after.toordinal() - 1)


def budgets(providers: Iterable[BureauProvider], day: date) -> dict[int, Budget]:
    """{agency: its month up to its last day}; one query. A question still open, or in doubt, counts with its price."""
    providers = list(providers)
    first, last = month_of(day)
    rows = BureauPull.objects.filter(
        provider__in=[one.pk for one in providers], asked_on__range=(first, last)
    )
    found = {one.pk: 0 for one in providers}
    currencies = {one.pk: one.currency for one in providers}
    sums = (
        rows.order_by().values_list("provider", "currency").annotate(total=Sum(Coalesce("charged", "price")))
    )
    for provider, currency, total in sums:
        if currency == currencies[provider]:
            found[provider] += int(total)
    return {one.pk: Budget(Money(found[one.pk], one.currency), one.monthly_budget) for one in providers}
