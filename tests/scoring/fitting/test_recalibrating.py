"""A card calibrated on the ledger: a draft with new odds and its report, refused with counts where defaults are few, and
a label that goes with whatever moves the probability."""

import json
from datetime import date
from decimal import Decimal
from importlib import import_module
from io import StringIO
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry, Job
from creditdesk.core.sentences import stored
from scoring.calibrated import label, sentence
from scoring.card import as_card
from scoring.drafts import Row, change_numbers, copy_card, delete_draft, replace_bins
from scoring.engine import compute
from scoring.evidence import discrimination, odds_of
from scoring.explain import explain
from scoring.fitting.account_fit import NotEnoughEvents
from scoring.model_card import sections
from scoring.models import CardReport, Scorecard
from scoring.publishing import PublishingError
from scoring.recalibrating import calibrate, expert_odds, keep_calibrated
from scoring.tasks import calibrate_planned_card
from scoring.taught import taught_until
from tests.people import make_cast

pytestmark = pytest.mark.django_db
TODAY = date(2025, 6, 30)


def run(*arguments):
    out = StringIO()
    call_command("calibrate_card", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def active(db):
    return Scorecard.objects.get(status="active", kind="full")


@pytest.mark.any_database
def test_a_draft_with_new_odds_whose_label_goes_with_what_moves_the_probability(true_book, active):
    figures = json.loads(run("--format", "json"))
    draft = Scorecard.objects.get(pk=figures["card"]["id"])
    assert (draft.status, draft.calibration, draft.calibrated_on) == ("draft", "fitted", TODAY)
    assert draft.based_on == active and draft.version > active.version
    assert draft.calibration_events == figures["events"] >= 30
    assert f"{figures['events']} defaults" in label(draft) and "customer-years" in sentence(draft)
    # Two years of observations ahead of some 300 customers, arrivals and defaults less.
    assert 300 < draft.calibration_years == figures["customer_years"] < 600
    # Points, grades and zones are the old card's; only the odds moved, and toward the defaults there were.
    before, after = as_card(active, list(active.bins.all())), as_card(draft, list(draft.bins.all()))
    assert (before.bins, before.missing, before.grades) == (after.bins, after.missing, after.grades)
    assert before.pd_of(60, insolvent=False) != after.pd_of(60, insolvent=False)
    assert after.points_to_double > 0
    away = abs(figures["mean_before"] - figures["rate"]), abs(figures["mean_pd"] - figures["rate"])
    assert away[1] < 0.001 < away[0]
    assert sum(row["count"] for row in figures["tenths"]) == figures["observations"]
    assert "refused" in figures["out_of_time"] or figures["out_of_time"]["learned_until"] < "2025"
    assert CardReport.objects.get(card=draft).kind == "calibrated"
    assert AuditEntry.objects.filter(act="scorecard.calibrated").exists()
    # How it ranks can be told of these outcomes, what its probability is worth cannot.
    told = discrimination(draft)
    assert told["gini"] > 0 and "brier" not in told and told["pd_taught_until"] == TODAY.isoformat()
    # The probability says what it stands on wherever it is explained.
    row = next(iter(compute(TODAY, card=after)))
    assert explain(row, after).pd_label.endswith(f"({label(draft)})")
    assert explain(next(iter(compute(TODAY))), before).pd_label.endswith("(uncalibrated)")
    # Calibrated again, it starts from the expert's odds: the same defaults do not count twice.
    assert expert_odds(draft) == odds_of(active) != odds_of(draft)
    again = calibrate(draft)
    assert again.odds == odds_of(draft)
    carla = make_cast().controller
    _the_label_goes_with_what_moves_the_probability(draft, carla)
    # Of points changed while it was calibrated, or other odds, it says nothing.
    for change in ({"base_points": draft.base_points - 1}, {"points_to_double": Decimal(9)}):
        copy = change_numbers(copy_card(draft, by=carla, as_of=TODAY), change, by=carla, as_of=TODAY)
        with pytest.raises(PublishingError, match="calibrate it again"):
            keep_calibrated(copy, again, as_of=TODAY, actor=Actor.person(carla), by=carla)


def _the_label_goes_with_what_moves_the_probability(calibrated, carla):
    copy = copy_card(calibrated, by=carla, as_of=TODAY)
    assert label(copy) == label(calibrated)
    signal = copy.bins.filter(is_missing=False).first().signal
    lines = [
        Row(b.points, b.rationale, b.upper, b.is_missing)
        for b in copy.bins.filter(signal=signal).order_by("pk")
    ]
    change_numbers(copy, {"name": "Ours", "grade_a_from": copy.grade_a_from + 1}, by=carla, as_of=TODAY)
    replace_bins(
        copy,
        signal,
        [Row(r.points, "Said better.", r.upper, r.is_missing) for r in lines],
        by=carla,
        as_of=TODAY,
    )
    copy.refresh_from_db()
    assert label(copy) == label(calibrated)
    for change in (
        lambda card: change_numbers(card, {"odds_at_anchor": Decimal(9)}, by=carla, as_of=TODAY),
        lambda card: change_numbers(card, {"base_points": card.base_points - 1}, by=carla, as_of=TODAY),
        lambda card: replace_bins(card, signal, [], by=carla, as_of=TODAY),
    ):
        draft = copy_card(calibrated, by=carla, as_of=TODAY)
        change(draft)
        draft.refresh_from_db()
        assert (draft.calibration, draft.calibrated_on, draft.calibration_events) == (
            "uncalibrated",
            None,
            None,
        )
        # Whoever changes points or odds since knew what the odds were fitted to: these defaults are not unseen, nor
        # the start of another calibration.
        assert expert_odds(draft) == odds_of(calibrated.based_on) != odds_of(draft)
        assert taught_until(draft) == TODAY


def test_the_level_alone_and_too_few_for_that(true_book, active, client, monkeypatch):
    monkeypatch.setattr("scoring.fitting.odds.SLOPE_FROM", 1000)
    cast = make_cast()
    client.force_login(cast.controller)
    page = client.get(reverse("scorecards:card", args=[active.pk])).content.decode()
    assert "uncalibrated" in page and "Calibrate on our own outcomes" in page
    # In the background, once however often it is pressed; the page tells what became of it.
    here = reverse("scorecards:card", args=[active.pk])
    for _twice in range(2):
        assert client.post(reverse("scorecards:calibrate", args=[active.pk])).url == here
    job = Job.objects.get(kind="calibrate-card")
    waiting = client.get(here).content.decode()
    assert "being fitted in the background" in waiting and "Calibrate on our own outcomes" not in waiting
    assert not Scorecard.objects.filter(status="draft", based_on=active).exists()
    job.result = calibrate_planned_card(job)
    job.status, job.done_at = "done", timezone.now()
    job.save()
    draft = Scorecard.objects.get(status="draft", based_on=active)
    assert job.result == {"draft": draft.pk} and draft.created_by == cast.controller
    page = client.get(here).content.decode()
    there = reverse("scorecards:card", args=[draft.pk])
    assert f'href="{there}"' in page and "has the new odds" in page
    assert (draft.calibration, draft.points_to_double) == ("level", active.points_to_double)
    page = client.get(there).content.decode()
    assert (
        f"{draft.calibration_events} defaults in {draft.calibration_years} customer-years; slope is expert"
        in page
    )
    assert "Too few to tell the slope" in page and "By tenth of the score" in page
    model_card = client.get(reverse("scorecards:model_card", args=[draft.pk])).content.decode()
    assert "slope is expert judgement" in model_card and "how they part good from bad is not" in model_card
    # Nobody of the book is a thin file with bank lines: no calibration, and it says so.
    with pytest.raises(CommandError, match="0 of 0 thin files it scores defaulted"):
        run("--kind", "thin")
    monkeypatch.setattr("scoring.fitting.odds.LEVEL_FROM", 500)
    with pytest.raises(CommandError, match=r"Refused: \d+ of \d+ customers defaulted in \d+ customer-years"):
        run("--until", "2024-08-31")
    # Why not is told on the page, to each reader in their own language.
    client.post(reverse("scorecards:calibrate", args=[active.pk]))
    job = Job.objects.get(kind="calibrate-card", status="waiting")
    Job.objects.filter(pk=job.pk).update(
        result=stored(calibrate_planned_card(job)), status="done", done_at=timezone.now()
    )
    for language, words in (("en", "the card stays uncalibrated"), ("es", " clientes ")):
        cast.controller.language = language
        cast.controller.save()
        assert words in client.get(here).content.decode()
    client.force_login(cast.approver)
    assert client.post(reverse("scorecards:calibrate", args=[active.pk])).status_code == 403


@pytest.mark.any_database
def test_a_copy_of_a_learned_card_is_not_tested_on_what_it_was_taught(true_book):
    out = StringIO()
    call_command("fit_scorecard", "--min-events", "8", "--format", "json", stdout=out)
    learned = Scorecard.objects.get(pk=json.loads(out.getvalue())["card"]["id"])
    assert learned.calibrated_on == TODAY and learned.calibration_events >= 8
    copy = copy_card(learned, by=make_cast().controller, as_of=TODAY)
    assert label(copy) == label(learned)
    assert "No observation" in discrimination(copy)["refused"]
    # Nor calibrated on it; and what it was taught cannot be forgotten by throwing the draft away.
    with pytest.raises(NotEnoughEvents, match=r"0 of 0 customers .* learned its points from outcomes"):
        calibrate(copy)
    by = copy.created_by
    first = {"until": TODAY.isoformat(), "version": f"{learned.code} {learned.version}", "card": learned.pk}
    assert {name: copy.taught["points"][name] for name in first} == first
    assert copy.taught["points"]["events"] >= 8 and copy.taught["points"]["customers"] > 100
    delete_draft(learned, by=by, as_of=TODAY)
    copy.refresh_from_db()
    assert (copy.based_on, copy.learned_until, taught_until(copy)) == (None, TODAY, TODAY)
    again = copy_card(copy, by=by, as_of=TODAY)
    change_numbers(again, {"odds_at_anchor": Decimal(9)}, by=by, as_of=TODAY)
    delete_draft(copy, by=by, as_of=TODAY)
    again.refresh_from_db()
    with pytest.raises(NotEnoughEvents, match="learned its points from outcomes"):
        calibrate(again)
    assert "from which this version was copied" in str([part.rows for part in sections(again)])
    # Nor can anybody else take it away.
    for values in ({"learned_until": None}, {"learned_until": date(2024, 1, 1)}):
        with pytest.raises(DatabaseError, match="stays with it"), transaction.atomic():
            Scorecard.objects.filter(pk=again.pk).update(**values)


def test_cards_of_before_are_told_what_taught_them_by_the_versions_they_were_made_from(active):
    def card(version, based_on=None, **values):
        return Scorecard.objects.create(
            code="old", version=version, base_points=60, based_on=based_on, odds_at_anchor=9, points_to_double=10, **values
        )  # fmt: skip

    def report(card, kind, day, **figures):
        return CardReport.objects.create(card=card, kind=kind, as_of=day, figures=figures, made_by="x")

    def odds(anchor):
        return {"anchor": anchor, "odds": 9.0, "doubling": 10.0}

    learned = card(1)
    report(learned, "fit", date(2024, 5, 31), until="2024-05-31", customers=40, events=9)
    calibrated = card(2, learned)
    report(calibrated, "calibrated", TODAY, state="level", expert=odds(40), odds_after=odds(50), events=12)
    copy, expert = card(3, calibrated), card(4, active)
    orphan = card(5, calibration="fitted", calibrated_on=date(2024, 3, 31), calibration_events=9)
    migration = import_module("scoring.migrations.0030_what_taught_a_card")
    migration.write_what_taught_them(apps, SimpleNamespace(connection=connection))
    for row in (learned, calibrated, copy, expert, orphan):
        row.refresh_from_db()
    assert [row.learned_until for row in (learned, calibrated, copy, expert, orphan)] == [
        *[date(2024, 5, 31)] * 3,
        None,
        date(2024, 3, 31),
    ]
    assert copy.taught["points"]["version"] == "old 1" and copy.taught["points"]["customers"] == 40
    assert (taught_until(learned), taught_until(copy), taught_until(expert)) == (
        date(2024, 5, 31),
        TODAY,
        None,
    )
    assert expert_odds(copy).anchor == 40 and not active.taught
