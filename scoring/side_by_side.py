"""Two scorecards measured on the same rows: what happened before and since, who moves on the live book.

Champion and challenger are told apart on demand: every month-end of the past is scored by both cards with what was known
that day, and set against what followed; where the challenger ran beside the champion (scoring/beside_nights.py), by what both
said that night. Months whose year is over give all figures; the months since are ranked by the
defaults seen so far. Days whose outcomes the points of one of the cards were taught are left out, and of what
hangs on the probability those its odds were fitted to. Differences have intervals of their
own, from the same draws of customers, so that luck both cards share cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import in_a_row
from customers.bank.access import log_study
from customers.models import CreditAccount
from scoring.beside_nights import Night, night
from scoring.card import Card, CardError, as_card, fingerprint, problems
from scoring.engine import compute
from scoring.evidence import (
    LEAST_EVENTS,
    are_enough,
    figures_unseen,
    pd_of_scores,
    scored_by,
    scores_of,
    unseen,
)
from scoring.fitting.account_figures import counts_of
from scoring.fitting.measures import Floats, Interval, Ranking, bootstrap_many, brier, capture, gini
from scoring.fitting.observations import (
    Observations,
    horizon_of,
    is_active,
    ledger_span,
    month_ends,
    observation_days,
    observe,
)
from scoring.fitting.outcomes import default_episodes
from scoring.models import AccountScore, CardReport, Scorecard
from scoring.reports import store_report
from scoring.stored import values_of
from scoring.taught import taught_until
from scoring.tryout import try_card

DRAWS = 300
MONTH_LEAST = 3
"""Defaults below which a single month ranks nothing."""
RECENT = 12
"""Months since the last one whose year is over that are looked at."""
OF_RANKS = ("gini", "ks")
MEASURES = (*OF_RANKS, "brier", "loss_in_top_20")
FIFTH = 0.2
NO_OBSERVATION, TOO_FEW = "no_observation", "too_few"


def compare(
    a: Scorecard, b: Scorecard, as_of: date, *, made_by: str, reader: Actor | None = None
) -> CardReport:
    """Measure `b` beside `a` at a date and keep it as a report of `b`. Raises CardError, MissingRate, NoActiveCard."""
    return keep_compared(b, as_of, compared(a, b, as_of, reader), made_by=made_by)


def keep_compared(b: Scorecard, as_of: date, figures: dict[str, Any], *, made_by: str) -> CardReport:
    return store_report(b, CardReport.Kind.COMPARED, as_of, figures, made_by=made_by)


def compared(a: Scorecard, b: Scorecard, as_of: date, reader: Actor | None = None) -> dict[str, Any]:
    """The figures of `compare`; writes nothing but the log of reads."""
    if a.kind != b.kind:
        raise CardError(
            _("A full card and a thin card score different customers: they cannot be measured together.")
        )
    cards = [as_card(row, list(row.bins.all())) for row in (a, b)]
    for card in cards:
        if wrong := problems(card):
            raise CardError(in_a_row(wrong))
    return {
        "against": a.pk,
        "said": [fingerprint(card) for card in cards],
        "moves": try_card(b, as_of, reader, against=cards[0]),
        **_past(a, b, cards, as_of, reader),
    }


def _past(a: Scorecard, b: Scorecard, cards: list[Card], as_of: date, reader: Actor | None) -> dict[str, Any]:
    taught = max((day for day in (a.learned_until, b.learned_until) if day is not None), default=None)
    seen = max((day for day in (taught_until(a), taught_until(b)) if day is not None), default=None)
    first, through = ledger_span()
    days = observation_days(first, through)
    kept = [day for day in days if taught is None or day > taught]
    obs = observe(kept, reader=reader) if kept else None
    if obs is not None:
        obs = obs.take(scored_by(cards[0], obs, as_of) & scored_by(cards[1], obs, as_of))
    fixed = [fixed_on(a), fixed_on(b)]
    blind_from = max(day for day in fixed if day) if all(fixed) else None
    last = max([*days, *([taught] if taught else [])], default=None)
    scored = _Scored(a, b, cards)
    months = [*(_matured(obs, scored) if obs is not None else []), *_since(scored, last, through, reader)]
    # What was stored that night nobody could change since, whatever the state of the card.
    blind = [
        month for month in months if month.stored or (blind_from is not None and month.day >= blind_from)
    ]
    return {
        "left_out_until": taught.isoformat() if taught else None,
        "blind_from": blind_from.isoformat() if blind_from else None,
        "measured": _measured(obs, scored, seen),
        "months": [month.row | {"blind": month in blind, "stored": month.stored} for month in months],
        "since": _once(blind),
    }


def fixed_on(card: Scorecard) -> date | None:
    """The day after which nothing that happened could enter a version: proposed, and no longer taught. None for a draft,
    which may still be changed by who knows what happened."""
    if card.status == Scorecard.Status.DRAFT:
        return None
    day = timezone.localdate(card.proposed_at or card.created_at)
    return max(day, taught_until(card) or day)


@dataclass(frozen=True, slots=True)
class _Scored:
    """Both cards and what they said: as stored that night where the second ran beside the first, else computed."""

    a: Scorecard
    b: Scorecard
    cards: list[Card]
    nights: dict[date, Night | None] = field(default_factory=dict)

    def night(self, day: date) -> Night | None:
        if day not in self.nights:
            self.nights[day] = night(self.a, self.b, day)
        return self.nights[day]

    def scores(self, obs: Observations) -> tuple[list[Floats], NDArray[np.bool_]]:
        """What either card said of the rows, and of which of them it was stored."""
        found, stored = [scores_of(card, obs) for card in self.cards], np.zeros(obs.rows, dtype=np.bool_)
        for day in np.unique(obs.day):
            if (kept := self.night(date.fromordinal(int(day)))) is None:
                continue
            rows = np.flatnonzero(obs.day == day)
            places, held = kept.places(obs.account[rows])
            rows, pairs = rows[held], kept.scores[places[held]]
            found[0][rows], found[1][rows], stored[rows] = pairs[:, 0], pairs[:, 1], True
        return found, stored


def _measured(obs: Observations | None, scored: _Scored, seen: date | None) -> dict[str, Any]:
    """seen: the last day whose outcomes the probability of one of the cards was fitted to."""
    if obs is None or not obs.rows:
        return {"refused": NO_OBSERVATION}
    if not LEAST_EVENTS <= obs.bad_customers < obs.customers:
        return {**counts_of(obs), "refused": TOO_FEW, "least": LEAST_EVENTS}
    scores, _stored = scored.scores(obs)
    pds = [pd_of_scores(card, some) for card, some in zip(scored.cards, scores, strict=True)]
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


def refusal(measured: dict[str, Any]) -> str:
    """Why nothing was measured, in the reader's language; reports of before hold the sentence itself."""
    told = str(measured.get("refused", ""))
    if told == NO_OBSERVATION:
        return _("No observation that neither card was taught has a complete year after it.")
    if told == TOO_FEW:
        return _("%(events)s customers defaulted; at least %(least)s are needed.") % measured
    return told


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
        "loss_in_top_20": lambda n, w: capture(obs.loss, losses[n], FIFTH, w),
    }

    def gap(name: str) -> Callable[[Floats | None], float | None]:
        def of(weights: Floats | None = None) -> float | None:
            first, second = tell[name](0, weights), tell[name](1, weights)
            return None if first is None or second is None else second - first

        return of

    gaps = {name: gap(name) for name in names}
    around = bootstrap_many(obs.customer, gaps, draws=DRAWS)
    return {name: {"gain": gaps[name](None), "interval": _pair(around[name])} for name in names}


