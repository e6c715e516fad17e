"""Measures against worked examples by hand, and against their definitions."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.fitting.binning import information_value, weight_of_evidence
from scoring.fitting.clustered import calibration_together
from scoring.fitting.measures import (
    Ranking,
    auc,
    bootstrap_by_group,
    bootstrap_many,
    brier,
    calibration_table,
    capture,
    gini,
    ks,
    psi,
    psi_of_values,
    wilson,
)
from scoring.fitting.points import Scale

GOOD, BAD = [80, 75, 70, 65, 60, 55], [60, 50, 40, 30]
OUTCOME = [0] * 6 + [1] * 4
RISK = [-score for score in GOOD + BAD]


def test_ranking_example():
    assert auc(OUTCOME, RISK) == pytest.approx(22.5 / 24)
    assert gini(OUTCOME, RISK) == pytest.approx(0.875)
    assert ks(OUTCOME, RISK) == pytest.approx(0.75)
    assert Ranking(OUTCOME, RISK).ks() == (pytest.approx(0.75), -50)


def test_stability_example():
    found = psi([20, 30, 30, 20], [10, 30, 35, 25])
    assert found.value == pytest.approx(0.088179, abs=1e-6)
    assert (found.floored, found.reading) == (0, "stable")


def test_an_empty_bin_is_floored_and_said():
    found = psi([50, 50, 0], [50, 30, 20])
    assert found.floored == 1
    assert found.value == pytest.approx(
        0.2 * np.log(2) * 0 + (0.3 - 0.5) * np.log(0.6) + (0.2 - 0.0001) * np.log(2000)
    )
    assert psi([0, 0], [1, 2]) is None


def test_brier_example():
    assert brier([0, 0, 1, 0], [0.1, 0.2, 0.8, 0.4]) == pytest.approx(0.0625)


def test_weight_of_evidence_example():
    # More than 30 days late: 20 of 400 good, 30 of 100 bad.
    assert weight_of_evidence(30, 50, 100, 500) == pytest.approx(-1.791759, abs=1e-6)
    assert weight_of_evidence(70, 450, 100, 500) == pytest.approx(0.305382, abs=1e-6)
    assert information_value([30, 70], [50, 450]) == pytest.approx(0.524285, abs=1e-6)


def test_score_scaling_example():
    scale = Scale(doubling=20, score=600, odds=50)
    assert scale.factor == pytest.approx(28.853901, abs=1e-6)
    assert scale.offset == pytest.approx(487.122876, abs=1e-6)
    assert scale.score_of_odds(100) == pytest.approx(620)
    assert scale.probability_of(620) == pytest.approx(0.00990099, abs=1e-8)
    assert scale.score_of(0.04) == pytest.approx(578.8221, abs=1e-4)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=40))
def test_auc_is_the_share_of_pairs_ranked_right(rows):
    bad = [b for b, _r, _w in rows]
    risk = [r for _b, r, _w in rows]
    weight = [w for *_x, w in rows]
    won = total = 0.0
    for (b1, r1, w1), (b2, r2, w2) in product(rows, rows):
        if b1 and not b2:
            total += w1 * w2
            won += w1 * w2 * (1.0 if r1 > r2 else 0.5 if r1 == r2 else 0.0)
    found = auc(bad, risk, weight)
    assert found is None if total == 0 else found == pytest.approx(won / total)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40))
def test_ranking_backwards_mirrors_the_auc(rows):
    bad, risk = zip(*rows, strict=True)
    forward = auc(bad, risk)
    backward = auc(bad, [-r for r in risk])
    if forward is not None:
        assert forward + backward == pytest.approx(1)
        assert 0 <= ks(bad, risk) <= 1


def test_one_class_is_not_measured():
    assert auc([0, 0], [1, 2]) is None and ks([1, 1], [1, 2]) is None and gini([], []) is None
    assert brier([], []) is None and calibration_table([], []) == []
    with pytest.raises(ValueError, match="missing"):
        auc([0, 1], [1, float("nan")])


def test_wilson_interval():
    # 10 of 100: the textbook 0.0552 to 0.1744.
    found = wilson(10, 100)
    assert (found.low, found.high) == (pytest.approx(0.0552, abs=1e-4), pytest.approx(0.1744, abs=1e-4))
    assert wilson(0, 20).low == 0 and wilson(20, 20).high == 1
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)


def test_calibration_by_tenths():
    p = np.repeat(np.arange(10) / 10 + 0.05, 20)
    bad = np.concatenate([np.r_[np.ones(1 + 2 * n), np.zeros(19 - 2 * n)] for n in range(10)])
    table = calibration_table(bad, p)
    assert [row.count for row in table] == [20] * 10
    assert all(row.agrees and row.observed == pytest.approx(row.predicted) for row in table)
    assert not any(row.agrees for row in calibration_table(1 - bad, p)[:2])


def test_equal_probabilities_stay_together():
    table = calibration_table([0, 1] * 50, [0.5] * 100)
    assert [(row.count, row.observed) for row in table] == [(100, 0.5)]


def test_capture_counts_ties_in_part():
    assert capture([5, 3, 1, 1, 0], [5, 4, 3, 2, 1]) == pytest.approx(0.5)
    assert capture([10, 0, 0, 0, 0], [1, 1, 1, 1, 1]) == pytest.approx(0.2)
    assert capture([0, 0], [1, 2]) is None
    assert capture([4, 6], [1, 2], share=1.0) == pytest.approx(1)


def test_psi_of_values_gives_missing_a_bin():
    base = np.arange(100.0)
    assert psi_of_values(base, base).value == 0
    holes = np.where(base < 50, np.nan, base)
    assert psi_of_values(base, holes).reading == "shift"
    assert psi_of_values([], [1.0]) is None


def test_intervals_by_customer_are_wider_than_by_row():
    random = np.random.default_rng(1)
    customer = np.repeat(np.arange(60), 20)
    level = random.normal(size=60)[customer]
    bad = (random.random(1200) < 1 / (1 + np.exp(-2 * level))).astype(float)
    ranking = Ranking(bad, level + random.normal(size=1200))
    by_customer = bootstrap_by_group(customer, ranking.auc, draws=200)
    by_row = bootstrap_by_group(np.arange(1200), ranking.auc, draws=200)
    assert by_customer.holds(ranking.auc())
    assert by_customer.high - by_customer.low > by_row.high - by_row.low
    assert by_customer == bootstrap_by_group(customer, ranking.auc, draws=200), "seeded"


def test_no_interval_from_one_customer():
    assert bootstrap_many([1, 1], {"x": lambda w: 1.0}) == {"x": None}
    assert bootstrap_by_group([], lambda w: 1.0) is None


def test_calibration_is_tested_in_all_parts_at_once():
    random = np.random.default_rng(5)
    refused = {"true": 0, "level": 0, "slope": 0}
    for _draw in range(60):
        customer = random.integers(0, 40, 600)
        odds = random.normal(-0.6, 1.3, 40)[customer] + random.normal(0, 0.5, 600)
        late = random.random(600) < 1 / (1 + np.exp(-odds))
        for what, told in (("true", odds), ("level", odds + 0.5), ("slope", odds / 0.6)):
            found = calibration_together(late, 1 / (1 + np.exp(-told)), customer)
            refused[what] += not found.agrees
    assert refused["true"] <= 8 and refused["level"] > 45 and refused["slope"] > 30
    order = random.permutation(600)
    same = calibration_together(late[order], 1 / (1 + np.exp(-told[order])), customer[order])
    assert same.p_value == pytest.approx(found.p_value, abs=0.002) and same.parts == 10
    assert calibration_together(late, np.full(600, 0.4), customer % 5) is None
    # Rows of one customer count together: the same rows ten times over are no more evidence.
    again = calibration_together(
        np.tile(late, 10), np.tile(1 / (1 + np.exp(-told)), 10), np.tile(customer, 10)
    )
    assert again.p_value == pytest.approx(same.p_value, abs=0.03)
