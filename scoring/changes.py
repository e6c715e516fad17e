"""What changed between two dates: which signals moved, by how many points, and what that did to the score."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from creditdesk.core.facts import View
from scoring.card import card_by_id
from scoring.engine import compute
from scoring.explain import Explanation, Item, explain
from scoring.models import ScoreHistory
from scoring.statement import Scope


@dataclass(frozen=True, slots=True)
class Moved:
    """One signal on both days. `points`: what its move added to the score (after minus before)."""

    before: Item | None
    after: Item | None

    @property
    def points(self) -> int:
        return (self.after.points if self.after else 0) - (self.before.points if self.before else 0)

    @property
    def item(self) -> Item:
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Changes:
    """before.score + card_step + the points of all moved = after.score, exactly.

    card_step: the difference of the base points where another card scored the later day.
    moved: signals whose points changed, strongest first. silent: values that moved within their bin.
    """

    before: Explanation
    after: Explanation
    card_step: int
    moved: tuple[Moved, ...]
    silent: tuple[Moved, ...]

    @property
    def step(self) -> int:
        return self.after.score - self.before.score


def changes_between(account_id: int, first: date, second: date) -> Changes | None:
    """The two scores of an account compared; None when one of them cannot be had.

    Each is the one that was kept on that day, or else computed from what was known then, with the card kept
    nearest before it (the first kept one for days before any).
    """
    before, after = _at(account_id, first), _at(account_id, second)
    return compare(before, after) if before and after else None


def compare(before: Explanation, after: Explanation) -> Changes:
    old, new = ({item.name: item for item in e.items} for e in (before, after))
    pairs = [Moved(old.get(name), new.get(name)) for name in [*new, *(n for n in old if n not in new)]]
    moved = sorted((p for p in pairs if p.points), key=lambda p: (-abs(p.points), p.item.name))
    silent = [p for p in pairs if not p.points and p.before and p.after and p.before.value != p.after.value]
    return Changes(before, after, after.base_points - before.base_points, tuple(moved), tuple(silent))


def _at(account_id: int, day: date) -> Explanation | None:
    kept = ScoreHistory.objects.filter(account=account_id)
    nearest = kept.filter(as_of__lte=day).order_by("-as_of", "-pk").first()
    if nearest is not None and nearest.as_of == day:
        return explain(nearest)
    model = nearest or kept.order_by("as_of", "pk").first()
    card = card_by_id(model.card_id) if model else None
    row = next(iter(compute(day, Scope.of([account_id]), View(known_at=day), card=card)), None)
    return explain(row, card) if row else None
