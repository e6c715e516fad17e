"""Calibration: right on average where there is evidence, unmoved where there is none, never turning an order around."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.fitting.calibration import Calibration, Isotonic, beta, isotonic, platt, pool_adjacent
from scoring.fitting.logistic import logit, sigmoid

METHODS = [platt, beta, isotonic]


@pytest.mark.parametrize("method", METHODS)
def test_mends_an_overconfident_score(method):
    random = np.random.default_rng(2)
    truth = sigmoid(random.normal(size=20_000))
    bad = (random.random(20_000) < truth).astype(float)
    said = sigmoid(2.5 * logit(truth) + 0.8)
    mended = method(said, bad).apply(said)
    assert np.abs(mended - truth).mean() < 0.02 < np.abs(said - truth).mean()
    assert mended.mean() == pytest.approx(bad.mean(), abs=0.005)


@pytest.mark.parametrize("method", METHODS)
def test_few_rows_hardly_move_a_slope(method):
    said = np.array([0.2, 0.3, 0.6, 0.7])
    moved = method(said, [1, 0, 1, 0], strength=1000).apply(said)
    assert np.abs(np.diff(logit(moved)) - np.diff(logit(said))).max() < 0.1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60), st.sampled_from(METHODS))
def test_never_turns_an_order_around_and_stays_a_probability(rows, method):
    p, bad = [r[0] for r in rows], [r[1] for r in rows]
    found = method(p, bad)
    grid = found.apply(np.linspace(0, 1, 101))
    assert (np.diff(grid) >= -1e-12).all()
    assert grid.min() >= 0 and grid.max() <= 1
    kind = Isotonic if method is isotonic else Calibration
    assert kind.from_dict(found.as_dict()) == found


def test_one_class_only_changes_nothing():
    assert platt([0.2, 0.4], [0, 0]) == beta([0.2, 0.4], [1, 1]) == Calibration()
    assert isotonic([], []).apply([0.3]).tolist() == [0.3]
    assert Calibration().apply([0.2, 0.7]) == pytest.approx([0.2, 0.7])


def test_pooling():
    assert pool_adjacent([1, 3, 2, 4], [1, 1, 1, 1]).tolist() == [1, 2.5, 2.5, 4]
    assert pool_adjacent([3, 2, 1], [1, 1, 2]).tolist() == [1.75] * 3
