"""How late money arrives: days beyond terms, weighted by amount, in the forms people compare.

Pure functions on (amount, days) pairs, days = paid on - due on. Always say which form a figure is in: signed
lets early payers make up for late ones, floored does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from kpis.dso import Amount, ratio

Paid = tuple[Amount, int]


def days_beyond_terms(paid: Iterable[Paid]) -> Fraction | None:
    """Weighted and signed: sum(amount x days) / sum(amount)."""
    return DelaySums.of(paid).signed


def days_late(paid: Iterable[Paid]) -> Fraction | None:
    """Weighted, early payments count as 0 days."""
    return DelaySums.of(paid).floored


def simple_mean_days_late(paid: Iterable[Paid]) -> Fraction | None:
    """Each payment once, whatever its amount; early ones count as 0 days."""
    days = [max(0, late) for _, late in paid]
    return ratio(sum(days), len(days))


def days_late_of_late_ones(paid: Iterable[Paid]) -> Fraction | None:
    """Weighted, over the late payments alone."""
    return days_late([(amount, late) for amount, late in paid if late > 0])


def paid_in_time_share(paid: Iterable[Paid]) -> Fraction | None:
    """Share by value that was paid on or before the due date."""
    return DelaySums.of(paid).in_time


@dataclass(frozen=True, slots=True)
class DelaySums:
    """The four sums the measures need, as the database adds them up: amount, amount x days (signed and
    floored at 0), amount paid in time. Reversals are negative amounts, so they take back what they reverse."""

    amount: Fraction = Fraction(0)
    amount_days: Fraction = Fraction(0)
    amount_days_floored: Fraction = Fraction(0)
    amount_in_time: Fraction = Fraction(0)

    @classmethod
    def of(cls, paid: Iterable[Paid]) -> DelaySums:
        total = cls()
        for amount, late in paid:
            value = Fraction(amount)
            total += cls(value, value * late, value * max(0, late), value if late <= 0 else Fraction(0))
        return total

    def __add__(self, other: DelaySums) -> DelaySums:
        return DelaySums(
            self.amount + other.amount,
            self.amount_days + other.amount_days,
            self.amount_days_floored + other.amount_days_floored,
            self.amount_in_time + other.amount_in_time,
        )

    def times(self, rate: Fraction) -> DelaySums:
        """The sums in another currency."""
        return DelaySums(
            self.amount * rate,
            self.amount_days * rate,
            self.amount_days_floored * rate,
            self.amount_in_time * rate,
        )

    @property
    def signed(self) -> Fraction | None:
        return ratio(self.amount_days, self.amount)

    @property
    def floored(self) -> Fraction | None:
        return ratio(self.amount_days_floored, self.amount)

    @property
    def in_time(self) -> Fraction | None:
        return ratio(self.amount_in_time, self.amount)
