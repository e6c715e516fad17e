"""What would lift a score, as people read it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest

from creditdesk.core.money import Money
from scoring.card import Bin
from scoring.counterfactual import BetterBin, IfPaid, WouldLift, better_bins
from scoring.explain import Item
from scoring.lifting import bin_sentences, sentences
from scoring.sentences import span
from scoring.signals import BY_NAME

TODAY, LATER = date(2026, 11, 20), date(2027, 2, 18)


def paid(score: int, grade: str, *numbers: str, minor: int = 500_000, day: date = TODAY) -> IfPaid:
    """numbers: documents, "F-1/2" for the second instalment of one."""
    parts = [number.partition("/") for number in numbers]
    found = tuple(SimpleNamespace(invoice=SimpleNamespace(number=a), number=int(b or 1)) for a, _, b in parts)
    return IfPaid(found, Money(minor, "EUR"), TODAY, day, score, grade, "review")


def lift(**parts) -> WouldLift:
    values = {
        "score": 43,
        "grade": "D",
        "better_bins": (),
        "next_grade": None,
        "all_paid": None,
        "on_time": None,
    }
    return WouldLift(**values | parts)


def test_the_fewest_invoices_that_reach_a_better_grade_come_first():
    told = sentences(
        lift(
            next_grade=paid(52, "C", "F-12", "F-15"),
            all_paid=paid(58, "C", "F-12", "F-15", "F-20", minor=750_000),
            on_time=paid(64, "B", "F-12", "F-15", "F-20", "F-31", day=LATER),
        )
    )
    assert told == [
        "Paying the 2 oldest overdue invoices, 5,000.00 EUR (F-12, F-15), today lifts the score from 43 to 52, "
        "grade C.",
        "Paying everything overdue, 7,500.00 EUR on 3 invoices (F-12, F-15, F-20), today lifts the score from 43 "
        "to 58, grade C.",
        "If everything else that is open is then paid on its due day too, the score is 64 (B) on 18 Feb 2027.",
    ]


def test_one_invoice_and_two_instalments_of_one():
    (told,) = sentences(lift(next_grade=paid(52, "C", "F-12")))
    assert told.startswith("Paying the oldest overdue invoice, 5,000.00 EUR (F-12), today")
    (told,) = sentences(lift(next_grade=paid(52, "C", "F-12", "F-12/2")))
    assert told.startswith("Paying the 2 oldest overdue instalments, 5,000.00 EUR (F-12, F-12 / 2), today")


@pytest.mark.parametrize(
    ("score", "grade", "end"),
    [
        (43, "D", "today leaves the score at 43, grade D."),
        (44, "D", "today lifts the score from 43 to 44, still grade D."),
        (41, "D", "today takes the score from 43 to 41, grade D."),
    ],
)
def test_what_paying_really_does_is_said_even_when_it_is_little(score, grade, end):
    assert sentences(lift(all_paid=paid(score, grade, "F-1")))[0].endswith(end)


def test_with_nothing_overdue_only_the_time_ahead_is_told():
    told = sentences(lift(on_time=paid(70, "B", day=LATER)))
    assert told == ["If everything open comes on its due day, the score is 70 (B) on 18 Feb 2027."]


def test_a_long_list_of_documents_is_cut_short():
    (told,) = sentences(lift(all_paid=paid(50, "C", *(f"F-{n}" for n in range(10)))))
    assert "(F-0, F-1, F-2, F-3, F-4, F-5, 4 more)" in told


def better(name: str, value, bound: str, below: bool, points: int = 3) -> BetterBin:
    item = Item(BY_NAME[name], value, -3, None, None, "", "")
    return BetterBin(item, Decimal(bound), below, points)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            better("days_late_12m", 8.2, "6", True),
            "Days late on average, 12 months: below 6 days instead of 8.2 days (+3).",
        ),
        (better("overdue_count", 4, "3", True), "Instalments overdue now: at most 2 instead of 4 (+3)."),
        (better("overdue_count", 4, "2.5", True), "Instalments overdue now: at most 2 instead of 4 (+3)."),
        (
            better("due_count_12m", 5, "12", False),
            "Instalments fallen due in 12 months: at least 12 instead of 5 (+3).",
        ),
        (
            better("overdue_share", 0.2, "0.000001", True),
            "Overdue now, of what fell due in 12 months: at most 0.0% instead of 20.0% (+3).",
        ),
    ],
)
def test_a_better_bin_names_the_bound_in_its_unit(one, said):
    assert bin_sentences(lift(better_bins=(one,))) == [said]


def test_five_bins_are_enough():
    many = tuple(better("overdue_count", 9, str(n), True) for n in range(2, 9))
    assert len(bin_sentences(lift(better_bins=many))) == 5


def test_a_bound_and_a_figure_that_round_alike_get_more_digits():
    """ "below 10.0% instead of 10.0%" and "at least 0 months instead of -0.0 months" said nothing."""
    (share,) = bin_sentences(lift(better_bins=(better("overdue_share", 0.1003, "0.1", True),)))
    assert "below 10.0% instead of 10.03%" in share
    (balance,) = bin_sentences(lift(better_bins=(better("bank_low_balance_90", -0.04, "0", False),)))
    assert "at least 0 months instead of -0.04 months" in balance
    (one,) = bin_sentences(lift(better_bins=(better("bank_avg_balance_180", 0.3, "1", False),)))
    assert "at least 1 month instead of 0.3 months" in one


def test_nobody_is_told_to_end_its_insolvency_and_everybody_that_paying_leaves_it_e():
    told = sentences(lift(insolvent=True, grade="E", all_paid=paid(52, "E", "F-1")))
    assert told[0] == "While insolvency proceedings are open the grade stays E, whatever is paid."
    row = Item(BY_NAME["insolvent"], 1, -3, Decimal(1), None, "", "")
    bins = (Bin(None, Decimal(1), 0, ""), Bin(Decimal(1), None, -3, ""))
    explanation, card = SimpleNamespace(items=[row]), SimpleNamespace(bins={"insolvent": bins})
    assert better_bins(explanation, card) == []
    assert row.span == "yes" and Item(BY_NAME["insolvent"], 0, 0, None, Decimal(1), "", "").span == "no"


def test_a_bin_of_nothing_but_zero_does_not_promise_less_than_nothing():
    tiny = Decimal("0.000001")
    assert span("written_off_share", None, tiny) == "0.0%"
    assert span("written_off_share", tiny, Decimal("0.02")) == "above 0.0% to below 2.0%"
    assert span("written_off_share", tiny, None) == "above 0.0%"
    assert span("written_off_share", None, Decimal("0.02")) == "below 2.0%"
