"""The points of one invoice's estimate: what moves the chance shown, line by line, adding up to it exactly.

Lines are log-odds first. base + every feature + what holds a thin record back + the moving level + what followed
from the day it is seen on = log-odds of the chance, to the last digit; whole points are shown, rounded so that they
add up, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log

import numpy as np

from scoring.fitting.logistic import logit, sigmoid
from scoring.fitting.measures import Floats
from scoring.invoices.card import Chances, InvoiceModel, Target, chances, moved, overdue_chances
from scoring.invoices.history import History, Moment
from scoring.invoices.lately import Levels

DOUBLING = 20
"""Points that double the odds of being late; the customer's score doubles them in steps of its own card."""
PER_LOG_ODDS = DOUBLING / log(2)
CERTAIN = 1 - 1e-9

BASE, THIN, LEVEL = "base", "thin_history", "level_now"
AT_ISSUE, BOUND, STILL_UNPAID = "left_by_issue_cards", "bound", "still_unpaid"


@dataclass(frozen=True, slots=True)
class Points:
    """The lines of one target in log-odds (they add up to the log-odds of `chance`), and as whole points.

    target: days; overdue: told by the card of unpaid invoices. lines, points: by code, the base first.
    """

    target: int
    overdue: bool
    chance: float
    lines: Mapping[str, float]
    points: Mapping[str, int]
    left: float | None = None
    """Of an unpaid invoice: the share that the cards of the day of issue leave for it among those that become late."""

    @property
    def total(self) -> int:
        return sum(self.points.values())


def points_of(
    model: InvoiceModel, history: History, seen: Moment, levels: Levels, target: int, chance: float
) -> Points | None:
    """Why `chance` is the chance of one observation to be more than `target` days late; None where it is certain
    (the days have passed), or never happens.

    seen: one observation; chance: as `InvoiceModel.estimate` gave it with the same history and levels.
    """
    if not 0 < chance < CERTAIN:
        return None
    overdue = bool(seen.day[0] - history.ledger.due[seen.place[0]] >= 1)
    left = None
    if overdue:
        lines, height, left = _overdue(model, history, seen, levels, target)
    else:
        lines, height = _at_issue(model, history, seen, levels, target)
    told = sum(lines.values())
    reached = float(log(height) - log(1 - height))
    if abs(reached - told) > 1e-9:
        lines[BOUND] = reached - told
    final = float(log(chance) - log(1 - chance))
    lines[STILL_UNPAID] = final - sum(lines.values())
    if abs(lines[STILL_UNPAID]) < 1e-9:
        del lines[STILL_UNPAID]
    return Points(target, overdue, chance, lines, whole(lines), left)


def whole(lines: Mapping[str, float]) -> dict[str, int]:
    """Whole points that add up to the rounded sum: the largest remainders are rounded up (Hamilton's method)."""
    exact = {code: value * PER_LOG_ODDS for code, value in lines.items()}
    found = {code: floor(value) for code, value in exact.items()}
    missing = round(sum(exact.values())) - sum(found.values())
    by_rest = sorted(exact, key=lambda code: (found[code] - exact[code], code))
    for code in by_rest[: max(missing, 0)]:
        found[code] += 1
    return found


def _own(target: Target, history: History, seen: Moment, level: float = 0.0) -> dict[str, float]:
    lines = target.lines(history, seen, level)
    return {code: float(value[0]) for code, value in lines.items()}


class _Moves:
    """Moves chances with the book, and remembers by how much (`by`: days of the target to log-odds)."""

    def __init__(self, levels: Levels, overdue: bool, seen: Moment) -> None:
        self._levels, self._overdue, self._seen = levels, overdue, seen
        self.by: dict[int, float] = {}

    def __call__(self, days: int, chance: Floats) -> Floats:
        seen = self._seen
        level = self._levels.at((self._overdue, days), seen.account, seen.day, logit(chance))
        self.by[days] = float(level[0])
        return moved(chance, level)


def _clear(height: float) -> float:
    """A chance kept away from certainty, as the cards keep theirs."""
    return float(np.clip(height, 1e-6, 1 - 1e-6))


def _at_issue(
    model: InvoiceModel, history: History, seen: Moment, levels: Levels, days: int
) -> tuple[dict[str, float], float]:
    """Lines of the target (or of the nearer one it is scaled from), and the chance the card gives it."""
    places = {t.days: n for n, t in enumerate(model.issue)}
    now = _Moves(levels, False, seen)
    height = _clear(float(chances(model.issue, Chances(history, seen), now)[places[days]][0]))
    target = model.issue[places[days]]
    while target.scaled_from is not None:
        target = model.issue[places[target.scaled_from]]
    return _own(target, history, seen, now.by[target.days]), height


def _overdue(
    model: InvoiceModel, history: History, seen: Moment, levels: Levels, days: int
) -> tuple[dict[str, float], float, float | None]:
    """The same for an unpaid invoice, and Points.left: half its own card's lines, half what the cards of the day of
    issue leave for it, brought to the level of training (see InvoiceModel)."""
    places = {t.days: n for n, t in enumerate(model.unpaid)}
    now = _Moves(levels, True, seen)
    said = Chances(history, seen)
    heights = overdue_chances(model.issue, model.unpaid, model.levels, said, now)
    height = _clear(float(heights[places[days]][0]))
    n = places[days]
    while model.unpaid[n].scaled_from is not None:
        n -= 1
    target, level = model.unpaid[n], model.levels[n]
    own = _own(target, history, seen)
    own.pop(LEVEL)
    issue = {t.days: t for t in model.issue}
    beyond = issue[target.days]
    share = None
    if beyond.fitted and issue[0].fitted and target.fitted:
        left = said.of(beyond) / np.maximum(said.of(issue[0]), 1e-9)
        own = {code: value / 2 for code, value in own.items()}
        own[AT_ISSUE] = float(logit(np.clip(left, 0, 1), 1e-4)[0]) / 2
        share = float(np.clip(left, 0, 1)[0])
    lines = {code: level.a * value for code, value in own.items()}
    lines[BASE] += level.intercept
    lines[LEVEL] = now.by[target.days]
    return lines, height, share


def chance_of(total: float) -> float:
    """The chance that goes with a sum of log-odds."""
    return float(sigmoid(np.array([total]))[0])
