"""The accounts part of a backtest: the 12-month PD of cards and simple baselines on observations after training.

Training sees what was known on `train_until` and outcomes complete by then; every test observation sees what was
known on its day. The current card and the challenger (learned anew from the training period) are measured on the
same rows as the baselines; all intervals draw customers, not rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from scoring.card import active_card, as_card
from scoring.evidence import pd_of_scores, scores_of
from scoring.fitting.account_card import PointCard
from scoring.fitting.account_figures import counts_of, figures_of, gini_gain
from scoring.fitting.account_fit import NotEnoughEvents, Options
from scoring.fitting.drafting import learn
from scoring.fitting.logistic import fit_logistic
from scoring.fitting.measures import Floats, psi_of_values
from scoring.fitting.observations import (
    MONTHLY_UP_TO,
    Observations,
    horizon_of,
    ledger_span,
    month_ends,
    observe,
)
from scoring.models import Scorecard
from scoring.taught import taught_until

CURRENT_CARD, CHALLENGER = "current_card", "challenger"
BASELINES = {"past_days_late": "days_late_12m", "oldest_overdue": "oldest_overdue_days"}
LEAST_TEST_EVENTS = 5
"""Defaulting customers in the test period below which a ranking cannot be told from luck."""


def account_report(
    train_until: date,
    test_from: date,
    test_to: date,
    *,
    cards: Sequence[Scorecard] = (),
    options: Options | None = None,
) -> dict[str, Any]:
    """What the PD of each card was worth in the test period; or {"refused": why, ...counts} where that cannot be told.

    cards: further stored cards to measure on the same rows (under "code version"). The test takes the month-ends
    from `test_from` to `test_to` whose following twelve months are complete. Raises ValueError when the test starts
    before the training ends.
    """
    if test_from < train_until:
        raise ValueError(
            _("The test starts on %(test)s, before the training ends on %(train)s.")
            % {"test": test_from, "train": train_until}
        )
    _first, through = ledger_span()
    days = [d for d in month_ends(test_from, test_to) if through is not None and horizon_of(d) <= through]
    if len(days) > MONTHLY_UP_TO:
        days = days[::-1][::3][::-1]
    report: dict[str, Any] = {
        "train_until": train_until.isoformat(),
        "test_from": test_from.isoformat(),
        "test_to": test_to.isoformat(),
        "event": "default within 12 months",
    }
    if not days:
        return report | {
            "refused": _(
                "No month-end from %(from)s to %(to)s has a complete year after it: the ledger is complete through "
                "%(through)s."
            )
            % {"from": test_from, "to": test_to, "through": through or "-"}
        }
    test = observe(days)
    report["test"] = counts_of(test)
    try:
        found = learn(train_until, None, options)
    except NotEnoughEvents as error:
        return report | {"refused": str(error), "train": error.counts}
    report["train"] = counts_of(found.observations)
    if test.bad_customers < LEAST_TEST_EVENTS:
        return report | {
            "refused": _(
                "%(bad)s customers defaulted after the test observations; at least %(least)s are needed."
            )
            % {"bad": test.bad_customers, "least": LEAST_TEST_EVENTS}
        }
    return report | _measured(found.card, found.observations, test, cards)


def _measured(
    challenger: PointCard, train: Observations, test: Observations, cards: Sequence[Scorecard]
) -> dict[str, Any]:
    stored = [(f"{row.code} {row.version}", row) for row in cards]
    scored = {
        CURRENT_CARD: (train.score, test.score, test.pd),
        CHALLENGER: _scored(challenger, train, test),
        **{name: _stored(row, train, test) for name, row in stored},
    }
    models = {}
    for name, (before, after, pd) in scored.items():
        drift = psi_of_values(before, after)
        models[name] = figures_of(test, -np.asarray(after, dtype=np.float64), pd) | {
            "psi": drift.value if drift else None
        }
    for name, signal in BASELINES.items():
        models[name] = figures_of(test, test.column(signal), _alone(signal, train, test))
    for name, row in [(CURRENT_CARD, Scorecard.objects.get(pk=active_card().pk)), *stored]:
        taught = taught_until(row)
        if taught is not None and taught >= min(test.days):
            models[name]["taught_until"] = taught.isoformat()
    return {
        "models": models,
        "challenger_over_current_card": gini_gain(
            test, -scored[CHALLENGER][1].astype(np.float64), -test.score
        ),
        "current_card_is": active_card().code,
    }


def lines(report: dict[str, Any]) -> list[str]:
    """A report as a table for people."""
    if "refused" in report:
        return [report["refused"]]
    test = report["test"]
    found = [
        f"{test['observations']} observations of {test['customers']} customers on {', '.join(test['dates'])}; "
        f"{test['events']} customers defaulted ({100 * test['rate']:.1f} %). Intervals: 95 %, by customer.",
        f"{'':<18}{'AUC':<24}{'Gini':>7}{'KS':>7}{'Brier':>8}{'PSI':>7}  loss in top 20 %",
    ]
    for name, f in report["models"].items():
        found.append(
            f"{name.replace('_', ' '):<18}{_figure(f['auc'])} {_range(f['auc_interval']):<18}{_figure(f['gini']):>7}"
            f"{_figure(f['ks']):>7}{_figure(f.get('brier'), 4):>8}{_figure(f.get('psi')):>7}  "
            f"{_figure(f['loss_in_top_20'])} {_range(f['loss_in_top_20_interval'])}"
        )
    for name, f in report["models"].items():
        if "taught_until" in f:
            found.append(
                f"{name.replace('_', ' ')}: fitted to outcomes through {f['taught_until']}, so it was taught some of those "
                "it is tested on: its figures flatter it"
            )
    gain = report["challenger_over_current_card"]
    found.append(
        f"Gini of the challenger over the card in use: {gain['gain']:+.3f} {_range(gain['interval'])}"
    )
    for name in (CURRENT_CARD, CHALLENGER):
        rows = report["models"][name]["calibration"]
        inside = sum(row["agrees"] for row in rows)
        found.append(
            f"{name.replace('_', ' ')}: predicted within the interval of the observed rate in {inside} of {len(rows)} parts"
        )
    return found


def _figure(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _range(pair: list[float] | None) -> str:
    return "" if pair is None else f"({pair[0]:.3f} to {pair[1]:.3f})"


def _scored(card: PointCard, train: Observations, test: Observations) -> tuple[Any, Any, Floats]:
    score = card.score(test)
    return card.score(train), score, card.pd(score)


def _stored(row: Scorecard, train: Observations, test: Observations) -> tuple[Any, Any, Floats]:
    card = as_card(row, list(row.bins.all()))
    score = scores_of(card, test)
    return scores_of(card, train), score, pd_of_scores(card, score)


def _alone(signal: str, train: Observations, test: Observations) -> Floats:
    """The probability one signal gives by itself: logistic regression on it and on its being missing."""

    def design(obs: Observations) -> Floats:
        values = obs.column(signal)
        return np.column_stack([np.nan_to_num(values), np.isnan(values)])

    weights = np.full(train.rows, train.customers / train.rows)
    return fit_logistic(design(train), train.bad, l2=0.1, weights=weights).probability(design(test))
