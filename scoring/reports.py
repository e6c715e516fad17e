"""Evidence about scorecards: storing what was measured, and measuring how stable a card's scores are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from creditdesk.core.facts import View
from scoring.card import as_card
from scoring.engine import compute
from scoring.models import CardReport, Depth, Scorecard

YEAR = timedelta(days=365)
BANDS = tuple(range(10, 100, 10))
"""Upper bounds (exclusive) of the score bands that PSI compares; the last band is 90 to 100."""
EMPTY = 0.0001
"""Share that stands for an empty band, as KPIS.md has it."""


def store_report(
    card: Scorecard, kind: str, as_of: date, figures: dict[str, Any], *, made_by: str
) -> CardReport:
    """Keep a report as evidence (append-only); publishing reads the newest of a kind."""
    return CardReport.objects.create(card=card, kind=kind, as_of=as_of, figures=figures, made_by=made_by)


def newest(card: Scorecard, kind: str) -> CardReport | None:
    return card.reports.filter(kind=kind).first()


def band_shares(scores: Iterable[int]) -> list[float]:
    """Share of scores per band of ten points; empty when there are none."""
    counts = Counter(min(score // 10, 9) for score in scores)
    total = sum(counts.values())
    return [counts[band] / total for band in range(10)] if total else []


def psi(expected: list[float], actual: list[float]) -> float:
    """Population stability index: sum of (a - e) ln(a / e) over the bands; empty bands count as 0.0001."""
    pairs = ((max(e, EMPTY), max(a, EMPTY)) for e, a in zip(expected, actual, strict=True))
    return sum((a - e) * math.log(a / e) for e, a in pairs)


def stability(card: Scorecard, as_of: date, before: date | None = None) -> dict[str, Any]:
    """PSI of a card's scores between a year ago (or `before`), with what was known then, and `as_of`.

    Accounts without any payment history are left out of both: they would only show how many newcomers there are.
    """
    before = before or as_of - YEAR
    ready = as_card(card, list(card.bins.all()))

    def scores(day: date) -> list[int]:
        rows = compute(day, view=View(known_at=day), card=ready)
        return [row.score for row in rows if row.depth != Depth.NONE]

    then, now = band_shares(first := scores(before)), band_shares(second := scores(as_of))
    found: dict[str, Any] = {
        "from": before.isoformat(),
        "to": as_of.isoformat(),
        "accounts_then": len(first),
        "accounts_now": len(second),
        "shares_then": [round(s, 4) for s in then],
        "shares_now": [round(s, 4) for s in now],
        "psi": None,
    }
    if then and now:
        return found | {"psi": round(psi(then, now), 4)}
    return found | {"refused": "no_scores"}
