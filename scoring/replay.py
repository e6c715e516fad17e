"""Recomputing an old score: from its own stored inputs, and from the facts this system had recorded by then.

The first must always agree, bit for bit: a card that was ever in use cannot change. The second agrees as long as
facts are only added and superseded, never edited (both are guarded by triggers), and a signal means what it meant: those
a later release defined anew are named (scoring/redefined.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from customers.bank.access import log_computed
from scoring.card import Card, card_by_id, cards_of
from scoring.decision import recommend
from scoring.engine import scores
from scoring.models import AccountScore, ScoreHistory
from scoring.redefined import defined_anew
from scoring.statement import Scope
from scoring.stored import points_of, values_of

PURPOSE = "replay of a score"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that came out otherwise. `name`: score, grade, pd, ... or a signal."""

    name: str
    stored: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class Replay:
    """inputs: differences when the stored inputs are put through the card again. facts: when the inputs
    themselves are computed again from what was recorded by then. defined_anew: of those the signals that mean something
    else since the row was stored, with the day of the change: they may differ by that alone."""

    row: AccountScore | ScoreHistory
    card: Card
    inputs: tuple[Difference, ...]
    facts: tuple[Difference, ...]
    defined_anew: Mapping[str, date] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        return not self.inputs and not self.facts


def replay(row: AccountScore | ScoreHistory, reader: Actor | None = None) -> Replay:
    """Replay a current or kept score. Three queries whatever the score stands on, and those of the bank access log."""
    log_computed(row.account, reader=reader or Actor.job("replay"), purpose=PURPOSE, days=[row.as_of])
    card = card_by_id(row.card_id)
    facts = tuple(_from_facts(row))
    anew = defined_anew((one.name for one in facts), _stamp(row)) if facts else {}
    return Replay(row, card, tuple(_from_inputs(row, card)), facts, anew)


def _stamp(row: AccountScore | ScoreHistory) -> datetime:
    return row.recorded_at if isinstance(row, ScoreHistory) else row.stamp


def _from_inputs(row: AccountScore | ScoreHistory, card: Card) -> list[Difference]:
    values, stored = values_of(row), points_of(row)
    points = {name: card.points_of(name, values[name]) for name in stored}
    score = card.base_points + sum(points.values())
    insolvent = bool(values["insolvent"])
    depth = card.depth_of(int(values["due_count_12m"] or 0))
    again: dict[str, Any] = {
        "score": score,
        "grade": card.grade_of(score, insolvent=insolvent),
        "pd": card.pd_of(score, insolvent=insolvent),
        "depth": depth,
        "recommendation": recommend(card, score, depth=depth, insolvent=insolvent),
    }
    found = [
        Difference(f"{name} points", stored[name], points[name])
        for name in stored
        if stored[name] != points[name]
    ]
    return found + [
        Difference(name, getattr(row, name), value)
        for name, value in again.items()
        if not _same(getattr(row, name), value)
    ]


def _from_facts(row: AccountScore | ScoreHistory) -> list[Difference]:
    view = View(recorded_by=_stamp(row))
    scope = Scope.of([row.account_id])
    again = next(iter(scores(row.as_of, scope, view, cards=cards_of(row), given=None)), None)
    if again is None:
        return [Difference("account", row.account_id, None)]
    before, after = values_of(row), values_of(again)
    found = [
        Difference(name, before[name], after[name])
        for name in before
        if name in after and not _same(before[name], after[name])
    ]
    named = ("judged_on", "score", "grade", "pd", "depth", "recommendation")
    return found + [
        Difference(name, getattr(row, name), getattr(again, name))
        for name in named
        if not _same(getattr(row, name), getattr(again, name))
    ]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        return Decimal(str(a)) == Decimal(str(b))
    return a == b
