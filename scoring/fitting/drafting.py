"""A challenger from the firm's own ledger: observe, learn, put in points, keep as a draft with its report.

Nothing here is published: the draft goes the way of every scorecard (scoring/publishing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.facts import CURRENT, View
from creditdesk.core.sentences import in_a_row
from scoring.card import Card, CardError, active_card, as_card, fingerprint, problems
from scoring.fitting.account_card import PointCard, in_points
from scoring.fitting.account_figures import counts_of, customer_years, figures_of, gini_gain
from scoring.fitting.account_fit import AccountFit, NotEnoughEvents, Options, fit_accounts, level_for
from scoring.fitting.calibration import Calibration
from scoring.fitting.logistic import logit, sigmoid
from scoring.fitting.materiality import Materiality
from scoring.fitting.measures import psi_of_values
from scoring.fitting.observations import (
    LEAST_HISTORY_DAYS,
    Observations,
    ledger_span,
    observation_days,
    observe,
)
from scoring.models import CardReport, Scorecard, ScorecardBin
from scoring.reports import store_report
from scoring.signals import BY_NAME
from scoring.taught import lesson

CODE = "fitted"


@dataclass(frozen=True)
class Challenger:
    """A learned card with the observations it was learned from and what was measured on them."""

    card: PointCard
    fit: AccountFit
    observations: Observations
    figures: dict[str, Any]
    until: date


def learn(
    until: date | None = None, signals: Sequence[str] | None = None, options: Options | None = None
) -> Challenger:
    """Learn a card from what was known on `until` (default: all there is). Stores nothing.

    Raises NotEnoughEvents (a ledger too short or with too few defaults), ValueError on an unknown signal,
    NoActiveCard, MissingRate.
    """
    options = options or Options()
    unknown = sorted(set(signals or ()) - set(BY_NAME))
    if unknown:
        raise ValueError(
            _("%(names)s: no such signal. docs/signals.md lists them.") % {"names": ", ".join(unknown)}
        )
    first, through = ledger_span()
    if until is not None and through is not None and until < through:
        through, labels = until, View(known_at=until)
    else:
        labels = CURRENT
    if first is None:
        raise NotEnoughEvents(
            _("The ledger holds no invoice. Import one first: manage.py import_ledger."),
            {"observations": 0, "customers": 0, "bad_customers": 0, "needed": options.min_events},
        )
    days = observation_days(first, through)
    if not days or through is None:
        raise NotEnoughEvents(
            _(
                "No observation has a complete year after it: the ledger runs from %(first)s and is complete "
                "through %(through)s; %(days)s days before and 12 months after an observation are needed."
            )
            % {"first": first or "-", "through": through or "-", "days": LEAST_HISTORY_DAYS},
            {"observations": 0, "customers": 0, "bad_customers": 0, "needed": options.min_events},
        )
    obs = observe(days, labels=labels)
    fit = fit_accounts(obs, signals, options)
    card = in_points(fit.learned, obs)
    return Challenger(card, fit, obs, figures(obs, fit, card, through), through)


def held_out_pd(fit: AccountFit, obs: Observations) -> Any:
    """PD of each row from folds that did not hold its customer, with the card's slope and level."""
    stretched = Calibration(0.0, fit.slope, fit.slope).apply(sigmoid(fit.held_out))
    rest = logit(stretched)
    return sigmoid(level_for(rest, obs.bad) + rest)


