"""How the scores in use behave, month by month: who moved between grades, whether the population drifts, whether
grades come true, what became of overrides and of what invoice cards had estimated. Plain figures (JSON); `monitor` keeps them as a report.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from customers.bank.access import log_study
from customers.models import CreditAccount
from scoring.card import Card, active_cards
from scoring.card_notices import tell_of_gates
from scoring.engine import compute
from scoring.fitting import measures
from scoring.fitting.outcomes import Episodes, default_episodes
from scoring.invoices.outcomes import card_outcomes
from scoring.models import AccountScore, CardReport, Depth, Grade, Scorecard, ScoreHistory, ScoreOverride
from scoring.overrides import upward
from scoring.publishing import gate_in_force
from scoring.reports import psi_of_scores, store_report
from scoring.signals import SIGNALS
from scoring.statement import Scope
from scoring.stored import values_of
from scoring.validation import beside_series, beyond, series

YEAR = timedelta(days=365)
SAMPLE = 20_000
"""Accounts drift is measured on at most: every n-th account of a larger book."""
LEAST_DEFAULTS = 5
"""Defaults below which a Gini says nothing and is left out."""


def month_end_before(day: date) -> date:
    """The last day of the month before `day`'s."""
    return day.replace(day=1) - timedelta(days=1)


def migration_matrix(first: date, second: date) -> dict[str, Any]:
    """[from, to, accounts] between the grades kept latest by two dates; the accounts that had a grade at both.

    appeared: graded at the second date only.
    """
    before, after = _grades_at(first), _grades_at(second)
    moves = Counter((before[pk], grade) for pk, grade in after.items() if pk in before)
    return {
        "from": first.isoformat(),
        "to": second.isoformat(),
        "moves": [[a, b, n] for (a, b), n in sorted(moves.items())],
        "appeared": len(after.keys() - before.keys()),
        "better": sum(n for (a, b), n in moves.items() if b < a),
        "worse": sum(n for (a, b), n in moves.items() if b > a),
        "same": sum(n for (a, b), n in moves.items() if b == a),
    }


def _grades_at(day: date) -> dict[int, str]:
    rows = ScoreHistory.objects.filter(as_of__lte=day).annotate(
        place=Window(RowNumber(), partition_by=[F("account")], order_by=[F("as_of").desc(), F("pk").desc()])
    )
    return dict(rows.filter(place=1).values_list("account", "grade"))


def drift(first: date, second: date, card: Card | None = None, reader: Actor | None = None) -> dict[str, Any]:
    """PSI of the score and of every signal between two dates, each with what was known then; most moved first.

    The card of today scores both days, so that a change of card is no drift.
    """
    card = card or active_cards(as_of=second).full
    log_study(reader=reader or Actor.job("monitoring"), days=[first, second])
    before, after = _population(first, card), _population(second, card)
    signals: list[dict[str, Any]] = []
    for name in (s.name for s in SIGNALS):
        found = measures.psi_of_values(_column(before, name), _column(after, name))
        if found is not None:
            signals.append({"signal": name, "psi": round(found.value, 4), "reading": found.reading})
    signals.sort(key=lambda s: (-s["psi"], s["signal"]))
    return {
        "from": first.isoformat(),
        "to": second.isoformat(),
        "accounts_then": len(before),
        "accounts_now": len(after),
        "psi": psi_of_scores([row.score for row in before], [row.score for row in after]),
        "signals": signals,
    }


