"""What waiting costs: the rule that ranks a worklist, as pure arithmetic over facts gathered elsewhere.

cost of waiting = sum over overdue items of collectable amount x chance that it stays unpaid without contact
priority        = cost of waiting / minutes the next step takes
collectable     = open amount - disputed - promised (unbroken, within grace) - blocked, per item, never < 0

The chances are an expert table, not fitted to outcomes: versioned data, printed with every run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from creditdesk.core.money import Money

POLICY_VERSION = "expert-2026-1 (uncalibrated)"

# Chance (per mille) that an item stays unpaid for another month without contact, by days past due.
BY_DAYS_PAST_DUE: tuple[tuple[int, int], ...] = (
    (7, 200),
    (15, 300),
    (30, 420),
    (60, 560),
    (90, 700),
    (180, 820),
)
BEYOND_THE_LAST_BAND = 880
_UP_TO = [upto for upto, _chance in BY_DAYS_PAST_DUE]
_BASE = [*(chance for _upto, chance in BY_DAYS_PAST_DUE), BEYOND_THE_LAST_BAND]
# Percent of the above by grade: who is sound pays late, but pays.
BY_GRADE = {"A": 45, "B": 65, "C": 85, "D": 105, "E": 120, "": 90}
# Percent of the above by cause: what this customer's story says beyond days and grade.
BY_CAUSE = {
    "broken_promise": 125,
    "returned_payment": 135,
    "group_trouble": 130,
    "sudden_change": 125,
    "growing": 115,
    "first_late": 70,
    "seasonal": 60,
    "habit": 35,
    "unapplied_cash": 35,
}
LOWEST, HIGHEST = 30, 970

# Below this many major units of the company's currency nobody's minutes are spent (see also unfold admin).
SMALL_AMOUNT = 25


@cache
def minor_units(major: int, currency: str) -> int:
    """A threshold in major units as minor units of a currency."""
    return Money.of(major, currency).minor


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the rule needs of one account. Money in minor units of one common currency.

    parts: (collectable amount, days past due) per overdue item.
    """

    key: int
    parts: Sequence[tuple[int, int]]
    grade: str
    cause: str
    minutes: int
    oldest_due: str = ""


@dataclass(frozen=True, slots=True)
class Valued:
    """A candidate with its price. probability: per mille, weighted over its parts."""

    candidate: Candidate
    collectable: int
    at_risk: int
    probability: int

    @property
    def priority(self) -> tuple[int, int]:
        """Cost of waiting per minute, in thousandths; then the cost itself."""
        return self.at_risk * 1000 // self.candidate.minutes, self.at_risk


def collectable(open_minor: int, *, disputed: int = 0, promised: int = 0, blocked: bool = False) -> int:
    """What may be asked for now of one item (minor units, never below zero)."""
    return 0 if blocked else max(open_minor - disputed - promised, 0)


def stays_unpaid(days_past_due: int, grade: str, cause: str) -> int:
    """Chance per mille that an item stays unpaid without contact, from the expert table."""
    base = _BASE[bisect_left(_UP_TO, days_past_due)]
    chance = base * BY_GRADE.get(grade, BY_GRADE[""]) * BY_CAUSE.get(cause, 100) // 10_000
    return min(max(chance, LOWEST), HIGHEST)


def cost_of_waiting(parts: Iterable[tuple[int, int]]) -> int:
    """Sum of amount x chance (per mille), rounded half up to minor units."""
    return sum((amount * chance + 500) // 1000 for amount, chance in parts)


def value(candidate: Candidate) -> Valued:
    priced = [
        (amount, stays_unpaid(days, candidate.grade, candidate.cause)) for amount, days in candidate.parts
    ]
    total = sum(amount for amount, _chance in priced)
    at_risk = cost_of_waiting(priced)
    return Valued(candidate, total, at_risk, (at_risk * 1000 + total // 2) // total if total else 0)


def rank(rows: Iterable[Valued]) -> list[Valued]:
    """Dearest waiting first: cost per minute, then cost, then the oldest debt, then a fixed order."""
    return sorted(
        rows, key=lambda row: (*(-part for part in row.priority), row.candidate.oldest_due, row.candidate.key)
    )
