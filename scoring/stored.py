"""Reading a stored score: its signals and its points, in whatever layout the row was kept."""

from __future__ import annotations

from scoring.card import Card, card_by_id
from scoring.models import AccountScore, ScoreHistory
from scoring.signals import SIGNALS

Values = dict[str, float | int | None]
Points = dict[str, int]


def values_of(row: AccountScore | ScoreHistory) -> Values:
    """signal -> value (None: missing) of a current, kept or just computed row."""
    if isinstance(row, ScoreHistory) and row.first_signals:
        return row.first_signals
    return {s.name: getattr(row, s.name) for s in SIGNALS}


def card_of(row: AccountScore | ScoreHistory) -> Card:
    """The card a row was scored with, kept in memory; a query the first time it is asked for."""
    known = row.card.activated_at if "card" in row._state.fields_cache else None
    return card_by_id(row.card_id, known, row._state.db or "default")


def points_of(row: AccountScore | ScoreHistory, card: Card | None = None) -> Points:
    """signal -> points: only the signals the row's card gives points to.

    They follow from the values and the card, which is never edited once used. card: what the row was computed
    with, where it is at hand or no stored version (a draft).
    """
    if isinstance(row, ScoreHistory) and row.first_points:
        return row.first_points
    card = card or card_of(row)
    return {name: card.points_of(name, getattr(row, name)) for name in card.bins}
