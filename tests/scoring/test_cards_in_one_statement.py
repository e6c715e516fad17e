"""Accounts without enough payment history, scored on their bank data in the same statement."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from creditdesk.core.facts import View
from customers.models import BankAccount, BankConsent, BankTransaction, CreditAccount
from scoring.bank_flows import NAMES, bank_values
from scoring.card import active_cards, as_card
from scoring.engine import compute, rescore
from scoring.explain import explain
from scoring.fitting.odds import Odds
from scoring.models import AccountScore, Scorecard, ScorecardBin
from scoring.replay import replay
from scoring.stored import points_of
from tests.factories import history, make_account, make_company

pytestmark = pytest.mark.django_db
TODAY = date(2026, 6, 30)
STAMP = datetime(2026, 1, 1, tzinfo=UTC)


def feed(account: CreditAccount, days: int) -> None:
    """Bank lines every third day, known at once, under a consent that covers them."""
    since = date(2024, 1, 1)
    given = BankConsent.objects.create(
        customer=account.customer,
        purpose="credit",
        effective_on=since,
        known_on=since,
        expires_on=date(2027, 1, 1),
        recorded_at=STAMP,
    )
    own = BankAccount.objects.create(
        consent=given, customer=account.customer, iban="IT1", currency="EUR", recorded_at=STAMP
    )
    rows, balance = [], 400_000
    for number, ago in enumerate(range(days - 1, -1, -3)):
        amount = 90_000 if number % 2 == 0 else -80_000
        balance += amount
        day = TODAY - timedelta(days=ago)
        rows.append(
            BankTransaction(
                bank_account=own,
                key=str(number),
                effective_on=day,
                known_on=day,
                recorded_at=STAMP + timedelta(hours=1),
                amount=amount,
                balance=balance,
            )
        )
    BankTransaction.objects.bulk_create(rows)


@pytest.fixture(scope="module")
def kept_book(module_database):
    """(deep with a feed, new with a long feed, new with a short feed, new without)."""
    company = make_company(complete_through=TODAY)
    accounts = [make_account(company) for _n in range(4)]
    issued = [TODAY - timedelta(days=60 + 30 * number) for number in range(8)]
    history(accounts[0], [("100.00", day, 30, day + timedelta(days=30)) for day in issued])
    for account, days in zip(accounts, (300, 200, 40), strict=False):
        feed(account, days)
    return accounts


@pytest.fixture
def book(kept_book, db):
    return deepcopy(kept_book)


def test_each_row_says_which_card_scored_it(book):
    deep, new, short, without = book
    cards, rows = active_cards(), {row.account_id: row for row in compute(TODAY)}
    used = {pk: row.card_id for pk, row in rows.items()}
    full, thin = cards.full.pk, cards.thin.pk
    assert used == {deep.pk: full, new.pk: thin, short.pk: full, without.pk: full}
    for row in rows.values():
        card = cards.card_for({s: getattr(row, s) for s in ("due_count_12m", "bank_history_days")})
        assert card.pk == row.card_id
        assert row.score == card.base_points + sum(points_of(row, card).values())
        assert row.grade == card.grade_of(row.score, insolvent=False)
        assert row.pd == card.pd_of(row.score, insolvent=False)
        assert row.depth == card.depth_of(row.due_count_12m)


def test_only_the_insolvent_have_a_pd_of_one(book):
    """A card so steep that its PD rounds to 1: reviews and overrides read 1 as insolvent."""
    steep = replace(active_cards().full, anchor_score=200, points_to_double=Decimal("0.5"))
    rows = [row for row in compute(TODAY, card=steep) if row.card_id == steep.pk]
    assert rows and {row.pd for row in rows} == {Decimal("0.9999")} == {steep.pd_of(60, insolvent=False)}
    assert {float(pd) for pd in Odds(200, 12, 0.5).pd([20, 60])} == {0.9999}


def test_a_thin_card_never_pretends(book):
    row = next(row for row in compute(TODAY) if row.account_id == book[1].pk)
    assert (row.depth, row.recommendation) == ("none", "review")
    told = explain(row)
    assert set(points_of(row)) == set(active_cards().thin.bins) == {item.name for item in told.items}
    assert any("a person decides" in note for note in told.notes)


def test_stored_kept_and_replayed_like_any_other(book):
    rescore(TODAY)
    for row in AccountScore.objects.all():
        assert replay(row).is_exact and replay(row.account.score_history.get()).is_exact
        assert explain(row.account.score_history.get()).score == row.score


def test_without_an_active_thin_card_the_full_one_scores_everybody(book):
    Scorecard.objects.filter(kind="thin").update(status="retired")
    assert {row.card_id for row in compute(TODAY)} == {active_cards().full.pk}


def test_a_draft_takes_the_place_of_the_card_of_its_kind(book):
    thin = Scorecard.objects.create(
        code="try", version=1, name="Try", kind="thin", base_points=30, evidence_from=30
    )
    ScorecardBin.objects.bulk_create(
        [
            ScorecardBin(card=thin, signal="bank_runway", is_missing=True, points=0, rationale="x"),
            ScorecardBin(card=thin, signal="bank_runway", points=5, rationale="x"),
        ]
    )
    rows = {row.account_id: row for row in compute(TODAY, card=thin)}
    assert rows[book[1].pk].card_id == rows[book[2].pk].card_id == thin.pk
    assert rows[book[0].pk].card_id == rows[book[3].pk].card_id == active_cards().full.pk
    assert rows[book[1].pk].score == 35
    thin.kind = "full"
    full = as_card(thin, list(thin.bins.all()))
    rows = {row.account_id: row for row in compute(TODAY, card=full)}
    assert {pk: row.card_id for pk, row in rows.items()} == {
        book[0].pk: thin.pk,
        book[1].pk: active_cards().thin.pk,
        book[2].pk: thin.pk,
        book[3].pk: thin.pk,
    }
    assert not AccountScore.objects.exists()


@pytest.mark.parametrize("view", [View(), View(known_at=TODAY)], ids=["current", "known"])
def test_bank_flows_in_the_statement_are_those_of_the_page(book, view):
    """scoring.bank_flows reads the bank family alone; the statement gives the same values."""
    alone = bank_values(TODAY, view=view)
    assert len(alone) == 3
    for row in compute(TODAY, view=view):
        for name in NAMES:
            assert getattr(row, name) == alone.get(row.account_id, {}).get(name), name
