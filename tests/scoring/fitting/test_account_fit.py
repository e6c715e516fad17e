"""Learning an account scorecard: monotone, on the scale, calibrated, pulled to the portfolio, or refused."""

from dataclasses import replace
from itertools import pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.card import Card
from scoring.fitting.account_card import GRADE_PD, in_points
from scoring.fitting.account_fit import (
    NotEnoughEvents,
    check_events,
    customer_folds,
    fit_accounts,
)
from scoring.fitting.binning import monotone_bins
from scoring.fitting.clustered import calibration_by_customer, share_by_customer, student95
from scoring.fitting.logistic import logit, sigmoid
from scoring.fitting.measures import gini, wilson
from scoring.signals import BY_NAME, WORSE
from tests.scoring.fitting.rows import made


@pytest.fixture(scope="module")
def learned():
    obs, true = made()
    fit = fit_accounts(obs)
    return obs, true, fit, in_points(fit.learned, obs)


def test_it_finds_what_shows_the_risk_and_leaves_the_rest(learned):
    _obs, _true, fit, card = learned
    used = {row.signal for row in card.rows}
    assert "broken_promises_12m" in used
    assert used & {"days_late_12m", "late30_share_12m"}
    reasons = {j.signal: j.reason for j in fit.judged if not j.kept}
    assert reasons["credit_share"] in ("flat", "little_information", "unstable")
    assert {"days_late_12m", "late30_share_12m"} - used and "correlated" in reasons.values()
    assert reasons["relationship_months"] == "never_seen"
    assert "insolvent" not in {j.signal for j in fit.judged}


def test_points_add_up_within_the_scale_and_never_turn_against_the_direction(learned):
    obs, _true, _fit, card = learned
    least = greatest = card.base
    for row in card.rows:
        points = [b.points for b in row.bins]
        assert points == sorted(points, reverse=BY_NAME[row.signal].higher_is == WORSE)
        assert len(set(points)) == len(points)
        assert row.bins[0].lower is None and row.bins[-1].upper is None
        assert all(a.upper == b.lower for a, b in pairwise(row.bins))
        least += min([*points, row.missing.points])
        greatest += max([*points, row.missing.points])
        assert sum(b.rows for b in (*row.bins, row.missing)) == obs.rows
    assert 0 <= least <= greatest <= 100
    assert np.array_equal(
        card.score(obs), card.base + sum(row.points(obs.column(row.signal)) for row in card.rows)
    )


def test_the_engine_scores_a_row_as_the_arrays_do(learned):
    obs, _true, _fit, card = learned
    same: Card = card.as_card(
        pk=0, code="x", version=1, review_from=40, review_to=60, guarantees_below=70, thin_below=4,
        thin_recent_below=2,
    )  # fmt: skip
    scores = card.score(obs)
    for n in range(0, obs.rows, 97):
        values = {name: None if np.isnan(v := obs.column(name)[n]) else float(v) for name in same.bins}
        score = same.base_points + sum(same.points_of(name, value) for name, value in values.items())
        assert score == scores[n]
        assert float(same.pd_of(score, insolvent=False)) == pytest.approx(card.pd(np.array([score]))[0])


def test_the_pd_is_calibrated_on_the_truth_it_never_saw(learned):
    obs, true, _fit, card = learned
    pd = card.pd(card.score(obs))
    assert pd.mean() == pytest.approx(obs.bad.mean(), rel=0.02)
    fresh, truth = made(seed=2, customers=4000)
    pd = card.pd(card.score(fresh))
    rows = calibration_by_customer(fresh.bad, pd, fresh.customer)
    assert sum(row["agrees"] for row in rows) >= len(rows) - 1
    # Against the known probability, group by group: within a third of it either way.
    order = np.argsort(pd, kind="stable")
    for part in np.array_split(order, 5):
        assert abs(log(pd[part].mean() / truth[part].mean())) < 0.35
    assert gini(fresh.bad, pd) > 0.75 * gini(fresh.bad, truth)