def _population(day: date, card: Card) -> list[AccountScore]:
    total = CreditAccount.objects.count()
    every = -(-total // SAMPLE)
    if every <= 1:
        scope = Scope.everyone()
    else:
        scope = Scope.of(list(CreditAccount.objects.order_by("pk").values_list("pk", flat=True)[::every]))
    rows = compute(day, scope, View(known_at=day), card=card)
    return [row for row in rows if row.depth != Depth.NONE]


def _column(rows: Iterable[AccountScore], name: str) -> Any:
    return np.array([np.nan if (v := values_of(row)[name]) is None else float(v) for row in rows])


def grades_come_true(as_of: date, card: Card | None = None, reader: Actor | None = None) -> dict[str, Any]:
    """What became within a year of everybody graded a year before `as_of`, by grade, with what was known then.

    Only accounts whose ledger is complete through `as_of`, that were not in default already. rate: defaults per
    account with its 95 % interval; expected: mean PD the card gave. gini: None below LEAST_DEFAULTS defaults.
    """
    start, card = as_of - YEAR, card or active_cards(as_of=as_of).full
    log_study(reader=reader or Actor.job("monitoring"), days=[start])
    episodes = default_episodes(as_of)
    happened, already = episodes.between(start, as_of), episodes.already_in(start)
    judged = episodes.complete_for(as_of)
    rows = [
        row
        for row in compute(start, view=View(known_at=start), card=card)
        if row.account_id in judged and row.account_id not in already and row.depth != Depth.NONE
    ]
    by_grade: dict[str, list[AccountScore]] = defaultdict(list)
    for row in rows:
        by_grade[row.grade].append(row)
    table = []
    for grade in Grade.values:
        some = by_grade.get(grade, [])
        defaults = sum(row.account_id in happened for row in some)
        around = measures.wilson(defaults, len(some))
        table.append(
            {
                "grade": grade,
                "accounts": len(some),
                "defaults": defaults,
                "rate": round(defaults / len(some), 4) if some else None,
                "low": round(around.low, 4),
                "high": round(around.high, 4),
                "expected": round(float(np.mean([float(row.pd) for row in some])), 4) if some else None,
            }
        )
    bad = [row.account_id in happened for row in rows]
    enough = LEAST_DEFAULTS <= sum(bad) < len(bad)
    gini = (
        measures.gini(np.array(bad, float), np.array([-int(row.score) for row in rows], float))
        if enough
        else None
    )
    return {
        "from": start.isoformat(),
        "to": as_of.isoformat(),
        "accounts": len(rows),
        "defaults": sum(bad),
        "gini": None if gini is None else round(gini, 4),
        "grades": table,
    }


def override_outcomes(as_of: date, episodes: Episodes | None = None) -> dict[str, Any]:
    """Overrides made at least a year before `as_of`: did people know better than the card?

    Per direction: how many, how many of these accounts defaulted within a year of the override, and the mean PD
    the card had given grade for grade. An upward override that defaulted, or a downward one that did not, went
    against the person. waiting: overrides whose year is not over yet.
    """
    episodes = episodes or default_episodes(as_of)
    matured = ScoreOverride.objects.filter(valid_from__lte=as_of - YEAR)
    up = set(matured.filter(upward()).values_list("pk", flat=True))
    tally = {way: {"overrides": 0, "defaults": 0, "judged": 0} for way in ("up", "down")}
    for override in matured.order_by("pk"):
        start = override.valid_from
        row = tally["up" if override.pk in up else "down"]
        row["overrides"] += 1
        if override.account_id not in episodes.complete_for(start + YEAR):
            continue
        row["judged"] += 1
        row["defaults"] += override.account_id in episodes.between(start, start + YEAR)
    waiting = ScoreOverride.objects.filter(valid_from__gt=as_of - YEAR, valid_from__lte=as_of)
    reasons = Counter(waiting.values_list("reason_code", flat=True))
    return {
        "directions": tally,
        "waiting": sum(reasons.values()),
        "reasons": dict(sorted(reasons.items())),
        "rate": _override_rate(as_of),
    }


def _override_rate(as_of: date) -> float | None:
    """Share of scored accounts whose grade a person holds against the card's at the date."""
    scored = AccountScore.objects.count()
    held = ScoreOverride.objects.filter(valid_from__lte=as_of, valid_until__gte=as_of, ended_on__isnull=True)
    return round(held.values("account").distinct().count() / scored, 4) if scored else None


def monitor(as_of: date, *, made_by: str, reader: Actor | None = None) -> CardReport:
    """Everything above for the month that ended before `as_of`, kept as the active card's monitoring report. Who may
    propose or publish cards is told where the month lies beyond a gate of publishing."""
    return keep_month(month_of(as_of, reader), as_of, made_by=made_by)


@dataclass(frozen=True, slots=True)
class Month:
    """A month monitored and not kept yet. beyond: codes of the gates it lies beyond."""

    card: int
    end: date
    figures: dict[str, Any]
    beyond: list[str]


def month_of(as_of: date, reader: Actor | None = None) -> Month:
    """The figures of `monitor`; writes nothing but the log of reads."""
    end = month_end_before(as_of)
    card, gate = active_cards(as_of=as_of).full, gate_in_force()
    month = end.strftime("%Y-%m")
    moved, points = drift(end - YEAR, end, card, reader), series(card, end, reader)
    if points and points[-1]["month"] == month:
        points[-1]["psi"] = moved["psi"]
    passed = beyond(points, moved["psi"], gate, month)
    figures = {
        "month": month,
        "migration": migration_matrix(month_end_before(end), end),
        "drift": moved,
        "outcomes": grades_come_true(end, card, reader),
        "overrides": override_outcomes(end),
        "invoices": card_outcomes(end),
        "series": points,
        "beside": beside_series(Scorecard.objects.get(pk=card.pk), end),
        "gate": {"min_gini": gate.min_gini, "max_psi": gate.max_psi},
        "beyond": [asdict(one) for one in passed],
    }
    return Month(card.pk, end, figures, [one.code for one in passed])


@transaction.atomic
def keep_month(month: Month, as_of: date, *, made_by: str) -> CardReport:
    row = Scorecard.objects.get(pk=month.card)
    if row.status == Scorecard.Status.ACTIVE:
        tell_of_gates(row, month.end, month.beyond, as_of)
    return store_report(row, CardReport.Kind.MONITORING, month.end, month.figures, made_by=made_by)
