"""Replaying a period with only what was known on each day, and measuring what the estimates were worth.

The challenger is fitted on the training period alone. Beside it stand the scorecard in use and simple baselines,
on the same rows; intervals come from drawing customers again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from functools import partial
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from customers.bank.access import log_study
from scoring.bygone import Told
from scoring.card import CardError
from scoring.engine import compute
from scoring.fitting.clustered import calibration_by_customer, calibration_together
from scoring.fitting.logistic import FitError
from scoring.fitting.measures import (
    Captured,
    Floats,
    Interval,
    Ranking,
    bootstrap_many,
    brier,
    capture,
    psi_of_values,
)
from scoring.invoices.card import Estimates, InvoiceModel
from scoring.invoices.fitting import fit_invoices, moments_after_due, moments_at_issue
from scoring.invoices.history import History, Moment
from scoring.invoices.ledger import Days, Ledger, beyond
from scoring.invoices.load import customers_of, payers_of
from scoring.invoices.tested import Predictions, final_delays, invoices_of, test_places, versions
from scoring.statement import Scope

TOP = 0.2
AT_ONCE = 20_000
"""Observations estimated at once."""
NAMES = {0: "late", 15: "late_15", 30: "late_30"}


@dataclass(frozen=True, slots=True)
class Period:
    """Train on invoices issued before `train_until` as known that day; test on those issued from..to, inclusive."""

    train_until: date
    test_from: date
    test_to: date

    def problem(self) -> str:
        if self.test_from < self.train_until:
            return _("The test begins before the training ends: it would know its own answers.")
        if self.test_to < self.test_from:
            return _("The test ends before it begins.")
        return ""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a backtest found: `report` (docs/invoice-estimates.md names its keys) and a row per test invoice."""

    report: dict[str, Any]
    predictions: Predictions | None = None


def replay(period: Period, ledger: Ledger, *, draws: int = 500, seed: int = 20) -> Replay:
    """The invoices part of `manage.py backtest`. Raises FitError where nothing at all was known on the training day.

    Too few invoices to fit a card to are estimated from the customers' own records blended with the portfolio's.
    """
    until = period.train_until.toordinal()
    try:
        model = fit_invoices(ledger, until, least=1, payers=payers_of)
    except FitError as error:
        raise FitError(_no_training(ledger, period)) from error
    history, told = History(ledger), versions(ledger)
    tests = test_places(ledger, told, period.test_from, period.test_to)
    customers = customers_of(ledger.account[tests])
    report: dict[str, Any] = {
        "trained": trained(model, ledger, period.train_until.toordinal()),
        "tested": _tested(ledger, tests, customers),
    }
    if not tests.size:
        report["refused"] = _("No invoice was issued in the test period.")
        return Replay(report)
    # On the day of issue, whenever the row itself was heard of: nothing that came between may be used.
    seen = Moment(ledger.account[tests], ledger.issued[tests], tests)
    estimates, before = _estimated(model, history, seen, _trained_on(ledger, period))
    low, high = final_delays(ledger, told, tests)
    rivals = _rivals(model, ledger, history, seen, period)
    report["targets"] = {
        name: _target(
            beyond(low, high, days),
            getattr(estimates, name),
            rivals[days],
            customers,
            draws,
            seed,
        )
        for days, name in NAMES.items()
    }
    report["psi"] = _psi(before, estimates.late)
    report["overdue"] = _overdue(model, history, tests, low, high, customers, draws, seed)
    report["days_late"] = _days_late(estimates, low, high)
    return Replay(report, Predictions.of(ledger, tests, estimates))


def _tested(ledger: Ledger, tests: Days, customers: Days) -> dict[str, int]:
    return {
        "invoices": int(np.unique(invoices_of(ledger.row[tests])).size),
        "instalments": int(tests.size),
        "customers": int(np.unique(customers).size),
    }


def _trained_on(ledger: Ledger, period: Period) -> Moment:
    return moments_at_issue(ledger, np.flatnonzero(ledger.issued < period.train_until.toordinal()))


def _estimated(
    model: InvoiceModel, history: History, seen: Moment, before: Moment | None = None
) -> tuple[Estimates, Floats]:
    """(estimates of `seen`, chances of being late of `before`), some customers at a time.

    What a customer's estimate is made of is its own record and sums of the whole book, so ranges change nothing; they
    bound the memory, and the sums of a customer are made once for both.
    """
    count = seen.day.size
    found = Estimates(*np.empty((len(fields(Estimates)), count)))
    earlier = np.empty(0 if before is None else before.day.size)
    both = seen
    if before is not None:
        both = Moment(*(np.r_[getattr(seen, f.name), getattr(before, f.name)] for f in fields(Moment)))
    for some in _by_customer(both.account):
        said = model.estimate(history, Moment(both.account[some], both.day[some], both.place[some]))
        asked = some < count
        for column in fields(Estimates):
            getattr(found, column.name)[some[asked]] = getattr(said, column.name)[asked]
        earlier[some[~asked] - count] = said.late[~asked]
    return found, earlier


