"""Delay curves: a proper distribution through the card's chances, and what is left of it once seen unpaid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.invoices.delays import (
    FIRST,
    GRID,
    LAST,
    Curves,
    chance_beyond,
    mean_late,
    quantile,
    shape,
    still_open,
)
from scoring.invoices.ledger import NEVER

delays = st.lists(st.tuples(st.integers(-120, 500), st.booleans()), max_size=60)


def arrays(rows):
    low = np.array([d for d, _p in rows], dtype=np.int64)
    high = np.array([d if paid else NEVER for d, paid in rows], dtype=np.int64)
    return low, high


@settings(deadline=None, max_examples=120)
@given(delays, st.lists(st.floats(0, 1), min_size=3, max_size=3), st.integers(-100, 400))
def test_curves_are_distributions_through_the_given_heights(rows, heights, unpaid):
    low, high = arrays(rows)
    risk = np.linspace(0, 1, low.size)
    curves = Curves.fit(risk, low, high)
    assert Curves.from_dict(curves.as_dict()) == curves
    wanted = sorted(heights, reverse=True)
    curve = curves.through(np.array([0.3]), [np.array([h]) for h in wanted])
    assert (np.diff(curve, axis=1) <= 1e-9).all() and (curve >= -1e-12).all() and (curve <= 1 + 1e-12).all()
    for days, height in zip((0, 15, 30), wanted, strict=True):
        assert chance_beyond(curve, days)[0] == pytest.approx(height, abs=1e-9)
    left = still_open(curve, np.array([unpaid]))
    assert (np.diff(left, axis=1) <= 1e-9).all() and (left <= 1 + 1e-12).all()
    assert (left >= curve - 1e-9).all(), "waiting never makes 'later' less likely"
    p10, p50, p90 = (quantile(left, share)[0] for share in (0.1, 0.5, 0.9))
    assert p10 <= p50 <= p90
    assert p10 >= GRID[max(unpaid, FIRST) >= GRID].max(), "kept days are apart: not before the last of them"
    assert 0 <= mean_late(curve)[0] <= mean_late(left)[0] + 1e-9 <= LAST + 1


def test_shape_without_censoring_is_the_share_still_unpaid():
    late = np.array([-5, 0, 3, 3, 20, 40])
    curve = shape(late, late, toward=None)
    at = {int(d): v for d, v in zip(GRID, curve, strict=True)}
    exact = {d: (late > d).mean() for d in (-5, 0, 3, 21, 42)}
    # One row of an even spread is blended in, so that no hazard is undefined.
    assert at == pytest.approx(at | exact, abs=0.2)
    many = np.repeat(late, 1000)
    at = {int(d): v for d, v in zip(GRID, shape(many, many), strict=True)}
    assert all(at[d] == pytest.approx(v, abs=0.002) for d, v in exact.items())


def test_open_rows_count_until_they_were_last_seen():
    # 100 paid on day 5, 100 seen unpaid on day 10: the open ones are no evidence for "paid by 20".
    low = np.r_[np.full(1000, 5), np.full(1000, 10), np.full(1000, 50)]
    high = np.r_[np.full(1000, 5), np.full(1000, NEVER), np.full(1000, 50)]
    at = {int(d): v for d, v in zip(GRID, shape(low, high), strict=True)}
    assert at[6] == pytest.approx(2 / 3, abs=0.01)
    assert at[42] == pytest.approx(2 / 3, abs=0.01), "nobody was seen paying between day 10 and 42"
    assert at[50] < 0.01


def test_chances_of_an_unpaid_invoice():
    curve = np.tile(np.where(GRID < 0, 1.0, np.where(GRID < 15, 0.4, np.where(GRID < 30, 0.2, 0.1))), (2, 1))
    curve[:, -1] = 0
    left = still_open(curve, np.array([1, FIRST - 50]))
    assert chance_beyond(left[:1], 15)[0] == pytest.approx(0.5)
    assert chance_beyond(left[:1], 0)[0] == 1
    assert chance_beyond(left[1:], 15)[0] == pytest.approx(0.2), "not seen yet: unchanged"


def test_expected_days_late_is_the_sum_over_days():
    late = np.repeat([0, 4, 10], 3000)
    curve = shape(late, late)[None, :]
    assert mean_late(curve)[0] == pytest.approx(14 / 3, abs=0.2)
