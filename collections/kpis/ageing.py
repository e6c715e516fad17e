"""Ageing of receivables at any date, tied to the ledger to the cent.

Buckets by days past due (as-of date minus due date): not due <= 0, 1-30, 31-60, 61-90, 90+ (more than 90).
Open invoices are aged; open credit notes and unapplied cash stand in columns of their own; disputed is an
'of which' of each bucket. Beside every total stands a control total computed another way (kpis.control).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.models import DocumentKind
from customers.rates import RateTable
from kpis.control import Control, cash_and_control
from kpis.dso import ratio
from kpis.history import amounts_over_time
from kpis.positions import positions
from kpis.scope import EVERYTHING, Scope

NOT_DUE = "not_due"
OVERDUE_BUCKETS = ("1-30", "31-60", "61-90", "90+")
BUCKETS = (NOT_DUE, *OVERDUE_BUCKETS)


def bucket_of(days_past_due: int) -> str:
    """The bucket of an item so many days past due (0 or less: not due)."""
    if days_past_due <= 0:
        return NOT_DUE
    for limit, bucket in ((30, "1-30"), (60, "31-60"), (90, "61-90")):
        if days_past_due <= limit:
            return bucket
    return "90+"


@dataclass(frozen=True)
class Bucket:
    """Open amount of a bucket, the part of it in dispute, and how many instalments it holds."""

    amount: Money
    disputed: Money
    items: int = 0

    def __add__(self, other: Bucket) -> Bucket:
        return Bucket(self.amount + other.amount, self.disputed + other.disputed, self.items + other.items)

    def stated_in(self, currency: str, rates: RateTable) -> Bucket:
        return Bucket(
            rates.convert(self.amount, currency), rates.convert(self.disputed, currency), self.items
        )


@dataclass
class Ageing:
    """One currency's receivables at one date. Amounts are never negative; credits reduce by standing apart."""

    as_of: date
    currency: str
    buckets: dict[str, Bucket] = field(default_factory=dict)
    documents: int = 0
    credits_not_due: Money = None  # type: ignore[assignment]
    credits_due: Money = None  # type: ignore[assignment]
    unapplied: Money = None  # type: ignore[assignment]
    control: Control | None = None

    def __post_init__(self) -> None:
        zero = Money.zero(self.currency)
        self.buckets = {name: self.buckets.get(name) or Bucket(zero, zero) for name in BUCKETS}
        self.credits_not_due = self.credits_not_due or zero
        self.credits_due = self.credits_due or zero
        self.unapplied = self.unapplied or zero

    def add(self, kind: str, bucket: str, minor: int, disputed: int = 0, items: int = 0) -> None:
        """Add open minor units of invoices or credit notes of one age."""
        amount = Money(minor, self.currency)
        if kind == DocumentKind.INVOICE:
            self.buckets[bucket] += Bucket(amount, Money(disputed, self.currency), items)
        elif bucket == NOT_DUE:
            self.credits_not_due += amount
        else:
            self.credits_due += amount

    @property
    def open_amount(self) -> Money:
        """Open invoice instalments, before open credit notes and unapplied cash."""
        return sum((bucket.amount for bucket in self.buckets.values()), Money.zero(self.currency))

    @property
    def overdue(self) -> Money:
        return self.open_amount - self.buckets[NOT_DUE].amount

    @property
    def disputed(self) -> Money:
        return sum((bucket.disputed for bucket in self.buckets.values()), Money.zero(self.currency))

    @property
    def items(self) -> int:
        return sum(bucket.items for bucket in self.buckets.values())

    @property
    def credits(self) -> Money:
        return self.credits_not_due + self.credits_due

    @property
    def receivables(self) -> Money:
        """Open invoices less open credit notes: the basis of DSO, because sales are net of credit notes too."""
        return self.open_amount - self.credits

    @property
    def receivables_not_due(self) -> Money:
        return self.buckets[NOT_DUE].amount - self.credits_not_due

    @property
    def net(self) -> Money:
        """What the customers owe after everything: receivables less unapplied cash."""
        return self.receivables - self.unapplied

    @property
    def past_due_share(self) -> Fraction | None:
        return ratio(self.overdue.minor, self.open_amount.minor)

    @property
    def over_90_share(self) -> Fraction | None:
        return ratio(self.buckets["90+"].amount.minor, self.open_amount.minor)

    @property
    def disputed_share(self) -> Fraction | None:
        return ratio(self.disputed.minor, self.open_amount.minor)

    @property
    def differences(self) -> dict[str, Money]:
        """Ageing minus ledger control total, by column: all zero when the ageing ties."""
        if self.control is None:
            return {}
        return {
            "invoices": self.open_amount - self.control.invoices,
            "credits": self.credits - self.control.credits,
            "unapplied": self.unapplied - self.control.unapplied,
        }

    @property
    def ties(self) -> bool:
        return not any(self.differences.values())

    def stated_in(self, currency: str, rates: RateTable) -> Ageing:
        """The same in another currency: each bucket converted and rounded, the total their sum.

        Raises MissingRate. The control total is left out: tying is proved per currency, before conversion.
        """
        return Ageing(
            self.as_of,
            currency,
            {name: bucket.stated_in(currency, rates) for name, bucket in self.buckets.items()},
            self.documents,
            rates.convert(self.credits_not_due, currency),
            rates.convert(self.credits_due, currency),
            rates.convert(self.unapplied, currency),
        )


