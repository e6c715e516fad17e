"""Observations made from arrays: a known probability per row, signals that show it, customers seen several times."""

from __future__ import annotations

from datetime import date

import numpy as np

from scoring.fitting.logistic import sigmoid
from scoring.fitting.observations import Observations
from scoring.signals import SIGNALS

NAMES = tuple(s.name for s in SIGNALS)
DAYS = (date(2024, 3, 31), date(2024, 6, 30), date(2024, 9, 30), date(2024, 12, 31))


def made(
    seed: int = 1, customers: int = 1500, level: float = -3.2, thin: float = 0.2, **columns: np.ndarray
) -> tuple[Observations, np.ndarray]:
    """(observations, true probability per row). days_late_12m and broken_promises_12m show the risk (the first is
    missing for thin customers), late30_share_12m says the same as the first, credit_share says nothing."""
    rng = np.random.default_rng(seed)
    risk = rng.standard_normal(customers)
    is_thin = rng.random(customers) < thin
    rows = np.tile(np.arange(customers), len(DAYS))
    now = risk[rows] + 0.3 * rng.standard_normal(rows.size)
    true = sigmoid(level + 1.4 * risk)
    happens = rng.random(customers) < true
    values = np.full((rows.size, len(NAMES)), np.nan)

    def put(name: str, numbers: np.ndarray) -> None:
        values[:, NAMES.index(name)] = numbers

    late = np.maximum(0, 10 + 8 * now + 4 * rng.standard_normal(rows.size)).round(2)
    put("days_late_12m", np.where(is_thin[rows], np.nan, late))
    put("late30_share_12m", np.where(is_thin[rows], np.nan, (late / 60).clip(0, 1).round(6)))
    put("broken_promises_12m", rng.poisson(np.exp(0.5 * now - 1.5)))
    put("credit_share", rng.random(rows.size).round(4))
    put("insolvent", np.zeros(rows.size))
    put("due_count_12m", np.where(is_thin[rows], 2, 12))
    for name, numbers in columns.items():
        put(name, numbers)
    bad = happens[rows].astype(float)
    score = np.clip(70 - 5 * now, 0, 100).round()
    observations = Observations(
        signals=NAMES,
        values=values,
        account=rows + 1,
        customer=rows + 1,
        day=np.repeat([d.toordinal() for d in DAYS], customers),
        bad=bad,
        score=score,
        pd=np.full(rows.size, 0.05),
        thin=is_thin[rows],
        exposure=np.full(rows.size, 1000.0),
        loss=bad * 1000.0,
        days=DAYS,
        causes={"residue": int(happens.sum())},
    )
    return observations, true[rows]
