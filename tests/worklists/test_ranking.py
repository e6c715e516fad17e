"""The rule that ranks: pure arithmetic, no database."""

import pytest

from worklists import ranking
from worklists.ranking import Candidate, Valued, collectable, cost_of_waiting, rank, stays_unpaid, value


def valued(key, amount, chance, minutes=8, oldest="2026-01-01"):
    """A candidate whose chance is given (per mille), as in the oracle of the KPI catalogue."""
    candidate = Candidate(key, [(amount, 10)], "C", "overdue", minutes, oldest)
    return Valued(candidate, amount, cost_of_waiting([(amount, chance)]), chance)


def test_ranks_by_the_expected_loss_of_waiting():
    """KPIS.md, 'Rank by expected loss of waiting': B, A, C; D is held by its promise."""
    a, b, c = (
        valued("A", 5_000_000, 100),
        valued("B", 1_200_000, 600),
        valued("C", 9_000_000, 50),
    )
    d_collectable = collectable(3_000_000, promised=3_000_000)
    assert d_collectable == 0, "D has an open promise over all of it"
    assert [row.at_risk for row in (a, b, c)] == [500_000, 720_000, 450_000]
    assert [row.candidate.key for row in rank([a, b, c])] == ["B", "A", "C"]


@pytest.mark.parametrize(
    ("open_minor", "holds", "expected"),
    [
        (10_000, {}, 10_000),
        (10_000, {"disputed": 4_000}, 6_000),
        (10_000, {"promised": 10_000}, 0),
        (10_000, {"disputed": 6_000, "promised": 6_000}, 0),
        (10_000, {"blocked": True}, 0),
        (4_000, {"promised": 10_000}, 0),
    ],
)
def test_collectable_is_what_is_left_after_the_holds(open_minor, holds, expected):
    assert collectable(open_minor, **holds) == expected


def test_minutes_count_against_the_money():
    long_call, mail = valued("call", 500_000, 400, minutes=12), valued("mail", 200_000, 400, minutes=2)
    assert [row.candidate.key for row in rank([long_call, mail])] == ["mail", "call"]


def test_ties_break_by_age_then_key():
    rows = [valued(3, 100, 500), valued(2, 100, 500), valued(1, 100, 500, oldest="2026-02-01")]
    assert [row.candidate.key for row in rank(rows)] == [2, 3, 1]


@pytest.mark.parametrize(
    ("days", "upto"), [(1, 7), (7, 7), (8, 15), (15, 15), (16, 30), (60, 60), (61, 90), (90, 90), (91, 180)]
)
def test_bands_of_days_past_due_include_their_upper_end(days, upto):
    assert stays_unpaid(days, "", "overdue") == dict(ranking.BY_DAYS_PAST_DUE)[upto] * 90 // 100


@pytest.mark.parametrize("cause", ["overdue", *ranking.BY_CAUSE])
def test_older_or_worse_never_lowers_the_chance(cause):
    for grade in ranking.BY_GRADE:
        chances = [stays_unpaid(days, grade, cause) for days in range(1, 400)]
        assert chances == sorted(chances)
        assert all(ranking.LOWEST <= chance <= ranking.HIGHEST for chance in chances)
    for days in (1, 20, 100, 400):
        by_grade = [stays_unpaid(days, grade, cause) for grade in "ABCDE"]
        assert by_grade == sorted(by_grade)


def test_each_item_is_priced_at_its_own_age():
    row = value(Candidate(1, [(1_000_000, 3), (10_000, 200)], "C", "overdue", 8))
    young, old = stays_unpaid(3, "C", "overdue"), stays_unpaid(200, "C", "overdue")
    assert row.at_risk == 1_000 * young + 10 * old
    assert row.collectable == 1_010_000
    assert young <= row.probability <= old


def test_nothing_collectable_costs_nothing_and_ranks_last():
    nothing = value(Candidate(1, [], "E", "promise_today", 1))
    assert (nothing.at_risk, nothing.collectable, nothing.probability) == (0, 0, 0)
    assert rank([nothing, valued(2, 100, 500)])[-1] is nothing