def ageing_series(
    days: Sequence[date], *, scope: Scope = EVERYTHING, view: View = CURRENT
) -> list[dict[str, Ageing]]:
    """Ageing per currency at each of the days, in two statements; unapplied cash and control totals left out.

    Documents, items and the disputed part are worked out for the first day only: trends show amounts.
    """
    found: list[dict[str, Ageing]] = [{} for _ in days]
    for position in positions(days[0], scope, view):
        row = found[0].setdefault(position.currency, Ageing(days[0], position.currency))
        row.documents += position.documents
        if position.bucket:
            row.add(position.kind, position.bucket, position.minor, position.disputed, position.items)
    for day, ages, sums in zip(days[1:], found[1:], amounts_over_time(days[1:], scope, view), strict=True):
        for (kind, currency, bucket), minor in sums.items():
            ages.setdefault(currency, Ageing(day, currency)).add(kind, bucket, minor)
    return found


def complete(
    ageing: dict[str, Ageing],
    as_of: date,
    *,
    scope: Scope,
    view: View,
    documents: dict[tuple[str, str], int] | None = None,
) -> dict[str, Ageing]:
    """Add unapplied cash and the ledger's control totals to one date's ageing, by currency, sorted.

    documents: what was issued by then (`kpis.control.documents_by`), where the caller has it already.
    """
    cash, controls = cash_and_control(as_of, scope=scope, view=view, documents=documents)
    currencies = sorted({*ageing, *(c for c, minor in cash.items() if minor), *controls})
    result = {}
    for currency in currencies:
        row = ageing.get(currency) or Ageing(as_of, currency)
        row.unapplied = Money(cash.get(currency, 0), currency)
        row.control = controls.get(currency) or Control.empty(currency)
        if row.items or row.credits or row.unapplied or not row.ties:
            result[currency] = row
    return result


def ageing_at(as_of: date, *, scope: Scope = EVERYTHING, view: View = CURRENT) -> dict[str, Ageing]:
    """Ageing of each currency at a date, with its control totals."""
    (row,) = ageing_series([as_of], scope=scope, view=view)
    return complete(row, as_of, scope=scope, view=view)


def total_in(currency: str, rows: Mapping[str, Ageing], as_of: date, rates: RateTable) -> Ageing:
    """All currencies in one. Documents add up: no document has two currencies. Raises MissingRate."""
    total = Ageing(as_of, currency)
    for row in rows.values():
        part = row.stated_in(currency, rates)
        for name in BUCKETS:
            total.buckets[name] += part.buckets[name]
        total.documents += part.documents
        total.credits_not_due += part.credits_not_due
        total.credits_due += part.credits_due
        total.unapplied += part.unapplied
    return total
