"""The fitted card of invoices: additive log-odds per target, and what follows from them.

Two observation points: the day of issue (targets: late, more than 15, more than 30 days late) and the day after
the due date for an invoice still unpaid (more than 15, more than 30). Any other day lies between: the chances are
those of the nearer point, given that the invoice is still unpaid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from creditdesk.core.sentences import told
from scoring.fitting.calibration import Calibration
from scoring.fitting.logistic import logit, sigmoid
from scoring.fitting.measures import Floats
from scoring.invoices.delays import Curves, chance_beyond, mean_late, quantile, still_open
from scoring.invoices.drift import Drift, Forecasts, decided
from scoring.invoices.features import CODES, RECORDED, Priors, features, record
from scoring.invoices.history import History, Moment, moments_after_due, moments_at_issue
from scoring.invoices.lately import Key, Lately, Levels
from scoring.invoices.ledger import drawn

THIN = 4
"""A payer with fewer decided invoices moves the chance at most to its own record, never past it."""
TARGETS = (0, 15, 30)
Move = Callable[[int, Floats], Floats]
"""(days of the target, chances as fitted) to the chances moved with the book."""


@dataclass(frozen=True, slots=True)
class Target:
    """One additive score. log-odds = intercept + features @ coef, then calibrated, then moved with the book (drift).

    fitted: False where there were too few events (`why` says so): the chance is then that of the nearer target times
    the ratio observed (scaled_from, ratio), or the payer's own record blended with the portfolio's.
    """

    days: int
    intercept: float = 0.0
    coef: tuple[float, ...] = ()
    priors: Priors | None = None
    calibration: Calibration = field(default_factory=Calibration)
    drift: Drift = field(default_factory=Drift)
    scaled_from: int | None = None
    ratio: float = 1.0
    fitted: bool = True
    rows: int = 0
    events: int = 0
    payers: int = 0
    ridge: float = 0.0
    why: str = ""

    def parts(self, history: History, seen: Moment, given: Floats | None = None) -> tuple[Floats, Floats]:
        """(rows, len(FEATURES)) contributions to the log-odds; and what holds a thin record back, per row.

        given: the features, where they are known already."""
        assert self.priors is not None
        shares = (features(self.priors, history, seen) if given is None else given) * np.array(self.coef)
        told = shares[:, RECORDED].sum(axis=1)
        count, share = record(self.priors, history, seen)
        own = logit(np.clip(np.nan_to_num(share, nan=self.priors.rate), 0.02, 0.98)) - logit(self.priors.rate)
        held = np.clip(told, np.minimum(own, 0), np.maximum(own, 0)) - told
        return shares, np.where(count < THIN, held, 0.0)

    def chance(self, history: History, seen: Moment, given: Floats | None = None) -> Floats:
        """As fitted: before the move with the book."""
        shares, held = self.parts(history, seen, given)
        return self.calibration.apply(sigmoid(self.intercept + shares.sum(axis=1) + held))

    def lines(self, history: History, seen: Moment, level: Floats | float = 0.0) -> dict[str, Floats]:
        """What makes up the log-odds of `chance`, line by line: they add up to it exactly.

        base: the portfolio; a line per feature; thin_history: what holds a short record back; level_now: how
        customers have paid lately against what the card had said of them.
        """
        shares, held = self.parts(history, seen)
        # Calibrations of fitted cards have one slope; at the ends of 0..1 the chance is clipped and no sum is.
        slope = self.calibration.a
        base = np.full(seen.day.size, self.calibration.intercept + slope * self.intercept)
        found = {"base": base}
        found |= {code: slope * shares[:, n] for n, code in enumerate(CODES) if self.coef[n]}
        return found | {
            "thin_history": slope * held,
            "level_now": np.broadcast_to(np.asarray(level, dtype=np.float64), base.shape),
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "days": self.days,
            "intercept": self.intercept,
            "coef": dict(zip(CODES, self.coef, strict=False)),
            "priors": self.priors.as_dict() if self.priors else None,
            "calibration": self.calibration.as_dict(),
            "drift": self.drift.as_dict(),
            "scaled_from": self.scaled_from,
            "ratio": self.ratio,
            "fitted": self.fitted,
            "rows": self.rows,
            "events": self.events,
            "payers": self.payers,
            "ridge": self.ridge,
            "why": self.why,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Target:
        coef = tuple(data["coef"].get(code, 0.0) for code in CODES) if data["coef"] else ()
        return cls(
            **{
                **data,
                "why": told(data.get("why")),
                "coef": coef,
                "priors": Priors.from_dict(data["priors"]) if data["priors"] else None,
                "calibration": Calibration.from_dict(data["calibration"]),
                "drift": Drift.from_dict(data.get("drift", ())),
            }
        )


class Chances:
    """The chances of targets at some observations, as fitted: each is worked out once."""

    def __init__(self, history: History, seen: Moment) -> None:
        self.history, self.seen = history, seen
        self._found: dict[int, tuple[Target, Floats]] = {}

    def of(self, target: Target, given: Floats | None = None) -> Floats:
        """given: its features, where they are known already."""
        if id(target) not in self._found:
            self._found[id(target)] = target, target.chance(self.history, self.seen, given)
        return self._found[id(target)][1]


@dataclass(frozen=True, slots=True)
class Estimates:
    """Per observation: chances of being paid late, more than 15 and more than 30 days late (never rising), days
    late expected (early counts 0), and the days after the due date by which a tenth, half and nine tenths of such
    invoices are paid (negative: before it)."""

    late: Floats
    late_15: Floats
    late_30: Floats
    days_late: Floats
    p10: Floats
    p50: Floats
    p90: Floats


@dataclass(frozen=True, slots=True)
class InvoiceModel:
    """The targets at issue and for the unpaid on the day after the due date, with the curves between them.

    The chance of an overdue invoice is the mean, in log-odds, of what its own card says and of what the cards of the
    day of issue leave for it (very late among late), brought to the level seen in training (levels): two views of
    the same thing, from few invoices that became late and from all of them, err less together.
    """

    issue: tuple[Target, ...]
    unpaid: tuple[Target, ...]
    levels: tuple[Calibration, ...]
    issue_curves: Curves
    unpaid_curves: Curves

    def estimate(self, history: History, seen: Moment, levels: Levels | None = None) -> Estimates:
        """For rows that were open on the day they are seen (or issued that day).

        levels: how the book has moved; without it, told from the history, which then must be the whole book's.
        """
        levels = levels or self.lately(history)
        age = seen.day - history.ledger.due[seen.place]
        at_issue = seen.day <= history.ledger.issued[seen.place]
        curve = np.empty((seen.day.size, len(self.issue_curves.bands[0])))
        for overdue in (False, True):
            which = (age >= 1) == overdue
            if which.any():
                part = Moment(seen.account[which], seen.day[which], seen.place[which])
                curve[which] = self._curve(history, part, overdue, levels)
        unpaid = np.where(at_issue, -(10**6), age)
        curve = still_open(curve, unpaid)
        return Estimates(
            *(chance_beyond(curve, days) for days in TARGETS),
            days_late=mean_late(curve),
            p10=quantile(curve, 0.1),
            p50=quantile(curve, 0.5),
            p90=quantile(curve, 0.9),
        )

    def _curve(self, history: History, seen: Moment, overdue: bool, levels: Levels) -> Floats:
        targets = self.unpaid if overdue else self.issue

        def move(days: int, chance: Floats) -> Floats:
            return moved(chance, levels.at((overdue, days), seen.account, seen.day, logit(chance)))

        said = Chances(history, seen)
        if overdue:
            heights = [
                np.ones(seen.day.size),
                *overdue_chances(self.issue, targets, self.levels, said, move),
            ]
        else:
            heights = chances(targets, said, move)
        curves = self.unpaid_curves if overdue else self.issue_curves
        return curves.through(heights[1] if overdue else heights[0], heights)

    @property
    def moves(self) -> bool:
        """Whether any of its chances follows the book."""
        return any(target.drift.settings for target in self.issue + self.unpaid)

    def lately(self, history: History) -> Lately:
        """How the book moved against what this card says of it, at any day of a history of the whole book."""
        kept = history.remembered.get(id(self))
        if kept is None:
            kept = history.remembered[id(self)] = (self, Lately(self._forecasts(history)))
        return kept[1]

    def _forecasts(self, history: History) -> dict[Key, tuple[Drift, Forecasts]]:
        led = history.ledger
        places = drawn(led, np.arange(len(led)))
        found: dict[Key, tuple[Drift, Forecasts]] = {}
        for target in self.issue:
            if target.drift.settings:
                said = logit(target.chance(history, moments_at_issue(led, places)))
                found[False, target.days] = target.drift, decided(led, places, said, target.days)
        if any(target.drift.settings for target in self.unpaid):
            after = moments_after_due(led, places)
            places = places[(led.paid_known[places] > after.day) & (led.closed_known[places] > after.day)]
            after = moments_after_due(led, places)
            heights = overdue_chances(self.issue, self.unpaid, self.levels, Chances(history, after))
            for target, height in zip(self.unpaid, heights, strict=True):
                if target.drift.settings:
                    found[True, target.days] = target.drift, decided(led, places, logit(height), target.days)
        return found

    def as_dict(self) -> dict[str, Any]:
        return {
            "issue": [t.as_dict() for t in self.issue],
            "unpaid": [t.as_dict() for t in self.unpaid],
            "levels": [level.as_dict() for level in self.levels],
            "issue_curves": self.issue_curves.as_dict(),
            "unpaid_curves": self.unpaid_curves.as_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> InvoiceModel:
        return cls(
            issue=tuple(Target.from_dict(t) for t in data["issue"]),
            unpaid=tuple(Target.from_dict(t) for t in data["unpaid"]),
            levels=tuple(Calibration.from_dict(level) for level in data["levels"]),
            issue_curves=Curves.from_dict(data["issue_curves"]),
            unpaid_curves=Curves.from_dict(data["unpaid_curves"]),
        )


def moved(chance: Floats, level: Floats | float) -> Floats:
    """A chance with its log-odds moved by `level`; untouched where that is 0."""
    return np.where(np.asarray(level) == 0.0, chance, sigmoid(logit(chance) + level))


def chances(targets: tuple[Target, ...], said: Chances, move: Move | None = None) -> list[Floats]:
    """The chance of each target, none above the one before it. move: with the book as it pays now."""
    found: dict[int, Floats] = {}
    for target in targets:
        if target.scaled_from is None:
            chance = said.of(target)
            chance = move(target.days, chance) if move else chance
        else:
            chance = found[target.scaled_from] * target.ratio
        if found:
            chance = np.minimum(chance, next(reversed(found.values())))
        found[target.days] = chance
    return list(found.values())


def both_views(issue: tuple[Target, ...], target: Target, said: Chances) -> Floats:
    """Log-odds of an unpaid invoice: its own card's, and half-way to what the cards of the day of issue leave."""
    own = logit(said.of(target), 1e-4)
    late = {t.days: t for t in issue}
    beyond = late[target.days]
    if not (beyond.fitted and late[0].fitted and target.fitted):
        return own
    left = said.of(beyond) / np.maximum(said.of(late[0]), 1e-9)
    return (own + logit(np.clip(left, 0, 1), 1e-4)) / 2


def overdue_chances(
    issue: tuple[Target, ...],
    unpaid: tuple[Target, ...],
    levels: tuple[Calibration, ...],
    said: Chances,
    move: Move | None = None,
) -> list[Floats]:
    """`chances` for invoices unpaid on the day after they were due or later."""
    found: list[Floats] = []
    for target, level in zip(unpaid, levels, strict=True):
        if target.scaled_from is not None:
            chance = found[-1] * target.ratio
        else:
            chance = level.apply(sigmoid(both_views(issue, target, said)))
            chance = move(target.days, chance) if move else chance
        found.append(np.minimum(chance, found[-1]) if found else chance)
    return found
