"""The probability of a card, fitted to the firm's own outcomes: only its odds move, its points and grades stay.

The same event and the same observations as `fit_scorecard` (scoring/fitting/outcomes.py, observations.py), those the
card scores: a thin card is calibrated on thin files with bank data, or not at all. A version in use is frozen, so the
new odds come as a draft with a report, which is tried, proposed and published like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, View
from creditdesk.core.models import User
from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import in_a_row
from scoring.beside import begin_anew
from scoring.calibrated import FITTED, LEVEL
from scoring.card import CardError, as_card, fingerprint, problems
from scoring.evidence import odds_of, scored_by, scores_of
from scoring.fitting import odds as fitting
from scoring.fitting.account_figures import counts_of, customer_years
from scoring.fitting.account_fit import NotEnoughEvents, customer_folds
from scoring.fitting.measures import Floats, brier
from scoring.fitting.observations import (
    LEAST_HISTORY_DAYS,
    Observations,
    horizon_of,
    ledger_span,
    observation_days,
    observe,
)
from scoring.fitting.odds import LEVEL_FROM, PRIOR, SLOPE_FROM, Moved, NoOrder, Odds, Sample
from scoring.fitting.outcomes import default_episodes
from scoring.models import CardReport, Scorecard
from scoring.publishing import LIFE, PublishingError
from scoring.reports import store_report
from scoring.taught import first_odds_lesson, lesson_of_odds, with_odds

FOLDS, SEED = 5, 20


@dataclass(frozen=True)
class Calibrated:
    """New odds of a card and what they stand on. state: "fitted" or "level"; said: fingerprint of the points."""

    said: str
    state: str
    odds: Odds
    until: date
    events: int
    years: int
    figures: dict[str, Any]


def calibrate(card: Scorecard, until: date | None = None, reader: Actor | None = None) -> Calibrated:
    """Fit a card's odds to what was known on `until` (default: all there is). Stores nothing.

    A learned card on observations after the outcomes that taught its points. Raises NotEnoughEvents with the counts and the cure, CardError for a card that cannot be used or orders nobody,
    NoActiveCard, MissingRate.
    """
    ready = as_card(card, list(card.bins.all()))
    wrong = problems(ready)
    if wrong:
        raise CardError(in_a_row(wrong))
    said, taught = fingerprint(ready, points_only=True), card.learned_until
    obs, through, labels = _observed(until, reader, taught)
    obs = obs.take(scored_by(ready, obs))
    sample = Sample(scores_of(ready, obs).astype(np.int64), obs.bad, obs.customer)
    state = fitting.tells(sample)
    years = customer_years(obs)
    if not state:
        raise _too_few(card, obs, sample, years, taught)
    now, expert = odds_of(card), expert_odds(card)
    level_only = state == LEVEL
    try:
        found = fitting.fit(sample, expert, level_only=level_only)
    except NoOrder as error:
        raise CardError(
            _(
                "%(events)s of %(customers)s customers defaulted, but not those this card scores low: no odds can put "
                "that right. Learn a card from your ledger (manage.py fit_scorecard) or change its points."
            )
            % {"events": sample.bad_customers, "customers": sample.customers}
        ) from error
    new = expert.moved(found.shift, found.slope)
    figures = {
        **counts_of(obs),
        "said": said,
        "rate": float(obs.bad.mean()),
        "until": through.isoformat(),
        "state": state,
        "customer_years": years,
        "prior_defaults": PRIOR,
        "expert": _as_dict(expert),
        "odds_before": _as_dict(now),
        "odds_after": _as_dict(new),
        **_fitted(sample, expert, found, level_only),
        **_compared(obs, sample, now, expert, level_only),
        "out_of_time": _out_of_time(obs, sample, now, expert, labels),
    }
    return Calibrated(said, state, new, through, sample.bad_customers, years, figures)


def _observed(
    until: date | None, reader: Actor | None, taught: date | None
) -> tuple[Observations, date, View]:
    first, through = ledger_span()
    labels = CURRENT
    if until is not None and through is not None and until < through:
        through, labels = until, View(known_at=until)
    days = observation_days(first, through)
    if not days or through is None:
        raise NotEnoughEvents(
            _(
                "No observation has a complete year after it: the ledger runs from %(first)s and is complete "
                "through %(through)s; %(days)s days before and 12 months after an observation are needed."
            )
            % {"first": first or "-", "through": through or "-", "days": LEAST_HISTORY_DAYS},
            {"observations": 0, "customers": 0, "bad_customers": 0, "needed": LEVEL_FROM},
        )
    days = [day for day in days if taught is None or day > taught]
    return observe(days, labels=labels, reader=reader), through, labels


def _too_few(
    card: Scorecard, obs: Observations, sample: Sample, years: int, taught: date | None
) -> NotEnoughEvents:
    counts = {
        "observations": obs.rows,
        "customers": obs.customers,
        "bad_customers": obs.bad_customers,
        "customer_years": years,
        "needed": LEVEL_FROM,
        "needed_for_slope": SLOPE_FROM,
        "dates": [day.isoformat() for day in obs.days],
    }
    who = _("thin files it scores") if card.kind == Scorecard.Kind.THIN else _("customers")
    text = _(
        "%(events)s of %(customers)s %(who)s defaulted in %(years)s customer-years; the level of a probability takes "
        "%(level)s that did and %(level)s that did not, its slope %(slope)s. Import older ledgers, or wait for more "
        "outcomes; until then the card stays uncalibrated."
    ) % {
        "events": sample.bad_customers,
        "customers": sample.customers,
        "who": who,
        "years": years,
        "level": LEVEL_FROM,
        "slope": SLOPE_FROM,
    }
    if taught is not None:
        learned = _(
            "The card learned its points from outcomes through %(day)s: only observations after it count."
        )
        text = in_a_row([text, learned % {"day": taught}])
    return NotEnoughEvents(text, counts)


def expert_odds(card: Scorecard) -> Odds:
    """The odds before anybody calibrated: a second calibration starts from them, or the same defaults would count twice.

    So it does of odds changed by hand since: whoever changed fitted odds stood on the outcomes as well."""
    found = first_odds_lesson(card)
    return odds_of(card) if found is None else Odds(**found["expert"])


def _as_dict(odds: Odds) -> dict[str, Any]:
    return {"anchor": odds.anchor, "odds": odds.odds, "doubling": odds.doubling}


def _fitted(sample: Sample, expert: Odds, found: Moved, level_only: bool) -> dict[str, Any]:
    around = fitting.spread(sample, expert, found, level_only=level_only)
    new = expert.moved(found.shift, found.slope)
    return {
        "shift": found.shift,
        "shift_interval": around.interval(around.shift),
        "shift_from_data": found.shift_share,
        "slope": found.slope,
        "slope_interval": None if level_only else around.interval(around.slope),
        "slope_from_data": found.slope_share,
        "stray": around.stray,
        "mean_pd": float(new.pd(sample.score).mean()),
        "fifths": [
            {
                "low": int(sample.score[rows].min()),
                "high": int(sample.score[rows].max()),
                "pd": float(new.pd(sample.score[rows]).mean()),
                "interval": around.of_mean_pd(expert, sample.score[rows], part=True),
            }
            for rows in fitting.fifths(sample.score)
        ],
    }


def _compared(obs: Observations, sample: Sample, now: Odds, expert: Odds, level_only: bool) -> dict[str, Any]:
    """Before and after on the same rows; after: odds fitted without the row's customer."""
    folds = customer_folds(obs, FOLDS, SEED)
    after = fitting.cross_fitted(sample, expert, folds, level_only=level_only)
    return {"how": "cross-fitted by customer", "folds": FOLDS, **_beside(sample, now.pd(sample.score), after)}


