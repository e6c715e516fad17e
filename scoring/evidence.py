"""Measuring any scorecard against what happened, for the gates of publishing: discrimination, stability, try-out."""

from __future__ import annotations

from datetime import date
from typing import Any, Protocol

import numpy as np
from django.db import transaction

from creditdesk.core.audit import Actor
from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import in_a_row
from scoring.card import (
    AGENCY_EVIDENCE,
    THIN_EVIDENCE,
    Card,
    CardError,
    active_cards,
    as_card,
    fingerprint,
    problems,
)
from scoring.fitting.account_figures import counts_of, figures_of
from scoring.fitting.measures import Floats
from scoring.fitting.observations import Observations, ledger_span, observation_days, observe
from scoring.fitting.odds import Odds
from scoring.models import CardReport, Scorecard
from scoring.reports import stability, store_report
from scoring.taught import taught_until
from scoring.tryout import try_card

LEAST_EVENTS = 10
"""Customers with a default below which discrimination is not told: its interval would span everything."""
PD_FIGURES = (
    *("brier", "brier_interval", "mean_pd", "calibration", "calibration_together"),
    *("loss_in_top_20", "loss_in_top_20_interval"),
)
"""What hangs on the probability and not on the order of the scores alone."""


def measure_card(
    card: Scorecard, as_of: date, *, made_by: str, reader: Actor | None = None
) -> list[CardReport]:
    """Backtest, stability and try-out of a card at a date, each kept as a report.

    Raises CardError for a draft that could not be used as it stands.
    """
    return keep_measured(card, as_of, measured(card, as_of, reader or Actor.job(made_by)), made_by=made_by)


def measured(card: Scorecard, as_of: date, reader: Actor) -> dict[str, dict[str, Any]]:
    """The figures of `measure_card` by kind of report; writes nothing but the log of reads."""
    Kind = CardReport.Kind
    wrong = problems(as_card(card, list(card.bins.all())))
    if wrong:
        raise CardError(in_a_row(wrong))
    said = {"said": fingerprint(as_card(card, list(card.bins.all())), points_only=True)}
    found = {
        Kind.STABILITY: stability(card, as_of, reader=reader),
        Kind.TRYOUT: try_card(card, as_of, reader),
        Kind.BACKTEST: discrimination(card, reader),
    }
    return {kind: some | said for kind, some in found.items()}


@transaction.atomic
def keep_measured(
    card: Scorecard, as_of: date, found: dict[str, dict[str, Any]], *, made_by: str
) -> list[CardReport]:
    return [store_report(card, kind, as_of, some, made_by=made_by) for kind, some in found.items()]


def discrimination(card: Scorecard, reader: Actor | None = None) -> dict[str, Any]:
    """How well a card ranked the defaults of the ledger's past, with features as known at each observation.

    A fitted card is tested on observations after the ones it learned from only, the probability of a calibrated one on
    those after the outcomes its odds were fitted to; where there are none, its own
    cross-validated fit stays the evidence. A thin card is tested on the thin files it would score, bank data or a rating
    being there. gini None with "refused" when too few customers defaulted.
    """
    first, through = ledger_span()
    days = observation_days(first, through)
    taught = card.learned_until
    if taught is not None:
        days = [day for day in days if day > taught]
    if not days:
        return {"gini": None, "refused": _("No observation has a complete year after it.")}
    obs = observe(days, reader=reader)
    ready = as_card(card, list(card.bins.all()))
    if card.kind == Scorecard.Kind.THIN:
        obs = obs.take(priced_by(ready, obs))
    if not are_enough(obs):
        refused = _("%(events)s customers defaulted; at least %(least)s are needed.") % {
            "events": obs.bad_customers,
            "least": LEAST_EVENTS,
        }
        return {**counts_of(obs), "gini": None, "refused": refused}
    scores = scores_of(ready, obs)
    pd = pd_of_scores(ready, scores)
    return {**counts_of(obs), **figures_unseen(obs, scores, pd, taught_until(card))}


def priced_by(thin: Card, obs: Observations) -> Any:
    """Mask of the observations a thin card scores: thin files with what it stands on."""
    told = (obs.column(THIN_EVIDENCE), obs.column(AGENCY_EVIDENCE), obs.column("due_count_12m"))
    return obs.thin & thin.has_evidence(*told)


def scored_by(card: Card, obs: Observations, as_of: date | None = None) -> Any:
    """Mask of the observations a card scores: those of the thin card in use (`as_of` that day) are not a full card's."""
    if card.kind == Scorecard.Kind.THIN:
        return priced_by(card, obs)
    thin = active_cards(as_of=as_of).thin
    return np.ones(obs.rows, dtype=bool) if thin is None else ~priced_by(thin, obs)


def unseen(obs: Observations, taught: date | None) -> Any:
    """Mask of the observations of days after `taught`."""
    return np.ones(obs.rows, dtype=bool) if taught is None else obs.day > taught.toordinal()


def are_enough(obs: Observations) -> bool:
    return LEAST_EVENTS <= obs.bad_customers < obs.customers


def figures_unseen(obs: Observations, scores: Floats, pd: Floats, taught: date | None) -> dict[str, Any]:
    """How well a card ranks all observations, and what its probability was worth on those after `taught` only: odds
    fitted to outcomes move no rank. "pd_taught_until" says that some were left out; all of them where few defaulted since."""
    rows = unseen(obs, taught)
    if taught is None or rows.all():
        return figures_of(obs, -scores, pd)
    found = {name: value for name, value in figures_of(obs, -scores).items() if name not in PD_FIGURES}
    later = obs.take(rows)
    if are_enough(later):
        told = figures_of(later, -scores[rows], pd[rows])
        found |= {name: told[name] for name in PD_FIGURES}
    return found | {"pd_taught_until": taught.isoformat()}


def odds_of(card: Scorecard) -> Odds:
    return Odds(card.anchor_score, float(card.odds_at_anchor), float(card.points_to_double))


class Columns(Protocol):
    """Values by signal, NaN where missing."""

    @property
    def rows(self) -> int: ...
    def column(self, signal: str) -> Floats: ...


def scores_of(card: Card, obs: Columns) -> Floats:
    """A card's score of every observation; the same points as scoring.card gives one by one."""
    total = np.full(obs.rows, float(card.base_points))
    for signal, bins in card.bins.items():
        values = obs.column(signal)
        missing = np.isnan(values)
        uppers = np.array([float(b.upper) for b in bins[:-1] if b.upper is not None])
        points = np.array([b.points for b in bins], dtype=float)
        place = np.searchsorted(uppers, np.where(missing, 0.0, values), side="right")
        total += np.where(missing, float(card.missing[signal]), points[place])
    return total


def pd_of_scores(card: Card, scores: Floats) -> Floats:
    """The PD a card gives to scores of accounts that are not insolvent."""
    table = {int(s): float(card.pd_of(int(s), insolvent=False)) for s in np.unique(scores)}
    return np.array([table[int(s)] for s in scores])
