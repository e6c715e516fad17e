"""Observations of a generated ledger whose defaults are known; what is known on the day, and nothing later."""

from datetime import date, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks.truth import TrueBook
from creditdesk.core.facts import View
from customers.models import LegalEvent
from scoring.fitting import observations
from scoring.fitting.observations import horizon_of, ledger_span, observation_days, observe
from scoring.fitting.outcomes import default_episodes

pytestmark = pytest.mark.django_db

DAY = date(2024, 6, 30)


def truly_bad(book, accounts, day, first_id=100_001):
    """Whether each account defaults in the year after `day`, by the book's own truth."""
    until = horizon_of(day).toordinal()
    ends = [book.default_on.get(pk - first_id, until + 1) for pk in accounts]
    return np.array([day.toordinal() < end <= until for end in ends], dtype=float)


def test_outcomes_are_the_generated_truth_on_every_date(true_book):
    days = observation_days(*ledger_span())
    assert days[-1] == date(2024, 6, 30) and len(days) == 5
    obs = observe(days)
    assert obs.bad_customers > 10 and obs.customers > 180
    assert set(obs.causes) == {"residue", "written_off", "insolvency"}
    for day in days:
        rows = obs.day == day.toordinal()
        assert np.array_equal(obs.bad[rows], truly_bad(true_book, obs.account[rows], day)), day
        gone = {c for c, on in true_book.default_on.items() if on <= day.toordinal()}
        assert not gone & {pk - 100_001 for pk in obs.account[rows]}


def test_the_true_pd_is_what_happens_on_average(true_book):
    """The generator's own promise: mean true PD and observed share agree within their chance error."""
    happened = expected = variance = 0.0
    for seed in range(30, 34):
        book = TrueBook(seed, customers=400, months=30)
        pd = book.true_pd(14)
        day = date.fromordinal(book.firsts[15].toordinal() - 1)
        alive = ~np.isnan(pd)
        bad = truly_bad(book, np.arange(400)[alive] + 1, day, first_id=1)
        happened, expected = happened + bad.sum(), expected + pd[alive].sum()
        variance += (pd[alive] * (1 - pd[alive])).sum()
    assert abs(happened - expected) < 3 * variance**0.5


def test_a_day_takes_a_handful_of_queries_whatever_the_book(true_book):
    with CaptureQueriesContext(connection) as queries:
        obs = observe([DAY])
    assert obs.rows > 150
    # Five of them tell the figures of peers and groups of a day no pass ever scored.
    # On PostgreSQL each of three statements sets its memory first.
    assert len(queries) <= 33


def test_a_large_book_is_read_in_ranges_and_drawn_by_whole_customers(true_book, monkeypatch):
    whole = observe([DAY])
    monkeypatch.setattr(observations, "RANGE", 60)
    ranged = observe([DAY])
    assert np.array_equal(ranged.values, whole.values, equal_nan=True)
    assert np.array_equal(ranged.account, whole.account)
    monkeypatch.setattr(observations, "MOST_ROWS", 100)
    drawn = observe([DAY])
    same = np.isin(whole.account, drawn.account)
    assert 50 < drawn.rows < 150 and np.array_equal(drawn.account, whole.account[same])
    assert np.array_equal(drawn.values, whole.values[same], equal_nan=True)
    assert np.array_equal(drawn.bad, whole.bad[same]) and np.array_equal(drawn.day, whole.day[same])


def test_what_became_known_later_changes_outcomes_but_no_signal(true_book):
    before = observe([DAY])
    good = before.account[(before.bad == 0)][:3]
    for pk in good:
        LegalEvent.objects.create(
            customer_id=int(before.customer[before.account == pk][0]), kind="insolvency", source="late news",
            effective_on=DAY + timedelta(days=100), known_on=DAY + timedelta(days=250),
        )  # fmt: skip
    after = observe([DAY])
    assert np.array_equal(before.values, after.values, equal_nan=True)
    assert np.array_equal(before.score, after.score)
    assert set(after.account[after.bad != before.bad]) == set(good)
    year = (DAY, horizon_of(DAY))
    assert set(good) <= default_episodes(year[1]).between(*year).keys()
    early = View(known_at=DAY + timedelta(days=249))
    assert not default_episodes(year[1], early).between(*year).keys() & set(good)
    # A year that was not over then proves nothing about anybody.
    assert observe([DAY], labels=early).rows == 0


def test_an_event_dated_earlier_but_known_later_takes_the_account_out(true_book):
    """Nobody could have known, so the signals do not show it; but it was in default, so it is no one to predict."""
    before = observe([DAY])
    pk = int(before.account[before.bad == 0][0])
    LegalEvent.objects.create(
        customer_id=int(before.customer[before.account == pk][0]), kind="insolvency", source="late news",
        effective_on=DAY - timedelta(days=10), known_on=DAY + timedelta(days=20),
    )  # fmt: skip
    assert pk not in observe([DAY]).account
