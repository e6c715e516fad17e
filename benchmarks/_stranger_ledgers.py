"""More made ledgers: books that turn, widen or narrow, odd payers, odd paper. See benchmarks/ledgers.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from benchmarks._made import START, Maker, by_odds, issued_rows, paid_ledger
from scoring.invoices.ledger import NEVER, Ledger

DAYS = 800


def _turning(move: Callable[[Any, Any], Any], name: str, words: str) -> Maker:
    """A book whose payers' log-odds of being late are move(own, years since the start)."""

    def make(random: np.random.Generator) -> Ledger:
        rows = issued_rows(random, 120, 3500, days=DAYS)
        own = random.normal(0, 1.4, 120)[rows["account"]]
        return by_odds(random, rows, -0.6 + move(own, (rows["issued"] - START) / 365.25))

    make.__name__, make.__doc__ = name, words
    return make


worsening = _turning(lambda own, t: own + 0.6 * t, "worsening", "The whole book becomes less punctual.")
shock = _turning(lambda own, t: own + 1.2 * (t > 1.6), "shock", "From one day on everybody pays later.")
relief = _turning(lambda own, t: own - 1.2 * (t > 1.6), "relief", "From one day on everybody pays sooner.")
narrowing = _turning(
    lambda own, t: own * (1.3 - 0.45 * t), "narrowing", "The late become more punctual, the punctual less."
)
widening = _turning(lambda own, t: own * (0.6 + 0.45 * t), "widening", "The late become later still.")
worst_mend = _turning(
    lambda own, t: np.where(own > 1, own - 0.9 * np.maximum(t - 0.8, 0), own),
    "worst_mend",
    "Only the worst payers become more punctual (dunning that works).",
)


def few_payers(random: np.random.Generator) -> Ledger:
    """Eight payers make all of the invoices."""
    rows = issued_rows(random, 8, 3000, days=DAYS)
    return by_odds(random, rows, random.normal(-0.5, 1.2, 8)[rows["account"]])


def once_or_twice(random: np.random.Generator) -> Ledger:
    """Most payers buy once or twice."""
    rows = issued_rows(random, 2600, 4000, days=DAYS)
    return by_odds(random, rows, random.normal(-0.8, 1.5, 2600)[rows["account"]])


def new_payers(random: np.random.Generator) -> Ledger:
    """Whoever is new is worse; most of the later invoices are of new payers."""
    rows = issued_rows(random, 400, 4000, days=DAYS)
    begin = np.sort(random.integers(0, DAYS - 60, 400))
    who = rows["account"]
    issued = START + begin[who] + (random.random(4000) * np.minimum(DAYS - begin[who], 250)).astype(int)
    order = np.argsort(issued, kind="stable")
    rows = {
        "account": who[order],
        "issued": issued[order],
        "due": issued[order] + 30,
        "amount": rows["amount"][order],
    }
    odds = random.normal(-0.8, 1.2, 400) + 0.0015 * begin
    return by_odds(random, rows, odds[rows["account"]])


def weekly_payers(random: np.random.Generator) -> Ledger:
    """Each payer pays on its own weekday, the first one after it meant to."""
    rows = issued_rows(random, 120, 3500)
    who = rows["account"]
    wanted = rows["due"] + np.round(random.normal(random.normal(-4, 5, 120)[who], 4)).astype(int)
    day = random.integers(0, 5, 120)[who]
    return paid_ledger(rows, wanted + (day - wanted) % 7 - rows["due"])


def month_end_payers(random: np.random.Generator) -> Ledger:
    """Half of the payers pay at the end of the month in which an invoice falls due."""
    rows = issued_rows(random, 120, 3500)
    who = rows["account"]
    plain = random.normal(random.normal(-3, 6, 120)[who], 5)
    due = (rows["due"] - date(1970, 1, 1).toordinal()).astype("datetime64[D]")
    to_end = ((due.astype("datetime64[M]") + 1).astype("datetime64[D]") - due).astype(int) - 1
    to_end = to_end + random.integers(0, 2, 3500)
    return paid_ledger(rows, np.where((random.random(120) < 0.5)[who], to_end, plain))


def own_season(random: np.random.Generator) -> Ledger:
    """Every payer has a bad season of its own."""
    rows = issued_rows(random, 100, 4000, days=1000)
    who = rows["account"]
    season = np.sin(2 * np.pi * (rows["due"] / 365.25 + random.random(100)[who]))
    return by_odds(random, rows, random.normal(-0.5, 1, 100)[who] + 1.5 * season)


def christmas(random: np.random.Generator) -> Ledger:
    """Six weeks of every year in which everybody pays late."""
    rows = issued_rows(random, 120, 4000, days=1000)
    odds = random.normal(-1, 1.2, 120)[rows["account"]] + 2 * ((rows["due"] % 365) > 322)
    return by_odds(random, rows, odds)


