"""How days late are spread, and what is left of the spread once an invoice is seen unpaid.

A curve gives, for each day d, the chance of being paid more than d days late. Its shape comes from the training
period (Kaplan and Meier 1958: open invoices count until the day they were last seen), per band of risk and
shrunk toward the whole book; its height at 0, 15 and 30 days comes from the card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.fitting.measures import Floats, floats
from scoring.invoices.ledger import NEVER, Days

GRID = np.array(
    [-90, -60, -45, -30, -25, -20, -16, -13, -10, -8, -6, -5, -4, -3, -2, -1]
    + [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 21, 25, 30]
    + [36, 42, 50, 60, 75, 90, 120, 150, 180, 240, 365],
    dtype=np.int64,
)
"""Days at which a curve is kept; straight lines between."""
FIRST, LAST = int(GRID[0]), int(GRID[-1])
HEIGHTS = (0, 15, 30)
SHAPE_ROWS = 40.0
"""Rows of the whole book's shape blended into each band's."""


def _cells(days: Days) -> Days:
    """Place in GRID of the first day at or after each delay: delays in (GRID[i-1], GRID[i]] share a cell."""
    return np.minimum(np.searchsorted(GRID, days, side="left"), GRID.size - 1)


def _hazards(low: Days, high: Days) -> tuple[Floats, Floats]:
    """(paid in, at risk at the start of) each cell. A row that is not paid leaves after the day it was seen on;
    delays beyond the last day count as seen unpaid on it."""
    paid = low == high
    late = np.clip(low, FIRST, LAST)
    within = paid & (low <= LAST)
    event = np.bincount(_cells(late[within]), minlength=GRID.size).astype(np.float64)
    # Seen unpaid through day L: at risk in every cell that ends by L.
    stays = np.searchsorted(GRID, np.clip(low[~within], FIRST - 1, LAST), side="right")
    gone = np.bincount(stays, minlength=GRID.size + 1).astype(np.float64)
    total = event.sum() + gone.sum()
    leaving = event + gone[: GRID.size]
    risk = total - np.r_[0.0, np.cumsum(leaving)[:-1]] - gone[: GRID.size]
    return event, np.maximum(risk, 0.0)


def shape(low: Days, high: Days, toward: Floats | None = None) -> Floats:
    """P(delay > d) for d in GRID from delays known to lie between `low` and `high` (high: low or NEVER).

    toward: the curve whose hazards are blended in with SHAPE_ROWS rows. Without rows: `toward`, or a plain line.
    """
    known = low > -NEVER
    event, risk = _hazards(low[known], high[known])
    if toward is None:
        base, rows = np.full(GRID.size, 1 / GRID.size), 1.0
    else:
        before = np.r_[1.0, toward[:-1]]
        base = 1 - np.divide(toward, before, out=np.zeros(GRID.size), where=before > 0)
        rows = SHAPE_ROWS
    hazard = (event + rows * base) / (risk + rows)
    return floats(np.cumprod(1 - np.clip(hazard, 0, 1)))


@dataclass(frozen=True, slots=True)
class Curves:
    """One shape per band of risk; `edges`: the risks that part the bands, ascending."""

    edges: tuple[float, ...]
    bands: tuple[tuple[float, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        return {"edges": list(self.edges), "bands": [list(b) for b in self.bands]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Curves:
        return cls(tuple(data["edges"]), tuple(tuple(b) for b in data["bands"]))

    @classmethod
    def fit(cls, risk: Floats, low: Days, high: Days, bands: int = 5) -> Curves:
        whole = shape(low, high)
        edges = np.unique(np.quantile(risk, np.linspace(0, 1, bands + 1)[1:-1])) if risk.size else np.zeros(0)
        place = np.searchsorted(edges, risk, side="right")
        parts = [shape(low[place == n], high[place == n], whole) for n in range(edges.size + 1)]
        return cls(tuple(map(float, edges)), tuple(tuple(map(float, part)) for part in parts))

    def through(self, risk: Floats, heights: Sequence[Floats]) -> Floats:
        """(rows, len(GRID)): curves with the shape of each risk's band through P(>0), P(>15), P(>30)."""
        place = np.searchsorted(np.array(self.edges), risk, side="right")
        base = np.array(self.bands)[place]
        columns = [int(np.searchsorted(GRID, h)) for h in HEIGHTS]
        out = np.empty_like(base)
        above, at_above = np.ones(risk.size), np.ones(risk.size)
        start = 0
        for column, height in zip(columns, heights, strict=True):
            at = base[:, column]
            gap = np.maximum(at_above - at, 0)
            cells = slice(start, column + 1)
            line = np.linspace(1, 0, column + 2 - start)[1:]
            # Share of the way from the upper to the lower height that is still ahead.
            ahead = np.where(
                gap[:, None] > 1e-9, (base[:, cells] - at[:, None]) / np.maximum(gap, 1e-9)[:, None], line
            )
            out[:, cells] = height[:, None] + (above - height)[:, None] * np.clip(ahead, 0, 1)
            above, at_above, start = height, at, column + 1
        tail = np.divide(
            base[:, start:],
            at_above[:, None],
            out=np.zeros_like(base[:, start:]),
            where=at_above[:, None] > 0,
        )
        out[:, start:] = above[:, None] * np.clip(tail, 0, 1)
        return out


