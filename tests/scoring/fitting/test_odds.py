"""Odds fitted to outcomes: the level and the slope that made them, no more than the evidence carries, order kept."""

import numpy as np
import pytest

from scoring.fitting import odds as fitting
from scoring.fitting.logistic import sigmoid
from scoring.fitting.odds import NoOrder, Odds, Sample

EXPERT = Odds(50, 12.0, 12.0)


def drawn(seed: int, customers: int, shift: float, slope: float, times: int = 4) -> tuple[Sample, np.ndarray]:
    """Customers seen `times` over at nearly the same score; the true PD is in the family the odds can tell."""
    random = np.random.default_rng(seed)
    own = random.normal(60, 14, customers)
    who = np.repeat(np.arange(customers), times)
    score = np.clip(own[who] + random.normal(0, 2, who.size), 0, 100).round().astype(np.int64)
    true = sigmoid(shift + slope * EXPERT.log_odds(np.clip(own, 0, 100)))
    bad = (random.random(customers) < true)[who].astype(float)
    return Sample(score, bad, who), true[who]


def test_level_and_slope_of_the_outcomes_are_found_with_honest_intervals():
    held = 0
    for seed in range(2):
        sample, true = drawn(seed, 2000, 0.8, 1.4)
        found = fitting.fit(sample, EXPERT, level_only=False)
        around = fitting.spread(sample, EXPERT, found, level_only=False)
        new = EXPERT.moved(found.shift, found.slope)
        assert np.abs(new.log_odds(60) - (found.shift + found.slope * EXPERT.log_odds(60))) < 1e-4
        low, high = around.interval(around.slope)
        assert low < found.slope < high and 0.9 < found.slope_share < 1
        assert new.pd(sample.score).mean() == pytest.approx(sample.bad.mean(), abs=1e-3)
        for rows in fitting.fifths(sample.score):
            low, high = around.of_mean_pd(EXPERT, sample.score[rows], part=True)
            held += low <= true[rows].mean() <= high
    assert held >= 9  # of 10


def test_few_defaults_move_the_level_only_and_only_in_part():
    sample, true = drawn(3, 200, 0.7, 1.0)
    assert 10 <= sample.bad_customers < 30 and fitting.tells(sample) == "level"
    found = fitting.fit(sample, EXPERT, level_only=True)
    free = fitting.fit(sample, EXPERT, level_only=False)
    alone = np.log(sample.bad.mean() / EXPERT.pd(sample.score).mean())
    assert found.slope == 1 and free.slope != 1
    assert 0 < found.shift < alone * 1.05
    share = sample.bad_customers / (sample.bad_customers + fitting.PRIOR)
    assert found.shift_share == pytest.approx(share, abs=0.1)
    low, high = fitting.spread(sample, EXPERT, found, level_only=True).of_mean_pd(EXPERT, sample.score)
    assert low < true.mean() < high
    few = sample.take(
        np.isin(sample.customer, np.unique(sample.customer[sample.bad > 0])[:9]) | (sample.bad == 0)
    )
    assert few.bad_customers == 9 and fitting.tells(few) == ""


def test_an_order_is_never_turned_around():
    sample, _true = drawn(5, 2000, 0.5, 1.0)
    turned = Sample(100 - sample.score, sample.bad, sample.customer)
    with pytest.raises(NoOrder):
        fitting.fit(turned, EXPERT, level_only=False)
    new = EXPERT.moved(*_moved(fitting.fit(turned, EXPERT, level_only=True)))
    assert (np.diff(new.pd(np.arange(101))) <= 0).all()


def _moved(found):
    return found.shift, found.slope


def test_tenths_tell_before_and_after_without_the_customers_own_outcome():
    sample, _true = drawn(7, 1500, 1.0, 1.3)
    fold = sample.customer % 5
    after = fitting.cross_fitted(sample, EXPERT, fold, level_only=False)
    rows = fitting.by_tenth(sample, EXPERT.pd(sample.score), after)
    assert sum(row["count"] for row in rows) == sample.score.size
    assert sum(row["agrees"] for row in rows) >= len(rows) - 1 > sum(row["agreed"] for row in rows)
    assert [row["low"] for row in rows] == sorted(row["low"] for row in rows)
    # What is said of a customer does not hang on what it did: its own outcome turned, its own probability stays.
    turned = Sample(sample.score, np.where(sample.customer == 5, 1 - sample.bad, sample.bad), sample.customer)
    again = fitting.cross_fitted(turned, EXPERT, fold, level_only=False)
    assert np.array_equal(after[sample.customer == 5], again[sample.customer == 5])


def test_a_bend_the_odds_cannot_follow_widens_the_interval_of_a_part():
    sample, true = drawn(9, 3000, 0.8, 1.0)
    straight = fitting.spread(sample, EXPERT, fitting.fit(sample, EXPERT, level_only=False), level_only=False)
    random = np.random.default_rng(1)
    true = np.where((sample.score > 50) & (sample.score < 64), true / 6, true)
    happens = random.random(3000) < np.bincount(sample.customer, weights=true) / 4
    bent = Sample(sample.score, happens[sample.customer].astype(float), sample.customer)
    found = fitting.fit(bent, EXPERT, level_only=False)
    around = fitting.spread(bent, EXPERT, found, level_only=False)
    assert around.stray > 0.2 > straight.stray
    held = [
        low <= true[rows].mean() <= high
        for rows in fitting.fifths(bent.score)
        for low, high in [around.of_mean_pd(EXPERT, bent.score[rows], part=True)]
    ]
    assert sum(held) >= 4