def test_grades_are_bands_of_probability_in_order(learned):
    _obs, _true, _fit, card = learned
    grades = card.grades()
    cuts = [grades[g] for g in GRADE_PD]
    assert cuts == sorted(cuts, reverse=True) and len(set(cuts)) == 4 and cuts[-1] >= 0 and cuts[0] <= 100
    for grade, most in GRADE_PD.items():
        if 3 < grades[grade] < 97:
            assert card.pd(np.array([grades[grade]]))[0] <= most + 1e-4
            assert card.pd(np.array([grades[grade] - 1]))[0] > most - 1e-4


def test_the_same_rows_give_the_same_card(learned):
    obs, _true, _fit, card = learned
    again = in_points(fit_accounts(obs).learned, obs)
    assert again == card
    shuffled = np.random.default_rng(3).permutation(obs.rows)
    assert in_points(fit_accounts(obs.take(shuffled)).learned, obs).rows == card.rows


def test_only_the_signals_asked_for(learned):
    obs = learned[0]
    fit = fit_accounts(obs, ["broken_promises_12m", "credit_share"])
    assert set(fit.learned.coef) == {"broken_promises_12m"}


@pytest.mark.parametrize("level", [-1.0, -4.5])
def test_it_fits_the_scale_at_any_default_rate(level):
    obs, _true = made(seed=4, customers=3000, level=level)
    card = in_points(fit_accounts(obs).learned, obs)
    scores = card.score(obs)
    assert scores.min() >= 0 and scores.max() <= 100
    assert card.pd(scores).mean() == pytest.approx(obs.bad.mean(), rel=0.03)


def test_refused_below_the_number_of_defaulting_customers_it_names():
    obs, _true = made(customers=400, level=-5.0)
    assert 0 < obs.bad_customers < 30
    with pytest.raises(NotEnoughEvents, match=f"{obs.bad_customers} of 400 customers") as refused:
        fit_accounts(obs)
    assert refused.value.counts["bad_customers"] == obs.bad_customers
    # Many observations of one customer are one event.
    assert obs.bad.sum() >= 3 * obs.bad_customers
    check_events(obs, obs.bad_customers)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_refused_when_one_class_is_missing(value):
    obs, _true = made(customers=300)
    with pytest.raises(NotEnoughEvents):
        fit_accounts(replace(obs, bad=np.full(obs.rows, value)))


def test_a_signal_that_means_nothing_gives_a_card_without_it_not_a_wrong_one():
    obs, _true = made(seed=6, customers=900)
    noise = np.random.default_rng(9).random(obs.rows).round(4)
    other = replace(obs, values=np.full_like(obs.values, np.nan))
    other.values[:, obs.signals.index("credit_share")] = noise
    fit = fit_accounts(other)
    card = in_points(fit.learned, other)
    assert np.unique(card.score(other)).size <= 2
    assert card.pd(card.score(other)).mean() == pytest.approx(obs.bad.mean(), rel=0.02)


def test_folds_are_by_customer_and_share_the_defaults_evenly():
    obs, _true = made()
    fold = customer_folds(obs, 5, 1)
    for customer in obs.customer[:50]:
        assert np.unique(fold[obs.customer == customer]).size == 1
    bad = [np.unique(obs.customer[(fold == n) & (obs.bad > 0)]).size for n in range(5)]
    assert max(bad) - min(bad) <= 1


# Thin customers: pulled toward the portfolio, never past it.


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.floats(0, 1)), min_size=2, max_size=6),
    st.floats(0.01, 200),
)
def test_a_bin_lies_between_what_it_shows_and_the_portfolio(groups, pull):
    values = np.concatenate([np.full(n, float(place)) for place, (n, _share) in enumerate(groups)])
    bad = np.concatenate([np.arange(n) < round(n * share) for n, share in groups]).astype(float)
    missing = np.full(40, np.nan)
    values, bad = np.r_[values, missing], np.r_[bad, np.arange(40) < 7]
    if not 0 < bad.sum() < bad.size:
        return
    binning = monotone_bins(values, bad, direction=1, smoothing=pull, min_rows=1, min_share=0.0)
    portfolio = float(logit(bad.mean()))
    shown, pulled = float(logit(binning.missing.rate)), portfolio - binning.missing.woe
    assert min(portfolio, shown) - 1e-6 <= pulled <= max(portfolio, shown) + 1e-6