def still_open(curve: Floats, unpaid: Days) -> Floats:
    """The curves for rows seen unpaid `unpaid` days after the due date (negative: before it): chances given that
    the payment comes later than that. Rows never seen (unpaid < FIRST) stay as they are."""
    left = chance_beyond(curve, unpaid)
    given = np.divide(curve, left[:, None], out=np.ones_like(curve), where=left[:, None] > 1e-9)
    return np.where(GRID[None, :] <= unpaid[:, None], 1.0, np.minimum(given, 1.0))


def chance_beyond(curve: Floats, days: Days | int) -> Floats:
    """P(delay > days) per row, straight between the days of GRID; 1 before the first of them."""
    asked = np.broadcast_to(np.asarray(days, dtype=np.int64), (curve.shape[0],))
    place = np.clip(np.searchsorted(GRID, asked, side="right"), 1, GRID.size - 1)
    rows = np.arange(curve.shape[0])
    left, right = curve[rows, place - 1], curve[rows, place]
    part = np.clip((asked - GRID[place - 1]) / (GRID[place] - GRID[place - 1]), 0, 1)
    return np.where(asked < FIRST, 1.0, left + (right - left) * part)


def quantile(curve: Floats, share: float) -> Floats:
    """The first day by which `share` of the payments have come; LAST where it takes longer (or never comes)."""
    come = 1 - curve
    reached = come >= share - 1e-12
    place = np.where(reached.any(axis=1), reached.argmax(axis=1), GRID.size - 1)
    rows = np.arange(curve.shape[0])
    high, low = come[rows, place], come[rows, np.maximum(place - 1, 0)]
    step = np.where(place > 0, GRID[place] - GRID[np.maximum(place - 1, 0)], 0)
    gap = high - low
    part = np.where(gap > 1e-12, np.clip((share - low) / np.maximum(gap, 1e-12), 0, 1), 1.0)
    return np.ceil(GRID[place] - step * (1 - part) - 1e-9)


def mean_late(curve: Floats) -> Floats:
    """Expected days late, early payment counting as 0 and longer than LAST as LAST: the area under P(delay > d)."""
    zero = int(np.searchsorted(GRID, 0))
    beyond = curve[:, zero:]
    width = np.diff(GRID[zero:])
    # P(delay > d) holds for whole days d = 0, 1, ...: the sum over days, with straight lines between the kept ones.
    inner = (beyond[:, :-1] + beyond[:, 1:]) / 2 * width + (beyond[:, :-1] - beyond[:, 1:]) / 2
    return inner.sum(axis=1)
