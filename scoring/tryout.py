"""Trying a scorecard on the live book before anybody publishes it: who moves, and what that does to limits.

Both cards score the same facts at the same date, so that every difference comes from the card. Nothing is stored
but the report; figures are JSON (scoring.models.CardReport).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from heapq import nlargest
from typing import Any

import numpy as np

from creditdesk.core.audit import Actor
from customers.bank.access import log_study
from customers.limit_reasons import money_param
from customers.models import CreditAccount
from scoring.card import Card, active_cards, as_card
from scoring.engine import compute
from scoring.fitting.measures import Floats
from scoring.limit_inputs import Book, recommendations
from scoring.limit_policy import LimitRecommendation
from scoring.models import AccountScore, Recommendation, Scorecard
from scoring.reports import counts, psi_of_scores
from scoring.statement import Scope

CHUNK = 1000
MOVERS = 50
SHARP_DROP = 15
"""Points at once that people want to be told about (an alert's threshold)."""


@dataclass(slots=True)
class _Tally:
    accounts: int = 0
    moved: int = 0
    change: int = 0
    grades: Counter[tuple[str, str]] = field(default_factory=Counter)
    recommendations: Counter[tuple[str, str]] = field(default_factory=Counter)
    sharp_drops: int = 0
    newly_declined: int = 0
    limits: dict[str, dict[str, int]] = field(default_factory=dict)
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    movers: list[dict[str, Any]] = field(default_factory=list)


def try_card(
    card: Scorecard, as_of: date, reader: Actor | None = None, against: Card | None = None
) -> dict[str, Any]:
    """Figures of a card against the one in use (or `against`), for the whole book at a date.

    correlation, psi: of both scores of accounts with any history (of a thin card: of the files it scores), plain and of
    their ranks. grades, recommendations: [from, to, accounts]. limits: per currency the sum of recommended limits under both
    cards (minor units) and how many rise, fall, or fall to zero. movers: the accounts that move most.
    """
    log_study(reader=reader or Actor.job("try-out"), days=[as_of])
    ready, used = as_card(card, list(card.bins.all())), active_cards(as_of=as_of)
    current = against or (used.thin if card.kind == Scorecard.Kind.THIN else None) or used.full
    book, tally = Book(as_of), _Tally()
    for low, high in _chunks():
        scope = Scope.between(low, high)
        _count(tally, _pairs(as_of, scope, current, ready), ready, book, as_of, low, high)
    return {
        "against": current.pk,
        "accounts": tally.accounts,
        "moved": tally.moved,
        "mean_change": round(tally.change / tally.accounts, 2) if tally.accounts else None,
        "psi": psi_of_scores(tally.before, tally.after),
        "correlation": correlation(tally.before, tally.after),
        "grades": [[a, b, n] for (a, b), n in sorted(tally.grades.items())],
        "recommendations": [[a, b, n] for (a, b), n in sorted(tally.recommendations.items())],
        "sharp_drops": tally.sharp_drops,
        "newly_declined": tally.newly_declined,
        "limits": tally.limits,
        "movers": tally.movers,
    }


def correlation(before: Sequence[float], after: Sequence[float]) -> dict[str, float] | None:
    """Of two scores of the same accounts: of the scores, and of their ranks (Spearman; equal scores share a rank).
    None where one of them is the same for all."""
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    ranks = [_ranks(first), _ranks(second)]
    return {
        "scores": round(float(np.corrcoef(first, second)[0, 1]), 4),
        "ranks": round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 4),
    }


def _ranks(values: Floats) -> Floats:
    _distinct, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _chunks() -> Iterator[tuple[int, int]]:
    ids = list(CreditAccount.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        yield ids[start], ids[min(start + CHUNK, len(ids)) - 1]


def _pairs(
    as_of: date, scope: Scope, current: Card, ready: Card
) -> dict[int, tuple[AccountScore, AccountScore]]:
    after = {row.account_id: row for row in compute(as_of, scope, card=ready)}
    return {row.account_id: (row, after[row.account_id]) for row in compute(as_of, scope, card=current)}


def _count(
    tally: _Tally,
    pairs: dict[int, tuple[AccountScore, AccountScore]],
    ready: Card,
    book: Book,
    as_of: date,
    low: int,
    high: int,
) -> None:
    accounts = list(CreditAccount.objects.filter(pk__range=(low, high)).select_related("customer"))
    now = recommendations(accounts, as_of, book, scores={pk: pair[0] for pk, pair in pairs.items()})
    then = recommendations(accounts, as_of, book, scores={pk: pair[1] for pk, pair in pairs.items()})
    movers = list(tally.movers)
    for pk, (old, new) in pairs.items():
        tally.accounts += 1
        step = new.score - old.score
        tally.moved += step != 0
        tally.change += step
        tally.grades[old.grade, new.grade] += 1
        tally.recommendations[old.recommendation, new.recommendation] += 1
        tally.sharp_drops += step <= -SHARP_DROP
        tally.newly_declined += _newly(old, new, Recommendation.DECLINED)
        if counts(ready, new):
            tally.before.append(old.score)
            tally.after.append(new.score)
        _count_limit(tally, now.get(pk), then.get(pk))
        if step:
            movers.append(_mover(pk, old, new, now.get(pk), then.get(pk)))
    tally.movers = nlargest(MOVERS, movers, key=lambda m: (abs(m["to"] - m["from"]), -m["account"]))


def _newly(old: AccountScore, new: AccountScore, value: str) -> bool:
    return new.recommendation == value != old.recommendation


def _count_limit(tally: _Tally, now: LimitRecommendation | None, then: LimitRecommendation | None) -> None:
    before, after = now and now.amount, then and then.amount
    if before is None and after is None:
        return
    currency = (before or after).currency  # type: ignore[union-attr]
    kept = {"now": 0, "then": 0, "raised": 0, "cut": 0, "to_zero": 0}
    sums = tally.limits.setdefault(currency, kept)
    old, new = before.minor if before else 0, after.minor if after else 0
    sums["now"] += old
    sums["then"] += new
    sums["raised"] += new > old
    sums["cut"] += new < old
    sums["to_zero"] += new == 0 < old


def _mover(
    pk: int,
    old: AccountScore,
    new: AccountScore,
    now: LimitRecommendation | None,
    then: LimitRecommendation | None,
) -> dict[str, Any]:
    def limit(found: LimitRecommendation | None) -> dict[str, Any] | None:
        return money_param(found.amount) if found and found.amount is not None else None

    return {
        "account": pk,
        "from": old.score,
        "to": new.score,
        "grade_from": old.grade,
        "grade_to": new.grade,
        "limit_from": limit(now),
        "limit_to": limit(then),
    }
