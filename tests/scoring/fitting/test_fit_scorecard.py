"""manage.py fit_scorecard: a draft that is a proper card with its report, or a refusal that names the counts."""

import json
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from creditdesk.core.models import AuditEntry
from scoring import rationale
from scoring.card import active_card, as_card, problems
from scoring.engine import compute
from scoring.evidence import discrimination
from scoring.explain import explain
from scoring.fitting.account_fit import NotEnoughEvents, Options
from scoring.fitting.drafting import learn
from scoring.models import CardReport, Scorecard

pytestmark = pytest.mark.django_db


def fit(*arguments):
    out = StringIO()
    call_command("fit_scorecard", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_draft_challenger_with_its_report(true_book):
    figures = json.loads(fit("--min-events", "8", "--name", "Ours", "--format", "json"))
    card = Scorecard.objects.get(pk=figures["card"]["id"])
    assert (card.code, card.version, card.name) == ("fitted", 1, "Ours")
    assert (card.status, card.calibration) == ("draft", "fitted")
    assert active_card().code == "expert"
    ready = as_card(card, list(card.bins.all()))
    assert problems(ready) == []
    assert all(b.rationale.startswith("observed rows=") for b in card.bins.all())
    assert ready.grades[0][0] > ready.grades[1][0] > ready.grades[2][0] > ready.grades[3][0]

    report = CardReport.objects.get(card=card, kind="fit")
    assert report.figures["events"] == figures["events"] >= 8
    assert report.figures["until"] == "2025-06-30" and report.as_of == date(2025, 6, 30)
    low, high = figures["gini_interval"]
    assert low < figures["gini"] < high
    assert sum(row["count"] for row in figures["calibration"]) == figures["observations"]
    assert set(figures["causes"]) <= {"residue", "written_off", "insolvency"}
    named = {s["signal"] for s in figures["signals"]} | {s["signal"] for s in figures["left_out"]}
    assert named >= {"days_late_12m", "oldest_overdue_days"} and "insolvent" not in named
    assert AuditEntry.objects.filter(act="scorecard.fitted").exists()

    # Tested on the same outcomes it was taught, it would look better than it is: nothing is left to test it on.
    assert "No observation" in discrimination(card)["refused"]

    # The engine scores the live book with it, and the explanation adds up.
    rows = list(compute(date(2025, 6, 30), card=ready))
    assert len({row.score for row in rows}) > 5 and all(0 <= row.score <= 100 for row in rows)
    told = explain(rows[0], ready)
    assert told.base_points + sum(item.points for item in told.items) == rows[0].score

    again = json.loads(fit("--min-events", "8", "--format", "json"))
    assert again["card"]["version"] == 2 and again["bins"] == figures["bins"]


@pytest.mark.any_database
def test_a_table_for_people_and_nothing_kept(true_book):
    text = fit("--min-events", "8", "--dry-run")
    assert "cross-validated by customer" in text and "Safer than the portfolio" in text
    assert not Scorecard.objects.filter(code="fitted").exists()


@pytest.mark.any_database
def test_until_uses_only_what_was_known_and_complete_then(true_book):
    early = learn(date(2024, 12, 31), None, Options(min_events=2))
    assert early.observations.days[-1] == date(2023, 12, 31)
    assert early.until == date(2024, 12, 31)
    whole = learn(None, None, Options(min_events=8))
    assert whole.observations.days[-1] == date(2024, 6, 30)
    with pytest.raises(NotEnoughEvents, match="complete through 2023-06-30"):
        learn(date(2023, 6, 30))


@pytest.mark.any_database
def test_only_the_named_signals(true_book):
    figures = json.loads(
        fit("--min-events", "8", "--signals", "days_late_12m, broken_promises_12m", "--format", "json")
    )
    assert set(figures["bins"]) <= {"days_late_12m", "broken_promises_12m"}
    with pytest.raises(CommandError, match="days_latte: no such signal"):
        fit("--signals", "days_latte")


@pytest.mark.any_database
def test_refused_below_the_number_of_events(true_book):
    with pytest.raises(CommandError, match=r"Refused: \d+ of \d+ customers defaulted .* at least 5000 with"):
        fit("--min-events", "5000")
    assert not Scorecard.objects.filter(code="fitted").exists()


def test_a_fitted_reason_in_the_readers_language():
    text = rationale.observed(1234, 19, 0.0461)
    assert rationale.shown(text) == (
        "Safer than the portfolio: 19 of 1,234 observations defaulted (1.5 %, all 4.6 %)."
    )
    assert rationale.shown(rationale.observed(10, 3, 0.0461)).startswith("Riskier")
    assert rationale.shown(rationale.observed(0, 0, 0.0461)).startswith("Never seen")
    assert "Too little history" in rationale.shown(rationale.observed(5, 1, 0.1, shared=True))
    assert rationale.shown("Pays on the day.") == "Pays on the day."
    with translation.override("it"):
        assert "1,5" in rationale.shown(text)
