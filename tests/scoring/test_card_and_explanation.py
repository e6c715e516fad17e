"""The card as data, the explanation, the recommendation and the command that prints them."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from customers.models import LegalEvent
from scoring.card import CardError, activate, active_card, as_card, problems
from scoring.decision import recommend
from scoring.default_card import BINS, build_bins, ensure_default_card
from scoring.default_card_2 import BINS as BINS_2
from scoring.engine import compute, rescore
from scoring.explain import explain
from scoring.models import AccountScore, Scorecard, ScorecardBin
from scoring.sentences import SENTENCES
from scoring.signals import BETTER, BY_NAME, FAMILIES, SIGNALS, WORSE
from tests.factories import history, invoice, make_account, make_company, pay

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 16)


@pytest.fixture
def account():
    return make_account(make_company(complete_through=TODAY))


def draft(version: int = 9) -> Scorecard:
    card = Scorecard.objects.create(
        code="expert", version=version, name="Draft", base_points=62, is_shipped=True
    )
    ScorecardBin.objects.bulk_create(build_bins(card))
    return card


def test_there_are_enough_signals_and_each_is_complete():
    assert len(SIGNALS) == len(BY_NAME) >= 60 and set(BY_NAME) == set(SENTENCES)
    assert {s.family for s in SIGNALS} <= set(FAMILIES)
    for signal in SIGNALS:
        for words in (
            signal.label,
            signal.unit,
            signal.formula,
            signal.source,
            signal.freshness,
            signal.missing,
        ):
            assert str(words).strip(), signal.name
        assert signal.higher_is in (WORSE, BETTER) and len(signal.name) <= 40


@pytest.mark.parametrize("bins", [BINS, BINS_2], ids=["expert 1", "expert 2"])
def test_shipped_tables_use_signals_that_carry_points(bins):
    assert all(BY_NAME[name].carries_points for name in bins)


def test_the_shipped_card_is_installed_sound_and_installed_once():
    card = active_card()
    assert problems(card) == []
    assert ensure_default_card().pk == card.pk and Scorecard.objects.filter(kind="full").count() == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c.bins.filter(signal="insolvent", is_missing=True).delete(), "missing value"),
        (lambda c: c.bins.filter(signal="days_late_12m", upper=None, is_missing=False).delete(), "reach"),
        (lambda c: c.bins.filter(signal="days_late_12m", lower=6).delete(), "gap"),
        (lambda c: c.bins.filter(signal="days_late_12m", lower=6).update(points=9), "worse value"),
        (lambda c: c.bins.filter(signal="due_count_12m", lower=30).update(points=50), "within 0 and 100"),
        (lambda c: c.bins.filter(signal="insolvent", lower=1).update(points=-90), "within 0 and 100"),
    ],
)
def test_an_unsound_card_is_refused(change, expected):
    card = draft()
    change(card)
    before = active_card()
    with pytest.raises(CardError, match=expected):
        activate(card)
    assert active_card().pk == before.pk


def test_a_card_may_leave_signals_out_but_not_price_what_only_informs():
    card = draft()
    card.bins.exclude(signal__in=["days_late_12m", "insolvent"]).delete()
    assert problems(as_card(card, list(card.bins.all()))) == []
    ScorecardBin.objects.bulk_create(
        [
            ScorecardBin(card=card, signal="days_late_trend", is_missing=True, points=0, rationale="x"),
            ScorecardBin(card=card, signal="days_late_trend", upper=3, points=1, rationale="x"),
            ScorecardBin(card=card, signal="days_late_trend", lower=3, points=0, rationale="x"),
        ]
    )
    assert any("informs only" in text for text in problems(as_card(card, list(card.bins.all()))))


def test_where_a_card_is_in_use_the_new_one_arrives_as_a_draft():
    Scorecard.objects.filter(status="active", kind="full").update(name="ours")
    new = ensure_default_card()
    assert (new.status, new.is_shipped) == ("draft", False)
    assert ensure_default_card().pk == new.pk and Scorecard.objects.filter(kind="full").count() == 2
    assert problems(as_card(new, list(new.bins.all()))) == []


def test_a_new_version_takes_over_and_used_ones_are_frozen():
    old = active_card()
    card = activate(draft())
    assert active_card().version == 9
    assert Scorecard.objects.get(pk=old.pk).status == "retired"
    for act in (
        lambda: card.bins.update(points=0),
        lambda: card.bins.first().delete(),
        lambda: ScorecardBin.objects.create(card=card, signal="x", points=0, rationale="x", lower=1),
        lambda: Scorecard.objects.filter(pk=card.pk).update(base_points=1),
        lambda: Scorecard.objects.filter(pk=card.pk).delete(),
    ):
        with pytest.raises(DatabaseError, match="never edited"), transaction.atomic():
            act()


def test_a_draft_can_be_edited_and_deleted():
    card = draft()
    card.bins.update(points=0)
    card.delete()
    assert Scorecard.objects.filter(kind="full").count() == 1


def test_probability_falls_with_the_score_and_says_what_it_is():
    card = active_card()
    found = [card.pd_of(score, insolvent=False) for score in range(101)]
    assert found == sorted(found, reverse=True)
    assert found[50] == Decimal("0.0769")  # odds 12 to 1
    assert card.pd_of(90, insolvent=True) == 1


@pytest.mark.parametrize(
    ("score", "depth", "insolvent", "expected"),
    [
        (95, "full", False, "approved"),
        (70, "full", False, "approved"),
        (69, "full", False, "guarantees"),
        (61, "full", False, "guarantees"),
        (60, "full", False, "review"),
        (40, "full", False, "review"),
        (39, "full", False, "declined"),
        (95, "thin", False, "review"),
        (10, "thin", False, "review"),
        (95, "none", False, "review"),
        (95, "full", True, "declined"),
        (95, "none", True, "declined"),
    ],
)
def test_recommendation(score, depth, insolvent, expected):
    assert recommend(active_card(), score, depth=depth, insolvent=insolvent) == expected


def test_no_history_is_for_a_person(account):
    rescore(TODAY)
    row = AccountScore.objects.get()
    assert (row.recommendation, row.depth) == ("review", "none")
    told = explain(row)
    assert any("a person decides" in note for note in told.notes)
    # What nobody knows has its points, but raises nothing in a reader's eyes.
    assert all(item.value is not None for item in told.helping)
    assert (
        told.unknown == sum(item.points for item in told.items if item.value is None and item.points > 0) > 0
    )


def test_insolvency_declines_whatever_the_points(account):
    issued = [TODAY - timedelta(days=40 + 30 * month) for month in range(10)]
    history(account, [("100.00", day, 30, day + timedelta(days=30)) for day in issued])
    LegalEvent.objects.create(
        customer=account.customer, kind="insolvency", effective_on=TODAY, known_on=TODAY, source="register"
    )
    before, after = (next(compute(day)) for day in (TODAY - timedelta(days=1), TODAY))
    assert before.recommendation == "approved" and before.insolvent == 0
    assert (after.recommendation, after.grade, after.pd) == ("declined", "E", 1)
    told = explain(after)
    assert told.base_points + sum(i.points for i in told.items) == after.score
    assert any(i.name == "insolvent" for i in told.hurting)


def test_stored_recommendation_is_the_rule(account):
    card = active_card()
    invoice(account, "100.00", TODAY - timedelta(days=200))
    row = next(compute(TODAY))
    assert row.recommendation == recommend(card, row.score, depth=row.depth, insolvent=bool(row.insolvent))


def test_sentences_carry_figures_and_dates(account):
    for month in range(6):
        invoice(account, "100.00", TODAY - timedelta(days=50 + 30 * month))
    told = explain(next(compute(TODAY)))
    sentences = {item.name: item.sentence for item in told.items}
    due = TODAY - timedelta(days=170)
    assert "170" in sentences["oldest_overdue_days"] and str(due.year) in sentences["oldest_overdue_days"]
    assert "6 instalments" in sentences["overdue_count"]
    assert len(told.hurting) == 5 and told.hurting[0].points == min(i.points for i in told.items)


def test_every_sentence_can_be_said_for_every_kind_of_value():
    for signal in SIGNALS:
        for value in (None, 0, 1, 2, 30) if not signal.is_ratio else (None, -0.3, 0.0, 0.25, 1.0, 12.5):
            from scoring.sentences import figure, sentence

            assert sentence(signal.name, value, TODAY, TODAY).strip() and figure(signal.name, value)


def test_a_row_that_was_tampered_with_is_not_explained(account):
    rescore(TODAY)
    AccountScore.objects.update(score=99)
    with pytest.raises(ValueError, match="do not add up"):
        explain(AccountScore.objects.get())


def test_score_command_prints_all_formats_and_stores_nothing(account, capsys):
    pay(invoice(account, "100.00", TODAY - timedelta(days=90)), TODAY)
    call_command("score", as_of=TODAY, format="json")
    (record,) = json.loads(capsys.readouterr().out)
    assert record["customer"] == account.customer.code
    assert record["base_points"] + sum(record["points"].values()) == record["score"]
    assert (
        set(record["signals"]) == set(BY_NAME) and set(record["points"]) == set(BINS_2) and record["reasons"]
    )
    call_command("score", as_of=TODAY, format="csv", known=True, customer=account.customer.code)
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert int(row["score"]) == record["score"] and set(BY_NAME) <= set(row) and row["reasons"]
    call_command("score", as_of=TODAY, format="table")
    assert account.customer.code in capsys.readouterr().out
    assert not AccountScore.objects.exists()


def test_score_command_names_an_unknown_customer():
    with pytest.raises(CommandError, match="nobody"):
        call_command("score", as_of=TODAY, customer="nobody")


def test_problems_reads_unsaved_bins_too():
    card = draft()
    assert problems(as_card(card, list(card.bins.all()))) == []


def test_the_score_a_decision_used_is_kept_and_explained_alike(account):
    from creditdesk.core.audit import record_act
    from scoring.history import keep_for_decision
    from tests.factories import ACTOR

    invoice(account, "100.00", TODAY - timedelta(days=90))
    rescore(TODAY)
    row = AccountScore.objects.get()
    entry = record_act("limit.approve", actor=ACTOR, subject=account)
    kept = keep_for_decision(row, entry)
    kept.refresh_from_db()
    assert (kept.because, kept.entry) == ("decision", entry)
    assert explain(kept) == explain(row)


@pytest.mark.any_database
def test_the_card_in_the_admin_speaks_the_readers_language(admin_client, admin_user):
    card = Scorecard.objects.get(status="active", kind="full")
    url = f"/admin/scoring/scorecard/{card.pk}/change/"
    english = admin_client.get(url).content.decode()
    assert "Pays on the day: the best sign" in english and "days late on average, 12 months" in english
    assert "days_late_12m" not in english
    admin_user.language = "it"
    admin_user.save()
    italian = admin_client.get(url).content.decode()
    assert "Paga alla scadenza" in italian and "Pays on the day" not in italian


def test_the_page_of_the_catalogue_is_up_to_date():
    call_command("signal_catalogue", check=True)
