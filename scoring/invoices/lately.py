"""The level of every target of a card at any day, from what became of its own forecasts in the book.

Lately     from a whole ledger in memory, at any day (backtests, past views)
Snapshot   the same at one day, small enough to be kept: what live estimates of a few accounts use
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scoring.fitting.measures import Floats
from scoring.invoices.drift import Drift, Forecasts, Ordered, Others
from scoring.invoices.ledger import Days

Key = tuple[bool, int]
"""(unpaid after the due date, days of the target)"""


class Levels(Protocol):
    def at(self, key: Key, account: Days, day: Days, odds: Floats) -> Floats:
        """How far the log-odds of each observation are moved; 0 where the target does not move."""


def _others(drift: Drift, forecasts: Forecasts) -> dict[float, Others]:
    """By half-life; all of the same rows in the same order."""
    order = Ordered(forecasts.account, forecasts.begin, forecasts.end)
    return {life: Others(forecasts, life, order) for life in drift.lives}


class Lately:
    def __init__(self, parts: Mapping[Key, tuple[Drift, Forecasts]]) -> None:
        self._parts = {
            key: (drift, forecasts, _others(drift, forecasts))
            for key, (drift, forecasts) in parts.items()
            if drift.settings
        }

    def at(self, key: Key, account: Days, day: Days, odds: Floats) -> Floats:
        if key not in self._parts:
            return np.zeros(day.size)
        drift, _forecasts, others = self._parts[key]
        return drift.move({life: sums.at(account, day) for life, sums in others.items()}, odds)

    def snapshot(self, day: int) -> Snapshot:
        """The levels of one day; size grows with the accounts whose invoices were forecast, not with invoices."""
        found: dict[Key, tuple[Drift, Days, dict[float, Any], dict[float, Floats]]] = {}
        for key, (drift, forecasts, others) in self._parts.items():
            accounts = np.unique(forecasts.account)
            days = np.full(accounts.size, day, dtype=np.int64)
            stranger = np.array([-1], dtype=np.int64)
            found[key] = (
                drift,
                accounts,
                {life: sums.at(accounts, days).astype(np.float32) for life, sums in others.items()},
                {
                    life: sums.at(stranger, days[:1] if days.size else np.array([day]))
                    for life, sums in others.items()
                },
            )
        return Snapshot(found)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """parts: per target the drift, the accounts that were forecast, what is left of the sums without each of them by
    half-life, and the sums of all."""

    parts: Mapping[Key, tuple[Drift, Days, dict[float, Any], dict[float, Floats]]]

    def at(self, key: Key, account: Days, day: Days, odds: Floats) -> Floats:
        if key not in self.parts:
            return np.zeros(day.size)
        drift, accounts, without, everybody = self.parts[key]
        place = np.minimum(np.searchsorted(accounts, account), max(accounts.size - 1, 0))
        known = accounts[place] == account if accounts.size else np.zeros(account.size, dtype=bool)
        sums = {}
        for life, whole in everybody.items():
            found = np.repeat(whole, account.size, axis=0)
            found[known] = without[life][place[known]]
            sums[life] = found
        return drift.move(sums, odds)

    def packed(self) -> bytes:
        """The sums as bytes for the database: compressed arrays, no code in them. The drifts are the card's own."""
        arrays: dict[str, Any] = {}
        for n, ((unpaid, days), (_drift, accounts, without, everybody)) in enumerate(self.parts.items()):
            arrays[f"{n}_key"] = np.array([int(unpaid), days], dtype=np.int64)
            arrays[f"{n}_accounts"] = accounts
            arrays[f"{n}_lives"] = np.array(list(everybody), dtype=np.float64)
            for place, life in enumerate(everybody):
                arrays[f"{n}_without_{place}"] = without[life]
                arrays[f"{n}_everybody_{place}"] = everybody[life]
        out = io.BytesIO()
        np.savez_compressed(out, **arrays)
        return out.getvalue()

    @classmethod
    def unpacked(cls, packed: bytes, drifts: Mapping[Key, Drift]) -> Snapshot:
        """What `packed` gave, with the drifts of the same card."""
        parts: dict[Key, tuple[Drift, Days, dict[float, Any], dict[float, Floats]]] = {}
        with np.load(io.BytesIO(packed), allow_pickle=False) as found:
            for n in range(sum(name.endswith("_key") for name in found.files)):
                unpaid, days = (int(value) for value in found[f"{n}_key"])
                lives = [float(life) for life in found[f"{n}_lives"]]
                parts[bool(unpaid), days] = (
                    drifts[bool(unpaid), days],
                    found[f"{n}_accounts"],
                    {life: found[f"{n}_without_{place}"] for place, life in enumerate(lives)},
                    {life: found[f"{n}_everybody_{place}"] for place, life in enumerate(lives)},
                )
        return cls(parts)
