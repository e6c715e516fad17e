"""Fitting an invoice card to a ledger, and saying what it cannot carry.

Only what was known by the training day is used: each training invoice is seen on its own day, and its outcome as
the training day knew it. How strongly the card is held to the portfolio's own estimate (the ridge) is chosen by
forecasting later parts of the training period from earlier ones, never by anything after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from creditdesk.core.sentences import gettext as _
from scoring.fitting.calibration import Calibration, at_level, slope_by_part
from scoring.fitting.logistic import Coefficients, FitError, fit_logistic, log_loss, logit
from scoring.fitting.measures import Floats
from scoring.invoices.card import TARGETS, Chances, InvoiceModel, Target, both_views, chances, overdue_chances
from scoring.invoices.channel import Channel
from scoring.invoices.delays import Curves
from scoring.invoices.drift import SETTINGS, USUAL, Drift, weigh
from scoring.invoices.features import (
    FEATURES,
    GROWS,
    KINDS,
    LATE_SHARE,
    UNTOLD,
    Mean,
    Priors,
    Rate,
    features,
    rows_alike,
)
from scoring.invoices.forward import (
    MIN_EVENTS,
    RIDGES,
    Fold,
    Told,
    folds_of,
    left_out,
    losses_by_payer,
)
from scoring.invoices.history import (
    EARLIEST,
    LATEST,
    History,
    Moment,
    moments_after_due,
    moments_at_issue,
)
from scoring.invoices.ledger import Days, Ledger, beyond, drawn

Payers = Callable[[Days], Days]
"""Accounts to what their customers are told apart by."""
MIN_PAYERS = 5
"""Payers the events must be spread over."""
MIN_ROWS = 60
CALIBRATION_ROWS, CALIBRATION_STRENGTH = 300, 400.0
LEFT_OUT_STRENGTH, FURTHEST = 50.0, 0.8
"""Rows' worth by which the slope is held to 1 where customers left out tell it, and how far they press it at most."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Training rows: where they stand in the ledger, when they were seen, whose they are, what became of them by the
    training day."""

    seen: Moment
    payer: Days
    low: Days
    high: Days
    judged: int

    def of(self, ledger: Ledger, days: int) -> tuple[Floats, NDArray[np.bool_]]:
        """(1 where more than `days` late, which rows to use): old enough to be decided whoever pays when."""
        happened = beyond(self.low, self.high, days)
        return happened, (ledger.due[self.seen.place] + days < self.judged) & ~np.isnan(happened)


def fit_invoices(
    ledger: Ledger, until: int, *, least: int = MIN_ROWS, payers: Payers | None = None
) -> InvoiceModel:
    """The card of the invoices issued before day `until`, as known on that day. Raises FitError with the reason.

    least: invoices fallen due below which it is refused. A target with too few events is never fitted: below MIN_ROWS
    everything is the payers' own record blended with the portfolio's. payers: whose the accounts are
    (scoring.invoices.load.payers_of), so that whole customers are left out; without it each is somebody else's.
    """
    history = History(ledger)
    at_issue, after_due = training(ledger, until, payers)
    if at_issue.low.size < least:
        raise FitError(
            _("Only %(count)s invoices had fallen due by then; at least %(least)s are needed.")
            % {"count": at_issue.low.size, "least": least}
        )
    first, second = Chances(history, at_issue.seen), Chances(history, after_due.seen)
    issue = _targets(first, at_issue, TARGETS, None)
    unpaid = _targets(second, after_due, TARGETS[1:], 0)
    levels = tuple(_level(second, issue, target, after_due) for target in unpaid)
    at_first = chances(issue, first)[0] if at_issue.low.size else np.zeros(0)
    at_second = overdue_chances(issue, unpaid, levels, second)[0] if after_due.low.size else np.zeros(0)
    return InvoiceModel(
        issue=issue,
        unpaid=unpaid,
        levels=levels,
        issue_curves=Curves.fit(at_first, at_issue.low, at_issue.high),
        unpaid_curves=Curves.fit(at_second, after_due.low, after_due.high),
    )


def _level(said: Chances, issue: tuple[Target, ...], target: Target, after_due: Outcomes) -> Calibration:
    """Brings the mean of both views of an overdue invoice to the share seen in training."""
    happened, told = after_due.of(said.history.ledger, target.days)
    if not target.fitted or target.priors is None:
        return Calibration()
    return at_level(both_views(issue, target, said)[told], happened[told], 1.0)


def training(ledger: Ledger, until: int, payers: Payers | None = None) -> tuple[Outcomes, Outcomes]:
    """What a card is fitted on: invoices due before `until` on their day of issue, and those of them that were
    unpaid on the day after they were due, on that day."""
    usable = (ledger.issued < until) & (ledger.known <= until) & (ledger.until > until)
    low, high = ledger.delay_at(until)
    # By its due date, not earlier because it was paid early: otherwise the prompt would be counted first.
    ripe = usable & (low > -(10**6)) & (ledger.due < until)
    places = drawn(ledger, np.flatnonzero(ripe))
    after = moments_after_due(ledger, places)
    late = places[
        (ledger.paid_known[places] > after.day)
        & (ledger.closed_known[places] > after.day)
        & (after.day <= until)
    ]
    whose = payers or np.asarray
    return (
        Outcomes(
            moments_at_issue(ledger, places), whose(ledger.account[places]), low[places], high[places], until
        ),
        Outcomes(moments_after_due(ledger, late), whose(ledger.account[late]), low[late], high[late], until),
    )


def _targets(
    said: Chances, outcomes: Outcomes, wanted: tuple[int, ...], above: int | None
) -> tuple[Target, ...]:
    targets: list[Target] = []
    chain: list[int] = []
    for days in wanted:
        chain.append(days)
        targets.append(_target(said, outcomes, tuple(chain), above, targets))
    return tuple(targets)


def _target(
    said: Chances, outcomes: Outcomes, chain: tuple[int, ...], above: int | None, before: list[Target]
) -> Target:
    days, history = chain[-1], said.history
    led, place = history.ledger, outcomes.seen.place
    happened, told = outcomes.of(led, days)
    events = int(np.nansum(happened[told]))
    others = int(told.sum()) - events
    payers = int(np.unique(outcomes.payer[told & (happened == 1)]).size)
    counts: dict[str, Any] = {"days": days, "rows": int(told.sum()), "events": events, "payers": payers}
    if min(events, others) < MIN_EVENTS or payers < MIN_PAYERS:
        if before:
            return _scaled(outcomes, happened, told, before, counts)
        return _blended(_priors(history, outcomes, chain, above, told), counts)
    priors = _priors(history, outcomes, chain, above, told)
    X = features(priors, history, outcomes.seen)
    rows = np.flatnonzero(told)
    ripe_on = led.due[place] + days + 1
    seen = outcomes.seen
    fit, ridge, forecast, left_out, drift = _fit(
        X[rows], happened[rows], seen.day[rows], ripe_on[rows], seen.account[rows], outcomes.payer[rows]
    )
    calibration = at_level(fit.log_odds(X[rows]), happened[rows], _slope(forecast, left_out))
    target = Target(
        intercept=fit.intercept,
        coef=fit.coef,
        priors=priors,
        calibration=calibration,
        drift=drift,
        ridge=ridge,
        **counts,
    )
    said.of(target, X)
    return target


def _slope(forecast: Told | None, others: Told) -> float:
    """What the log-odds are multiplied with: as the forecasts of later parts ask for, and pressed further where those
    of customers left out ask for it.

    Forecasts say how the book goes on, but are made by cards of fewer rows; whoever is left out shows by how much the
    card of (nearly) all rows is fitted to the noise of its own customers. That can only overstate, so the second
    never stretches; nor does it press by more than FURTHEST, for more than that is no noise but a book that turned.
    """
    slope = 1.0
    if forecast is not None and forecast[0].size >= CALIBRATION_ROWS:
        slope = slope_by_part(*forecast, strength=CALIBRATION_STRENGTH)
    if others[0].size < CALIBRATION_ROWS:
        return slope
    parts = [others] if forecast is None else [forecast, others]
    odds, truth, part = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return min(slope, max(slope_by_part(odds, truth, part, strength=LEFT_OUT_STRENGTH), FURTHEST * slope))


def _blended(priors: Priors, counts: dict[str, Any]) -> Target:
    """Too few events and no nearer target: each payer's own record blended with the portfolio, nothing fitted."""
    why = _(
        "%(events)s of %(rows)s invoices were more than %(days)s days late, from %(payers)s customers; fitting needs "
        "%(least)s that were and %(least)s that were not, from %(few)s customers: estimated from each customer's "
        "own record blended with the portfolio's."
    ) % {**counts, "least": MIN_EVENTS, "few": MIN_PAYERS}
    coef = tuple(1.0 if n == LATE_SHARE else 0.0 for n in range(len(FEATURES)))
    return Target(
        intercept=float(logit(priors.rate)), coef=coef, priors=priors, fitted=False, why=why, **counts
    )


