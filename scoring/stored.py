"""Reading a stored score: its signals and its points, in whatever layout the row was kept."""

from __future__ import annotations

from scoring.models import AccountScore, ScoreHistory
from scoring.signals import SIGNALS

Values = dict[str, float | int | None]
Points = dict[str, int]


def values_of(row: AccountScore | ScoreHistory) -> Values:
    """signal -> value (None: missing) of a current, kept or just computed row."""
    if isinstance(row, ScoreHistory):
        return row.signals
    return {s.name: getattr(row, s.name) for s in SIGNALS}


def points_of(row: AccountScore | ScoreHistory) -> Points:
    """signal -> points; only the signals the row's card gives points to."""
    if isinstance(row, ScoreHistory):
        return row.points
    return {s.name: getattr(row, s.points_column) for s in SIGNALS}
