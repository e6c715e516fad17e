"""The card in use month by month, as the outcomes of a year mature: Gini, KS, Brier, expected and observed defaults.

One point per month: everybody the card scored a year before the month's end, with what was known then, against the year
that followed, with intervals by customer. A month told once is kept in the report and handed on to the next one, so the
monthly job scores one past day, the first one a year of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from creditdesk.core.audit import Actor
from creditdesk.core.dates import months_before
from scoring.beside import beside_cards
from scoring.beside_nights import Night, nights_of
from scoring.card import Card
from scoring.evidence import LEAST_EVENTS, scored_by
from scoring.fitting.account_figures import figures_of
from scoring.fitting.clustered import share_by_customer
from scoring.fitting.measures import gini
from scoring.fitting.observations import (
    LEAST_HISTORY_DAYS,
    Observations,
    horizon_of,
    ledger_span,
    month_end,
    month_ends,
    observe,
)
from scoring.fitting.outcomes import Episodes, default_episodes
from scoring.models import CardReport, PublishingGate, Scorecard
from scoring.taught import taught_until

MONTHS = 12
LEAST_DEFAULTS = 5
"""Of a month-end whose year is not over: fewer rank nothing."""
DRAWS = 200


def series(card: Card, end: date, reader: Actor | None = None) -> list[dict[str, Any]]:
    """Points of the last MONTHS months through `end` (a month-end), oldest first; months a kept report told are taken
    from it. Months before the ledger allows are left out."""
    kept = _kept(card, end)
    first, through = ledger_span()
    wanted = [
        day
        for day in _year_before(end)
        if first is not None
        and through is not None
        and (day - first).days >= LEAST_HISTORY_DAYS
        and horizon_of(day) <= through
    ]
    missing = [day for day in wanted if day.isoformat() not in kept]
    if missing:
        obs = observe(missing, reader=reader)
        obs = obs.take(scored_by(card, obs, end))
        for day in missing:
            kept[day.isoformat()] = _point(day, obs.take(obs.day == day.toordinal()))
    until = taught_until(Scorecard.objects.get(pk=card.pk))
    return [
        kept[day.isoformat()] | {"taught": until is not None and horizon_of(day) <= until} for day in wanted
    ]


def _year_before(end: date) -> list[date]:
    """The month-ends whose year ended in the MONTHS months through `end`."""
    last = month_end(months_before(end, 12))
    return month_ends(months_before(last, MONTHS - 1), last)


def _kept(card: Card, end: date) -> dict[str, dict[str, Any]]:
    report = (
        CardReport.objects.filter(card_id=card.pk, kind=CardReport.Kind.MONITORING, as_of__lte=end)
        .order_by("-as_of", "-pk")
        .first()
    )
    return {point["scored_on"]: point for point in report.figures.get("series", [])} if report else {}


def _point(day: date, obs: Observations) -> dict[str, Any]:
    share = share_by_customer(obs.bad, obs.customer)
    found: dict[str, Any] = {
        "month": horizon_of(day).strftime("%Y-%m"),
        "scored_on": day.isoformat(),
        "accounts": obs.rows,
        "events": obs.bad_customers,
        "expected": round(float(obs.pd.mean()), 4) if obs.rows else None,
        "observed": round(share.value, 4) if obs.rows else None,
        "observed_interval": [round(share.interval.low, 4), round(share.interval.high, 4)],
    }
    if LEAST_EVENTS <= obs.bad_customers < obs.customers:
        told = figures_of(obs, -obs.score, obs.pd, draws=DRAWS)
        names = ("auc", "gini", "gini_interval", "ks", "brier")
        found |= {name: _rounded(told[name]) for name in names}
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [round(one, 4) for one in value]
    return None if value is None else round(value, 4)


@dataclass(frozen=True, slots=True)
class Beyond:
    """A bar that the card in use no longer meets. code: gini or psi."""

    code: str
    value: float
    asked: float


def beyond(
    points: Sequence[Mapping[str, Any]], psi: float | None, gate: PublishingGate, month: str
) -> list[Beyond]:
    """What a month says against the gates of publishing: an older point was told of in its own month. A Gini of fewer
    than LEAST_EVENTS defaulting customers is none."""
    found = []
    told: Mapping[str, Any] = next((point for point in points if point["month"] == month), {})
    value, asked = told.get("gini"), float(gate.min_gini)
    if value is not None and value < asked:
        found.append(Beyond("gini", value, asked))
    if psi is not None and psi > float(gate.max_psi):
        found.append(Beyond("psi", psi, float(gate.max_psi)))
    return found


def beside_series(used: Scorecard, end: date) -> list[dict[str, Any]]:
    """Of each card that runs beside: what both said on the month-ends of the year through `end`, as stored those nights,
    against what happened by `end`. Points whose year is not over count the defaults seen so far ("matured" False)."""
    through = ledger_span()[1]
    rows = list(beside_cards().filter(kind=used.kind).order_by("pk"))
    if through is None or not rows:
        return []
    through = min(through, end)
    episodes = default_episodes(through)
    points: dict[int, list[dict[str, Any]]] = {card.pk: [] for card in rows}
    for day in month_ends(months_before(end, MONTHS), end):
        for card, kept in nights_of(used, rows, day):
            points[card.pk].append(_beside_point(kept, episodes, through))
    return [{"card": card.pk, "name": str(card), "points": points[card.pk]} for card in rows]


def _beside_point(kept: Night, episodes: Episodes, through: date) -> dict[str, Any]:
    until = min(horizon_of(kept.day), through)
    complete, out = episodes.complete_for(until), episodes.already_in(kept.day)
    happened = episodes.between(kept.day, until)
    wanted = [pk in complete and pk not in out for pk in kept.accounts.tolist()]
    rows = kept.active & np.array(wanted, dtype=np.bool_)
    bad = np.array([pk in happened for pk in kept.accounts[rows].tolist()], dtype=np.float64)
    scores = kept.scores[rows].astype(np.float64)
    enough = LEAST_DEFAULTS <= bad.sum() < bad.size
    ginis = [gini(bad, -scores[:, n]) if enough else None for n in (0, 1)]
    return {
        "scored_on": kept.day.isoformat(),
        "matured": horizon_of(kept.day) <= through,
        "accounts": int(bad.size),
        "defaults": int(bad.sum()),
        "expected": round(float(kept.pds[rows].mean()), 4) if bad.size else None,
        "observed": round(float(bad.mean()), 4) if bad.size else None,
        "gini": [None if one is None else round(one, 4) for one in ginis],
    }
