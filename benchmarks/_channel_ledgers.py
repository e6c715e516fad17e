"""Made ledgers that say of every invoice how it was sent: payers go over to electronic invoices, or do not.

See benchmarks/ledgers.py. The training ends at some 65 % of the invoices: payers change before, around and after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks._made import START, Maker, by_odds, issued_rows, paid_ledger
from scoring.invoices.ledger import ELECTRONIC, PAPER, UNKNOWN, Ledger

DAYS, PAYERS, ROWS = 800, 120, 3500


def _changing(
    random: np.random.Generator, low: float, high: float, always: float = 0.2, never: float = 0.2
) -> tuple[dict[str, Any], Any]:
    """Rows and whether each was sent electronically: a payer changes once, between two shares of the time."""
    rows = issued_rows(random, PAYERS, ROWS, days=DAYS)
    kind = random.random(PAYERS)
    day = START + DAYS * random.uniform(low, high, PAYERS)
    day = np.where(kind < always, -np.inf, np.where(kind > 1 - never, np.inf, day))
    return rows, rows["issued"] >= day[rows["account"]]


def _sent(ledger: Ledger, electronic: Any, unknown: Any = False) -> Ledger:
    channel = np.where(unknown, UNKNOWN, np.where(electronic, ELECTRONIC, PAPER))
    return replace(ledger, channel=channel.astype(np.int8))


def _made(
    name: str,
    words: str,
    effect: Callable[[np.random.Generator], Any],
    unknown: float = 0.0,
    **when: float,
) -> Maker:
    def make(random: np.random.Generator) -> Ledger:
        rows, electronic = _changing(random, **{"low": 0.0, "high": 1.2, **when})
        who = rows["account"]
        own = random.normal(-0.3, 1.2, PAYERS)
        odds = own[who] + np.broadcast_to(effect(random), PAYERS)[who] * electronic
        missing = random.random(PAYERS)[who] < unknown if unknown else np.zeros(ROWS, dtype=bool)
        return _sent(by_odds(random, rows, odds), electronic, missing)

    make.__name__, make.__doc__ = name, words
    return make


going_electronic = _made(
    "going_electronic", "Payers go over to electronic invoices, some every month.", lambda r: -1.0
)
electronic_soon = _made(
    "electronic_soon",
    "Most payers go over around the end of the training.",
    lambda r: -1.0,
    low=0.5,
    high=0.85,
)
electronic_later = _made(
    "electronic_later",
    "Most payers go over after the training; few did before.",
    lambda r: -1.0,
    low=0.5,
    high=1.0,
)
electronic_idle = _made(
    "electronic_idle", "They go over, and pay as before.", lambda r: 0.0, low=0.3, high=1.0
)
electronic_own = _made(
    "electronic_own",
    "To go over does each payer good or bad of its own.",
    lambda r: r.normal(-0.7, 0.9, PAYERS),
)
electronic_worse = _made(
    "electronic_worse", "Electronic invoices are overlooked.", lambda r: 0.7, low=0.2, high=1.0
)
electronic_some = _made(
    "electronic_some",
    "A third of the payers go over; of half of the payers nobody knows.",
    lambda r: -1.0,
    unknown=0.5,
    never=0.6,
)


def electronic_better(random: np.random.Generator) -> Ledger:
    """Punctual payers take electronic invoices sooner; the channel itself does nothing."""
    rows = issued_rows(random, PAYERS, ROWS, days=DAYS)
    own = random.normal(-0.3, 1.2, PAYERS)
    day = START + DAYS * (0.6 + 0.35 * own + random.normal(0, 0.2, PAYERS))
    who = rows["account"]
    return _sent(by_odds(random, rows, own[who]), rows["issued"] >= day[who])


def by_invoice(random: np.random.Generator) -> Ledger:
    """Each payer gets a share of its own electronically, invoice by invoice; those come five days earlier."""
    rows = issued_rows(random, PAYERS, ROWS, days=DAYS)
    who = rows["account"]
    electronic = random.random(ROWS) < random.beta(0.7, 0.7, PAYERS)[who]
    usual, spread = random.normal(-1, 8, PAYERS)[who], random.gamma(6, 1, PAYERS)[who]
    return _sent(paid_ledger(rows, random.normal(usual, spread) - 5.0 * electronic), electronic)


def electronic_and_improving(random: np.random.Generator) -> Ledger:
    """Payers go over, and the whole book becomes more punctual besides."""
    rows, electronic = _changing(random, 0.0, 1.0)
    odds = random.normal(0.3, 1.2, PAYERS)[rows["account"]] - 0.7 * electronic
    return _sent(by_odds(random, rows, odds - 0.4 * (rows["issued"] - START) / 365.25), electronic)


CHANNEL: tuple[Maker, ...] = (
    *(going_electronic, electronic_soon, electronic_later, electronic_idle, electronic_own, electronic_worse),
    *(electronic_some, electronic_better, by_invoice, electronic_and_improving),
)
