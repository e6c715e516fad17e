"""What a score of a past day needs of other customers, where no pass stored it then: their figures, computed.

A night's score compares a customer with figures stored on the Monday before (scoring/peers.py) and looks at the last
kept scores of its group (families/group.py). For a day before the first pass neither is stored. Both are computed
here by the same statements, from what was known on the days on which they would have been stored, and handed to the
statement beside what is stored: what was stored always stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from django.core.cache import cache
from django.db import connections
from django.db.models import Max

from creditdesk.core.facts import View
from customers.models import Allocation, CreditAccount, Instalment
from scoring.card import Cards
from scoring.dialect import dialect
from scoring.models import AccountScore, PeerFigure
from scoring.statement import Scope, compile_unscored, parameters, view_name

NIGHTS = 2
"""How many evenings back members' own contagion is followed. Its points are capped, so it settles within them."""
LARGE, HOURS, MINUTES = 20_000, 6, 3
"""Telling the figures takes a pass over the book: they are kept for some hours of a book of more accounts, for some
minutes of a smaller one, and there until an invoice or an allocation is added."""
Told = dict[tuple[date, date], list[dict[str, Any]]]
"""Figures told within one run, by their day and the last day whose knowledge counts."""


@dataclass(frozen=True, slots=True)
class Bygone:
    """Stand-ins for what no pass had stored: figures of companies and sectors, scores of members of groups."""

    peers: tuple[dict[str, Any], ...] = ()
    members: tuple[dict[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.peers or self.members)

    @property
    def parameters(self) -> dict[str, str]:
        return {"given_peers": json.dumps(self.peers), "given_members": json.dumps(self.members)}


def figures_day(as_of: date) -> date:
    """The Monday before a day: when the figures that its score reads are stored."""
    return as_of - timedelta(days=as_of.weekday() or 7)


def bygone(
    as_of: date,
    scope: Scope,
    view: View,
    cards: Cards,
    *,
    nights: int = NIGHTS,
    told: Told | None = None,
    using: str = "default",
) -> Bygone:
    """What is missing for the scores of these accounts on a past day; empty where everything was stored.

    Two queries where nothing is missing. Otherwise a pass over the book for the figures, and one over the members of
    groups per night. told: of a run over many days, so that the days of a week share one pass.
    """
    told = {} if told is None else told
    if view.recorded_by is not None:
        return Bygone()  # a replay has what was stored by then, nothing else
    return Bygone(_peers(as_of, view, told, using), _members(as_of, scope, view, cards, nights, told, using))


def _peers(as_of: date, view: View, told: Told, using: str) -> tuple[dict[str, Any], ...]:
    window = {"as_of__lt": as_of, "as_of__gt": as_of - timedelta(days=365)}
    have = set(
        PeerFigure.objects.using(using)
        .filter(sector="", **window)
        .values_list("company", flat=True)
        .distinct()
    )
    companies = set(
        CreditAccount.objects.using(using).order_by().values_list("company", flat=True).distinct()
    )
    if companies <= have:
        return ()
    day = figures_day(as_of)
    known = min(day, view.known_at or day)
    if (day, known) not in told:
        told[day, known] = _figures(day, known, using)
    return tuple(row for row in told[day, known] if row["company_id"] not in have)


def _figures(day: date, known: date, using: str) -> list[dict[str, Any]]:
    names = (
        "company_id",
        "sector",
        "accounts",
        "late_share",
        "days_late",
        "z_median",
        "invoiced",
        "currency",
    )

    from scoring.peers import figures_on  # which stands on the engine

    def anew() -> list[dict[str, Any]]:
        rows = figures_on(day, View(known_at=known), using=using)
        return [{name: getattr(row, name) for name in names} for row in rows]

    key, seconds = f"bygone-peers:{using}:{day}:{known}", HOURS * 3600
    if CreditAccount.objects.using(using).count() <= LARGE:
        newest = (
            model.objects.using(using).aggregate(pk=Max("pk"))["pk"] for model in (Instalment, Allocation)
        )
        key, seconds = ":".join([key, *map(str, newest)]), MINUTES * 60
    return cache.get_or_set(key, anew, seconds)  # type: ignore[return-value]


def _members(
    as_of: date, scope: Scope, view: View, cards: Cards, nights: int, told: Told, using: str
) -> tuple[dict[str, Any], ...]:
    if nights <= 0:
        return ()
    speech = dialect(using)
    sql = _unscored(using, cards, view_name(view), scope.shape)
    values = parameters(speech, as_of, as_of, view=view, scope=scope)
    with connections[using].cursor() as cursor:
        cursor.execute(sql, {name: value for name, value in values.items() if f"%({name})s" in sql})
        missing = [row[0] for row in cursor.fetchall()]
    if not missing:
        return ()
    from scoring.engine import scores  # which asks this module first

    evening = as_of - timedelta(days=1)
    then = view if view.is_current else View(known_at=min(evening, view.known_at or evening))
    others = Scope.of(missing)
    given = bygone(evening, others, then, cards, nights=nights - 1, told=told, using=using)
    rows = scores(evening, others, then, cards=cards, given=given, using=using)
    return tuple(_stand_in(row) for row in rows if _was_there(row))


def _was_there(row: AccountScore) -> bool:
    """Whether a night would have scored the account: one without any trade may not have existed yet."""
    return row.relationship_months is not None  # type: ignore[attr-defined]


def _stand_in(row: AccountScore) -> dict[str, Any]:
    names = ("account_id", "score", "insolvent", "days_late_12m", "overdue_share")
    return {name: getattr(row, name) for name in names} | {"weight": (row.exposure or 0) + 1}


@lru_cache(maxsize=32)
def _unscored(using: str, cards: Cards, view: str, shape: str) -> str:
    return compile_unscored(using, cards, view, shape)


__all__: Sequence[str] = ("Bygone", "Told", "bygone", "figures_day")
