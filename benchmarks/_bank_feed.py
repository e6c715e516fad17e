"""A made-up bank with known truth: feeds whose borrowers' risk we set ourselves, in the shape of the shared files.

Each account has a hidden strength. It decides how much is left at the end of the month, how even the income is, and
how often the account runs dry; the outcome is drawn from a probability that is a stated function of it. So the best
any card can do (the AUC of that very probability) is known.
"""

from __future__ import annotations

import csv
import math
from datetime import date, timedelta
from pathlib import Path
from random import Random

START = date(2024, 1, 1)


def probability(strength: float, level: float = -2.4, slope: float = 1.6) -> float:
    """Of a bad outcome, by hidden strength (standard normal)."""
    return 1 / (1 + math.exp(-(level - slope * strength)))


def write_feed(folder: Path, accounts: int, seed: int = 5) -> tuple[Path, Path, dict[str, float]]:
    """Write transactions.csv and loans.csv; returns their paths and {account: true probability of bad}."""
    rng = Random(seed)
    flows, loans = folder / "transactions.csv", folder / "loans.csv"
    truth: dict[str, float] = {}
    with flows.open("w", newline="") as out, loans.open("w", newline="") as book:
        lines, given = csv.writer(out), csv.writer(book)
        lines.writerow("trans_id account_id date type operation amount balance k_symbol bank account".split())
        given.writerow("loan_id account_id granted amount duration_months monthly_payment outcome".split())
        number = 0
        for n in range(1, accounts + 1):
            strength = rng.gauss(0, 1)
            truth[str(n)] = probability(strength)
            days = rng.randint(130, 700)
            granted = START + timedelta(days=days)
            for day, kind, operation, cents, balance, symbol, source in _year(rng, strength, days):
                number += 1
                money = (f"{abs(cents) // 100}.{abs(cents) % 100:02}", f"{balance / 100:.2f}")
                when = (START + timedelta(days=day)).strftime("%y%m%d")
                lines.writerow(
                    [number, n, when, kind, operation, *money, symbol, "XX" if source else "", source]
                )
            bad = rng.random() < truth[str(n)]
            given.writerow([n, n, granted.strftime("%y%m%d"), 1000, 12, 100, "D" if bad else "C"])
    return flows, loans, truth


def _year(rng: Random, strength: float, days: int):
    """Bookings of one account: wages or sales, rent, purchases, cash, fees; (day, type, operation, cents, ...)."""
    income = int(rng.lognormvariate(14.5, 0.6))  # cents a month; the scale says nothing about the risk
    cushion = math.exp(0.9 * strength - 0.7 + rng.gauss(0, 0.5))  # months of income kept on the account
    spread = math.exp(-0.35 * strength - 1.2 + rng.gauss(0, 0.3))  # how uneven the income is
    balance = int(income * cushion)
    for day in range(days):
        if day % 30 == 3:
            amount = int(income * max(0.05, rng.gauss(1, spread)))
            balance += amount
            yield (
                day,
                "credit",
                "collection from another bank",
                amount,
                balance,
                "",
                41000 + rng.randint(0, 1),
            )
        if day % 30 == 6:
            amount = int(income * 0.35)
            balance -= amount
            yield day, "withdrawal", "remittance to another bank", -amount, balance, "household", 51000
        if rng.random() < 0.35:
            # Whoever has little left spends a little less, whoever is weak spends it all the same.
            room = max(0.4, min(1.6, balance / (income * cushion + 1)))
            amount = int(income * 0.062 * rng.lognormvariate(0, 0.7) * (room if strength > 0 else 1))
            balance -= amount
            operation = "withdrawal in cash" if rng.random() < 0.6 else "remittance to another bank"
            yield day, "withdrawal", operation, -amount, balance, "", 0
        if day % 30 == 29 and balance < 0:
            fee = max(100, -balance // 100)
            balance -= fee
            yield (
                day,
                "withdrawal",
                "withdrawal in cash",
                -fee,
                balance,
                "sanction interest if negative balance",
                0,
            )
            if balance < -2 * income:
                # The bank stops it there: a payment from elsewhere evens the account out.
                amount = -balance
                balance = 0
                yield day, "credit", "credit in cash", amount, balance, "", 0
