"""Signals that a release defined anew: what a replay from the facts has to say about rows of before.

A stored score keeps the values it was told, so its replay from the inputs holds whatever a signal means since. Put
together again from the facts, a signal defined anew may come out otherwise, and nothing is wrong with the facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from scoring.signals import BY_NAME
from scoring.signals.base import Family


@dataclass(frozen=True, slots=True)
class Redefined:
    """changed_on: day of the change. migration: of the app scoring, the first of that release or later: an installation
    scores by the new definitions from the hour it ran on. names: signals that may differ."""

    changed_on: date
    migration: str
    names: frozenset[str]


def _of(*families: str) -> frozenset[str]:
    return frozenset(name for name, signal in BY_NAME.items() if signal.family in families)


REDEFINED = (
    # Liabilities left out follow from assets and equity, changes compare one source and currency; accounts silent for
    # five weeks before their feed ends are no quiet ones; the sector compares the same Altman Z''.
    Redefined(date(2026, 11, 23), "0032_scores_beside", _of(Family.ACCOUNTS, Family.BANK, Family.SECTOR)),
)


def defined_anew(names: Iterable[str], stamp: datetime, using: str = "default") -> dict[str, date]:
    """Of these signals those that a release installed after `stamp` defined anew, with the day of the change."""
    found: dict[str, date] = {}
    for change in REDEFINED:
        touched = change.names.intersection(names)
        if touched and _installed_after(stamp, change.migration, using):
            found |= dict.fromkeys(sorted(touched), change.changed_on)
    return found


def _installed_after(stamp: datetime, migration: str, using: str) -> bool:
    applied = MigrationRecorder(connections[using]).migration_qs.filter(app="scoring", name=migration)
    return applied.filter(applied__gt=stamp).exists()