def figures(obs: Observations, fit: AccountFit, card: PointCard, until: date) -> dict[str, Any]:
    """The report of a fit: what it stands on, cross-validated quality beside the card in use, what was chosen."""
    held = held_out_pd(fit, obs)
    scores = card.score(obs)
    days = np.unique(obs.day)
    drift = psi_of_values(scores[obs.day == days[0]], scores[obs.day == days[-1]])
    in_use = figures_of(obs, -obs.score, obs.pd)
    return {
        **counts_of(obs),
        **figures_of(obs, held, held),
        "until": until.isoformat(),
        "how": "cross-validated by customer",
        "folds": fit.options.folds,
        "ridge": fit.ridge,
        "slope": fit.slope,
        "psi_first_to_last_date": drift.value if drift else None,
        "current_card": {name: in_use[name] for name in ("gini", "gini_interval", "ks", "brier", "mean_pd")},
        "gain_over_current_card": gini_gain(obs, held, -obs.score),
        "materiality": {code: str(x) for code, x in Materiality.from_settings().amounts.items()},
        "thin": _thin(obs, card),
        "signals": [
            {
                "signal": row.signal,
                "iv": fit.learned.binnings[row.signal].iv,
                "coefficient": fit.learned.coef[row.signal],
                "points": [b.points for b in row.bins],
                "missing": row.missing.points,
            }
            for row in card.rows
        ],
        "left_out": [
            {
                "signal": j.signal,
                "reason": j.reason or "no_weight",
                "figure": j.figure,
                "beside": j.beside,
                "iv": j.iv,
            }
            for j in fit.judged
            if j.signal not in {row.signal for row in card.rows}
        ],
        "scale": {
            "points_to_double": card.doubling,
            "anchor_score": card.anchor,
            "odds": round(card.odds, 2),
        },
        "grades": card.grades(),
    }


def _thin(obs: Observations, card: PointCard) -> dict[str, Any]:
    """Thin customers: predicted, observed, and the portfolio they are pulled to."""
    thin = obs.thin
    if not thin.any():
        return {"observations": 0}
    return {
        "observations": int(thin.sum()),
        "predicted": float(card.pd(card.score(obs))[thin].mean()),
        "observed": float(obs.bad[thin].mean()),
        "portfolio": float(obs.bad.mean()),
    }


@transaction.atomic
def keep_draft(found: Challenger, *, name: str, actor: Actor, as_of: date) -> Scorecard:
    """Store a challenger as a draft card of code "fitted" with its report. Raises CardError."""
    used = active_card()
    card = as_engine_card(found.card, used)
    wrong = problems(card)
    if wrong:
        raise CardError(in_a_row(wrong))
    newest = Scorecard.objects.filter(code=CODE).aggregate(v=Max("version"))["v"] or 0
    grades = found.card.grades()
    row = Scorecard.objects.create(
        code=CODE,
        version=newest + 1,
        name=name,
        status=Scorecard.Status.DRAFT,
        calibration=Scorecard.Calibration.FITTED,
        calibrated_on=found.until,
        calibration_events=found.figures["events"],
        calibration_years=customer_years(found.observations),
        learned_until=found.until,
        base_points=card.base_points,
        **{f"grade_{grade.lower()}_from": least for grade, least in grades.items()},
        **{
            number: getattr(card, number)
            for number in "review_from review_to guarantees_below thin_below thin_recent_below "
            "anchor_score odds_at_anchor points_to_double".split()
        },
    )
    bins = []
    for signal, some in card.bins.items():
        bins += [
            ScorecardBin(card=row, signal=signal, lower=b.lower, upper=b.upper, points=b.points, rationale=b.rationale)
            for b in some
        ]  # fmt: skip
        bins.append(
            ScorecardBin(
                card=row,
                signal=signal,
                is_missing=True,
                points=card.missing[signal],
                rationale=card.missing_rationale[signal],
            )
        )
    ScorecardBin.objects.bulk_create(bins)
    said = {"said": fingerprint(as_card(row, bins), points_only=True)}
    report = store_report(
        row, CardReport.Kind.FIT, found.until, found.figures | said, made_by=str(actor.name)
    )
    row.taught = {"points": lesson(row, report, found.until)}
    row.save(update_fields=["taught"])
    record_act(
        "scorecard.fitted",
        actor=actor,
        subject=row,
        business_date=as_of,
        data={
            "code": row.code,
            "version": row.version,
            "until": found.until.isoformat(),
            "events": found.figures["events"],
            "gini": found.figures["gini"],
        },
    )
    return row


def as_engine_card(card: PointCard, used: Card) -> Card:
    """The learned card with the numbers that are not learned, as the card in use has them."""
    return card.as_card(
        pk=0,
        code=CODE,
        version=0,
        review_from=used.review_from,
        review_to=used.review_to,
        guarantees_below=used.guarantees_below,
        thin_below=used.thin_below,
        thin_recent_below=used.thin_recent_below,
    )
