"""The formulas on plain numbers, held to the published oracles (docs/kpis.md, Set A)."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from kpis import delay, disputed, dso, promises
from kpis.ageing import bucket_of
from kpis.dso import CountBack, MonthSales

JAN, FEB, MAR = (
    MonthSales(date(2026, 1, 1), 31, 300_000),
    MonthSales(date(2026, 2, 1), 28, 280_000),
    MonthSales(date(2026, 3, 1), 31, 310_000),
)
SALES = 890_000
DUE = {"on the day": 390_000}


def close(value: Fraction | None, expected: str) -> bool:
    """Equal to the oracle at the decimals the oracle has."""
    assert value is not None
    places = Decimal(expected)
    return Decimal(value.numerator) / Decimal(value.denominator) - places < Decimal(1).scaleb(
        places.as_tuple().exponent
    ) and round(value, -places.as_tuple().exponent) == Fraction(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dso.dso_simple(520_000, SALES, 90), "52.5843"),
        (dso.best_possible_dso(390_000, SALES, 90), "39.4382"),
        (
            dso.average_days_delinquent(
                dso.dso_simple(520_000, SALES, 90), dso.best_possible_dso(390_000, SALES, 90)
            ),
            "13.1461",
        ),
        (dso.collection_effectiveness(480_000, SALES, 520_000, 390_000), "0.867347"),
        # Published sheets of the 'monthly sales' variant: the same function on sales / N shows the difference.
        (dso.collection_effectiveness(480_000, Fraction(SALES, 3), 520_000, 390_000), "0.663793"),
        (dso.collection_effectiveness(6200, 3630, 6340, 3590), "0.5593"),
        (dso.collection_effectiveness(6200, 3630 * 3, 6340, 3590), "0.7963"),
        (dso.ratio(130_000, 520_000), "0.25"),
        (dso.ratio(12_000, 520_000), "0.023077"),
        (dso.ratio(12, 400), "0.03"),
        (dso.ratio(44_500, SALES), "0.05"),
        (dso.ratio(26_000, 520_000), "0.05"),
        (disputed.mean_days([5, 8, 20]), "11.0"),
        (disputed.median_days([5, 8, 20]), "8"),
        (disputed.median_days([5, 8]), "6.5"),
    ],
)
def test_published_value(value, expected):
    assert close(value, expected)


PAID = [(1_000, 10), (3_000, 0), (2_000, -5), (4_000, 20)]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (delay.days_beyond_terms, "8.0"),
        (delay.days_late, "9.0"),
        (delay.simple_mean_days_late, "7.5"),
        (delay.days_late_of_late_ones, "18.0"),
        (delay.paid_in_time_share, "0.5"),
    ],
)
def test_days_beyond_terms_in_each_form(measure, expected):
    assert measure(PAID) == Fraction(expected)
    assert measure([]) is None


@pytest.mark.parametrize(
    ("receivables", "months", "expected"),
    [
        (520_000, [MAR, FEB, JAN], CountBack(Fraction(52))),
        (310_000, [MAR, FEB, JAN], CountBack(Fraction(31))),
        (155_000, [MAR], CountBack(Fraction(31, 2))),
        (0, [MAR], CountBack(Fraction(0))),
        (890_000, [MAR, FEB, JAN], CountBack(Fraction(90))),
        # One cent more than was ever sold: no extrapolation.
        (890_001, [MAR, FEB, JAN], CountBack(None, exceeds=90)),
        (1, [], CountBack(None)),
        (0, [], CountBack(None)),
        # A month of the summer break sells nothing and still takes its days.
        (
            340_000,
            [MAR, MonthSales(date(2026, 2, 1), 28, 0), JAN],
            CountBack(Fraction(31 + 28) + Fraction(31, 10)),
        ),
        # A month not yet ended counts its elapsed days.
        (50_000, [MonthSales(date(2026, 4, 1), 10, 100_000), MAR], CountBack(Fraction(5))),
    ],
)
def test_count_back(receivables, months, expected):
    assert dso.dso_count_back(receivables, months) == expected


def test_months_run_back_from_the_elapsed_part_of_the_last_one():
    assert list(dso.months_back(date(2026, 3, 10), date(2026, 1, 20))) == [
        (date(2026, 3, 1), date(2026, 3, 10)),
        (date(2026, 2, 1), date(2026, 2, 28)),
        (date(2026, 1, 1), date(2026, 1, 31)),
    ]
    assert list(dso.months_back(date(2026, 3, 10), date(2026, 4, 1))) == []


@pytest.mark.parametrize(
    ("due", "bucket"),
    [
        (date(2026, 4, 30), "not_due"),
        (date(2026, 3, 31), "not_due"),
        (date(2026, 3, 30), "1-30"),
        (date(2026, 3, 1), "1-30"),
        (date(2026, 2, 28), "31-60"),
        (date(2026, 1, 30), "31-60"),
        (date(2026, 1, 29), "61-90"),
        (date(2025, 12, 31), "61-90"),
        (date(2025, 12, 30), "90+"),
    ],
)
def test_bucket_boundaries(due, bucket):
    assert bucket_of((date(2026, 3, 31) - due).days) == bucket


TEN = (
    [("kept", 10_000, 10_000)] * 6
    + [("partly_kept", 10_000, 4_000)] * 2
    + [("broken", 10_000, 0)] * 2
    + [("withdrawn", 10_000, 0), ("replaced", 10_000, 0), ("open", 10_000, 0)]
)


def test_promise_kept_rate_by_count_and_value():
    assert promises.kept_rate_by_count(status for status, _p, _c in TEN) == Fraction("0.6")
    assert promises.kept_rate_by_value(TEN) == Fraction("0.68")
    assert promises.kept_rate_by_value([("kept", 100, 150), ("broken", 100, 0)]) == Fraction("0.5")


def test_nothing_to_divide_by_is_no_figure_at_all():
    assert dso.dso_simple(520_000, 0) is None
    assert dso.best_possible_dso(0, 0) is None
    assert dso.average_days_delinquent(None, None) is None
    assert dso.collection_effectiveness(0, 0, 0, 0) is None
    assert promises.kept_rate_by_count(["withdrawn", "open"]) is None
    assert promises.kept_rate_by_value([]) is None
    assert disputed.mean_days([]) is None and disputed.median_days([]) is None
