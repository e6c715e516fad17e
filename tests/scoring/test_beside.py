"""A card that runs beside the one in use: what is stored of it each night, who reads it, and how it goes again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.jobs import run_once
from creditdesk.core.models import AuditEntry
from customers.models import ImportBatch
from scoring import beside, side_by_side
from scoring.beside import MOST, drop_old, end_beside, keep_beside, last_failure, run_beside
from scoring.beside_nights import Night, night
from scoring.card import CardError, active_cards, as_card, odds_beyond
from scoring.card_forms import NumbersForm
from scoring.drafts import NUMBERS, change_numbers, copy_card, delete_draft, replace_bins
from scoring.engine import compute, rescore
from scoring.models import AccountScore, BesideScore, Scorecard, ScoreHistory
from scoring.publishing import PublishingError, begin_planned, propose_card, publish_card
from scoring.ranges import account_ranges
from scoring.statement import Scope
from scoring.tasks import NIGHTLY, plan_nightly, score_range
from scoring.validation import beside_series
from tests.desk_world import client_of
from tests.factories import invoice, make_account, pay
from tests.scoring.fitting.rows import made

pytestmark = pytest.mark.django_db
NIGHT = date(2026, 5, 31)


def challenger(cast, **numbers) -> Scorecard:
    card = copy_card(Scorecard.objects.get(status="active", kind="full"), by=cast.controller, as_of=NIGHT)
    replace_bins(card, "insolvent", [], by=cast.controller, as_of=NIGHT)
    replace_bins(card, "days_late_12m", [], by=cast.controller, as_of=NIGHT)
    return change_numbers(card, {"odds_at_anchor": 9, **numbers}, by=cast.controller, as_of=NIGHT)


def refused(code: str):
    return pytest.raises(PublishingError, check=lambda error: error.code == code)


@pytest.fixture
def book(cast):
    """Late payers with a history, one with two instalments, one with nothing."""
    late, thin, none = cast.account, *(make_account(cast.company) for _n in range(2))
    source = cast.company.sources.get(code="erp")
    ImportBatch.objects.create(source=source, complete_through=NIGHT + timedelta(days=40))
    for n in range(5):
        pay(invoice(late, "100", NIGHT - timedelta(days=300 - 30 * n)), NIGHT - timedelta(days=230 - 30 * n))
    for n in range(2):
        invoice(thin, "100", NIGHT - timedelta(days=100 + n))
    return late, thin, none


def told(card: Scorecard, night: date = NIGHT) -> dict[int, tuple[int, float]]:
    rows = BesideScore.objects.filter(card=card, as_of=night)
    return {row.account_id: (row.score, float(row.pd)) for row in rows}


def pairs_of(kept: Night) -> dict[int, tuple[int, int]]:
    return dict(zip(kept.accounts.tolist(), map(tuple, kept.scores.tolist()), strict=True))


@pytest.mark.parametrize("numbers", [{}, {"thin_below": 2}, {"thin_below": 6}], ids=str)
def test_every_night_stores_what_the_card_would_have_said(cast, book, numbers):
    """From the signals of the pass, or, where thin history means something else, from the facts."""
    card = challenger(cast, **numbers)
    run_beside(card, by=cast.controller, as_of=NIGHT)
    plan_nightly(datetime.combine(NIGHT, time(1, 30), UTC).isoformat())
    (low, high), *_more = account_ranges()
    for _again in range(2):
        job = run_once(NIGHTLY, f"{low}-{high}", NIGHT, score_range)
        assert job.result["beside"] == AccountScore.objects.count() >= len(book)
    said = {
        row.account_id: (row.score, float(row.pd))
        for row in compute(NIGHT, card=card)
        if row.card_id == card.pk
    }
    assert told(card) == said and said.keys() >= {account.pk for account in book}
    # Nothing acts on it, and once more it is the same.
    assert all(row.card_id == active_cards().full.pk for row in AccountScore.objects.all())
    assert keep_beside(NIGHT, Scope.everyone()) == len(said) and told(card) == said
    assert ScoreHistory.objects.filter(card=card).count() == 0


def test_a_draft_that_is_changed_begins_anew_and_goes_with_its_account(cast, book):
    card = challenger(cast)
    with refused("not_allowed"):
        run_beside(card, by=cast.collector, as_of=NIGHT)
    with refused("in_use"):
        run_beside(card.based_on, by=cast.controller, as_of=NIGHT)
    run_beside(card, by=cast.controller, as_of=NIGHT - timedelta(days=9))
    others = [challenger(cast) for _n in range(MOST)]
    for other in others[: MOST - 1]:
        run_beside(other, by=cast.controller, as_of=NIGHT)
    with refused("too_many"):
        run_beside(others[-1], by=cast.controller, as_of=NIGHT)
    rescore(NIGHT, keep_history=False)
    keep_beside(NIGHT, Scope.everyone())
    change_numbers(card, {"name": "Said better"}, by=cast.controller, as_of=NIGHT)
    assert told(card)
    change_numbers(card, {"base_points": card.base_points - 1}, by=cast.controller, as_of=NIGHT)
    card.refresh_from_db()
    assert not told(card) and card.beside_since == NIGHT and told(others[0])
    # Erased with an account, and with a draft that is thrown away.
    assert BesideScore.objects.filter(account=book[2]).count() == MOST - 1
    book[2].delete()
    assert not BesideScore.objects.filter(account=book[2].pk).exists()
    delete_draft(others[1], by=cast.controller, as_of=NIGHT)
    assert {row.card_id for row in BesideScore.objects.all()} == {others[0].pk}
    end_beside(others[0], by=cast.controller, as_of=NIGHT)
    keep_beside(NIGHT + timedelta(days=1), Scope.everyone())
    assert not told(others[0], NIGHT + timedelta(days=1))
    acts = AuditEntry.objects.filter(act__startswith="scorecard.beside").values_list("act", flat=True)
    assert sorted(set(acts)) == ["scorecard.beside", "scorecard.beside_ended"]


def test_a_card_that_fails_does_not_take_the_scores_in_use_with_it(cast, book, monkeypatch):
    """Its statement is refused by the database: the night stands, the other card is stored, its page says so."""
    broken, other = challenger(cast), challenger(cast)
    for card in (broken, other):
        run_beside(card, by=cast.controller, as_of=NIGHT)
    plain = beside.compile_beside

    def compiled(using, cards, card, *args, **kwargs):
        return (
            "SELECT 1/0 FROM no_such_table"
            if card.pk == broken.pk
            else plain(using, cards, card, *args, **kwargs)
        )

    monkeypatch.setattr(beside, "compile_beside", compiled)
    (low, high), *_more = account_ranges()
    job = run_once(NIGHTLY, f"{low}-{high}", NIGHT, score_range)
    assert job.status == "done" and job.result["scored"] == AccountScore.objects.count() >= len(book)
    (failed,) = job.result["beside_failed"]
    assert failed["card"] == broken.pk and "no_such_table" in failed["error"]
    assert not told(broken) and told(other).keys() >= {account.pk for account in book}
    here = [reverse("scorecards:card", args=[card.pk]) for card in (broken, other)]
    texts = [client_of(cast.controller).get(url).content.decode() for url in here]
    assert ["no_such_table" in text and "As of 31 May 2026 not every" in text for text in texts] == [
        True,
        False,
    ]
    with pytest.raises(DatabaseError), transaction.atomic():
        keep_beside(NIGHT, Scope.everyone())
    # The next night that goes well says nothing any more.
    monkeypatch.setattr(beside, "compile_beside", plain)
    job = run_once(NIGHTLY, f"{low}-{high}", NIGHT + timedelta(days=1), score_range)
    assert "beside_failed" not in job.result and last_failure(broken) is None


def test_odds_that_cannot_be_computed_are_refused(cast):
    """0.04 points to a doubling are 2 ** 1250 at the edge: the database calls it out of range."""
    card = challenger(cast, points_to_double=Decimal("0.04"))
    with pytest.raises(CardError, match="too large or too small"):
        run_beside(card, by=cast.controller, as_of=NIGHT)
    for anchor, doubling, fits in ((50, "0.06", True), (50, "0.05", False), (32_000, "12", False)):
        assert (odds_beyond(anchor, Decimal(9), Decimal(doubling)) == "") is fits
        numbers = {name: getattr(card, name) for name in ("name", *NUMBERS)}
        numbers |= {"anchor_score": anchor, "odds_at_anchor": 9, "points_to_double": doubling}
        form = NumbersForm(numbers, instance=card)
        assert form.is_valid() is fits and list(form.errors) == ([] if fits else ["points_to_double"])
    change_numbers(card, {"points_to_double": Decimal("0.06")}, by=cast.controller, as_of=NIGHT)
    run_beside(card, by=cast.controller, as_of=NIGHT)
    rescore(NIGHT)
    assert keep_beside(NIGHT, Scope.everyone()) > 0


def test_what_a_draft_said_goes_with_an_edit_though_it_runs_no_longer(cast, book):
    card = challenger(cast)
    run_beside(card, by=cast.controller, as_of=NIGHT)
    rescore(NIGHT)
    keep_beside(NIGHT, Scope.everyone())
    end_beside(card, by=cast.controller, as_of=NIGHT)
    change_numbers(card, {"grade_d_from": card.grade_d_from + 1}, by=cast.controller, as_of=NIGHT)
    assert told(card)
    change_numbers(card, {"base_points": card.base_points - 1}, by=cast.controller, as_of=NIGHT)
    card.refresh_from_db()
    assert not told(card) and card.beside_since is None


def test_an_edit_that_was_waited_for_is_what_the_night_stores(cast, book, monkeypatch):
    card, plain = challenger(cast), beside._hold
    run_beside(card, by=cast.controller, as_of=NIGHT)
    rescore(NIGHT)

    def after_an_edit(pk, using):
        change_numbers(card, {"base_points": card.base_points - 1}, by=cast.controller, as_of=NIGHT)
        with CaptureQueriesContext(connection) as queries:
            plain(pk, using)
        assert any("FOR SHARE" in q["sql"] for q in queries) is (connection.vendor == "postgresql")

    monkeypatch.setattr(beside, "_hold", after_an_edit)
    keep_beside(NIGHT, Scope.everyone())
    card.refresh_from_db()
    said = {row.account_id: row.score for row in compute(NIGHT, card=card) if row.card_id == card.pk}
    assert said and {pk: score for pk, (score, _pd) in told(card).items()} == said


@pytest.mark.parametrize("planned", [False, True], ids=["at once", "planned"])
def test_a_card_that_comes_into_use_runs_beside_no_longer(cast, planned):
    card, day = challenger(cast), NIGHT + timedelta(days=planned)
    run_beside(card, by=cast.controller, as_of=NIGHT)
    propose_card(card, by=cast.controller, reason="better", as_of=NIGHT)
    publish_card(
        card, approver=cast.approver, reason="read", override_reason="known", as_of=NIGHT, first_day=day
    )
    begin_planned(day)
    card.refresh_from_db()
    assert card.status == "active" and card.beside_since is None
    entry = AuditEntry.objects.get(act="scorecard.beside_ended")
    assert entry.subject_pk == str(card.pk) and entry.business_date == day


def test_what_is_kept_is_bounded(cast, book):
    card = challenger(cast)
    days = (
        NIGHT,
        NIGHT - timedelta(days=35),
        NIGHT - timedelta(days=36),
        date(2026, 3, 31),
        date(2024, 3, 31),
    )
    BesideScore.objects.bulk_create(
        BesideScore(card=card, account=book[0], as_of=day, score=50, pd="0.1") for day in days
    )
    assert drop_old(NIGHT) == 2 and drop_old(NIGHT) == 0
    left = BesideScore.objects.order_by("as_of").values_list("as_of", flat=True)
    assert list(left) == [date(2026, 3, 31), NIGHT - timedelta(days=35), NIGHT]


def test_comparison_and_validation_read_what_was_stored(cast, book, monkeypatch):
    """The scores of that night, though the card would say something else by now and the draft is no longer the same."""
    late, thin, none = book
    card, used = challenger(cast), Scorecard.objects.get(status="active", kind="full")
    run_beside(card, by=cast.controller, as_of=NIGHT)
    rescore(NIGHT)
    keep_beside(NIGHT, Scope.everyone())
    kept = night(used, card, NIGHT)
    active, said = kept.accounts[kept.active].tolist(), pairs_of(kept)
    assert {late.pk, thin.pk} <= {*active} and none.pk not in active
    champion = dict(ScoreHistory.objects.filter(as_of=NIGHT).values_list("account", "score"))
    assert said[late.pk] == (champion[late.pk], told(card)[late.pk][0])
    assert night(used, card, NIGHT - timedelta(days=31)) is None
    # What is owed by then was owed already that night: nobody defaults in between, and nothing is computed anew.
    through = NIGHT + timedelta(days=10)
    monkeypatch.setattr(side_by_side, "compute", lambda *_a, **_k: pytest.fail("computed anew"))
    month = next(
        iter(
            side_by_side._since(
                side_by_side._Scored(used, card, []), NIGHT - timedelta(days=1), through, None
            )
        )
    )
    assert (month.day, month.stored, month.row["accounts"]) == (NIGHT, True, len(active))
    # A month whose year is over: the observations of that day, with the scores of that night.
    obs, _true = made(customers=2)
    obs = replace(obs, account=np.array([late.pk, thin.pk] * 4), day=np.full(8, NIGHT.toordinal()))
    cards = [as_card(row, list(row.bins.all())) for row in (used, card)]
    scored = side_by_side._Scored(used, card, cards)
    (first, second), stored = scored.scores(obs)
    assert list(zip(first, second, strict=True))[:2] == [said[late.pk], said[thin.pk]] and stored.all()
    # An account of which nothing was stored would be computed today: it is not of that month.
    half = replace(obs, account=np.array([late.pk, 10**9] * 4), days=(NIGHT,))
    (month,) = side_by_side._matured(half, scored)
    assert (month.stored, month.row["accounts"]) == (True, 4)
    (month,) = side_by_side._matured(replace(half, account=np.full(8, 10**9)), scored)
    assert (month.stored, month.row["accounts"]) == (False, 8)
    # What the card in use said is read once, for however many run beside it.
    other = challenger(cast)
    run_beside(other, by=cast.controller, as_of=NIGHT)
    keep_beside(NIGHT, Scope.everyone())
    with CaptureQueriesContext(connection) as queries:
        series, _other = beside_series(used, NIGHT + timedelta(days=30))
    assert sum(ScoreHistory._meta.db_table in q["sql"] for q in queries) == 1 and _other["points"]
    (point,) = series["points"]
    assert (series["card"], point["scored_on"], point["matured"]) == (card.pk, "2026-05-31", False)
    assert point["accounts"] == len(active) and point["expected"] is not None


def test_both_scores_of_a_night_are_of_its_pass(cast, book):
    """A payment default of the day itself moves the score in use once more; the card beside was not told of it."""
    late, thin, _none = book
    card, used = challenger(cast), Scorecard.objects.get(status="active", kind="full")
    run_beside(card, by=cast.controller, as_of=NIGHT)

    def rescored(*accounts):
        entry = record_act("score.rescored", actor=Actor.job("rescore"), business_date=NIGHT)
        rescore(NIGHT, Scope.of([account.pk for account in accounts]), entry=entry)

    rescored(thin)  # after midnight, before the pass: which finds it unchanged and keeps nothing of its own
    (low, high), *_more = account_ranges()
    run_once(NIGHTLY, f"{low}-{high}", NIGHT, score_range)
    of_the_pass = dict(AccountScore.objects.values_list("account", "score"))
    for account in (late, thin):
        invoice(account, "5000", NIGHT - timedelta(days=200))
    rescored(late, thin)
    moved = dict(AccountScore.objects.values_list("account", "score"))
    assert all(moved[account.pk] != of_the_pass[account.pk] for account in (late, thin))
    assert ScoreHistory.objects.filter(account=thin).count() == 2
    said = pairs_of(night(used, card, NIGHT))
    assert {pk: first for pk, (first, _second) in said.items()} == of_the_pass
    assert night(card, card, NIGHT) is None


def test_a_person_marks_it_on_its_page(cast, book):
    card, client = challenger(cast), client_of(cast.controller)
    here = reverse("scorecards:card", args=[card.pk])
    with time_machine.travel(datetime.combine(NIGHT, time(12), UTC), tick=False):
        client.force_login(cast.controller)
        assert "Run beside every night" in client.get(here).content.decode()
        client.post(reverse("scorecards:beside", args=[card.pk]))
        page = client.get(here).content.decode()
        assert "Scored every night since 31 May 2026" in page and "End running beside" in page
        assert "runs beside" in client.get(reverse("scorecards:list")).content.decode()
        client.post(reverse("scorecards:beside", args=[card.pk]), {"end": "1"})
        assert "Run beside every night" in client.get(here).content.decode()
