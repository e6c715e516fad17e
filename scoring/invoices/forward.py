"""Telling, inside the training, what a card would have said of rows it was not fitted to.

Later parts of the training forecast from what was known before them (Fold), and whole customers left out: the one
tells how the book goes on, the other how far a card is fitted to the noise of its own customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scoring.fitting.logistic import Coefficients, log_loss
from scoring.fitting.measures import Floats
from scoring.invoices.drift import Forecasts, Ordered, Others, Setting, shift
from scoring.invoices.ledger import NEVER, Days, lot

Told = tuple[Floats, Floats, Floats]
"""(log-odds, outcomes, part) of forecasts."""
Fitted = Callable[[Any, float], Coefficients]
"""(rows, ridge) to the card of these rows."""
MIN_EVENTS = 30
"""Events, and non-events, below which a target is not fitted."""
RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10000.0)
FOLDS, FIRST_FOLD = 3, 0.4
CHOICE_ROWS = 20_000
PARTS = 5
"""Parts of the customers of which each is left out once."""


class Fold:
    """A later part of the training period (test) forecast from what was known before it; places among the rows."""

    def __init__(
        self, known: Days, test: Days, happened: Floats, day: Days, ripe_on: Days, account: Days
    ) -> None:
        self._rows, self._test = np.r_[known, test], test
        self._begin, self._end = ripe_on[self._rows], np.full(self._rows.size, NEVER, dtype=np.int64)
        self._account, self._happened, self._day = account, happened[self._rows], day[test]
        self._order = Ordered(account[self._rows], self._begin, self._end)

    def moved(self, odds: Floats, settings: Sequence[Setting], center: float) -> list[Floats]:
        """Log-odds of the test rows, moved as earlier outcomes, within the test too, called for under each setting."""
        forecasts = Forecasts(
            self._account[self._rows], self._begin, self._end, odds[self._rows], self._happened
        )
        sums = {
            life: Others(forecasts, life, self._order).at(self._account[self._test], self._day)
            for life in {setting[0] for setting in settings}
        }
        said = odds[self._test]
        return [said + shift(sums[setting[0]], said, setting, center) for setting in settings]


def folds_of(day: Days, ripe_on: Days, happened: Floats) -> Iterator[tuple[Days, Days]]:
    """(rows to learn from, rows to forecast): what was decided before the first forecast may teach it."""
    # The choice between a few ridges needs no more rows than this.
    order = np.argsort(day, kind="stable")[:: max(1, day.size // CHOICE_ROWS)]
    bounds = [int(order.size * (FIRST_FOLD + (1 - FIRST_FOLD) * n / FOLDS)) for n in range(FOLDS + 1)]
    for begin, end in pairwise(bounds):
        if begin >= end:
            continue
        known = order[:begin][ripe_on[order[:begin]] <= day[order[begin]]]
        if min(happened[known].sum(), (1 - happened[known]).sum()) >= MIN_EVENTS / 3:
            yield known, order[begin:end]


def losses_by_payer(fitted: Fitted, X: Floats, happened: Floats, payer: Days) -> Floats:
    """Log-losses, added up, of what each ridge tells of whole customers it was not fitted to; 0 where none can be.

    Of some CHOICE_ROWS rows of customers drawn where there are more.
    """
    part = (lot(payer) * FOLDS).astype(np.int64)
    chosen = lot(payer * 13 + 5) * payer.size < CHOICE_ROWS
    losses = np.zeros(len(RIDGES))
    for number in range(FOLDS):
        known, test = (np.flatnonzero(chosen & some) for some in (part != number, part == number))
        if test.size and min(happened[known].sum(), (1 - happened[known]).sum()) >= MIN_EVENTS / 3:
            told = (fitted(known, ridge).log_odds(X[test]) for ridge in RIDGES)
            losses += test.size * np.array([log_loss(happened[test], odds) for odds in told])
    return losses


def left_out(fitted: Fitted, X: Floats, happened: Floats, payer: Days, ridge: float) -> Told:
    """What cards under a ridge tell of whole customers they were not fitted to; empty where too few events are left."""
    part = (lot(payer * 7 + 3) * PARTS).astype(np.int64)
    odds = np.full(happened.size, np.nan)
    for number in range(PARTS):
        known, test = np.flatnonzero(part != number), np.flatnonzero(part == number)
        if test.size and min(happened[known].sum(), (1 - happened[known]).sum()) >= MIN_EVENTS / 3:
            odds[test] = fitted(known, ridge).log_odds(X[test])
    there = ~np.isnan(odds)
    # One level for all of them, apart from those of the forecasts (which are numbered from 0).
    return odds[there], happened[there], np.full(int(there.sum()), -1.0)
