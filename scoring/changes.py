"""What changed between two dates: which signals moved, by how many points, and what that did to the score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from creditdesk.core.facts import View
from scoring.card import Card, active_card, card_by_id
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

    cards: (old, new), the same one twice where one card scored both days. card_step: what the new card makes of
    the earlier day's values, less what the old one made of them; so what moved is the customer's doing alone.
    moved: signals whose points changed under the new card, strongest first. silent: values that moved within
    their bin.
    """

    before: Explanation
    after: Explanation
    card_step: int
    moved: tuple[Moved, ...]
    silent: tuple[Moved, ...]
    cards: tuple[Card, Card]

    @property
    def is_other_card(self) -> bool:
        return self.cards[0].pk != self.cards[1].pk

    @property
    def step(self) -> int:
        return self.after.score - self.before.score


def changes_between(account_id: int, first: date, second: date) -> Changes | None:
    """The two scores of an account compared; None when one of them cannot be had.

    Each is the one that was kept on that day, or else computed from what was known then, with the card kept
    nearest before it (the first kept one for days before any).
    """
    before, after = _at(account_id, first), _at(account_id, second)
    return compare(*before, *after) if before and after else None


def compare(before: Explanation, old: Card, after: Explanation, new: Card) -> Changes:
    earlier = before.items if old.pk == new.pk else _under(new, before)
    base = sum(item.points for item in earlier) + new.base_points
    was, now = ({item.name: item for item in items} for items in (earlier, after.items))
    pairs = [Moved(was.get(name), now.get(name)) for name in dict.fromkeys([*now, *was])]
    moved = sorted((p for p in pairs if p.points), key=lambda p: (-abs(p.points), p.item.name))
    silent = [p for p in pairs if not p.points and p.before and p.after and p.before.value != p.after.value]
    return Changes(before, after, base - before.score, tuple(moved), tuple(silent), (old, new))


def _under(card: Card, explanation: Explanation) -> tuple[Item, ...]:
    """The items of a day with the points another card gives to their values; those it knows."""
    known = [item for item in explanation.items if item.name in card.bins]
    return tuple(replace(item, points=card.points_of(item.name, item.value)) for item in known)


def _at(account_id: int, day: date) -> tuple[Explanation, Card] | None:
    kept = ScoreHistory.objects.filter(account=account_id)
    nearest = kept.filter(as_of__lte=day).order_by("-as_of", "-pk").first()
    if nearest is not None and nearest.as_of == day:
        card = card_by_id(nearest.card_id)
        return explain(nearest, card), card
    model = nearest or kept.order_by("as_of", "pk").first()
    chosen = card_by_id(model.card_id) if model else active_card()
    row = next(iter(compute(day, Scope.of([account_id]), View(known_at=day), card=chosen)), None)
    return (explain(row, chosen), chosen) if row else None
