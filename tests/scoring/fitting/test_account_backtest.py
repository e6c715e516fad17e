"""The accounts part of a backtest: same rows for every model, intervals by customer, or why it cannot be told."""

from datetime import date

import pytest

from scoring.fitting.account_backtest import account_report, lines
from scoring.fitting.account_fit import Options
from scoring.models import Scorecard
from scoring.publishing import LIFE
from tests.factories import ACTOR

pytestmark = pytest.mark.django_db

TRAIN, FROM, TO = date(2024, 6, 30), date(2024, 6, 30), date(2024, 6, 30)
FEW = Options(min_events=2)


@pytest.mark.any_database
def test_cards_and_baselines_on_the_same_rows(true_book):
    expert = Scorecard.objects.get(status="active", kind="full")
    seen = LIFE.copy_by_job(expert, actor=ACTOR, as_of=TO)
    seen.calibration, seen.calibrated_on, seen.calibration_events = "fitted", date(2025, 6, 30), 40
    report = account_report(TRAIN, FROM, TO, cards=[expert, seen], options=FEW)
    assert "refused" not in report
    text = "\n".join(lines(report))
    assert "challenger" in text and f"{report['test']['events']} customers defaulted" in text
    # Odds fitted to outcomes of the test are told to be.
    assert text.count("its figures flatter it") == 1 and f"expert {seen.version}: fitted to outcomes" in text
    assert report["test"]["dates"] == ["2024-06-30"] and report["test"]["events"] >= 5
    assert report["train"]["dates"] == ["2023-06-30"]
    models = report["models"]
    assert set(models) == {
        "current_card",
        "challenger",
        f"expert {expert.version}",
        f"expert {seen.version}",
        "past_days_late",
        "oldest_overdue",
    }
    for figures in models.values():
        low, high = figures["auc_interval"]
        assert low <= figures["auc"] <= high
        assert 0 <= figures["brier"] <= 1 and 0 <= figures["loss_in_top_20"] <= 1
        assert sum(row["count"] for row in figures["calibration"]) == report["test"]["observations"]
    # The stored copy of the current card is the current card.
    again = models[f"expert {expert.version}"]
    assert again["auc"] == models["current_card"]["auc"]
    assert again["brier"] == pytest.approx(models["current_card"]["brier"])
    assert models["challenger"]["psi"] is not None


@pytest.mark.any_database
def test_refused_where_it_cannot_be_told(true_book):
    late = account_report(TRAIN, date(2024, 9, 30), date(2024, 12, 31), options=FEW)
    assert "complete through 2025-06-30" in late["refused"]
    assert lines(late) == [late["refused"]]
    few = account_report(TRAIN, FROM, TO)
    assert "at least 30" in few["refused"] and few["train"]["needed"] == 30
    assert few["test"]["observations"] > 100


def test_a_test_before_the_end_of_training_is_refused():
    with pytest.raises(ValueError, match="before the training ends"):
        account_report(TRAIN, date(2024, 5, 31), TO)
