"""What changed between two dates: which signals moved, by how many points, and what that did to the score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from customers.bank.access import log_computed
from customers.models import CreditAccount
from scoring.bank_right import (
    NOTHING_ENDED,
    Ended,
    Reader,
    Withholding,
    is_withheld,
    sees_bank,
)
from scoring.card import Card
from scoring.engine import compute
from scoring.explain import Explanation, Item, explain, items_under
from scoring.models import AccountScore, ScoreHistory
from scoring.statement import Scope
from scoring.stored import card_of


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
class Changes(Withholding):
    """before.score + card_step + the points of all moved = after.score, exactly.

    cards: (old, new), the same one twice where one card scored both days. card_step: what the new card makes of
    the earlier day's values, less what the old one made of them; so what moved is the customer's doing alone.
    withheld: points that signals moved which the reader may not see one by one (`for_reader`); they belong to the sum.
    moved: signals whose points changed under the new card, strongest first. silent: values that moved within
    their bin.
    """

    before: Explanation
    after: Explanation
    card_step: int
    moved: tuple[Moved, ...]
    silent: tuple[Moved, ...]
    cards: tuple[Card, Card]
    withheld: int | None = None
    ended: Ended = NOTHING_ENDED

    def for_reader(self, user: Reader, *, ended: Ended = NOTHING_ENDED) -> Changes:
        """What the user may see of it: without the right to bank data, what bank signals moved together; the same of
        what may not be read about the customer any more (`ended_for`)."""
        if sees_bank(user) and not ended:
            return self
        moved = tuple(m for m in self.moved if not is_withheld(m.item.name, user, ended))
        silent = tuple(m for m in self.silent if not is_withheld(m.item.name, user, ended))
        hidden = sum(m.points for m in self.moved) - sum(m.points for m in moved)
        return replace(
            self,
            moved=moved,
            silent=silent,
            withheld=hidden if len(moved) < len(self.moved) else None,
            ended=ended,
        )

    @property
    def is_other_card(self) -> bool:
        return self.cards[0].pk != self.cards[1].pk

    @property
    def step(self) -> int:
        return self.after.score - self.before.score


PURPOSE = "what changed between two days"


def changes_between(account: CreditAccount, first: date, second: date, *, reader: Actor) -> Changes | None:
    """The two scores of an account compared for `reader`; None when one of them cannot be had.

    Each is the one that was kept on that day, or else computed from what was known then, with the card kept
    nearest before it (the first kept one for days before any). What is computed reads bank lines: their log says so.
    """
    kept = {day: _kept(account.pk, day) for day in (first, second)}
    computed = [day for day, (row, _model) in kept.items() if row is None]
    if computed:
        log_computed(account, reader=reader, purpose=PURPOSE, days=computed)
    before, after = (_at(account.pk, day, *kept[day]) for day in (first, second))
    return compare(before, after) if before and after else None


@dataclass(frozen=True, slots=True)
class Day:
    """One of the two days: the row, the card that scored it and its explanation."""

    row: AccountScore | ScoreHistory
    card: Card
    explanation: Explanation


def compare(first: Day, second: Day) -> Changes:
    before, after, new = first.explanation, second.explanation, second.card
    earlier = before.items if first.card.pk == new.pk else items_under(new, first.row)
    base = sum(item.points for item in earlier) + new.base_points
    was, now = ({item.name: item for item in items} for items in (earlier, after.items))
    pairs = [Moved(was.get(name), now.get(name)) for name in dict.fromkeys([*now, *was])]
    moved = sorted((p for p in pairs if p.points), key=lambda p: (-abs(p.points), p.item.name))
    silent = [p for p in pairs if not p.points and p.before and p.after and p.before.value != p.after.value]
    return Changes(before, after, base - before.score, tuple(moved), tuple(silent), (first.card, new))


def _kept(account_id: int, day: date) -> tuple[ScoreHistory | None, ScoreHistory | None]:
    """The score kept on that day, if any, and the one whose card speaks for it."""
    kept = ScoreHistory.objects.filter(account=account_id)
    nearest = kept.filter(as_of__lte=day).order_by("-as_of", "-pk").first()
    if nearest is not None and nearest.as_of == day:
        return nearest, nearest
    return None, nearest or kept.order_by("as_of", "pk").first()


def _at(account_id: int, day: date, kept: ScoreHistory | None, model: ScoreHistory | None) -> Day | None:
    if kept is not None:
        return _day(kept, card_of(kept))
    card = card_of(model) if model else None
    row = next(iter(compute(day, Scope.of([account_id]), View(known_at=day), card=card)), None)
    return _day(row, card or card_of(row), View(known_at=day)) if row else None


def _day(row: AccountScore | ScoreHistory, card: Card, view: View | None = None) -> Day:
    return Day(row, card, explain(row, card, view=view))
