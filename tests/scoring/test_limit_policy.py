"""The recommended limit: which cap binds, how far it moves at once, and when it stays. One table, many cases."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditdesk.core.money import Money
from customers.shown import EVERYTHING
from scoring.limit_policy import GradeTerms, LimitInputs, PolicyTerms, recommend_limit

DAY = date(2026, 3, 2)


CAPS = ["behaviour", "policy", "capacity", "bank_flows", "agency", "insurance", "concentration", "group"]


def eur(amount):
    return Money.of(amount, "EUR")


POLICY = PolicyTerms(
    policy_id=1,
    version=3,
    currency="EUR",
    buffer_days=15,
    capacity_percent=10,
    concentration_percent=20,
    concentration_from_customers=20,
    step=500,
    max_rise_percent=25,
    cool_down_days=90,
    rise_max_days_past_due=10,
    material_percent=10,
    material_amount=100_000,
    grades={
        "A": GradeTerms(50_000_000, 150),
        "B": GradeTerms(20_000_000, 120),
        "C": GradeTerms(7_500_000, 100),
        "D": GradeTerms(2_500_000, 60),
        "E": GradeTerms(0, 0),
    },
)
# 91,000 in the strongest quarter is 1,000 a day; 30 + 15 days at 120 % need 54,000.
INPUTS = LimitInputs(
    account_id=1,
    currency="EUR",
    as_of=DAY,
    current=eur(50_000),
    score=72,
    grade="B",
    recommendation="approved",
    customer_status="active",
    peak_quarter=eur(91_000),
    terms_days=30,
    oldest_days_past_due=0,
    equity=None,
    receivables=eur(10_000_000),
    owing=200,
    last_rise_on=None,
    rate=Decimal(1),
)


@pytest.mark.parametrize(
    ("change", "bound_by", "target"),
    [
        ({}, "behaviour", 54_000),
        ({"peak_quarter": eur(91_899)}, "behaviour", 54_500),  # 54,533.9 rounded down to a step
        ({"peak_quarter": eur(910_000)}, "policy", 200_000),
        ({"peak_quarter": eur(910_000), "grade": "A"}, "policy", 500_000),
        ({"equity": eur(300_000)}, "capacity", 30_000),
        ({"equity": eur(-5)}, "capacity", 0),
        ({"receivables": eur(100_000)}, "concentration", 20_000),
        ({"receivables": eur(100_000), "owing": 19}, "behaviour", 54_000),
        ({"grade": "E"}, "behaviour", 0),
        ({"terms_days": 60}, "behaviour", 90_000),
    ],
)
def test_the_smallest_cap_binds(change, bound_by, target):
    found = recommend_limit(replace(INPUTS, **change), POLICY)
    assert (found.bound_by, found.target) == (bound_by, eur(target))
    assert [cap.code for cap in found.caps] == CAPS
    assert min(c.amount for c in found.caps if c.amount is not None) >= found.target
    assert all(cap.formula and cap.label for cap in found.caps)


@pytest.mark.parametrize(
    ("change", "keep", "amount"),
    [
        ({"current": None}, "", 54_000),
        ({"current": eur(54_000)}, "small_difference", 54_000),
        ({"current": eur(50_000)}, "small_difference", 50_000),  # 4,000 is less than 10 %
        ({"current": eur(40_000)}, "", 50_000),  # a quarter at once
        ({"current": eur(45_000)}, "", 54_000),
        ({"current": eur(0)}, "", 500),  # one step at least
        ({"current": eur(80_000)}, "", 54_000),  # a cut goes the whole way
        ({"current": eur(40_000), "oldest_days_past_due": 11}, "overdue", 40_000),
        ({"current": eur(40_000), "oldest_days_past_due": 10}, "", 50_000),
        ({"current": eur(40_000), "last_rise_on": DAY - timedelta(days=89)}, "cool_down", 40_000),
        ({"current": eur(40_000), "last_rise_on": DAY - timedelta(days=90)}, "", 50_000),
        ({"current": eur(80_000), "last_rise_on": DAY, "oldest_days_past_due": 99}, "", 54_000),
        ({"recommendation": "review"}, "review", 50_000),
        ({"score": None, "grade": "", "recommendation": ""}, "no_score", 50_000),
        ({"peak_quarter": eur(0)}, "no_purchases", 50_000),
        ({"recommendation": "declined", "grade": "D", "score": 30}, "", 0),
        ({"recommendation": "declined", "current": eur(0)}, "small_difference", 0),
        ({"recommendation": "declined", "current": eur(50)}, "", 0),
        ({"customer_status": "insolvent", "recommendation": "declined"}, "not_active", 50_000),
    ],
)
def test_how_far_it_moves_and_when_it_stays(change, keep, amount):
    found = recommend_limit(replace(INPUTS, **change), POLICY)
    assert (found.keep, found.amount) == (keep, eur(amount))
    assert found.moves == (keep == "")
    assert found.sentence_for(EVERYTHING)


ALL_CAPS = replace(
    POLICY,
    bank_percent=50,
    group_ceiling=30_000_000,
    grades={grade: replace(terms, own_risk=2_000_000) for grade, terms in POLICY.grades.items()},
)


@pytest.mark.parametrize(
    ("change", "bound_by", "target"),
    [
        ({}, "insurance", 20_000),
        ({"secured": eur(25_000)}, "insurance", 45_000),
        ({"secured": eur(90_000)}, "behaviour", 54_000),
        ({"secured": eur(90_000), "bank_inflow": eur(60_000)}, "bank_flows", 30_000),
        ({"secured": eur(90_000), "group_others": eur(290_000), "group_size": 3}, "group", 10_000),
        ({"secured": eur(90_000), "group_others": eur(400_000), "group_size": 3}, "group", 0),
        ({"secured": eur(90_000), "group_others": eur(0), "group_size": 0}, "behaviour", 54_000),
    ],
)
def test_cover_bank_flows_and_group_bind_where_the_policy_asks(change, bound_by, target):
    found = recommend_limit(replace(INPUTS, **change), ALL_CAPS)
    assert (found.bound_by, found.target) == (bound_by, eur(target))
    assert [cap.code for cap in found.caps] == CAPS
    assert all(cap.formula and cap.label for cap in found.caps)
    before = recommend_limit(replace(INPUTS, **change), POLICY)
    assert before.target == eur(54_000)


GATED = replace(
    POLICY,
    year_rises=2,
    year_rise_percent=50,
    gate_promise_days=90,
    gate_event_days=365,
    gate_score_fall=15,
    gate_use_percent=40,
    auto_rise_amount=1_500_000,
    auto_limit_amount=6_000_000,
)
RISING = replace(
    INPUTS, current=eur(40_000), exposure=eur(30_000), limit_year_ago=eur(40_000), score_before=72
)


@pytest.mark.parametrize(
    ("change", "keep", "amount", "at_once"),
    [
        ({}, "", 50_000, True),
        ({"recommendation": "guarantees"}, "", 50_000, False),
        ({"current": eur(40_100)}, "", 50_000, True),
        ({"limit_year_ago": eur(30_000)}, "", 45_000, True),  # half above 30,000
        ({"limit_year_ago": eur(26_000)}, "yearly", 40_000, False),
        ({"limit_year_ago": None}, "", 50_000, True),
        ({"rises_in_year": 2}, "year_rises", 40_000, False),
        ({"on_hold": True}, "on_hold", 40_000, False),
        ({"promise_broken_on": DAY - timedelta(days=89)}, "promise", 40_000, False),
        ({"promise_broken_on": DAY - timedelta(days=90)}, "", 50_000, True),
        ({"event_on": DAY - timedelta(days=364)}, "event", 40_000, False),
        ({"score_before": 87}, "score_fall", 40_000, False),
        ({"score_before": 86}, "", 50_000, True),
        ({"exposure": eur(15_900)}, "use", 40_000, False),
        (
            {"current": eur(0), "limit_year_ago": None},
            "",
            500,
            False,
        ),  # a step is more than a quarter of nothing
        ({"current": None}, "", 54_000, False),  # a first limit is decided by somebody
        ({"current": eur(80_000), "on_hold": True}, "", 54_000, False),  # a cut asks no gate
    ],
)
def test_every_gate_must_hold_and_only_small_rises_wait_for_nobody(change, keep, amount, at_once):
    found = recommend_limit(replace(RISING, **change), GATED)
    assert (found.keep, found.amount, found.is_automatic) == (keep, eur(amount), at_once)
    assert found.sentence_for(EVERYTHING) and all(gate.sentence for gate in found.gates)
    assert [gate.code for gate in found.gates if not gate.passed][:1] == ([keep] if keep else [])


@pytest.mark.parametrize(
    "change",
    [
        {"auto_rise_amount": 999_999},
        {"auto_limit_amount": 4_999_999},
        {"currency": "USD"},
        {"auto_rise_amount": 0},
    ],
)
def test_a_rise_beyond_what_the_policy_gives_away_goes_to_an_approver(change):
    found = recommend_limit(RISING, replace(GATED, **change))
    assert (found.amount, found.is_automatic) == (eur(50_000), False)


def test_caps_are_converted_for_an_account_in_another_currency():
    yen = {
        "currency": "JPY",
        "current": Money(1_000_000, "JPY"),
        "peak_quarter": Money(910_000_000, "JPY"),
        "receivables": Money(10**12, "JPY"),
        "rate": Decimal("160.50"),
    }
    found = recommend_limit(replace(INPUTS, **yen), POLICY)
    assert (found.bound_by, found.target) == ("policy", Money(32_100_000, "JPY"))


@given(
    current=st.integers(0, 10**9),
    peak=st.integers(1, 10**9),
    grades=st.sampled_from(["AB", "BC", "CD", "DE", "AE"]),
    overdue=st.integers(0, 60),
)
def test_a_worse_grade_never_recommends_more_and_steps_stay_small(current, peak, grades, overdue):
    inputs = replace(
        INPUTS,
        current=Money(current, "EUR"),
        peak_quarter=Money(peak, "EUR"),
        oldest_days_past_due=overdue,
    )
    better, worse = (recommend_limit(replace(inputs, grade=grade), POLICY) for grade in grades)
    assert worse.target <= better.target
    for found in (better, worse):
        if found.moves and found.amount > inputs.current:
            assert found.amount <= found.target
            assert found.amount.minor <= max(current * 125 // 100, current + 50_000)
        if found.moves and found.amount <= inputs.current:
            assert found.amount == found.target
