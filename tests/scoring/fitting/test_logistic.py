"""The regression against scikit-learn, its bounds, and data that would break an unpenalised one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.fitting.logistic import Coefficients, FitError, fit_logistic, log_loss, logit, sigmoid


def sample(rows=2000, seed=5):
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 3))
    bad = (random.random(rows) < sigmoid(X @ [1.0, -0.5, 0.0] - 0.7)).astype(float)
    return X, bad, random.integers(0, 4, rows).astype(float)


def test_agrees_with_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, bad, weight = sample()
    theirs = linear_model.LogisticRegression(C=0.25, tol=1e-10, max_iter=1000).fit(
        X, bad, sample_weight=weight
    )
    ours = fit_logistic(X, bad, l2=4.0, weights=weight)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)
    assert ours.coef == pytest.approx(theirs.coef_[0], abs=1e-5)


def test_recovers_the_truth_within_its_own_errors():
    X, bad, _w = sample(20_000)
    found = fit_logistic(X, bad, l2=1e-6)
    for value, error, truth in zip(
        (found.intercept, *found.coef), found.errors, (-0.7, 1.0, -0.5, 0.0), strict=True
    ):
        assert abs(value - truth) < 3.5 * error


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_bounded_fit_is_the_best_within_its_bounds(seed, l2):
    random = np.random.default_rng(seed)
    X = random.normal(size=(80, 3)) @ random.normal(size=(3, 3))
    bad = (random.random(80) < sigmoid(X @ random.normal(size=3))).astype(float)
    if not 0 < bad.sum() < 80:
        return
    found = fit_logistic(X, bad, l2=l2, nonnegative=[True, True, False])
    assert found.coef[0] >= 0 and found.coef[1] >= 0

    def value(intercept, coef):
        return log_loss(bad, intercept + X @ coef) * 80 + l2 / 2 * np.sum(np.square(coef))

    best = value(found.intercept, np.array(found.coef))
    for _n in range(30):
        step = random.normal(size=4) * 0.05
        coef = np.array(found.coef) + step[1:]
        coef[:2] = np.maximum(coef[:2], 0)
        assert value(found.intercept + step[0], coef) >= best - 1e-6


def test_perfect_separation_stays_finite():
    found = fit_logistic(np.arange(20.0)[:, None], [0] * 10 + [1] * 10, l2=1.0)
    assert np.isfinite(found.coef[0]) and found.coef[0] > 0
    assert (np.diff(found.probability(np.arange(20.0)[:, None])) > 0).all()


def test_constant_and_repeated_columns_do_no_harm():
    X, bad, _w = sample(300)
    twice = np.column_stack([X[:, 0], X[:, 0], np.full(300, 9.0), np.zeros(300)])
    found = fit_logistic(twice, bad, l2=1.0)
    assert found.coef[0] == pytest.approx(found.coef[1])
    assert found.coef[3] == 0
    assert np.isfinite(fit_logistic(twice, bad, l2=0.0).coef).all()


def test_ridge_pulls_toward_what_was_asked():
    X, bad, _w = sample(200)
    assert fit_logistic(X, bad, l2=1e9, toward=[0.3, 0.2, 0.1]).coef == pytest.approx(
        (0.3, 0.2, 0.1), abs=1e-4
    )
    strong, weak = fit_logistic(X, bad, l2=50), fit_logistic(X, bad, l2=1)
    assert abs(strong.coef[0]) < abs(weak.coef[0])


def test_an_offset_that_says_it_all_leaves_nothing():
    random = np.random.default_rng(8)
    X = random.normal(size=(50_000, 1))
    given_odds = 1.3 * X[:, 0] - 0.4
    bad = (random.random(50_000) < sigmoid(given_odds)).astype(float)
    found = fit_logistic(X, bad, l2=1.0, offset=given_odds)
    assert found.coef[0] == pytest.approx(0, abs=0.05) and found.intercept == pytest.approx(0, abs=0.05)
    assert found.probability(X, given_odds).mean() == pytest.approx(bad.mean(), abs=1e-4)


def test_refusals():
    with pytest.raises(FitError, match="only one outcome"):
        fit_logistic([[1.0], [2.0]], [0, 0])
    with pytest.raises(FitError, match="missing"):
        fit_logistic([[1.0], [np.nan]], [0, 1])
    with pytest.raises(FitError, match="shape"):
        fit_logistic([[1.0], [2.0]], [0, 1, 1])


def test_logit_and_back():
    assert sigmoid(logit([0.01, 0.5, 0.99])) == pytest.approx([0.01, 0.5, 0.99])
    assert np.isfinite(logit([0, 1])).all() and sigmoid([-1e4, 1e4]).tolist() == [0, 1]


def test_stored_and_read_again():
    X, bad, _w = sample(100)
    found = fit_logistic(X, bad, nonnegative=True)
    again = Coefficients.from_dict(found.as_dict())
    assert again.coef == found.coef and again.as_dict() == found.as_dict()