def _scaled(
    outcomes: Outcomes,
    happened: Floats,
    told: NDArray[np.bool_],
    before: list[Target],
    counts: dict[str, Any],
) -> Target:
    """Too few events: the nearer target's chance times how often its events went on to this one."""
    others = counts["rows"] - counts["events"]
    last = before[-1]
    nearer = told & (beyond(outcomes.low, outcomes.high, last.days) == 1)
    ratio = (float(happened[nearer].sum()) + 0.5) / (nearer.sum() + 1)
    why = _(
        "%(events)s of %(rows)s invoices were more than %(days)s days late (%(others)s were not): too few to fit; "
        "estimated as %(share)s of the chance of more than %(nearer)s days."
    ) % {**counts, "others": others, "share": f"{ratio:.0%}", "nearer": last.days}
    return Target(scaled_from=last.days, ratio=ratio, fitted=False, why=why, **counts)


def _priors(
    history: History, outcomes: Outcomes, chain: tuple[int, ...], above: int | None, told: NDArray[np.bool_]
) -> Priors:
    led, place = history.ledger, outcomes.seen.place
    _ids, payer = np.unique(outcomes.seen.account, return_inverse=True)
    steps, base = [], above
    alike: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for days in chain:
        happened = beyond(outcomes.low, outcomes.high, days)
        ripe = (led.due[place] + days < outcomes.judged) & ~np.isnan(happened)
        if base is not None:
            ripe &= outcomes.low > base
        steps.append(
            (
                days,
                base,
                Rate.of(
                    np.bincount(payer[ripe], minlength=_ids.size),
                    np.bincount(payer[ripe], happened[ripe], minlength=_ids.size),
                ),
            )
        )
        for kind, rows in alike.items():
            rows.append(rows_alike(payer[ripe], history.kinds(kind)[place[ripe]], happened[ripe]))
        base = days
    happened = beyond(outcomes.low, outcomes.high, chain[-1])
    channel = Channel.of(led.channel[place[told]], payer[told], happened[told])
    weekdays = _calendar(led.due[place[told]] % 7, 7, happened[told])
    months = _calendar(history.kinds("month")[place[told]], 3, happened[told])
    # The payers' averages are those of the whole record, whatever day the card looks at.
    due = (led.due < outcomes.judged) & (led.known <= outcomes.judged)
    low, high = led.delay_at(outcomes.judged)
    paid = due & (low == high)
    counted = due & (low > -(10**6))
    terms = (led.due - led.issued)[place].astype(np.float64)
    sizes = np.log(np.maximum(led.amount[place], 0.01))
    currency = led.currency[place]
    return Priors(
        steps=tuple(steps),
        delay=Mean.of(led.account[counted], np.clip(low[counted], EARLIEST, LATEST).astype(np.float64)),
        days_late=Mean.of(led.account[paid], np.clip(low[paid], 0, 2 * LATEST).astype(np.float64)),
        took=Mean.of(
            led.account[paid], np.clip((led.paid - led.issued)[paid], 0, 4 * LATEST).astype(np.float64)
        ),
        terms=float(terms.mean()) if terms.size else 0.0,
        terms_vary=bool(terms.size and terms.std() > 1),
        disputes=_disputes(led, outcomes),
        book=_book(outcomes, chain, above),
        weekdays=weekdays,
        months=months,
        channel=channel,
        alike={kind: tuple(rows) for kind, rows in alike.items()},
        sizes={str(code): float(sizes[currency == code].mean()) for code in np.unique(currency)},
        size=float(sizes.mean()) if sizes.size else 0.0,
    )


