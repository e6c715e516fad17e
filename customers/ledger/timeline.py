"""The rule that makes every past date tell the truth: no balance is ever negative, on any day.

An instalment or payment that was used, freed by a reversal and used again has a past. A backdated use must
fit into every day from its date on, not only into what is open now; otherwise a report of that past day
would show less than nothing. Days are counted at their end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from django.db.models import Q

from customers.models import Allocation, Instalment, Payment

Uses = Sequence[tuple[date, int]]


def uses_of_instalment(instalment: Instalment) -> Uses:
    """What was taken from an instalment (invoice or credit note), signed, by day."""
    rows = Allocation.objects.filter(
        Q(instalment=instalment) | Q(credit=instalment), superseded_at__isnull=True
    ).order_by("effective_on")
    return list(rows.values_list("effective_on", "amount"))


def uses_of_payment(payment: Payment) -> Uses:
    rows = Allocation.objects.filter(payment=payment, superseded_at__isnull=True).order_by("effective_on")
    return list(rows.values_list("effective_on", "amount"))


def balances(amount: int, uses: Uses) -> list[tuple[date, int]]:
    """What was left at the end of each day on which something moved, in order."""
    left: dict[date, int] = {}
    rest = amount
    for day, used in sorted(uses):
        rest -= used
        left[day] = rest
    return list(left.items())


def least_from(amount: int, uses: Uses, on: date) -> int:
    """The smallest balance on any day from `on` on: what a use dated `on` may take."""
    standing = amount
    later = []
    for day, left in balances(amount, uses):
        if day <= on:
            standing = left
        else:
            later.append(left)
    return min([standing, *later])


def first_day_with(amount: int, uses: Uses, needed: int, not_before: date) -> date | None:
    """The first day from which `needed` is left for good; None when it never is."""
    candidates = [not_before, *(day for day, _left in balances(amount, uses) if day > not_before)]
    return next((day for day in candidates if least_from(amount, uses, day) >= needed), None)


def most_used(uses: Uses) -> int:
    """The most that was in use at the end of any day: no correction may go below it."""
    return max((-left for _day, left in balances(0, uses)), default=0)


def earliest_day(parts: Iterable[tuple[int, Uses, int]], not_before: date) -> date | None:
    """The first day on which every (amount, uses, needed) has room for good."""
    day: date | None = not_before
    pending = list(parts)
    changed = True
    while day is not None and changed:
        changed = False
        for amount, uses, needed in pending:
            found = first_day_with(amount, uses, needed, day)
            if found is None:
                return None
            if found != day:
                day, changed = found, True
    return day
