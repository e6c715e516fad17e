"""Trying a card on the live book: every figure adds up, and nothing is stored."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test.utils import CaptureQueriesContext

from customers.models import ImportBatch
from scoring.drafts import Row, copy_card, replace_bins
from scoring.engine import compute, rescore
from scoring.models import AccountScore, Scorecard, ScoreHistory
from scoring.reports import psi_of_scores, stability
from scoring.tryout import try_card
from tests.factories import history, make_account
from tests.people import Cast, make_cast

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


def trade(account, days_late: int, months: int = 10) -> None:
    issued = [TODAY - timedelta(days=60 + 30 * month) for month in range(months)]
    history(account, [("1000", day, 30, day + timedelta(days=30 + days_late)) for day in issued])


@pytest.fixture(scope="module")
def kept_book(module_database) -> Cast:
    cast = make_cast()
    ImportBatch.objects.create(source=cast.company.sources.get(code="erp"), complete_through=TODAY)
    trade(cast.account, 0)
    trade(cast.elsewhere, 5)
    for lateness in (10, 20, 35):
        trade(make_account(cast.company, portfolio=cast.portfolio), lateness)
    rescore(TODAY)
    return cast


@pytest.fixture
def book(kept_book, db) -> Cast:
    return deepcopy(kept_book)


@pytest.fixture
def harsher(book: Cast) -> Scorecard:
    """The active card, but a few days late earn nothing any more."""
    draft = copy_card(Scorecard.objects.get(status="active", kind="full"), by=book.controller, as_of=TODAY)
    rows = [
        Row(0, "m", is_missing=True),
        Row(8, "on the day", Decimal(2)),
        Row(-8, "late", None),
    ]
    replace_bins(draft, "days_late_12m", rows, by=book.controller, as_of=TODAY)
    return draft


def test_a_copy_moves_nobody(book):
    draft = copy_card(Scorecard.objects.get(status="active", kind="full"), by=book.controller, as_of=TODAY)
    figures = try_card(draft, TODAY)
    assert (figures["accounts"], figures["moved"], figures["movers"], figures["psi"]) == (5, 0, [], 0.0)
    assert all(a == b for a, b, _n in figures["grades"])


def test_who_moves_and_what_it_does_to_limits(harsher):
    stored = list(AccountScore.objects.order_by("pk").values_list("pk", "score", "stamp"))
    kept = ScoreHistory.objects.count()
    figures = try_card(harsher, TODAY)
    now = {row.account_id: row for row in compute(TODAY)}
    movers = {m["account"]: (m["from"], m["to"]) for m in figures["movers"]}
    assert figures["moved"] == len(movers) == 4  # all but the one who pays on the day
    assert all(now[pk].score == before > after for pk, (before, after) in movers.items())
    assert figures["mean_change"] == sum(b - a for a, b in movers.values()) / 5
    assert sum(n for *_grades, n in figures["grades"]) == figures["accounts"] == 5
    limits = figures["limits"]["EUR"]
    assert limits["then"] <= limits["now"] and limits["cut"] >= limits["to_zero"]
    assert list(AccountScore.objects.order_by("pk").values_list("pk", "score", "stamp")) == stored
    assert ScoreHistory.objects.count() == kept


def test_queries_do_not_grow_with_the_book(harsher, book, django_assert_max_num_queries, connection_of_tests):
    with CaptureQueriesContext(connection_of_tests) as few:
        try_card(harsher, TODAY)
    for _number in range(10):
        trade(make_account(book.company, portfolio=book.portfolio), 15, months=2)
    with django_assert_max_num_queries(len(few)):
        try_card(harsher, TODAY)


def test_stability_compares_scores_as_they_were_known(book):
    active = Scorecard.objects.get(status="active", kind="full")
    figures = stability(active, TODAY, TODAY - timedelta(days=90))
    # The other company's ledger is complete to no day: its account has no history to speak of.
    assert figures["accounts_then"] == figures["accounts_now"] == 4
    then = [row.score for row in compute(TODAY - timedelta(days=90)) if row.depth != "none"]
    now = [row.score for row in compute(TODAY) if row.depth != "none"]
    assert figures["psi"] == psi_of_scores(then, now)
    nothing = stability(active, TODAY, TODAY - timedelta(days=2000))
    assert nothing["psi"] is None and "no scores to compare" in nothing["refused"]


@pytest.fixture
def connection_of_tests():
    from django.db import connection

    return connection