def restless(random: np.random.Generator) -> Ledger:
    """Every payer's odds wander from week to week."""
    rows = issued_rows(random, 80, 4000, days=DAYS)
    path = random.normal(-0.5, 1, 80)[:, None] + np.cumsum(random.normal(0, 0.25, (80, 120)), axis=1)
    return by_odds(random, rows, path[rows["account"], (rows["issued"] - START) // 7])


def two_currencies(random: np.random.Generator) -> Ledger:
    """A third of the payers is billed in yen; large invoices are paid later in both."""
    rows = issued_rows(random, 120, 3500)
    who, size = rows["account"], np.log(rows["amount"]) - 6
    yen = (random.random(120) < 0.33)[who]
    ledger = by_odds(random, rows, random.normal(-0.6, 1, 120)[who] + 0.8 * size)
    columns = {n: getattr(ledger, n) for n in ("account", "issued", "due", "paid")}
    amount = np.where(yen, np.round(rows["amount"] * 160), rows["amount"])
    return Ledger.of(**columns, amount=amount, currency=np.where(yen, "JPY", "EUR"))


def in_parts(random: np.random.Generator) -> Ledger:
    """Large invoices are paid in two parts: only the second settles them."""
    rows = issued_rows(random, 120, 3500)
    who = rows["account"]
    first = random.normal(random.normal(-5, 5, 120)[who], 5)
    parts = (np.log(rows["amount"]) > 6.3) & (random.random(120) < 0.6)[who]
    return paid_ledger(rows, np.maximum(first, -25) + np.where(parts, random.exponential(15, 3500), 0))


def credited(random: np.random.Generator) -> Ledger:
    """Some payers have a quarter of their invoices credited: no payment behaviour either way."""
    rows = issued_rows(random, 120, 3500)
    who = rows["account"]
    ledger = by_odds(random, rows, random.normal(-0.5, 1.2, 120)[who])
    gone = random.random(3500) < np.where(random.random(120) < 0.4, 0.25, 0.02)[who]
    closed = rows["issued"] + random.integers(2, 60, 3500)
    return _changed(
        ledger,
        paid=np.where(gone, NEVER, ledger.paid),
        paid_known=np.where(gone, NEVER, ledger.paid),
        closed_known=np.where(gone, closed, NEVER),
    )


def disputed(random: np.random.Generator) -> Ledger:
    """Some payers dispute what they would rather pay later."""
    rows = issued_rows(random, 120, 3500)
    who = rows["account"]
    ledger = by_odds(random, rows, random.normal(-0.8, 1.1, 120)[who])
    some = random.random(3500) < np.where(random.random(120) < 0.3, 0.3, 0.02)[who]
    opened = rows["issued"] + random.integers(5, 30, 3500)
    closed = opened + random.integers(5, 60, 3500)
    paid = np.where(some, np.maximum(ledger.paid, closed + random.integers(0, 10, 3500)), ledger.paid)
    return _changed(
        ledger,
        paid=paid,
        paid_known=paid,
        disputed=np.where(some, opened, NEVER),
        undisputed=np.where(some, closed, NEVER),
    )


def told_late(random: np.random.Generator) -> Ledger:
    """Payments are heard of at the end of the month."""
    ledger = by_odds(
        random,
        rows := issued_rows(random, 120, 3500, days=DAYS),
        random.normal(-0.5, 1.2, 120)[rows["account"]],
    )
    return _changed(ledger, paid_known=ledger.paid + (-ledger.paid) % 30)


def never_paid(random: np.random.Generator) -> Ledger:
    """One payer in twelve stops paying altogether on some day."""
    rows = issued_rows(random, 150, 3500, days=DAYS)
    who = rows["account"]
    ledger = by_odds(random, rows, random.normal(-0.8, 1.1, 150)[who])
    stop = np.where(random.random(150) < 0.08, START + random.integers(150, DAYS, 150), NEVER)[who]
    paid = np.where(ledger.paid >= stop, NEVER, ledger.paid)
    return _changed(ledger, paid=paid, paid_known=paid)


def new_terms(random: np.random.Generator) -> Ledger:
    """Terms go from 60 to 30 days for half of the payers; they pay as they always did."""
    rows = issued_rows(random, 120, 3500, days=DAYS)
    who = rows["account"]
    changed = (random.random(120) < 0.5)[who] & (rows["issued"] > START + 450)
    rows["due"] = rows["issued"] + np.where(changed, 30, 60)
    took = random.normal(random.normal(52, 9, 120)[who], 6)
    return paid_ledger(rows, rows["issued"] + took - rows["due"])


def short(random: np.random.Generator) -> Ledger:
    """Four months of a small firm."""
    rows = issued_rows(random, 40, 500, days=150, terms=(14,))
    return by_odds(random, rows, random.normal(-0.5, 1.3, 40)[rows["account"]])


def _changed(ledger: Ledger, **columns: Any) -> Ledger:
    changed: dict[str, Any] = {name: np.asarray(days, dtype=np.int64) for name, days in columns.items()}
    return replace(ledger, **changed)


STRANGER: tuple[Maker, ...] = (
    *(worsening, shock, relief, narrowing, widening, worst_mend, few_payers, once_or_twice, new_payers),
    *(weekly_payers, month_end_payers, own_season, christmas, restless, two_currencies, in_parts, credited),
    *(disputed, told_late, never_paid, new_terms, short),
)
