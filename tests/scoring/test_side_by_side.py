"""Two cards side by side: what differs in words, both on the same rows, and the page that shows it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.models import Job
from scoring import card_comparison
from scoring.drafts import Row, change_numbers, copy_card, replace_bins
from scoring.fitting.observations import month_ends
from scoring.models import CardReport, Scorecard
from scoring.side_by_side import compare, fixed_on
from scoring.tasks import compare_planned_cards
from scoring.tryout import correlation
from tests.desk_world import client_of
from tests.factories import history, make_account, make_company
from tests.people import make_cast
from tests.scoring.test_evidence import TODAY, two_years

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def kept_cast(module_database):
    cast = make_cast()
    two_years(cast.company)
    return cast


@pytest.fixture
def pair(kept_cast, db) -> tuple[Scorecard, Scorecard]:
    """The card in use, and a draft that leaves one signal out, judges another otherwise and has other odds."""
    carla = kept_cast.controller
    champion = Scorecard.objects.get(status="active", kind="full")
    draft = copy_card(champion, by=carla, as_of=TODAY, name="Challenger")
    ranged = draft.bins.filter(signal="broken_promises_12m", is_missing=False)
    assert ranged.count() == 3
    rows = [
        Row(b.points - (b.upper is None and not b.is_missing), b.rationale, b.upper, b.is_missing)
        for b in draft.bins.filter(signal="broken_promises_12m")
    ]
    replace_bins(draft, "broken_promises_12m", rows, by=carla, as_of=TODAY)
    replace_bins(draft, "company_age_months", [], by=carla, as_of=TODAY)
    change_numbers(draft, {"grade_a_from": 82, "odds_at_anchor": Decimal(9)}, by=carla, as_of=TODAY)
    return champion, Scorecard.objects.get(pk=draft.pk)


@pytest.mark.any_database
def test_what_differs_in_words(pair):
    champion, draft = pair
    found = {one.signal: one for one in card_comparison.signals(champion, draft)}
    assert {name for name, one in found.items() if one.state != "same"} == {
        "broken_promises_12m",
        "company_age_months",
    }
    assert found["company_age_months"].state == "removed" and found["company_age_months"].second is None
    changed = found["broken_promises_12m"]
    assert changed.state == "changed" and [line.step for line in changed.lines] == [0, 0, -1, 0]
    assert changed.second.least == changed.first.least - 1 and "from" in changed.lines[2].span
    assert sum(one.first.share for one in found.values() if one.first) == pytest.approx(1)
    turned = {one.signal: one.state for one in card_comparison.signals(draft, champion)}
    assert turned["company_age_months"] == "added"
    differing = {
        one.label
        for _title, settings in card_comparison.settings(champion, draft)
        for one in settings
        if one.differs
    }
    assert {"grade A from", "good to bad odds at the anchor", "at score 50", "signals"} <= differing
    assert "points that double the odds" not in differing


def test_ranks_of_equal_scores_are_shared():
    first, second = [10, 20, 20, 40, 90], [1, 2, 3, 4, 5]
    ranks = np.corrcoef([1, 2.5, 2.5, 4, 5], [1, 2, 3, 4, 5])[0, 1]
    assert correlation(first, second) == {
        "scores": round(float(np.corrcoef(first, second)[0, 1]), 4),
        "ranks": round(float(ranks), 4),
    }
    assert correlation([5, 5], [1, 2]) is None


def test_both_are_measured_on_the_same_rows_and_shown(pair, monkeypatch):
    monkeypatch.setattr("scoring.side_by_side.LEAST_EVENTS", 2)
    monkeypatch.setattr("scoring.side_by_side.MONTH_LEAST", 2)
    champion, draft = pair
    carla = client_of(draft.created_by)
    url = f"{reverse('scorecards:compare')}?a={champion.pk}&b={draft.pk}"
    assert "not been measured side by side" in carla.get(url).content.decode()
    carla.post(reverse("scorecards:measure_pair"), {"a": champion.pk, "b": draft.pk})
    job = Job.objects.get(kind="compare-cards")
    assert compare_planned_cards(job)() == {"report": CardReport.objects.get(kind="compared").pk}
    figures = CardReport.objects.get(kind="compared").figures
    first, second = figures["measured"]["cards"]
    for name, gap in figures["measured"]["differences"].items():
        assert gap["gain"] == pytest.approx(second[name] - first[name]), name
        assert gap["interval"] is None or gap["interval"][0] <= gap["interval"][1]
    # Nobody broke a promise here and only the odds differ for them: the order is the same, the probability is not.
    assert figures["measured"]["differences"]["gini"]["gain"] == 0 != first["mean_pd"] - second["mean_pd"]
    months = figures["months"]
    assert [m["day"] for m in months] == sorted(m["day"] for m in months)
    assert {m["matured"] for m in months} == {True, False} and months[-1]["day"] < TODAY.isoformat()
    # A draft can still be changed by who knows what followed, whenever it was made.
    assert not any(m["blind"] for m in months) and figures["blind_from"] is None
    assert figures["since"] == {"customers": 0, "found": [0, 0]}
    assert max(m["defaults"] for m in months) == 2
    assert all(m["gini"][0] == m["gini"][1] for m in months)

    with CaptureQueriesContext(connection) as queries:
        page = carla.get(url).content.decode()
    assert len(queries) <= 22
    assert "One of the two is a draft" in page
    assert "no more than luck" in page and "2 signals differ" in page and "On the live book" in page
    assert "A draft was changed since" not in page
    # Odds fitted to these outcomes: the ranks are told, the probabilities are not.
    fitted = {"calibration": "fitted", "calibrated_on": TODAY, "calibration_events": 2}
    Scorecard.objects.filter(pk=draft.pk).update(**fitted)
    compare(champion, Scorecard.objects.get(pk=draft.pk), TODAY, made_by="test")
    page = carla.get(url).content.decode()
    assert "odds were fitted to outcomes until then" in page and "Brier (lower" not in page
    # Pressed again the same day it is measured again, and refused in the reader's words; while it waits, it is one job.
    Job.objects.update(status="done", result={"refused": "no"}, done_at=timezone.now())
    for _again in range(2):
        carla.post(reverse("scorecards:measure_pair"), {"a": champion.pk, "b": draft.pk})
    (waiting,) = Job.objects.filter(kind="compare-cards", status="waiting")
    monkeypatch.setattr("scoring.side_by_side.LEAST_EVENTS", 3)
    compare_planned_cards(waiting)()
    assert CardReport.objects.filter(kind="compared").latest("pk").figures["measured"]["refused"] == "too_few"
    assert "2 customers defaulted; at least 3 are needed." in carla.get(url).content.decode()
    change_numbers(draft, {"base_points": draft.base_points - 1}, by=draft.created_by, as_of=TODAY)
    assert "A draft was changed since" in carla.get(url).content.decode()
    assert carla.get(reverse("scorecards:compare") + "?a=999999").status_code == 404
    thin = Scorecard.objects.get(status="active", kind="thin")
    with pytest.raises(ValueError, match="different customers"):
        compare(champion, thin, date(2026, 11, 30), made_by="test")


def test_what_followed_a_proposal_counts_each_customer_once(pair, monkeypatch):
    champion, draft = pair
    # A company whose ledger ends early is no evidence that its customers paid.
    other = make_company("early", complete_through=date(2026, 5, 31))
    silent = make_account(other)
    history(silent, [("1000", date(2025, month, 1), 30, date(2025, month, 28)) for month in range(6, 12)])
    proposed = datetime(2025, 11, 1, 12, tzinfo=UTC)
    made = Scorecard.objects.filter(pk__in=[champion.pk, draft.pk])
    made.update(created_at=proposed - timedelta(days=300))
    Scorecard.objects.filter(pk=draft.pk).update(
        status="proposed", proposed_at=proposed, proposed_by=draft.created_by
    )
    champion, draft = (Scorecard.objects.get(pk=card.pk) for card in (champion, draft))
    assert fixed_on(draft) == date(2025, 11, 1)
    monkeypatch.setattr("scoring.side_by_side.observation_days", lambda *_span: [date(2025, 11, 30)])
    monkeypatch.setattr("scoring.side_by_side.month_ends", lambda *span: month_ends(*span)[:2])
    figures = compare(champion, draft, TODAY, made_by="test").figures
    blind = [m for m in figures["months"] if m["blind"]]
    assert [m["day"] for m in blind] == ["2025-11-30", "2025-12-31", "2026-01-31"]
    assert sum(m["defaults"] for m in blind) > figures["since"]["customers"] > 0
    assert max(m["accounts"] for m in figures["months"]) == 6
    page = client_of(draft.created_by).get(f"{reverse('scorecards:compare')}?a={champion.pk}&b={draft.pk}")
    assert "Since 1 Nov 2025 neither card" in page.content.decode()
    # Odds calibrated later have seen what followed until then.
    draft.calibrated_on = date(2026, 3, 31)
    assert fixed_on(draft) == date(2026, 3, 31)
    draft.status = "draft"
    assert fixed_on(draft) is None