def _beside(sample: Sample, before: Floats, after: Floats) -> dict[str, Any]:
    return {
        "tenths": fitting.by_tenth(sample, before, after),
        "brier_before": brier(sample.bad, before),
        "brier_after": brier(sample.bad, after),
        "mean_before": float(before.mean()),
        "mean_after": float(after.mean()),
    }


def _out_of_time(obs: Observations, sample: Sample, now: Odds, expert: Odds, labels: View) -> dict[str, Any]:
    """Fitted to what was known on a day, tested on the observations from then on; the day that leaves most defaults on
    both sides. {"refused": why} where the ledger is too short for two halves."""
    best: tuple[int, date, Any, Sample] | None = None
    for cut in obs.days:
        early = np.isin(obs.day, [d.toordinal() for d in obs.days if horizon_of(d) <= cut])
        late = obs.day >= cut.toordinal()
        if not early.any():
            continue
        fewer = min(sample.take(early).bad_customers, sample.take(late).bad_customers)
        if best is None or fewer > best[0]:
            best = (fewer, cut, late, replace(sample.take(early), bad=_known_then(obs, early, cut)))
    if best is None or best[0] < LEVEL_FROM or not fitting.tells(best[3]):
        return {
            "refused": _(
                "Too few defaults to fit on one year and test on a later one: at least %(least)s on each side."
            )
            % {"least": LEVEL_FROM}
        }
    _fewer, cut, late, train = best
    test, level_only = sample.take(late), fitting.tells(best[3]) == LEVEL
    try:
        found = fitting.fit(train, expert, level_only=level_only)
    except NoOrder:
        found = fitting.fit(train, expert, level_only=True)
    after = expert.moved(found.shift, found.slope).pd(test.score)
    return {
        "learned_until": cut.isoformat(),
        "learned_events": train.bad_customers,
        "from": cut.isoformat(),
        "to": obs.days[-1].isoformat(),
        "events": test.bad_customers,
        "customers": test.customers,
        **_beside(test, now.pd(test.score), after),
    }


