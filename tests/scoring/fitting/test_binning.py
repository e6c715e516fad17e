"""Bins: monotone, never more than the data carry, every value in exactly one, missing apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.fitting.binning import EITHER, FALLING, RISING, Binning, monotone_bins, weight_of_evidence

values = st.one_of(
    st.integers(-5, 5).map(float),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6)),
    st.just(float("nan")),
)
rows = st.lists(st.tuples(values, st.booleans(), st.integers(0, 3)), max_size=150)


@settings(deadline=None, max_examples=150)
@given(rows, st.sampled_from([RISING, FALLING, EITHER]), st.integers(1, 8), st.integers(1, 20))
def test_what_holds_for_every_binning(rows, direction, max_bins, min_rows):
    x = np.array([v for v, *_r in rows], dtype=float)
    bad = np.array([b for _v, b, _w in rows], dtype=float)
    weight = np.array([w for *_r, w in rows], dtype=float)
    found = monotone_bins(
        x, bad, weight, direction=direction, max_bins=max_bins, min_rows=min_rows, min_share=0.01, min_chi2=0
    )
    assert 1 <= len(found.bins) <= max_bins
    assert found.bins[0].lower is None and found.bins[-1].upper is None
    assert all(a.upper == b.lower for a, b in zip(found.bins, found.bins[1:], strict=False))
    assert list(found.edges) == sorted(set(found.edges))
    rates = [b.rate for b in found.bins]
    steps = np.diff(rates) * found.direction
    assert (steps > 0).all(), "rates move one way"
    assert direction in (EITHER, found.direction)
    assert (np.diff([b.woe for b in found.bins]) * found.direction <= 1e-12).all()
    # Counting again over the edges gives the counts of the bins.
    known = ~np.isnan(x)
    place = found.index(x)
    for n, b in enumerate([*found.bins, found.missing]):
        assert weight[place == n].sum() == pytest.approx(b.count)
        assert (weight * bad)[place == n].sum() == pytest.approx(b.bad)
    if len(found.bins) > 1:
        assert all((place[known & (weight > 0)] == n).sum() >= min_rows for n in range(len(found.bins)))
    assert np.isfinite(found.woe(x)).all() and np.isfinite(found.iv) and found.iv >= 0
    assert Binning.from_dict(found.as_dict()) == found


def test_finds_the_step():
    x = np.repeat([1.0, 2, 3, 4], 100)
    bad = np.concatenate([np.r_[np.ones(n), np.zeros(100 - n)] for n in (10, 10, 40, 41)])
    found = monotone_bins(x, bad, direction=RISING)
    assert found.edges == (3.0,), "neighbours that differ by chance are one bin"
    assert [b.rate for b in found.bins] == [0.10, 0.405]


def test_a_signal_without_meaning_has_one_bin():
    constant = monotone_bins([7.0] * 100, [0, 1] * 50)
    assert len(constant.bins) == 1 and constant.bins[0].woe == 0 and constant.iv == 0
    wrong_way = monotone_bins(np.arange(200.0), np.r_[np.ones(100), np.zeros(100)], direction=RISING)
    assert len(wrong_way.bins) == 1
    one_class = monotone_bins(np.arange(50.0), np.zeros(50))
    assert len(one_class.bins) == 1 and one_class.iv == 0
    empty = monotone_bins([], [])
    assert len(empty.bins) == 1 and empty.woe([1.0, np.nan]).tolist() == [0, 0]


def test_missing_has_its_own_evidence_and_a_rare_one_hardly_any():
    x = np.r_[np.arange(300.0), [np.nan] * 100]
    bad = np.r_[np.zeros(150), np.tile([0, 1], 75), np.ones(90), np.zeros(10)]
    found = monotone_bins(x, bad, direction=RISING)
    assert (found.missing.count, found.missing.bad) == (100, 90)
    assert found.missing.woe < found.bins[-1].woe < 0 < found.bins[0].woe
    rare = monotone_bins(np.r_[np.arange(300.0), [np.nan]], np.r_[np.zeros(150), np.tile([0, 1], 75), [1]])
    assert -0.4 < rare.missing.woe < 0, "one row is pulled to the portfolio"


def test_weights_count_like_repeated_rows():
    random = np.random.default_rng(3)
    x, times = random.integers(0, 30, 200).astype(float), random.integers(1, 4, 200)
    bad = (random.random(200) < x / 40).astype(float)
    weighted = monotone_bins(x, bad, times, direction=RISING, min_rows=1)
    repeated = monotone_bins(np.repeat(x, times), np.repeat(bad, times), direction=RISING, min_rows=1)
    assert weighted.edges == repeated.edges
    assert [b.bad for b in weighted.bins] == [b.bad for b in repeated.bins]


def test_smoothing_pulls_evidence_to_the_portfolio_never_past_it():
    plain = weight_of_evidence(3, 4, 100, 500)
    pulled = [weight_of_evidence(3, 4, 100, 500, smoothing=k) for k in (1, 10, 100)]
    assert plain < pulled[0] < pulled[1] < pulled[2] < 0
    assert weight_of_evidence(0, 0, 100, 500, smoothing=5) == pytest.approx(0)
    assert weight_of_evidence(0, 5, 100, 500) == float("inf")


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="outcomes"):
        monotone_bins([1, 2], [0])
