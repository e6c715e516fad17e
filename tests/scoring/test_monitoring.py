"""Monthly monitoring: movements between grades, drift, grades against what happened, overrides measured."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.urls import reverse

from creditdesk.core.facts import View
from creditdesk.core.models import Notice
from creditdesk.core.notices import topics
from customers.models import ImportBatch
from scoring.card import active_card
from scoring.engine import compute, rescore
from scoring.fitting.observations import month_ends
from scoring.fitting.outcomes import default_episodes
from scoring.models import AccountScore, CardReport, PublishingGate, ScoreHistory, ScoreOverride
from scoring.monitoring import (
    drift,
    grades_come_true,
    migration_matrix,
    monitor,
    month_end_before,
    override_outcomes,
)
from scoring.tasks import monitor_month
from scoring.validation import beyond, series
from tests.desk_world import client_of
from tests.factories import history, invoice, make_account
from tests.people import Cast, make_cast

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)
A_YEAR_AGO = TODAY - timedelta(days=365)


def trade(account, first: date, months: int, days_late: int) -> None:
    issued = [first + timedelta(days=30 * month) for month in range(months)]
    history(account, [("1000", day, 30, day + timedelta(days=30 + days_late)) for day in issued])


@pytest.fixture(scope="module")
def kept_book(module_database):
    """Two years: one pays in time to the end, one turns slow, one stops paying altogether a year ago."""
    cast = make_cast()
    ImportBatch.objects.create(source=cast.company.sources.get(code="erp"), complete_through=TODAY)
    start = TODAY - timedelta(days=730)
    accounts = {name: make_account(cast.company, name) for name in ("steady", "slower", "collapse")}
    for name, account in accounts.items():
        trade(account, start, 11, 0)
        if name != "collapse":
            trade(account, start + timedelta(days=330), 11, 25 if name == "slower" else 0)
    invoice(accounts["collapse"], "5000", A_YEAR_AGO - timedelta(days=20))
    return cast, accounts


@pytest.fixture
def cast(kept_book, db) -> Cast:
    return deepcopy(kept_book[0])


@pytest.fixture
def book(kept_book, db) -> dict[str, object]:
    return deepcopy(kept_book[1])


def test_the_matrix_counts_every_account_graded_at_both_dates(book):
    rescore(A_YEAR_AGO)
    rescore(TODAY)
    matrix = migration_matrix(A_YEAR_AGO, TODAY)
    then = dict(ScoreHistory.objects.filter(as_of=A_YEAR_AGO).values_list("account", "grade"))
    now = dict(AccountScore.objects.values_list("account", "grade"))
    assert sum(n for *_move, n in matrix["moves"]) == len(then)
    for a, b, n in matrix["moves"]:
        assert n == sum(then[pk] == a and now[pk] == b for pk in then)
    assert matrix["worse"] >= 2 and matrix["better"] + matrix["worse"] + matrix["same"] == len(then)
    assert migration_matrix(A_YEAR_AGO - timedelta(days=900), TODAY)["appeared"] == len(then)


def test_drift_names_the_signals_that_moved(book):
    found = drift(A_YEAR_AGO, TODAY)
    by_signal = {s["signal"]: s["psi"] for s in found["signals"]}
    assert found["accounts_then"] == found["accounts_now"] == 3
    assert by_signal["days_late_12m"] > 0.25 > by_signal["broken_promises_12m"] == 0
    assert [s["psi"] for s in found["signals"]] == sorted((s["psi"] for s in found["signals"]), reverse=True)
    same = drift(TODAY, TODAY)
    assert same["psi"] == 0 and all(s["psi"] == 0 for s in same["signals"])


def test_grades_are_held_against_what_happened(book):
    found = grades_come_true(TODAY)
    assert (found["accounts"], found["defaults"], found["gini"]) == (3, 1, None)
    assert sum(row["accounts"] for row in found["grades"]) == 3
    for row in found["grades"]:
        if row["accounts"]:
            assert row["low"] <= row["rate"] <= row["high"] and 0 < row["expected"] < 1


def test_overrides_are_measured_once_their_year_is_over(book, cast):
    rescore(A_YEAR_AGO)

    def override(account, grade, valid_from):
        row = AccountScore.objects.get(account=account)
        ScoreOverride.objects.create(
            account=account,
            grade=grade,
            computed_score=row.score,
            computed_grade="C",
            card_id=row.card_id,
            reason_code="new_information",
            note="n",
            valid_from=valid_from,
            valid_until=valid_from + timedelta(days=180),
            made_by=cast.controller,
        )

    override(book["collapse"], "A", A_YEAR_AGO)
    override(book["steady"], "B", A_YEAR_AGO - timedelta(days=10))
    override(book["slower"], "E", A_YEAR_AGO - timedelta(days=5))
    override(book["steady"], "A", TODAY - timedelta(days=30))
    found = override_outcomes(TODAY)
    assert found["directions"]["up"] == {"overrides": 2, "defaults": 1, "judged": 2}
    assert found["directions"]["down"] == {"overrides": 1, "defaults": 0, "judged": 1}
    assert found["waiting"] == 1 and found["reasons"] == {"new_information": 1}


def test_the_month_is_kept_as_a_report_of_the_card_in_use(book):
    for day in (date(2026, 9, 30), date(2026, 10, 31)):
        rescore(day)
    report = monitor(TODAY, made_by="test")
    assert (report.kind, report.as_of, report.figures["month"]) == (
        "monitoring",
        date(2026, 10, 31),
        "2026-10",
    )
    assert set(report.figures) == {
        *(
            "month",
            "migration",
            "drift",
            "outcomes",
            "overrides",
            "invoices",
            "series",
            "beside",
            "gate",
            "beyond",
        )
    }
    assert monitor_month("2026-11-02T06:00:00+00:00") == report.pk
    assert CardReport.objects.get() == report and report.card.status == "active"
    assert month_end_before(date(2026, 3, 31)) == date(2026, 2, 28)


def test_the_card_in_use_is_validated_by_month_and_people_hear_of_a_missed_gate(book, cast, monkeypatch):
    monkeypatch.setattr("scoring.validation.LEAST_EVENTS", 1)
    PublishingGate.objects.create(min_gini=1, max_psi="0.001", max_age_days=100)
    report = monitor(TODAY, made_by="test")
    points = report.figures["series"]
    assert [p["month"] for p in points] == [
        f"{month:%Y-%m}" for month in month_ends(date(2026, 5, 1), date(2026, 10, 31))
    ]
    newest = points[-1]
    assert (newest["scored_on"], newest["accounts"], newest["events"]) == ("2025-10-31", 3, 1)
    assert newest["observed"] == round(1 / 3, 4) and 0 < newest["expected"] < newest["observed"]
    assert (
        newest["gini"] is not None
        and newest["ks"] is not None
        and newest["psi"] == report.figures["drift"]["psi"]
    )
    gini = gini_of(newest["scored_on"], {account.pk for account in book.values()})
    assert newest["gini"] == gini
    codes = [one["code"] for one in report.figures["beyond"]]
    assert codes == (["gini"] if gini < 1 else []) + ["psi"]
    # Measured again, the months told once are taken over, and nobody is told twice.
    seen = []
    monkeypatch.setattr("scoring.validation.observe", lambda days, **_rest: seen.append(days))
    again = monitor(TODAY, made_by="test")
    assert again.figures["series"] == points and seen == []
    notices = list(Notice.objects.filter(topic="card_gate"))
    assert len(notices) == len(codes)
    topic = next(t for t in topics() if t.code == "card_gate")
    reached = topic.people(notices, TODAY)[notices[0].pk]
    assert {cast.controller.pk, cast.manager.pk} <= reached and cast.collector.pk not in reached
    assert "2026-10" in topic.lines(notices)[notices[0].pk].text
    # A ledger that ends in May tells nothing of October: May's Gini was told of in May.
    gate = PublishingGate(min_gini=1, max_psi=1)
    assert beyond([points[-1] | {"gini": 0.1, "month": "2026-05"}], None, gate, "2026-10") == []
    assert beyond([points[-1] | {"gini": 0.1}], None, gate, "2026-10")[0].code == "gini"
    # A card that learned from outcomes and was edited since was still taught them.
    assert not any(point["taught"] for point in points)
    monkeypatch.setattr("scoring.validation.taught_until", lambda _card: date(2026, 8, 31))
    taught = series(active_card(), date(2026, 10, 31))
    assert [point["month"] for point in taught if point["taught"]] == [
        "2026-05",
        "2026-06",
        "2026-07",
        "2026-08",
    ]
    client = client_of(cast.auditor)
    shown = client.get(reverse("scorecards:monitoring")).content.decode()
    assert "Month by month" in shown and "above the 0.001 allowed" in shown


def gini_of(day: str, accounts: set[int]) -> float:
    """By hand: pairs of the one who defaulted with those who did not, ranked by the score of that day."""
    as_of = date.fromisoformat(day)
    scores = {
        row.account_id: row.score
        for row in compute(as_of, view=View(known_at=as_of))
        if row.account_id in accounts
    }
    (bad,) = default_episodes(TODAY).between(as_of, TODAY)
    others = [score for pk, score in scores.items() if pk != bad]
    return round(sum((scores[bad] < s) - (scores[bad] > s) for s in others) / len(others), 4)
