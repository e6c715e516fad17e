"""The one statement against brute force: every signal, many dates, every view, both databases."""

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from creditdesk.core.facts import CURRENT, View
from scoring import engine
from scoring.card import active_cards
from scoring.engine import compute, rescore
from scoring.models import AccountScore
from scoring.signals import SIGNALS
from scoring.statement import Scope
from scoring.stored import points_of
from tests.scoring.books import END, JUDGED, BookMaker
from tests.scoring.reference import score_of, signals_of

pytestmark = pytest.mark.django_db

# Days whose scores and peer figures are stored, for the signals that look at other customers.
SCORED = [date(2024, 8, 1), date(2025, 5, 31), date(2025, 12, 1), date(2026, 3, 1)]
DATES = [date(2024, 9, 30), date(2025, 6, 15), date(2025, 12, 31), JUDGED, END]


@pytest.fixture(scope="module", autouse=True)
def _planned_as_in_production(_plans_are_kept):
    """A whole book is planned anew each time, for what it is, as outside of tests: with figures to compare."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "is_kept", _plans_are_kept)
        yield


@pytest.fixture(scope="module")
def book(django_db_setup, django_db_blocker):
    """One random book for the module, in a transaction that is rolled back at the end."""
    from django.db import transaction

    with django_db_blocker.unblock():
        atomic = transaction.atomic()
        atomic.__enter__()
        try:
            yield BookMaker(1, accounts=8, scored_on=SCORED)
        finally:
            transaction.set_rollback(True)
            atomic.__exit__(None, None, None)


def check(book: BookMaker, as_of: date, view: View) -> None:
    cards = active_cards()
    judged = min(as_of, JUDGED)
    rows = {row.account_id: row for row in compute(as_of, view=view)}
    for account in book.accounts:
        expected = signals_of(account, as_of, judged, cards.full, view)
        row = rows[account.pk]
        actual = {s.name: getattr(row, s.name) for s in SIGNALS}
        assert actual == pytest.approx(expected, abs=1.5e-6), (as_of, view, account)
        card = cards.card_for(actual)
        assert row.card_id == card.pk
        assert row.score == score_of(actual, card)
        assert row.score == card.base_points + sum(points_of(row, card).values())
        assert row.grade == card.grade_of(row.score, insolvent=bool(row.insolvent))
        assert row.pd == card.pd_of(row.score, insolvent=bool(row.insolvent))
        assert row.depth == card.depth_of(row.due_count_12m)


@pytest.mark.parametrize("as_of", DATES)
def test_current_view(book, as_of):
    check(book, as_of, CURRENT)


@pytest.mark.parametrize("as_of", DATES)
def test_as_known_that_day_and_later(book, as_of):
    check(book, as_of, View(known_at=as_of))
    check(book, as_of, View(known_at=date(2026, 1, 31)))


@pytest.mark.parametrize("as_of", DATES)
def test_as_recorded_half_way(book, as_of):
    check(book, as_of, View(recorded_by=book.half_way))


def test_the_book_is_rich_enough_to_mean_something(book):
    """Every signal takes more than one value, so a constant would not pass."""
    rows = [row for day in DATES for row in compute(day)]
    for signal in SIGNALS:
        assert len({getattr(row, signal.name) for row in rows}) > 1, signal.name


def test_every_scope_gives_the_same_rows(book):
    ids = [account.pk for account in book.accounts]
    everyone = {row.account_id: row for row in compute(END)}
    for scope in (Scope.of(ids), Scope.between(min(ids), max(ids)), *(Scope.of([pk]) for pk in ids)):
        for row in compute(END, scope):
            for signal in SIGNALS:
                assert getattr(row, signal.name) == getattr(everyone[row.account_id], signal.name)


def test_stored_rows_equal_computed_ones(book):
    rescore(END)
    stored = {row.account_id: row for row in AccountScore.objects.all()}
    for row in compute(END):
        for name in ("score", "grade", "pd", "recommendation", "depth", *(s.name for s in SIGNALS)):
            assert getattr(stored[row.account_id], name) == getattr(row, name), name


def test_one_account_takes_three_queries(book):
    rescore(END, Scope.of([book.accounts[0].pk]))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        rescore(END, Scope.of([book.accounts[0].pk]))
    statements = [q for q in queries if "SAVEPOINT" not in q["sql"]]
    assert len(statements) == 3


def test_a_fact_dated_later_changes_no_earlier_score(book):
    from tests.factories import invoice, pay

    before = {row.account_id: row for row in compute(date(2025, 12, 31))}
    account = book.accounts[0]
    pay(invoice(account, "5000.00", date(2026, 1, 2), days=0), date(2026, 3, 30))
    for row in compute(date(2025, 12, 31)):
        for signal in SIGNALS:
            assert getattr(row, signal.name) == getattr(before[row.account_id], signal.name)