def _calendar(part: Days, parts: int, happened: Floats) -> tuple[float, ...]:
    """Log-odds of each part of the week or month against the whole, as far as they differ beyond doubt."""
    count, events = np.bincount(part, minlength=parts), np.bincount(part, happened, minlength=parts)
    rate = Rate.of(count, events, doubt=2.0)
    shares = rate.blended(count, events)
    return tuple(float(v) for v in logit(shares, 1e-4) - logit(rate.rate, 1e-4))


def _disputes(ledger: Ledger, outcomes: Outcomes) -> Rate:
    """Share of invoices that had been disputed by the training day; 0 in a book that records no dispute."""
    there = (
        (ledger.known <= outcomes.judged) & (ledger.until > outcomes.judged) & (ledger.due < outcomes.judged)
    )
    disputed = there & (ledger.disputed <= outcomes.judged)
    if not disputed.any():
        return Rate(0.0, 10.0)
    _ids, payer = np.unique(ledger.account[there], return_inverse=True)
    return Rate.of(np.bincount(payer), np.bincount(payer, disputed[there]))


def _book(outcomes: Outcomes, chain: tuple[int, ...], above: int | None) -> Rate:
    """How much the whole book moves from month to month beyond chance, in the card's first step."""
    happened = beyond(outcomes.low, outcomes.high, chain[0])
    led_ripe = ~np.isnan(happened)
    if above is not None:
        led_ripe &= outcomes.low > above
    month = (outcomes.seen.day[led_ripe] - int(outcomes.seen.day.min(initial=0))) // 30
    return Rate.of(np.bincount(month), np.bincount(month, happened[led_ripe]), least=1e-4)


