"""The expert card's odds fitted to generated ledgers with known truth (benchmarks/truth.py): does the PD come true?

Each book is calibrated as a firm would on the last day of month `--odds-train-months`, with what is known then. By fifth of
the score the true mean PD (the exact chance of default, free of the luck of outcomes) stands beside the calibrated PD and
its 95 % interval by customer, on the observations it was learned from and on month-ends after them. Books of
`--odds-small` customers hold too few defaults for a slope: there the level alone moves. Nothing is tuned to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.scorecard import _observed, _truth
from benchmarks.truth import TrueBook
from scoring.card import as_card
from scoring.evidence import odds_of, scores_of
from scoring.fitting import odds as fitting
from scoring.fitting.measures import brier
from scoring.fitting.odds import LEVEL_FROM, SLOPE_FROM, Sample
from scoring.models import Scorecard

Say = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--odds-seeds", default="1,2,3,4", help="truths of the calibration benchmark")
    parser.add_argument("--odds-customers", type=int, default=2000, help="customers per book")
    parser.add_argument(
        "--odds-small", type=int, default=200, help="customers of the draws too small for a slope"
    )
    parser.add_argument("--odds-train-months", type=int, default=24)


def run(options: Any, fresh: Callable[[], None], say: Say) -> None:
    total: dict[str, list[int]] = {}
    for seed in (int(part) for part in options.odds_seeds.split(",")):
        fresh()
        book = TrueBook(seed, options.odds_customers, 36)
        book.load()
        row = Scorecard.objects.get(status="active", kind="full")
        card, expert = as_card(row, list(row.bins.all())), odds_of(row)
        parts = _observed(book, options.odds_train_months)
        truths = [_truth(book, obs) for obs in parts]
        samples = [Sample(scores_of(card, obs).astype(np.int64), obs.bad, obs.customer) for obs in parts]
        train = samples[0]
        say(
            f"\nseed {seed}: {train.customers} customers, {train.bad_customers} defaulted; mean PD true "
            f"{truths[0].mean():.2%}, expert's {expert.pd(train.score).mean():.2%}"
        )
        _whole(samples, truths, expert, total, say)
        _small(samples, truths, expert, options.odds_small, seed, total, say)
    say("")
    for name, counts in total.items():
        say(f"{name}: {sum(counts)} of {len(counts)}")


def _whole(
    samples: list[Sample], truths: list[Any], expert: Any, total: dict[str, list[int]], say: Say
) -> None:
    train = samples[0]
    found = fitting.fit(train, expert, level_only=False)
    new, around = (
        expert.moved(found.shift, found.slope),
        fitting.spread(train, expert, found, level_only=False),
    )
    say(
        f"shift {found.shift:+.2f}, slope {found.slope:.2f} of the expert's ({found.slope_share:.0%} from the data)"
    )
    for name, sample, truth in zip(("training", "out of time"), samples, truths, strict=True):
        say(f"{name}, by fifth of the score: expert, calibrated, 95 %, true")
        for rows in fitting.fifths(sample.score):
            low, high = around.of_mean_pd(expert, sample.score[rows], part=True)
            true = float(truth[rows].mean())
            total.setdefault(f"fifths whose interval holds the true mean PD, {name}", []).append(
                low <= true <= high
            )
            was = float(expert.pd(sample.score[rows]).mean())
            say(
                f"  {was:>7.2%} {float(new.pd(sample.score[rows]).mean()):>7.2%}  {low:.2%} to {high:.2%}  {true:>7.2%}"
                f"{'' if low <= true <= high else '  outside'}"
            )
        say(
            f"  Brier {brier(sample.bad, expert.pd(sample.score)):.5f} expert, {brier(sample.bad, new.pd(sample.score)):.5f} "
            f"calibrated, {brier(sample.bad, truth):.5f} the truth"
        )


def _small(
    samples: list[Sample],
    truths: list[Any],
    expert: Any,
    size: int,
    seed: int,
    total: dict[str, list[int]],
    say: Say,
) -> None:
    """Books of `size` of the customers: the mean PD after the level moved, against the true mean of those customers."""
    train, truth = samples[0], truths[0]
    random, customers = np.random.default_rng(seed), np.unique(train.customer)
    held, nearer, refused = [], [], 0
    for _draw in range(20):
        rows = np.isin(train.customer, random.choice(customers, size, replace=False))
        small = train.take(rows)
        if not LEVEL_FROM <= small.bad_customers < SLOPE_FROM:
            refused += 1
            continue
        found = fitting.fit(small, expert, level_only=True)
        low, high = fitting.spread(small, expert, found, level_only=True).of_mean_pd(expert, small.score)
        true, was = float(truth[rows].mean()), float(expert.pd(small.score).mean())
        now = float(expert.moved(found.shift, 1.0).pd(small.score).mean())
        held.append(low <= true <= high)
        nearer.append(abs(np.log(now / true)) < abs(np.log(was / true)))
    say(
        f"{size} customers, 20 draws: {len(held)} with {LEVEL_FROM} to {SLOPE_FROM - 1} defaulting customers; the interval "
        f"of the mean PD holds the true one in {sum(held)}, nearer to it than the expert's in {sum(nearer)}"
    )
    total.setdefault("small books whose interval holds the true mean PD", []).extend(held)
    total.setdefault("small books nearer to the truth than the expert", []).extend(nearer)
