"""Learned account cards on generated ledgers with known truth (benchmarks/truth.py), several truths per run.

Each book is learned from its first period (observations whose year of outcome ends with month `--card-train-months`) and
tested out of time on month-ends after that, on the same rows as the expert card, a ridge logistic regression, gradient
boosting, past mean days late, and the true PD itself: the best any score could do. Beside Gini on what happened,
`expected` is Gini with every row counted as its true PD: free of the luck of outcomes. Books differ by seed;
nothing in the product is chosen by looking at them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import _account_models as models
from benchmarks.truth import TrueBook
from creditdesk.core.facts import View
from scoring.fitting.account_card import PointCard, in_points
from scoring.fitting.account_figures import gini_gain
from scoring.fitting.account_fit import AccountFit, NotEnoughEvents, fit_accounts
from scoring.fitting.account_intervals import group_intervals
from scoring.fitting.clustered import calibration_by_customer, share_by_customer
from scoring.fitting.measures import bootstrap_by_group, gini
from scoring.fitting.observations import Observations, month_end, observation_days, observe

Say = Callable[[str], None]
Floats = NDArray[np.float64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card-seeds", default="1,2,3,4", help="truths of the scorecard benchmark")
    parser.add_argument("--card-customers", type=int, default=4000, help="customers per generated book")
    parser.add_argument("--card-months", type=int, default=36)
    parser.add_argument("--card-train-months", type=int, default=24)


def run(options: Any, fresh: Callable[[], None], say: Say) -> None:
    tables: list[dict[str, float]] = []
    coverage: list[tuple[int, int]] = []
    agreement: list[tuple[int, int]] = []
    recovered: dict[str, list[tuple[int, int]]] = {"training": [], "test": []}
    for seed in (int(part) for part in options.card_seeds.split(",")):
        fresh()
        started = time.perf_counter()
        book = TrueBook(seed, options.card_customers, options.card_months)
        book.load()
        say(
            f"\nseed {seed}: {options.card_customers} customers, {sum(map(len, book.invoices))} invoices drawn, {book.truth}"
        )
        train, test = _observed(book, options.card_train_months)
        say(
            f"loaded and observed in {time.perf_counter() - started:.0f} s; training {train.rows} observations, "
            f"{train.bad_customers} customers defaulted; test {test.rows} observations, {test.bad_customers}"
        )
        started = time.perf_counter()
        try:
            fit = fit_accounts(train)
        except NotEnoughEvents as error:
            say(f"refused: {error}")
            continue
        card = in_points(fit.learned, train)
        say(f"learned in {time.perf_counter() - started:.1f} s from {', '.join(r.signal for r in card.rows)}")
        truth = _truth(book, test)
        tables.append(_compared(train, test, truth, card, say))
        _calibrated(test, truth, card, say, coverage, agreement)
        for name, rows in (("training", train), ("test", test)):
            recovered[name].append(_recovered(fit, card, train, rows, _truth(book, rows), name, say))
        _thin(test, truth, card, say)
    if tables:
        _summary(tables, coverage, agreement, recovered, say)


def _observed(book: TrueBook, train_months: int) -> tuple[Observations, Observations]:
    """Training: known by the end of its last month, outcomes included. Test: the month-ends from then on."""
    until = month_end(date.fromordinal(book.firsts[train_months].toordinal() - 1))
    train = observe(observation_days(book.start, until), labels=View(known_at=until))
    after = [day for day in observation_days(until, book.end) if day >= until] or [until]
    after = [until] if len(after) == 1 else after[:: max(len(after) // 3, 1)]
    return train, observe(after)


def _truth(book: TrueBook, obs: Observations) -> Floats:
    """The true PD of each row."""
    found = np.empty(obs.rows)
    for day in obs.days:
        rows = obs.day == day.toordinal()
        month = (day.year - book.start.year) * 12 + day.month - book.start.month
        found[rows] = book.true_pd(month)[obs.account[rows] - 1]
    return found


def _expected_gini(truth: Floats, risk: Floats) -> float:
    """Gini with each row bad with weight truth and good with weight 1 - truth."""
    bad = np.r_[np.ones(truth.size), np.zeros(truth.size)]
    return gini(bad, np.r_[risk, risk], np.r_[truth, 1 - truth]) or 0.0


def _compared(
    train: Observations, test: Observations, truth: Floats, card: PointCard, say: Say
) -> dict[str, float]:
    late = test.column("days_late_12m")
    risks = {
        "learned card": -card.score(test).astype(np.float64),
        "expert card": -test.score,
        "logistic regression": models.logistic(train, test),
        "gradient boosting": models.boosting(train, test),
        "past days late": np.where(np.isnan(late), np.nanmedian(late), late),
        "true PD": truth,
    }
    say(f"{'':<22}{'Gini':>7}  {'95 % by customer':<18}{'expected':>9}")
    table = {}
    for name, risk in risks.items():
        spread = bootstrap_by_group(test.customer, lambda w, risk=risk: gini(test.bad, risk, w), draws=200)
        table[name] = _expected_gini(truth, risk)
        low, high = (spread.low, spread.high) if spread else (float("nan"), float("nan"))
        say(
            f"{name:<22}{gini(test.bad, risk) or 0:>7.3f}  {f'{low:.3f} to {high:.3f}':<18}{table[name]:>9.3f}"
        )
    for other in ("logistic regression", "gradient boosting"):
        gain = gini_gain(test, risks["learned card"], risks[other], draws=200)
        low, high = gain["interval"] or (float("nan"), float("nan"))
        say(f"learned card over {other}: {gain['gain']:+.3f} ({low:+.3f} to {high:+.3f})")
    return table


def _calibrated(
    test: Observations, truth: Floats, card: PointCard, say: Say, coverage: list, agreement: list
) -> None:
    pd = card.pd(card.score(test))
    rows = calibration_by_customer(test.bad, pd, test.customer)
    say("test, by tenth of PD: predicted, observed, 95 % by customer, true")
    agrees = covered = 0
    for row in rows:
        inside = (pd >= row["low"]) & (pd <= row["high"])
        true = float(truth[inside].mean())
        low, high = row["interval"]
        agrees += row["agrees"]
        covered += low <= true <= high
        say(
            f"  {100 * row['predicted']:>6.2f} % {100 * row['observed']:>6.2f} %  "
            f"{f'{100 * low:.2f} to {100 * high:.2f} %':<18} {100 * true:>6.2f} %"
            f"{'' if row['agrees'] else '  outside'}"
        )
    coverage.append((covered, len(rows)))
    agreement.append((agrees, len(rows)))


def _recovered(
    fit: AccountFit,
    card: PointCard,
    train: Observations,
    rows: Observations,
    truth: Floats,
    name: str,
    say: Say,
) -> tuple[int, int]:
    """How often the interval of the learned PD holds the true mean PD, by fifth of the score."""
    score = card.score(rows)
    order = np.argsort(-score, kind="stable")
    groups = np.array_split(order, 5)
    intervals = group_intervals(fit, train, rows, groups)
    pd = card.pd(score)
    held = 0
    parts = []
    for group, (low, high) in zip(groups, intervals, strict=True):
        true = float(truth[group].mean())
        held += low <= true <= high
        mark = "" if low <= true <= high else "*"
        parts.append(
            f"{100 * pd[group].mean():.1f} ({100 * low:.1f}-{100 * high:.1f}) true {100 * true:.1f}{mark}"
        )
    say(f"{name}, by fifth of score, learned PD % with its interval: " + "; ".join(parts))
    return held, len(groups)


def _thin(test: Observations, truth: Floats, card: PointCard, say: Say) -> None:
    thin = test.thin
    pd = card.pd(card.score(test))
    share = share_by_customer(test.bad[thin], test.customer[thin])
    say(
        f"thin customers ({int(thin.sum())} observations): predicted {100 * pd[thin].mean():.2f} %, observed "
        f"{100 * share.value:.2f} % ({100 * share.interval.low:.2f} to {100 * share.interval.high:.2f} %), true "
        f"{100 * truth[thin].mean():.2f} %; portfolio {100 * card.portfolio:.2f} %"
    )


def _summary(tables: list, coverage: list, agreement: list, recovered: dict, say: Say) -> None:
    say(f"\n{len(tables)} truths, mean expected Gini:")
    for name in tables[0]:
        say(f"  {name:<22}{np.mean([table[name] for table in tables]):>7.3f}")
    learned = np.array([table["learned card"] for table in tables])
    for other in ("logistic regression", "gradient boosting", "expert card"):
        gain = learned - np.array([table[other] for table in tables])
        say(
            f"  learned card over {other}: {gain.mean():+.4f} (worst book {gain.min():+.4f}, best {gain.max():+.4f})"
        )

    def share(pairs: list[tuple[int, int]]) -> str:
        hit, of = (sum(column) for column in zip(*pairs, strict=True))
        return f"{hit} of {of} ({100 * hit / of:.0f} %)"

    say(f"tenths whose 95 % interval of the observed rate holds the true mean PD: {share(coverage)}")
    say(f"tenths whose 95 % interval of the observed rate holds the predicted PD: {share(agreement)}")
    for name, pairs in recovered.items():
        say(
            f"fifths of the {name} rows whose 95 % interval of the learned PD holds the true mean: {share(pairs)}"
        )
