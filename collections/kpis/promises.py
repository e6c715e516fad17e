"""Promise-kept rate: of the promises whose day and grace have passed, how many were kept.

Withdrawn and replaced promises never count; a promise kept in part is not kept by count, and counts with
what arrived by value. Open ones whose ledger is not complete yet are not judged, so they do not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from django.db.models import Case, CharField, Count, F, OuterRef, QuerySet, Subquery, Sum, When

from creditdesk.core.facts import View
from creditdesk.core.money import Money, MoneyField
from customers.models import Promise, PromiseMove
from customers.rates import RateTable
from kpis.dso import Amount, ratio
from kpis.scope import Scope

KEPT = Promise.Status.KEPT
JUDGED = (Promise.Status.KEPT, Promise.Status.PARTLY_KEPT, Promise.Status.BROKEN)


def kept_rate_by_count(statuses: Iterable[str]) -> Fraction | None:
    """Kept / judged, over promise statuses; those that are not judged are left out."""
    judged = [status for status in statuses if status in JUDGED]
    return ratio(sum(status == KEPT for status in judged), len(judged))


def kept_rate_by_value(promises: Iterable[tuple[str, Amount, Amount]]) -> Fraction | None:
    """Amount that came / amount promised, over (status, promised, came); more than promised does not help."""
    judged = [(promised, came) for status, promised, came in promises if status in JUDGED]
    return ratio(
        sum(min(promised, came) for promised, came in judged), sum(promised for promised, _c in judged)
    )


@dataclass(frozen=True, slots=True)
class JudgedPromises:
    """Promises judged on one day (or over a period): counts and amounts in one currency."""

    judged: int = 0
    kept: int = 0
    promised_minor: int = 0
    came_minor: int = 0

    def __add__(self, other: JudgedPromises) -> JudgedPromises:
        return JudgedPromises(
            self.judged + other.judged,
            self.kept + other.kept,
            self.promised_minor + other.promised_minor,
            self.came_minor + other.came_minor,
        )

    @property
    def rate(self) -> Fraction | None:
        return ratio(self.kept, self.judged)

    @property
    def rate_by_value(self) -> Fraction | None:
        return ratio(self.came_minor, self.promised_minor)


def judged_promises(as_of: date, *, scope: Scope, view: View) -> QuerySet[Promise]:
    """Promises that count at `as_of`, with `state` and `came` (minor units, at most what was promised)."""
    rows = Promise.objects.filter(
        view.q(), scope.q(view, "account__"), effective_on__lte=as_of, judged_on__lte=as_of
    )
    if view.is_current:
        rows = rows.annotate(state=F("status"), arrived=F("kept_amount"))
    else:
        # The moves in the order they were made: a late booking may keep, with an earlier date, what was broken.
        moves = PromiseMove.objects.filter(view.q(), promise=OuterRef("pk")).order_by("-pk")
        rows = rows.annotate(
            state=Subquery(moves.values("to_status")[:1], output_field=CharField()),
            arrived=Subquery(moves.values("kept_amount")[:1], output_field=MoneyField()),
        )
    came = Case(
        When(arrived__gt=F("amount"), then=F("amount")), default=F("arrived"), output_field=MoneyField()
    )
    return rows.filter(state__in=JUDGED).annotate(came=came)


def promises_by_day(as_of: date, *, scope: Scope, view: View) -> list[tuple[date, str, JudgedPromises]]:
    """(judging day, currency, sums) of all promises judged by `as_of`. One query."""
    rows = (
        judged_promises(as_of, scope=scope, view=view)
        .order_by()
        .values("judged_on", "currency", "state")
        .annotate(judged=Count("pk"), promised=Sum("amount"), arrived_sum=Sum("came"))
        .values_list("judged_on", "currency", "state", "judged", "promised", "arrived_sum")
    )
    return [
        (
            day,
            currency,
            JudgedPromises(judged, judged if state == KEPT else 0, int(promised), int(came)),
        )
        for day, currency, state, judged, promised, came in rows
    ]


def promises_total(
    rows: Sequence[tuple[date, str, JudgedPromises]],
    currency: str,
    rates: RateTable,
    *,
    first: date = date.min,
    last: date = date.max,
) -> JudgedPromises:
    """The promises judged from `first` to `last`, amounts stated in `currency`. Raises MissingRate."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * 4)
    for day, own, part in rows:
        if first <= day <= last:
            row = sums[own]
            row[0] += part.judged
            row[1] += part.kept
            row[2] += part.promised_minor
            row[3] += part.came_minor
    total = JudgedPromises()
    for own, (judged, kept, promised, came) in sums.items():
        total += JudgedPromises(
            judged,
            kept,
            rates.convert(Money(promised, own), currency).minor,
            rates.convert(Money(came, own), currency).minor,
        )
    return total
