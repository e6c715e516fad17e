"""Made-up bank feeds of many shapes, with a known truth: files of bank lines and what became of their customers.

Every customer has a hidden weakness z (standard normal); the outcome is drawn from a stated function of z. How it banks
is told by six traits, each a latent of its own (standard normal, higher is worse): a shape names the traits that hang on
z, the others say nothing. So the signal lies where the shape puts it, and the AUC of the very probability is the best
any card could reach. All feeds of a shape are judged on one day, `DECIDED`.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

DECIDED = date(2026, 6, 1)
CUSHION, BURN, REJECTS, SOURCES, SWINGS, FALL = TRAITS = (
    "cushion",
    "burn",
    "rejects",
    "sources",
    "swings",
    "fall",
)
HEADER = "customer,account,date,amount,balance,currency,counterparty,category,text".split(",")
RATES = {"EUR": 1.0, "USD": 1.1, "JPY": 160.0, "PLN": 4.3}
UNITS = {"JPY": 0}
"""Decimals where they are not two."""


@dataclass(frozen=True)
class Shape:
    """inflow: monthly (wages), weekly, irregular, trade or seasonal. rate: share of bad outcomes. days: least and
    most history. lag: how many days before the decision the feed ends. gaps: share of feeds with weeks missing."""

    name: str
    inflow: str = "trade"
    traits: tuple[str, ...] = TRAITS
    rate: float = 0.12
    slope: float = 1.5
    days: tuple[int, int] = (200, 300)
    accounts: int = 1
    currencies: tuple[str, ...] = ("EUR",)
    gaps: float = 0.0
    lag: tuple[int, int] = (0, 4)
    balances: bool = True
    daily: bool = False
    rows: int = 300


SHAPES = (
    Shape("wages once a month, signal in the cushion", "monthly", (CUSHION,)),
    Shape("weekly takings, signal in payments that come back", "weekly", (REJECTS,)),
    Shape("irregular inflow, signal in its swings", "irregular", (SWINGS,)),
    Shape("trade, signal in the runway", traits=(BURN,)),
    Shape("trade, signal in the concentration of payers", traits=(SOURCES,)),
    Shape("trade, signal in a falling inflow", traits=(FALL,)),
    Shape("seasonal firms, signal in the cushion", "seasonal", (CUSHION, BURN), days=(220, 300)),
    Shape(
        "several accounts and currencies",
        traits=(CUSHION, BURN, REJECTS),
        accounts=3,
        currencies=("EUR", "USD", "JPY", "PLN"),
    ),
    Shape("weeks missing in every second feed", gaps=0.5),
    Shape("three months only", days=(80, 95)),
    Shape("ends up to 75 days before the decision", lag=(5, 75)),
    Shape("transactions without balances", balances=False),
    Shape("balances of each day, no single payments", daily=True),
    Shape("bad outcomes rare (3 %)", rate=0.03, rows=600),
    Shape("bad outcomes frequent (40 %)", rate=0.40),
    Shape("few customers (90)", rate=0.2, rows=90),
    Shape("no signal at all", traits=()),
)


def level_for(rate: float, slope: float) -> float:
    """The intercept at which the mean of 1 / (1 + exp(-(level + slope z))) over a standard normal z is `rate`."""
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    low, high = -20.0, 20.0
    for _step in range(60):
        level = (low + high) / 2
        mean = float((weight / (1 + np.exp(-(level + slope * z)))).sum() / weight.sum())
        low, high = (level, high) if mean < rate else (low, level)
    return level


def draw(shape: Shape, seed: int) -> tuple[dict[str, Any], np.random.Generator]:
    """Latents of `shape.rows` customers: probability, outcome (0 or 1) and the traits."""
    rng = np.random.default_rng([seed, *shape.name.encode()])
    z = rng.standard_normal(shape.rows)
    slope = shape.slope if shape.traits else 0.0
    chance = 1 / (1 + np.exp(-(level_for(shape.rate, slope) + slope * z)))
    bad = (rng.random(shape.rows) < chance).astype(float)
    found: dict[str, Any] = {"chance": chance, "bad": bad}
    for trait in TRAITS:
        own = rng.standard_normal(shape.rows)
        found[trait] = 0.8 * z + 0.6 * own if trait in shape.traits else own
    return found, rng


def write_shape(folder: Path, shape: Shape, seed: int) -> tuple[Path, dict[str, Any]]:
    """Write lines.csv of one cohort; returns its path and {customers, chance, bad}."""
    latent, rng = draw(shape, seed)
    path = folder / "lines.csv"
    names = [f"C{n:05}" for n in range(shape.rows)]
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(HEADER)
        for n, name in enumerate(names):
            out.writerows(_lines(rng, shape, name, {trait: float(latent[trait][n]) for trait in TRAITS}))
    return path, {"customers": names, "chance": latent["chance"], "bad": latent["bad"]}


def _season(day: int) -> float:
    """Between 0.25 and 1.75 over the year."""
    return 1 + 0.75 * math.sin(2 * math.pi * day / 365.25)


def _inflows(rng: Any, shape: Shape, trait: dict[str, float], day: int, month: float) -> list[float]:
    """What comes in on a day (before the fall), of `month` a month on average."""
    spread = 0.3 * math.exp(0.45 * trait[SWINGS])
    noise = lambda: rng.lognormal(-spread * spread / 2, spread)  # noqa: E731
    if shape.inflow == "monthly":
        return [month * noise()] if day % 30 == 4 else []
    if shape.inflow == "weekly":
        return [month * 7 / 30 * noise()] if day % 7 == 2 else []
    if shape.inflow == "irregular":
        return [month / 2.5 * noise()] if rng.random() < 2.5 / 30 else []
    times = _season(day) if shape.inflow == "seasonal" else 1.0
    if day % 7 > 4:
        return []
    return [month * times / 14 * noise() for _one in range(rng.poisson(14 / 22))]


def _lines(rng: Any, shape: Shape, name: str, trait: dict[str, float]) -> list[list[object]]:
    """All bookings of one customer, in file order."""
    days = int(rng.integers(shape.days[0], shape.days[1] + 1))
    ends = DECIDED - timedelta(days=1 + int(rng.integers(shape.lag[0], shape.lag[1] + 1)))
    start = ends - timedelta(days=days - 1)
    month = float(rng.lognormal(9.5, 1.0))
    cushion = math.exp(-0.8 * trait[CUSHION] - 0.6 + 0.3 * rng.standard_normal())
    spending = 1 + 0.05 * trait[BURN]
    payers = max(1, round(math.exp(2.2 - 0.8 * trait[SOURCES])))
    share = rng.dirichlet(np.full(payers, 1.2))
    back = math.exp(-1.2 + 0.9 * trait[REJECTS]) / 180
    fall = math.exp(-0.18 * trait[FALL] - 0.05)
    books = [
        (f"{name}-{k}", shape.currencies[int(rng.integers(len(shape.currencies)))])
        for k in range(int(rng.integers(1, shape.accounts + 1)))
    ]
    hole = range(0)
    if rng.random() < shape.gaps:
        hole = range(begin := int(rng.integers(20, days - 20)), begin + int(rng.integers(7, 35)))
    held = [cushion * month if not k else 0.3 * month for k in range(len(books))]
    found: list[list[object]] = []

    def book(day: int, amount: float, k: int, party: str = "", category: str = "", text: str = "") -> None:
        account, currency = books[k]
        digits = UNITS.get(currency, 2)
        value = round(amount * RATES[currency], digits)
        if not value:
            return
        held[k] += value / RATES[currency]
        if day in hole:
            return
        balance = f"{held[k] * RATES[currency]:.{digits}f}" if shape.balances else ""
        when = (start + timedelta(days=day)).isoformat()
        found.append([name, account, when, f"{value:.{digits}f}", balance, currency, party, category, text])

    for day in range(days):
        before = list(held)
        recent = fall if day >= days - 90 else 1.0
        k = int(rng.integers(len(books)))
        for amount in _inflows(rng, shape, trait, start.toordinal() + day, month):
            party = f"{name} payer {rng.choice(payers, p=share)}"
            book(day, amount * recent, k, party, "sales")
        season = _season(start.toordinal() + day) if shape.inflow == "seasonal" else 1.0
        # Who holds more than usual spends more, and the other way round: balances do not wander off.
        room = min(1.6, max(0.5, (sum(held) / month / cushion) ** 0.25)) if sum(held) > 0 else 0.5
        if rng.random() < 0.45:
            amount = month * season * spending * room / 30 / 0.45 * 0.7 * rng.lognormal(-0.3, 0.8)
            book(day, -amount, k, "", "suppliers" if rng.random() < 0.7 else "cash")
        if day % 30 == 27:
            book(day, -0.25 * month * spending, 0, "", "salary")
        if day % 30 == 15:
            book(day, -0.05 * month, 0, f"{name} landlord", "household")
        if rng.random() < back:
            book(day, 0.02 * month, 0, "", "returned", "returned direct debit")
        if day % 30 == 29 and sum(held) < 0:
            book(day, 0.01 * sum(held), 0, "", "sanction interest")
        if shape.daily:
            # The bank tells only what each account held at the end of the day.
            found[:] = [row for row in found if row[2] != (start + timedelta(days=day)).isoformat()]
            for k, (was, now) in enumerate(zip(before, held, strict=True)):
                held[k] = was
                book(day, now - was, k)
    return found