@dataclass(frozen=True, slots=True)
class _Month:
    """One scored day: its row of the report, and of each customer that defaulted after it how much lies in the riskiest
    fifth of either card."""

    day: date
    row: dict[str, Any]
    caught: dict[int, list[float]]
    stored: bool = False


def _matured(obs: Observations, scored: _Scored) -> Iterable[_Month]:
    """The month-ends whose year is over; where something was stored that night, of the accounts of which it was: what is
    computed today is not blind."""
    scores, stored = scored.scores(obs)
    for day in obs.days:
        rows = obs.day == day.toordinal()
        if kept := bool(stored[rows].any()):
            rows &= stored
        found = _month(day, True, obs.bad[rows], [some[rows] for some in scores], obs.customer[rows].tolist())
        yield replace(found, stored=kept)


def _since(
    scored: _Scored, last: date | None, through: date | None, reader: Actor | None
) -> Iterable[_Month]:
    """The month-ends since, with the defaults seen so far; of the same accounts as `observe` takes, as far as the ledger
    goes."""
    if last is None or through is None:
        return
    days = month_ends(last + timedelta(days=1), through - timedelta(days=1))[-RECENT:]
    if not days:
        return
    log_study(reader=reader or Actor.job("comparing cards"), days=[days[0], days[-1]])
    episodes, whose = default_episodes(through), dict(CreditAccount.objects.values_list("pk", "customer_id"))
    for day in days:
        until, then = min(horizon_of(day), through), View(known_at=day)
        happened, complete = episodes.between(day, until), episodes.complete_for(until)
        out = episodes.already_in(day) | default_episodes(day, then).already_in(day)
        kept = scored.night(day)
        if kept is not None:
            wanted = [pk in complete and pk not in out for pk in kept.accounts.tolist()]
            rows = kept.active & np.array(wanted, dtype=np.bool_)
            accounts, pairs = kept.accounts[rows].tolist(), kept.scores[rows].astype(np.float64)
            scores = [pairs[:, 0], pairs[:, 1]]
        else:
            accounts, scores = _computed(scored.cards, day, complete, out)
        bad = np.array([pk in happened for pk in accounts], dtype=np.float64)
        found = _month(day, False, bad, scores, [whose[pk] for pk in accounts])
        yield replace(found, stored=kept is not None)