def _by_customer(account: Days) -> Iterator[Days]:
    """Places of AT_ONCE observations at a time, those of a customer as far as may be together."""
    order = np.argsort(account, kind="stable")
    for begin in range(0, order.size, AT_ONCE):
        yield np.sort(order[begin : begin + AT_ONCE])


def _no_training(ledger: Ledger, period: Period) -> str:
    """Why there is nothing to learn from, and what helps."""
    day = period.train_until.toordinal()
    before, known = ledger.issued < day, ledger.known <= day
    figures = {
        "day": period.train_until.isoformat(),
        "before": int(before.sum()),
        "first": date.fromordinal(int(ledger.issued.min())).isoformat(),
    }
    if before.any() and not (before & known).any():
        return (
            _(
                "On %(day)s none of the %(before)s invoices issued before it was known: the import says they became known "
                'later. Import a backfill with known_on "own", or train until a later day (--train-until).'
            )
            % figures
        )
    return (
        _(
            "No invoice with a known course had fallen due by %(day)s (%(before)s were issued before it, the first of the "
            "ledger on %(first)s): train until a later day (--train-until), or import earlier invoices."
        )
        % figures
    )


def trained(model: InvoiceModel, ledger: Ledger, until: int) -> dict[str, Any]:
    def target(t: Any) -> dict[str, Any]:
        return {
            "rows": t.rows,
            "events": t.events,
            "customers_with_events": t.payers,
            "fitted": t.fitted,
            "scaled_from": None if t.scaled_from is None else NAMES[t.scaled_from],
            "ratio": t.ratio if t.scaled_from is not None else None,
            "ridge": t.ridge or None,
            "note": t.why,
        }

    return {
        "until": date.fromordinal(until).isoformat(),
        "invoices": int((ledger.issued < until).sum()),
        "at_issue": {NAMES[t.days]: target(t) for t in model.issue},
        "unpaid_after_due": {NAMES[t.days]: target(t) for t in model.unpaid},
    }


def _rivals(
    model: InvoiceModel, ledger: Ledger, history: History, seen: Moment, period: Period
) -> dict[int, dict[str, Floats]]:
    """Per target, the risk each simple rule gives on the same day with the same knowledge."""
    count, late, _took = history.payments(seen)
    known = model.issue[0].priors.days_late.mean if model.issue[0].priors else 0.0
    mean = np.where(count > 0, np.divide(late, count, out=np.zeros_like(late), where=count > 0), known)
    score = _scores(ledger, seen)
    found: dict[int, dict[str, Floats]] = {}
    for target in model.issue:
        rate = (target.events + 1) / (target.rows + 2)
        found[target.days] = {"mean_days_late": mean, "portfolio_rate": np.full(mean.size, rate)}
        if score is not None:
            found[target.days]["current_card"] = -score
    return found


def _scores(ledger: Ledger, seen: Moment) -> Floats | None:
    """The active scorecard's score of each payer on each day, as known then; one statement per day.

    Figures of others that no pass had stored are told once per week, not once per day.
    """
    found = np.full(seen.day.size, np.nan)
    told: Told = {}
    days = [date.fromordinal(int(day)) for day in (seen.day.min(), seen.day.max())]
    log_study(reader=Actor.job("backtest"), days=days)
    order = np.argsort(seen.day, kind="stable")
    known, first = np.unique(seen.day[order], return_index=True)
    try:
        for day, places in zip(known, np.split(order, first[1:]), strict=True):
            when = date.fromordinal(int(day))
            some = Scope.of(np.unique(seen.account[places]).tolist())
            rows = compute(when, some, View(known_at=when), told=told)
            scores = np.array([(row.account_id, row.score) for row in rows], dtype=np.int64).reshape(-1, 2)
            if not np.isin(seen.account[places], scores[:, 0]).all():
                return None
            found[places] = scores[np.searchsorted(scores[:, 0], seen.account[places]), 1]
    except CardError:
        return None
    return found