@pytest.mark.parametrize("tilt", [-1.0, 0.0, 1.5])
def test_thin_customers_get_a_pd_between_their_own_rate_and_the_portfolio(tilt):
    """tilt: how much thin customers differ from the others, in log-odds, whatever their signals say."""
    obs, true = made(seed=8, customers=3000, thin=0.15)
    rng = np.random.default_rng(12)
    per_customer = {c: rng.random() for c in np.unique(obs.customer)}
    chance = sigmoid(logit(true) + tilt * obs.thin)
    bad = np.array([per_customer[c] < p for c, p in zip(obs.customer, chance, strict=True)], dtype=float)
    # Nothing but thinness tells them apart: the other signals are taken away from everybody.
    values = obs.values.copy()
    values[:, obs.signals.index("broken_promises_12m")] = 0
    obs = replace(obs, bad=bad, values=values)
    card = in_points(fit_accounts(obs).learned, obs)
    pd = card.pd(card.score(obs))[obs.thin].mean()
    own, portfolio = bad[obs.thin].mean(), bad.mean()
    slack = 0.03 * portfolio  # whole points
    assert min(own, portfolio) - slack <= pd <= max(own, portfolio) + slack


def test_the_fewer_thin_customers_the_closer_to_the_portfolio():
    found = []
    for share in (0.01, 0.2):
        obs, _true = made(seed=10, customers=3000, thin=share)
        bad = obs.bad.copy()
        bad[obs.thin & (obs.customer % 3 == 0)] = 1.0
        obs = replace(obs, bad=bad)
        fit = fit_accounts(obs, ["days_late_12m", "broken_promises_12m"])
        own = float(logit(bad[obs.thin].mean()) - logit(bad[~obs.thin].mean()))
        found.append(fit.learned.thin / own)
    assert 0 < found[0] < found[1] <= 1.05


# Shares by customer.


def test_one_row_per_customer_is_wilsons_interval():
    bad = np.r_[np.ones(30), np.zeros(270)]
    share = share_by_customer(bad, np.arange(300))
    plain = wilson(30, 300)
    assert share.value == 0.1 and share.customers == 300
    assert share.interval.low == pytest.approx(plain.low, abs=1e-3)
    assert share.interval.high == pytest.approx(plain.high, abs=1e-3)


def test_repeating_every_row_narrows_nothing():
    bad, customers = np.r_[np.ones(30), np.zeros(270)], np.arange(300)
    once = share_by_customer(bad, customers).interval
    often = share_by_customer(np.tile(bad, 12), np.tile(customers, 12)).interval
    assert often.low == pytest.approx(once.low, abs=2e-3)
    assert often.high == pytest.approx(once.high, abs=2e-3)


def test_no_event_counts_customers_not_rows():
    none = share_by_customer(np.zeros(1200), np.repeat(np.arange(100), 12))
    assert none.interval.high == pytest.approx(wilson(0, 100).high)
    assert share_by_customer([], []).interval.high == 1.0


def test_intervals_by_customer_cover_the_truth_as_often_as_they_say():
    hits = 0
    for seed in range(200):
        obs, true = made(seed=100 + seed, customers=250, level=-2.0)
        share = share_by_customer(obs.bad, obs.customer)
        hits += share.interval.holds(float(true.mean()))
    assert 0.90 <= hits / 200 <= 0.99


def test_few_customers_make_the_interval_as_wide_as_it_must_be():
    """Rows of eight customers whose chances differ: the spread between them is itself known from eight only."""
    random, hits = np.random.default_rng(7), 0
    for _draw in range(400):
        customer = random.integers(0, 8, 90)
        bad = random.random(90) < random.beta(0.8, 1.6, 8)[customer]
        hits += share_by_customer(bad.astype(float), customer).interval.holds(0.8 / 2.4)
    assert 0.93 <= hits / 400 <= 0.985
    assert [round(student95(n), 2) for n in (1, 2, 3, 10, 1000)] == [12.71, 4.30, 3.18, 2.23, 1.96]
