"""What the makers of ledgers share: invoices of payers, and a ledger from their delays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scoring.invoices.ledger import Ledger

START = 734_000  # 2010-08-12
Maker = Callable[[np.random.Generator], Ledger]
TRUE_ODDS: list[Any] = []
"""Log-odds of being late of each row of the ledger made last, where it was made by them (`by_odds`)."""


def issued_rows(
    random: np.random.Generator,
    payers: int,
    invoices: int,
    days: int = 700,
    skew: float = 0.0,
    terms: tuple[int, ...] = (30,),
) -> dict[str, Any]:
    """Invoices of payers, two fifths of whom come later; skew: how unequally the payers buy (Zipf)."""
    share = np.arange(1, payers + 1) ** -skew
    payer = random.choice(payers, invoices, p=share / share.sum())
    begin = random.integers(0, days // 2, payers) * (random.random(payers) < 0.4)
    issued = START + (begin[payer] + random.random(invoices) * (days - begin[payer])).astype(int)
    usual = random.normal(6, 1, payers)
    amount = np.exp(usual[payer] + random.normal(0, 0.7, invoices)).round(2)
    order = np.argsort(issued, kind="stable")
    due = issued + random.choice(terms, payers)[payer]
    return {"account": payer[order], "issued": issued[order], "due": due[order], "amount": amount[order]}


def by_odds(random: np.random.Generator, rows: dict[str, Any], odds: Any, tail: float = 9.0) -> Ledger:
    """Each invoice is late with the chance its log-odds say."""
    count = rows["account"].size
    TRUE_ODDS[:] = [np.broadcast_to(odds, count)]
    late = random.random(count) < 1 / (1 + np.exp(-odds))
    return paid_ledger(rows, np.where(late, 1 + random.exponential(tail, count), -random.gamma(2, 4, count)))


def paid_ledger(rows: dict[str, Any], delay: Any) -> Ledger:
    paid = np.maximum(rows["due"] + np.round(delay).astype(int), rows["issued"])
    return Ledger.of(**rows, paid=paid)
