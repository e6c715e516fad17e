"""Ledgers with a known truth, as arrays: every kind of payer we could think of, none of them like the next.

Each maker takes a random generator and gives a scoring.invoices.ledger.Ledger; nearly all of its invoices end paid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._channel_ledgers import CHANNEL
from benchmarks._made import START, Maker, issued_rows, paid_ledger
from benchmarks._stranger_ledgers import STRANGER
from scoring.invoices.ledger import Ledger


def _punctual(
    random: np.random.Generator,
    payers: int = 100,
    invoices: int = 2500,
    a: float = 0.8,
    b: float = 1.6,
    **more: Any,
) -> Ledger:
    rows = issued_rows(random, payers, invoices, **more)
    chance, severity, who = random.beta(a, b, payers), random.gamma(2, 6, payers), rows["account"]
    late = random.random(invoices) < chance[who]
    return paid_ledger(
        rows, np.where(late, 1 + random.exponential(severity[who]), -random.gamma(2, 4, invoices))
    )


def punctual(random: np.random.Generator) -> Ledger:
    """Each payer late with a chance of its own (beta distributed)."""
    return _punctual(random)


def thin(random: np.random.Generator) -> Ledger:
    """Three invoices per payer."""
    return _punctual(random, 1200, 4000, 1.2, 2.4)


def few_big(random: np.random.Generator) -> Ledger:
    """A handful of payers make most of the invoices."""
    return _punctual(random, 200, 4000, skew=1.1)


def rarely_late(random: np.random.Generator) -> Ledger:
    return _punctual(random, 200, 4000, 0.3, 9)


def mostly_late(random: np.random.Generator) -> Ledger:
    return _punctual(random, 100, 2500, 6, 0.8)


def steady(random: np.random.Generator) -> Ledger:
    """Each payer has its usual delay, with a spread of its own."""
    rows = issued_rows(random, 100, 2500)
    usual, spread, who = random.normal(-4, 9, 100), random.gamma(6, 1, 100), rows["account"]
    return paid_ledger(rows, random.normal(usual[who], spread[who]))


def drifting(random: np.random.Generator) -> Ledger:
    """Usual delays wander from month to month."""
    rows = issued_rows(random, 150, 4000, days=900)
    path = np.cumsum(random.normal(0, 2.7, (150, 31)), axis=1) + random.normal(-3, 7, 150)[:, None]
    month = np.minimum((rows["issued"] - START) // 30, 30)
    return paid_ledger(rows, random.normal(path[rows["account"], month], 7))


def seasonal(random: np.random.Generator) -> Ledger:
    rows = issued_rows(random, 120, 4000, days=1000)
    usual = random.normal(-4, 7, 120)[rows["account"]] + 6 * np.sin(2 * np.pi * rows["due"] / 365.25)
    return paid_ledger(rows, random.normal(usual, 7))


def by_amount(random: np.random.Generator) -> Ledger:
    """Large invoices are paid later."""
    rows = issued_rows(random, 120, 3500)
    usual = random.normal(-5, 6, 120)[rows["account"]] + 5 * (np.log(rows["amount"]) - 6)
    return paid_ledger(rows, random.normal(usual, 7))


def heavy_tailed(random: np.random.Generator) -> Ledger:
    """Delays without a mean, several terms, unequal payers."""
    rows = issued_rows(random, 150, 4000, skew=0.6, terms=(14, 30, 45, 60))
    late = random.random(4000) < random.beta(1, 3, 150)[rows["account"]]
    return paid_ledger(
        rows, np.minimum(np.where(late, 1 + random.pareto(1.3, 4000) * 6, -random.gamma(2, 3, 4000)), 700)
    )


def own_pace(random: np.random.Generator) -> Ledger:
    """Paid so many days after issue, whatever the terms, which differ from invoice to invoice."""
    rows = issued_rows(random, 120, 3500)
    rows["due"] = rows["issued"] + random.choice([14, 30, 45, 60], 3500)
    paid = rows["issued"] + random.normal(random.normal(38, 10, 120)[rows["account"]], 6)
    return paid_ledger(rows, paid - rows["due"])


def payment_runs(random: np.random.Generator) -> Ledger:
    """Everybody pays on Fridays."""
    rows = issued_rows(random, 120, 3500)
    wanted = rows["due"] + np.round(random.normal(random.normal(-5, 6, 120)[rows["account"]], 5)).astype(int)
    return paid_ledger(rows, wanted + (5 - wanted) % 7 - rows["due"])


def mixed(random: np.random.Generator) -> Ledger:
    """Half of the payers are late with large invoices only: what an additive card cannot say."""
    rows = issued_rows(random, 150, 4000)
    who = rows["account"]
    large = (random.random(150) < 0.5)[who] & (np.log(rows["amount"]) > 6.5)
    return paid_ledger(rows, random.normal(random.normal(-4, 5, 150)[who] + np.where(large, 14, 0), 6))


def breaking(random: np.random.Generator) -> Ledger:
    """A third of the payers turn bad on some day."""
    rows = issued_rows(random, 150, 4000)
    who = rows["account"]
    day = np.where(random.random(150) < 0.35, START + random.integers(150, 700, 150), 10**7)
    return paid_ledger(
        rows, random.normal(random.normal(-6, 5, 150)[who] + np.where(rows["issued"] > day[who], 25, 0), 7)
    )


def improving(random: np.random.Generator) -> Ledger:
    """The whole book becomes more punctual."""
    rows = issued_rows(random, 100, 2500)
    odds = random.normal(0.3, 1.6, 100)[rows["account"]] - 0.5 * (rows["issued"] - START) / 365
    late = random.random(2500) < 1 / (1 + np.exp(-odds))
    return paid_ledger(rows, np.where(late, 1 + random.exponential(9, 2500), -random.gamma(2, 4, 2500)))


def nothing_to_learn(random: np.random.Generator) -> Ledger:
    """All payers alike."""
    rows = issued_rows(random, 100, 2500)
    return paid_ledger(rows, random.normal(-3, 9, 2500))


LEDGERS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        [
            punctual,
            thin,
            few_big,
            rarely_late,
            mostly_late,
            steady,
            drifting,
            seasonal,
            by_amount,
            heavy_tailed,
        ]
        + [own_pace, payment_runs, mixed, breaking, improving, nothing_to_learn, *STRANGER, *CHANNEL]
    )
}
