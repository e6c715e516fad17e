"""A past day no pass ever scored: figures of the sector, the company and the group are those a night would have had."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from creditdesk.core.facts import View
from customers.models import GroupMembership, Instalment
from scoring import peers
from scoring.bygone import figures_day
from scoring.changes import changes_between
from scoring.engine import compute, rescore
from scoring.models import AccountScore, PeerFigure, ScoreHistory
from scoring.peers import figures_on, store_peer_figures
from scoring.statement import Scope
from scoring.stored import values_of
from tests.factories import ACTOR, history, make_account, make_company, pay

pytestmark = pytest.mark.django_db
DAY = date(2026, 6, 1)  # A Monday after a month-end on which every score is kept.
COMPARED = ("sector_late_share", "sector_days_late", "revenue_share")
OF_GROUP = ("group_score", "group_days_late", "group_overdue_share", "group_insolvent")


@pytest.fixture(scope="module")
def kept_book(module_database):
    """Eight customers of one sector, each later than the one before; four of them are a group."""
    company = make_company(complete_through=DAY)
    accounts = []
    for number in range(8):
        account = make_account(company, sector="25.11")
        issued = [DAY - timedelta(days=80 + 30 * month) for month in range(5)]
        paid = [day + timedelta(days=30 + 6 * number) for day in issued]
        history(
            account,
            [
                (
                    f"{100 + number}.00",
                    day,
                    30,
                    on if on < DAY and not (number == 3 and day == issued[0]) else None,
                )
                for day, on in zip(issued, paid, strict=True)
            ],
        )
        accounts.append(account)
    for member in accounts[1:4]:
        GroupMembership.objects.create(
            customer=member.customer,
            parent=accounts[0].customer,
            effective_on=date(2025, 1, 1),
            known_on=date(2025, 1, 1),
        )
    return accounts


@pytest.fixture
def book(kept_book, db):
    cache.clear()
    return deepcopy(kept_book)


def then(day, accounts=None):
    scope = Scope.of([a.pk for a in accounts]) if accounts else None
    return {row.account_id: row for row in compute(day, scope, View(known_at=day))}


def test_a_day_never_scored_has_the_figures_the_night_then_has(book):
    before = then(DAY)
    assert not ScoreHistory.objects.exists() and not PeerFigure.objects.exists()
    assert before[book[0].pk].sector_late_share is not None and before[book[0].pk].revenue_share is not None
    assert before[book[0].pk].group_score is not None and before[book[5].pk].group_score is None
    # What the nights would have done: figures on Mondays, scores every night.
    for night in (DAY - timedelta(days=2), DAY - timedelta(days=1), DAY):
        store_peer_figures(figures_day(night))
        rescore(night)
    for row in AccountScore.objects.select_related("card"):
        mine, night = values_of(before[row.account_id]), values_of(row)
        assert {n: mine[n] for n in mine if mine[n] != night[n]} == {}
        assert (before[row.account_id].score, before[row.account_id].grade) == (row.score, row.grade)
    # And what was stored stands: the same again, now read.
    again = then(DAY)
    assert {pk: values_of(row) for pk, row in again.items()} == {
        pk: values_of(row) for pk, row in before.items()
    }


def test_one_account_says_the_same_as_the_book_and_asks_no_more_when_all_is_stored(book, monkeypatch):
    passes = []
    monkeypatch.setattr(
        peers, "figures_on", lambda day, *a, **k: passes.append(day) or figures_on(day, *a, **k)
    )
    everybody, alone = then(DAY), then(DAY, book[:1])
    assert len(passes) == len(set(passes)), "kept for some minutes, in a small book, too"
    before = len(passes)
    pay(Instalment.objects.get(account=book[3], open_amount__gt=0), DAY)
    then(DAY, book[:1])
    assert len(passes) > before, "but not beyond the next booking"
    assert values_of(alone[book[0].pk]) == values_of(everybody[book[0].pk])
    store_peer_figures(figures_day(DAY))
    rescore(DAY - timedelta(days=1))
    with CaptureQueriesContext(connection) as caught:
        then(DAY, book[:1])
    assert len(caught) <= 8
    found = changes_between(book[0], DAY - timedelta(days=60), DAY, reader=ACTOR)
    assert all(item.value is not None for item in found.before.items if item.name in COMPARED)


def test_only_what_was_known_then_counts(book):
    early = DAY - timedelta(days=30)
    before = then(early)[book[0].pk]
    unpaid = Instalment.objects.get(account=book[3], open_amount__gt=0)
    pay(unpaid, early - timedelta(days=1), known_on=DAY)
    assert values_of(then(early)[book[0].pk]) == values_of(before), "a payment heard of later"
    now = next(iter(compute(early, Scope.of([book[0].pk]))))
    assert now.group_score is None, "a plain past date reads what is stored"
    past = next(iter(compute(early, Scope.of([book[0].pk]), past=True)))
    assert past.group_score is not None


def test_a_replay_has_what_was_stored_and_nothing_else(book):
    rescore(DAY)
    stamp = AccountScore.objects.get(account=book[0]).stamp
    row = next(iter(compute(DAY, Scope.of([book[0].pk]), View(recorded_by=stamp))))
    assert row.group_score is None and row.sector_late_share is None