def _fit(
    X: Floats, happened: Floats, day: Days, ripe_on: Days, account: Days, payer: Days
) -> tuple[Coefficients, float, Told | None, Told, Drift]:
    """The card, its mean ridge, the forecasts it was weighed by, those of customers left out, and its drift.

    The card is the mean of those fitted under each ridge, weighed by what they foretold of later parts of the
    training period and what they told of customers left out: still one coefficient per feature, and no single choice to
    be unlucky with. (Later parts alone ask for next to nothing beyond the records where the book turned shortly before
    the end, for no part knew of it.)
    """
    # Where nothing can be told from how invoices are sent, it has no place in the card at all.
    used = UNTOLD | X.any(axis=0)
    X = np.ascontiguousarray(X[:, used])
    scale = X.std(axis=0)
    scale[scale < 1e-9] = 1.0
    scaled = X / scale
    toward = np.array([f.starts for f in FEATURES])[used] * scale
    grows = GROWS[used]

    def fitted(rows: Any, ridge: float) -> Coefficients:
        return fit_logistic(scaled[rows], happened[rows], l2=ridge, nonnegative=grows, toward=toward)

    folds = list(folds_of(day, ripe_on, happened))
    center = float(logit(happened.mean()))
    apart = losses_by_payer(fitted, scaled, happened, payer)
    told: Told | None = None
    if not folds:
        weights = weigh(list(apart), 1)
        drift = Drift.weighed(0.0, [0.0] * len(SETTINGS), 1, center)
    else:
        truth = np.concatenate([happened[test] for _known, test in folds])
        part = np.repeat(np.arange(len(folds)), [test.size for _known, test in folds]).astype(np.float64)
        cards = [[fitted(known, ridge) for known, _test in folds] for ridge in RIDGES]
        said = [[card.log_odds(scaled) for card in row] for row in cards]
        book = [Fold(known, test, happened, day, ripe_on, account) for known, test in folds]
        losses = [
            log_loss(
                truth,
                np.concatenate([f.moved(o, [USUAL], center)[0] for f, o in zip(book, row, strict=True)]),
            )
            for row in said
        ]
        weights = weigh(list(np.array(losses) * truth.size + apart), 1)
        odds = [np.average([row[n] for row in said], axis=0, weights=weights) for n in range(len(folds))]
        told = (np.concatenate([o[test] for o, (_k, test) in zip(odds, folds, strict=True)]), truth, part)
        still = log_loss(truth, told[0])
        moved = zip(*(f.moved(o, SETTINGS, center) for f, o in zip(book, odds, strict=True)), strict=True)
        drift = Drift.weighed(still, [log_loss(truth, np.concatenate(o)) for o in moved], truth.size, center)
    card, ridge = _mean_card(fitted, scale, weights)
    coef = np.zeros(used.size)
    coef[used] = card.coef
    card = replace(card, coef=tuple(map(float, coef)))
    return card, ridge, told, left_out(fitted, scaled, happened, payer, ridge), drift


def _mean_card(fitted: Any, scale: Floats, weights: Floats) -> tuple[Coefficients, float]:
    """The weighed mean of the cards under each ridge, on the features as they are; and the mean ridge (of its log)."""
    kept = [
        (weight, ridge, fitted(slice(None), ridge))
        for weight, ridge in zip(weights, RIDGES, strict=True)
        if weight > 0.01
    ]
    share = np.array([weight for weight, _r, _c in kept])
    share /= share.sum()
    coef = np.average([card.coef for _w, _r, card in kept], axis=0, weights=share) / scale
    intercept = float(np.average([card.intercept for _w, _r, card in kept], weights=share))
    ridge = float(np.exp(np.average(np.log([ridge for _w, ridge, _c in kept]), weights=share)))
    return replace(kept[int(share.argmax())][2], intercept=intercept, coef=tuple(map(float, coef))), ridge