def _target(
    happened: Floats, chance: Floats, rivals: dict[str, Floats], customers: Days, draws: int, seed: int
) -> dict[str, Any]:
    """Measures of one target; rows whose outcome nobody knows yet are left out."""
    told = ~np.isnan(happened)
    bad, group = happened[told], customers[told]
    result: dict[str, Any] = {
        "rows": int(told.sum()),
        "undecided": int((~told).sum()),
        "events": int(bad.sum()),
        "models": {},
    }
    if not told.any():
        return result
    risks = {"challenger": chance[told], **{name: risk[told] for name, risk in rivals.items()}}
    figures: dict[str, Callable[[Floats], float | None]] = {}
    for name, risk in risks.items():
        ranking = Ranking(bad, risk)
        figures[f"{name}.auc"] = ranking.auc
        figures[f"{name}.ks"] = lambda w, r=ranking: (r.ks(w) or (None,))[0]  # type: ignore[misc]
        if name in {"challenger", "portfolio_rate"}:
            figures[f"{name}.brier"] = lambda w, p=risk: brier(bad, p, w)  # type: ignore[misc]
    intervals = bootstrap_many(group, figures, draws=draws, seed=seed)
    everything = np.ones(bad.size)
    for name in risks:
        model: dict[str, Any] = {}
        for measure in ("auc", "ks", "brier"):
            key = f"{name}.{measure}"
            if key in figures:
                model[measure] = figure(figures[key](everything), intervals[key])
        area, interval = model["auc"]["value"], intervals[f"{name}.auc"]
        doubled = interval and Interval(2 * interval.low - 1, 2 * interval.high - 1, interval.draws)
        model["gini"] = figure(None if area is None else 2 * area - 1, doubled)
        result["models"][name] = model
    table = calibration_by_customer(bad, chance[told], group)
    result["calibration"] = table
    result["calibration_agrees"] = sum(row["agrees"] for row in table)
    result["calibration_together"] = _together(bad, chance[told], group)
    return result


def _together(happened: Floats, chance: Floats, customers: Days) -> dict[str, Any] | None:
    found = calibration_together(happened, chance, customers)
    return None if found is None else found.as_dict()


def figure(value: float | None, interval: Interval | None) -> dict[str, Any]:
    return {"value": value, "interval": None if interval is None else [interval.low, interval.high]}


def _psi(before: Floats, late: Floats) -> dict[str, Any]:
    """Drift of the chance of being late between the invoices trained on and those tested on."""
    found = psi_of_values(before, late)
    return (
        {"value": None}
        if found is None
        else {"value": found.value, "reading": found.reading, "empty_bins": found.floored}
    )


def _overdue(
    model: InvoiceModel,
    history: History,
    tests: Days,
    low: Days,
    high: Days,
    customers: Days,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Of the amount that ended very late, what the riskiest fifth of the invoices overdue on the day after their due
    date holds, ranked by expected loss: the chance of it, given that it is unpaid, times the open amount."""
    ledger = history.ledger
    seen = moments_after_due(ledger, tests)
    open_then = (ledger.paid_known[tests] > seen.day) & (ledger.closed_known[tests] > seen.day)
    part = Moment(seen.account[open_then], seen.day[open_then], tests[open_then])
    result: dict[str, Any] = {"invoices": int(open_then.sum())}
    if not open_then.any():
        return result
    estimates, _none = _estimated(model, history, part)
    payers = customers[open_then]
    amount = ledger.amount[part.place]
    count, late, _took = history.payments(part)
    mean = np.divide(late, count, out=np.zeros_like(late), where=count > 0)
    for days, name in list(NAMES.items())[1:]:
        happened = beyond(low[open_then], high[open_then], days)
        told = ~np.isnan(happened)
        lost = (happened * amount)[told]
        ranked = {
            "challenger": (getattr(estimates, name) * amount)[told],
            "amount": amount[told],
            "mean_days_late": (mean * amount)[told],
        }
        figures = {rule: partial(Captured(lost, risk).share, TOP) for rule, risk in ranked.items()}
        intervals = bootstrap_many(payers[told], figures, draws=draws, seed=seed)
        result[name] = {
            "events": int(np.nansum(happened)),
            "share_of_loss_in_top_fifth": {
                rule: figure(capture(lost, risk, TOP), intervals[rule]) for rule, risk in ranked.items()
            },
        }
        if told.any():
            table = calibration_by_customer(happened[told], getattr(estimates, name)[told], payers[told])
            result[name]["calibration"] = table
            result[name]["calibration_agrees"] = sum(row["agrees"] for row in table)
            result[name]["calibration_together"] = _together(
                happened[told], getattr(estimates, name)[told], payers[told]
            )
    return result


def _days_late(estimates: Estimates, low: Days, high: Days) -> dict[str, Any]:
    """Expected against actual days late, and how often the payment fell within its range; paid invoices only."""
    paid = low == high
    if not paid.any():
        return {"rows": 0}
    late, expected = np.maximum(low[paid], 0).astype(np.float64), estimates.days_late[paid]
    within = (low[paid] >= estimates.p10[paid]) & (low[paid] <= estimates.p90[paid])
    return {
        "rows": int(paid.sum()),
        "expected": float(expected.mean()),
        "actual": float(late.mean()),
        "mean_absolute_error": float(np.abs(expected - late).mean()),
        "within_p10_p90": float(within.mean()),
    }