def _computed(
    cards: list[Card], day: date, complete: Container[int], out: Container[int]
) -> tuple[list[int], list[Floats]]:
    rows = [
        row
        for row in compute(day, view=View(known_at=day), card=cards[0])
        if row.card_id == cards[0].pk
        and row.account_id in complete
        and row.account_id not in out
        and is_active(values := values_of(row))
        and cards[1].scores_file(values)
    ]
    first = np.array([row.score for row in rows], dtype=np.float64)
    return [row.account_id for row in rows], [first, scores_of(cards[1], _Live(rows))]


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


def _month(day: date, matured: bool, bad: Floats, scores: list[Floats], whose: Sequence[int]) -> _Month:
    enough = MONTH_LEAST <= bad.sum() < bad.size
    ginis = [gini(bad, -some) if enough else None for some in scores]
    lying = np.array([_in_fifth(some)[bad > 0] for some in scores]).T
    caught: dict[int, list[float]] = {}
    for row, parts in zip(np.flatnonzero(bad).tolist(), lying.tolist(), strict=True):
        before = caught.get(whose[row], parts)
        caught[whose[row]] = [max(pair) for pair in zip(before, parts, strict=True)]
    told = {
        "day": day.isoformat(),
        "matured": matured,
        "accounts": int(bad.size),
        "defaults": int(bad.sum()),
        "gini": [None if found is None else round(found, 4) for found in ginis],
        "found": [round(float(part), 2) for part in lying.sum(axis=0)] if caught else [None, None],
    }
    return _Month(day, told, caught)


def _in_fifth(score: Floats) -> Floats:
    """How much of every row lies in the riskiest fifth: rows with the score of its border share what is left of it."""
    _scores, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    before = np.cumsum(counts) - counts
    found: Floats = np.clip((FIFTH * score.size - before) / counts, 0, 1)[place]
    return found


def _once(months: list[_Month]) -> dict[str, Any]:
    """Customers that defaulted after these days, each counted by the last of them before it: their years overlap."""
    caught: dict[int, list[float]] = {}
    for month in months:
        caught |= month.caught
    return {
        "customers": len(caught),
        "found": [round(sum(parts[n] for parts in caught.values()), 2) for n in (0, 1)],
    }


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
