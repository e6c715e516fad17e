"""Score and fingerprint in one sum: how the points of dozens of signals become a few whole numbers in SQL.

A column per signal's points would double every row and every write. Instead each bin is one constant,

    (points - least points of the signal) + PART * place * code

where `code` numbers the distinct points of the signal and `place` is its place value in a mixed radix. Added up
over a group of signals the lower part (below PART) is the group's points, the upper part says which code every
signal has: two rows with the same sums have the same points everywhere. So one CASE per signal gives the score
and, as text, the fingerprint by which a pass sees that points moved. The points themselves follow from the
stored values and the card, which is never edited once used (scoring/stored.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from scoring.card import Card

PART = 1 << 12
ROOM = 1 << 50
"""Codes per group: ROOM * PART stays below 2 ** 63."""


@dataclass(frozen=True, slots=True)
class Packed:
    """SQL of a card. groups: one bigint expression each; least: what base and all least points add up to."""

    groups: tuple[str, ...]
    least: int

    def score(self, row: str, names: list[str]) -> str:
        """SQL of the score from the group columns of `row` (the first of `names`, in order)."""
        used = names[: len(self.groups)]
        return " + ".join([str(self.least), *(f"{row}.{name} %% {PART}" for name in used)])


def pack(card: Card, row: str) -> Packed:
    """The group expressions of a card over the signal columns of `row`."""
    groups: list[str] = []
    terms: list[str] = []
    place, least = 1, card.base_points
    for signal in card.bins:
        points = [b.points for b in card.bins[signal]] + [card.missing[signal]]
        codes = {value: code for code, value in enumerate(sorted(set(points)))}
        least += min(points)
        if len(codes) == 1:
            continue
        if place * len(codes) > ROOM:
            groups.append(_sum(terms))
            terms, place = [], 1
        terms.append(_case(card, signal, f"{row}.{signal}", codes, place, min(points)))
        place *= len(codes)
    return Packed((*groups, _sum(terms)), least)


def _sum(terms: list[str]) -> str:
    return " + ".join(terms) or "CAST(0 AS bigint)"


def _case(card: Card, signal: str, column: str, codes: dict[int, int], place: int, least: int) -> str:
    def constant(points: int) -> str:
        return f"CAST({points - least + PART * place * codes[points]} AS bigint)"

    whens = [f"WHEN {column} IS NULL THEN {constant(card.missing[signal])}"]
    *bounded, last = card.bins[signal]
    whens += [
        f"WHEN {column} < {b.upper.normalize():f} THEN {constant(b.points)}"
        for b in bounded
        if b.upper is not None
    ]
    return f"CASE {' '.join(whens)} ELSE {constant(last.points)} END"