def _known_then(obs: Observations, early: Any, cut: date) -> Floats:
    """Outcomes of the early observations as they were known on the day of the cut."""
    episodes = default_episodes(cut, View(known_at=cut))
    found = np.zeros(int(early.sum()))
    account, day = obs.account[early], obs.day[early]
    for one in np.unique(day):
        when = date.fromordinal(int(one))
        rows = day == one
        found[rows] = np.isin(account[rows], list(episodes.between(when, horizon_of(when))))
    return found


@transaction.atomic
def keep_calibrated(
    card: Scorecard, found: Calibrated, *, as_of: date, actor: Actor, by: User | None = None
) -> Scorecard:
    """Put the new odds on a draft with their report: on the card itself where it is a draft `by` works on, else on a copy.

    Raises PublishingError where `by` may not, or where the card is not the one that was calibrated."""
    if by is not None and card.status == Scorecard.Status.DRAFT:
        draft = LIFE.editable(card, by)
    elif by is not None:
        draft = LIFE.copy(card, by=by, as_of=as_of)
    else:
        draft = LIFE.copy_by_job(card, actor=actor, as_of=as_of)
    said = fingerprint(as_card(draft, list(draft.bins.all())), points_only=True)
    if (said, _as_dict(odds_of(draft))) != (found.said, found.figures["odds_before"]):
        raise PublishingError(
            "changed_meanwhile", _("The card was changed while it was calibrated: calibrate it again.")
        )
    new = {
        "calibration": FITTED if found.state == FITTED else LEVEL,
        "calibrated_on": found.until,
        "calibration_events": found.events,
        "calibration_years": found.years,
        "anchor_score": found.odds.anchor,
        "odds_at_anchor": Decimal(str(found.odds.odds)),
        "points_to_double": Decimal(str(found.odds.doubling)),
    }
    begin_anew(draft, as_of)
    before = {name: _plain(getattr(draft, name)) for name in new}
    for name, value in new.items():
        setattr(draft, name, value)
    draft.save(update_fields=list(new))
    report = store_report(
        draft, CardReport.Kind.CALIBRATED, found.until, found.figures, made_by=str(actor.name)
    )
    draft.taught = with_odds(draft.taught, lesson_of_odds(draft, report))
    draft.save(update_fields=["taught"])
    record_act(
        "scorecard.calibrated",
        actor=actor,
        subject=draft,
        business_date=as_of,
        changes=[Change.of(draft, before, {name: _plain(value) for name, value in new.items()})],
        data={
            "code": draft.code,
            "version": draft.version,
            "from": card.pk,
            "state": found.state,
            "events": found.events,
            "report": report.pk,
        },
    )
    return draft


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | str) else str(value)
