"""Two scorecards measured on the same rows: what happened before and since, who moves on the live book.

Champion and challenger are told apart on demand: every month-end of the past is scored by both cards with what was known
that day, and set against what followed. Months whose year is over give all figures; the months since are ranked by the
defaults seen so far. Days whose outcomes the points of one of the cards were taught are left out, and of what
hangs on the probability those its odds were fitted to. Differences have intervals of their
own, from the same draws of customers, so that luck both cards share cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from scoring.card import Card, CardError, as_card, fingerprint, problems
from scoring.engine import compute
from scoring.evidence import (
    LEAST_EVENTS,
    are_enough,
    figures_unseen,
    learned_until,
    pd_of_scores,
    scores_of,
    taught_until,
    unseen,
)
from scoring.fitting.account_figures import counts_of
from scoring.fitting.measures import Floats, Interval, Ranking, bootstrap_many, brier, capture, gini
from scoring.fitting.observations import (
    Observations,
    horizon_of,
    ledger_span,
    month_ends,
    observation_days,
    observe,
)
from scoring.fitting.outcomes import default_episodes
from scoring.models import AccountScore, CardReport, Depth, Scorecard
from scoring.recalibrating import scored_by
from scoring.reports import store_report
from scoring.tryout import try_card

DRAWS = 300
MONTH_LEAST = 3
"""Defaults below which a single month ranks nothing."""
RECENT = 12
"""Months since the last one whose year is over that are looked at."""
OF_RANKS = ("gini", "ks")
MEASURES = (*OF_RANKS, "brier", "loss_in_top_20")


def compare(
    a: Scorecard, b: Scorecard, as_of: date, *, made_by: str, reader: Actor | None = None
) -> CardReport:
    """Measure `b` beside `a` at a date and keep it as a report of `b`. Raises CardError, MissingRate, NoActiveCard."""
    if a.kind != b.kind:
        raise CardError(
            _("A full card and a thin card score different customers: they cannot be measured together.")
        )
    cards = [as_card(row, list(row.bins.all())) for row in (a, b)]
    for card in cards:
        if wrong := problems(card):
            raise CardError(" ".join(wrong))
    figures = {
        "against": a.pk,
        "said": [fingerprint(card) for card in cards],
        "moves": try_card(b, as_of, reader, against=cards[0]),
        **_past(a, b, cards, reader),
    }
    return store_report(b, CardReport.Kind.COMPARED, as_of, figures, made_by=made_by)


def _past(a: Scorecard, b: Scorecard, cards: list[Card], reader: Actor | None) -> dict[str, Any]:
    taught = max((day for day in (learned_until(a), learned_until(b)) if day is not None), default=None)
    seen = max((day for day in (taught_until(a), taught_until(b)) if day is not None), default=None)
    first, through = ledger_span()
    days = observation_days(first, through)
    kept = [day for day in days if taught is None or day > taught]
    obs = observe(kept, reader=reader) if kept else None
    if obs is not None:
        obs = obs.take(scored_by(cards[0], obs) & scored_by(cards[1], obs))
    made = max(a.created_at, b.created_at).date()
    last = max([*days, *([taught] if taught else [])], default=None)
    months = [*(_matured(obs, cards) if obs is not None else []), *_since(cards, last, through)]
    return {
        "left_out_until": taught.isoformat() if taught else None,
        "made": made.isoformat(),
        "measured": _measured(obs, cards, seen),
        "months": [row | {"blind": row["day"] >= made.isoformat()} for row in months],
    }


def _measured(obs: Observations | None, cards: list[Card], seen: date | None) -> dict[str, Any]:
    """seen: the last day whose outcomes the probability of one of the cards was fitted to."""
    if obs is None or not obs.rows:
        return {"refused": _("No observation that neither card was taught has a complete year after it.")}
    if not LEAST_EVENTS <= obs.bad_customers < obs.customers:
        return {
            **counts_of(obs),
            "refused": _("%(events)s customers defaulted; at least %(least)s are needed.")
            % {"events": obs.bad_customers, "least": LEAST_EVENTS},
        }
    scores = [scores_of(card, obs) for card in cards]
    pds = [pd_of_scores(card, some) for card, some in zip(cards, scores, strict=True)]
    told = [figures_unseen(obs, some, pd, seen) for some, pd in zip(scores, pds, strict=True)]
    rows = unseen(obs, seen)
    differences = _differences(obs, scores, pds, MEASURES if rows.all() else OF_RANKS)
    if not rows.all() and are_enough(later := obs.take(rows)):
        names = tuple(name for name in MEASURES if name not in OF_RANKS)
        differences |= _differences(later, [x[rows] for x in scores], [x[rows] for x in pds], names)
    return {
        **counts_of(obs),
        "pd_taught_until": told[0].get("pd_taught_until"),
        "cards": told,
        "differences": differences,
    }


def _differences(
    obs: Observations, scores: list[Floats], pds: list[Floats], names: tuple[str, ...]
) -> dict[str, Any]:
    """Second less first of these measures, with its 95 % interval by customer from the same draws."""
    rankings = [Ranking(obs.bad, -some) for some in scores]
    losses = [pd * obs.exposure for pd in pds]

    def ks_of(ranking: Ranking, weights: Floats | None) -> float | None:
        found = ranking.ks(weights)
        return None if found is None else found[0]

    def twice(ranking: Ranking, weights: Floats | None) -> float | None:
        area = ranking.auc(weights)
        return None if area is None else 2 * area

    tell: dict[str, Callable[[int, Floats | None], float | None]] = {
        "gini": lambda n, w: twice(rankings[n], w),
        "ks": lambda n, w: ks_of(rankings[n], w),
        "brier": lambda n, w: brier(obs.bad, pds[n], w),
        "loss_in_top_20": lambda n, w: capture(obs.loss, losses[n], 0.2, w),
    }

    def gap(name: str) -> Callable[[Floats | None], float | None]:
        def of(weights: Floats | None = None) -> float | None:
            first, second = tell[name](0, weights), tell[name](1, weights)
            return None if first is None or second is None else second - first

        return of

    gaps = {name: gap(name) for name in names}
    around = bootstrap_many(obs.customer, gaps, draws=DRAWS)
    return {name: {"gain": gaps[name](None), "interval": _pair(around[name])} for name in names}


def _matured(obs: Observations, cards: list[Card]) -> Iterable[dict[str, Any]]:
    """The month-ends whose year is over."""
    scores = [scores_of(card, obs) for card in cards]
    for day in obs.days:
        rows = obs.day == day.toordinal()
        yield _month(day, True, obs.bad[rows], [some[rows] for some in scores])


def _since(cards: list[Card], last: date | None, through: date | None) -> Iterable[dict[str, Any]]:
    """The month-ends since, with the defaults seen so far."""
    if last is None or through is None:
        return
    days = month_ends(last + timedelta(days=1), through - timedelta(days=1))[-RECENT:]
    episodes = default_episodes(through) if days else None
    for day in days:
        assert episodes is not None
        happened, out = episodes.between(day, min(horizon_of(day), through)), episodes.already_in(day)
        rows = [
            row
            for row in compute(day, view=View(known_at=day), card=cards[0])
            if row.card_id == cards[0].pk and row.depth != Depth.NONE and row.account_id not in out
        ]
        bad = np.array([row.account_id in happened for row in rows], dtype=np.float64)
        first = np.array([row.score for row in rows], dtype=np.float64)
        yield _month(day, False, bad, [first, scores_of(cards[1], _Live(rows))])


@dataclass(frozen=True, slots=True)
class _Live:
    """Scored accounts as `scores_of` reads them: one pass of the engine serves both cards."""

    scored: list[AccountScore]

    @property
    def rows(self) -> int:
        return len(self.scored)

    def column(self, signal: str) -> Floats:
        values = (getattr(row, signal) for row in self.scored)
        return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)


def _month(day: date, matured: bool, bad: Floats, scores: list[Floats]) -> dict[str, Any]:
    enough = MONTH_LEAST <= bad.sum() < bad.size
    ginis = [gini(bad, -some) if enough else None for some in scores]
    return {
        "day": day.isoformat(),
        "matured": matured,
        "accounts": int(bad.size),
        "defaults": int(bad.sum()),
        "gini": [None if found is None else round(found, 4) for found in ginis],
        "found": [_found(bad, some) for some in scores],
    }


def _found(bad: Floats, score: Floats) -> float | None:
    """Defaults among the riskiest fifth; an account on its border counts in part."""
    share = capture(bad, -score)
    return None if share is None else round(share * float(bad.sum()), 2)


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
