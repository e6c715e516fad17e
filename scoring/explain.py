"""Why a score is what it is: base + every signal's points = the score, each in a plain sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.facts import View
from creditdesk.core.wording import day, percent
from scoring import agency_words
from scoring.bank_right import NOTHING_ENDED, Ended, Reader, Withholding, is_withheld
from scoring.calibrated import label
from scoring.card import Card
from scoring.models import AccountScore, Depth, Grade, Recommendation, ScoreHistory
from scoring.rationale import shown
from scoring.sentences import figure, sentence, span
from scoring.signals import SIGNALS, Signal
from scoring.stored import card_of, points_of, values_of

STRONGEST = 5


@dataclass(frozen=True, slots=True)
class Item:
    """One signal's part: its value, the bin it fell into and the points that bin gives."""

    signal: Signal
    value: float | int | None
    points: int
    lower: Decimal | None
    upper: Decimal | None
    rationale: str
    sentence: str

    @property
    def name(self) -> str:
        return self.signal.name

    @property
    def label(self) -> str:
        return str(self.signal.label)

    @property
    def figure(self) -> str:
        return figure(self.name, self.value)

    @property
    def span(self) -> str:
        """The bin the value fell into, in words."""
        return "" if self.value is None else span(self.name, self.lower, self.upper)


@dataclass(frozen=True, slots=True)
class Explanation(Withholding):
    """base_points + the points of all items = score, exactly.

    helping, hurting: up to five strongest each way. What nobody knows may count against an account, but never raises
    its score in a reader's eyes: unknown holds the points of missing signals that no reason names, others all the rest.
    base_points + sum(helping) + sum(hurting) + unknown + others = score, too.
    withheld: points of all such signals together, where the reader may not see them one by one (`for_reader`): then
    base_points + items + withheld = score, and base_points + helping + hurting + withheld + unknown + others = score.
    """

    score: int
    grade: str
    pd: Decimal
    calibration: str
    pd_is: str
    recommendation: str
    depth: str
    as_of: date
    judged_on: date | None
    base_points: int
    items: tuple[Item, ...]
    helping: tuple[Item, ...]
    hurting: tuple[Item, ...]
    unknown: int
    others: int
    insolvent: bool
    withheld: int | None = None
    ended: Ended = NOTHING_ENDED

    def for_reader(self, user: Reader, *, ended: Ended = NOTHING_ENDED) -> Explanation:
        """What the user may see of it: without the right to bank data no bank signal on its own, and none of
        what allowed reading about the customer has ended (`ended_for`)."""
        rest = tuple(item for item in self.items if not is_withheld(item.name, user, ended))
        if len(rest) == len(self.items):
            return self
        shown = sum(item.points for item in rest)
        together = self.score - self.base_points - shown
        return replace(self, items=rest, withheld=together, ended=ended, **_sides(rest))

    @property
    def by_weight(self) -> tuple[Item, ...]:
        """Every item, what moved the score most first: the reasons, and after them what "all others" is made of."""
        return tuple(sorted(self.items, key=lambda item: -abs(item.points)))

    @property
    def grade_label(self) -> str:
        return str(Grade(self.grade).label)

    @property
    def recommendation_label(self) -> str:
        return str(Recommendation(self.recommendation).label)

    @property
    def depth_label(self) -> str:
        return str(Depth(self.depth).label)

    @property
    def pd_label(self) -> str:
        """The probability as it may be shown: never without saying what it stands on."""
        return f"{percent(self.pd)} ({self.calibration})"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the score as a whole."""
        notes = []
        if self.insolvent:
            notes.append(_("Insolvency proceedings are open: grade E and declined, whatever the points say."))
        if self.judged_on is None:
            notes.append(_("No ledger source has been declared complete yet, so lateness cannot be judged."))
        elif self.judged_on < self.as_of:
            notes.append(
                _("The ledger is complete through %s: nobody counts as late beyond that day.")
                % day(self.judged_on)
            )
        if self.depth == Depth.NONE:
            notes.append(_("Nothing has fallen due in the last 12 months: a person decides."))
        elif self.depth == Depth.THIN:
            notes.append(
                _("Little has fallen due: averages count like the portfolio's, and a person decides.")
            )
        return tuple(notes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences that moved the score most with their points: what hurts first, strongest first."""
        return tuple(f"{item.sentence} ({item.points:+d})" for item in (*self.hurting, *self.helping))


def explain(
    row: AccountScore | ScoreHistory,
    card: Card | None = None,
    *,
    named: bool = True,
    view: View | None = None,
) -> Explanation:
    """Explain a current, kept or just computed score in the active language.

    named: say which credit agency said what and when; a query where the card asks agencies. view: what was known to
    the row, where it is not what was recorded when it was stored.

    Raises ValueError when the stored points do not add up to the stored score: that row was tampered with.
    """
    if card is None or card.pk != row.card_id:
        card = card_of(row)
    points = points_of(row, card)
    values = values_of(row)
    words = agency_words.sentences(row, {name: values.get(name) for name in points}, view) if named else {}
    items = _items(row, card, points, words)
    if card.base_points + sum(item.points for item in items) != row.score:
        raise ValueError(f"The points of account {row.account_id} do not add up to its score {row.score}")
    return _assemble(row, card, items, insolvent=bool(values_of(row).get("insolvent")))


def items_under(card: Card, row: AccountScore | ScoreHistory) -> list[Item]:
    """What another card makes of the values of a row; a signal the row does not have counts as missing."""
    values = values_of(row)
    return _items(row, card, {name: card.points_of(name, values.get(name)) for name in card.bins}, {})


def _items(
    row: AccountScore | ScoreHistory, card: Card, points: dict[str, int], words: Mapping[str, str]
) -> list[Item]:
    """words: sentences that say more than the value alone can."""
    values = values_of(row)
    items = []
    for signal in SIGNALS:
        if signal.name not in points:
            continue
        value = values.get(signal.name)
        found = card.bin_of(signal.name, value)
        items.append(
            Item(
                signal,
                value,
                points[signal.name],
                found.lower,
                found.upper,
                shown(found.rationale),
                words.get(signal.name) or sentence(signal.name, value, row.as_of, row.judged_on),
            )
        )
    return items


def _assemble(
    row: AccountScore | ScoreHistory, card: Card, items: list[Item], *, insolvent: bool
) -> Explanation:
    return Explanation(
        score=row.score,
        grade=row.grade,
        pd=row.pd,
        calibration=label(card),
        pd_is=card.calibration,
        recommendation=row.recommendation,
        depth=row.depth,
        as_of=row.as_of,
        judged_on=row.judged_on,
        base_points=card.base_points,
        items=tuple(items),
        insolvent=insolvent,
        **_sides(items),
    )


def _sides(items: Sequence[Item]) -> dict[str, Any]:
    """The reasons each way, strongest first, and the points that no reason names."""

    def strongest(sign: int) -> tuple[Item, ...]:
        ours = [item for item in items if item.points * sign > 0 and (sign < 0 or item.value is not None)]
        return tuple(sorted(ours, key=lambda i: (-abs(i.points), i.name))[:STRONGEST])

    helping, hurting = strongest(1), strongest(-1)
    rest = [item for item in items if item not in helping and item not in hurting]
    unknown = sum(item.points for item in rest if item.value is None)
    others = sum(item.points for item in rest if item.value is not None)
    return {"helping": helping, "hurting": hurting, "unknown": unknown, "others": others}
