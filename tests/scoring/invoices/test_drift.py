"""The level that follows the book: what it adds, what it must not know, and whom it leaves out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scoring.fitting.logistic import log_loss, logit
from scoring.invoices.drift import CELLS, Drift, Forecasts, Others, decided, shift
from scoring.invoices.fitting import fit_invoices, moments_at_issue
from scoring.invoices.history import History
from scoring.invoices.ledger import NEVER, Ledger
from scoring.invoices.sums import Part, Spans


def turning(seed=1, turn=500, step=1.6):
    """A book in which everybody pays later from day `turn` on."""
    random = np.random.default_rng(seed)
    account, issued = random.integers(0, 60, 2500), np.sort(1000 + random.integers(0, 800, 2500))
    odds = random.normal(-1.0, 1.0, 60)[account] + step * (issued > 1000 + turn)
    late = random.random(2500) < 1 / (1 + np.exp(-odds))
    delay = np.where(late, 1 + random.exponential(12, 2500), -random.gamma(2, 4, 2500))
    due = issued + 30
    paid = np.maximum(due + np.round(delay).astype(int), issued)
    return Ledger.of(account=account, issued=issued, due=due, amount=np.full(2500, 100.0), paid=paid)


def test_a_turn_after_the_training_is_followed():
    ledger = turning()
    model, history = fit_invoices(ledger, 1480), History(ledger)
    seen = moments_at_issue(ledger, np.flatnonzero(ledger.issued > 1600))
    late = (ledger.paid > ledger.due)[seen.place]
    still = logit(model.issue[0].chance(history, seen))
    level = model.lately(history).at((False, 0), seen.account, seen.day, still)
    assert level.mean() > 0.2
    assert log_loss(late, still + level) < log_loss(late, still) - 0.01
    said = model.estimate(history, seen).late
    assert (
        abs(said.mean() - late.mean()) < abs(model.issue[0].chance(history, seen).mean() - late.mean()) / 1.5
    )
    kept = model.lately(history).snapshot(1700)
    day = np.full(seen.day.size, 1700)
    whole = model.lately(history).at((False, 0), seen.account, day, still)
    assert kept.at((False, 0), seen.account, day, still) == pytest.approx(whole, abs=1e-4)


def test_nothing_later_and_nothing_of_ones_own():
    ledger = turning(seed=2)
    model, asked = fit_invoices(ledger, 1480), 1550
    blind = Ledger.of(
        account=ledger.account,
        issued=ledger.issued,
        due=ledger.due,
        amount=ledger.amount,
        paid=np.where(ledger.paid > asked, NEVER, ledger.paid),
    )
    accounts, day, odds = np.arange(60), np.full(60, asked), np.linspace(-3, 3, 60)
    full = model.lately(History(ledger)).at((False, 0), accounts, day, odds)
    assert model.lately(History(blind)).at((False, 0), accounts, day, odds) == pytest.approx(full, abs=1e-9)
    # Of one payer only: its level stays as it is when it pays late itself, everybody else's does not.
    said = np.full(40, -1.0)
    due = np.arange(1000, 1040)
    for paid in (due - 1, due + 9):
        own = Ledger.of(account=np.zeros(40), issued=due - 30, due=due, amount=np.ones(40), paid=paid)
        sums = Others(decided(own, np.arange(40), said, 0), 40.0).at(np.array([0, 1]), np.array([1100, 1100]))
        alone, stranger = shift(sums, np.zeros(2), (40.0, 0.3, 0.0, 0.0), 0.0)
        assert alone == pytest.approx(0.0, abs=1e-9)
        assert (stranger > 0.2) == (paid[0] > due[0]) and abs(stranger) > 0.1


def test_a_payment_heard_of_late_counts_as_open_until_then():
    ledger = Ledger.of(account=[0], issued=[1000], due=[1030], amount=[1.0], paid=[1025], paid_known=[1060])
    sums = Others(decided(ledger, np.array([0]), np.array([0.0]), 0), 1e6)
    cell = np.searchsorted(np.linspace(-3.5, 3.5, CELLS - 1), 0.0)
    for day, count, late in ((1030, 0, 0), (1031, 1, 1), (1059, 1, 1), (1060, 1, 0)):
        found = sums.at(np.array([9]), np.array([day]))[0]
        assert found[cell] == pytest.approx(count, abs=1e-3)
        assert found[CELLS + cell] == pytest.approx(late, abs=1e-3)


def test_a_credited_invoice_counts_as_late_only_until_it_was_credited():
    columns = {"account": [0], "issued": [1000], "due": [1030], "amount": [1.0], "paid": [NEVER]}
    for at_least, after in ((-NEVER, 0), (25, 1)):
        ledger = Ledger.of(**columns, closed_known=[1050], at_least=[at_least])
        sums = Others(decided(ledger, np.array([0]), np.array([0.0]), 0), 1e6)
        counts = [sums.at(np.array([9]), np.array([day]))[0][:CELLS].sum() for day in (1049, 1050)]
        assert counts == pytest.approx([1, after], abs=1e-3)


def test_faded_sums_of_long_ago_are_exact():
    """Forty half-lives before the last fact of another account."""
    spans = Spans(20.0)
    account, begin = np.array([0, 1, 1, 2]), np.array([90_000, 1000, 1010, 90_000])
    spans.add(account, Part(begin, np.full(4, NEVER), (np.full(4, 1000.0),)))
    found = spans.close().at(np.array([1, 1]), np.array([1010, 1030]))[:, 0]
    assert found == pytest.approx([1000 + 1000 * 2**-0.5, (1000 + 1000 * 2**-0.5) / 2])


def test_without_forecasts_there_is_no_level():
    none = np.zeros(0)
    empty = Others(Forecasts(none.astype(int), none.astype(int), none.astype(int), none, none), 40.0)
    nothing = empty.at(np.array([1]), np.array([5]))
    for setting in ((40.0, 1.0, 0.0, 0.0), (40.0, 1.0, 0.4, 0.0), (40.0, 1.0, 0.4, 1.0)):
        assert shift(nothing, np.array([2.0]), setting, -1.0) == pytest.approx([0.0])


def narrowing(seed=1):
    """A book in which, from day 500 on, the late become more punctual and the punctual less."""
    random = np.random.default_rng(seed)
    account, issued = random.integers(0, 60, 4000), np.sort(1000 + random.integers(0, 1000, 4000))
    odds = random.normal(0, 1.8, 60)[account] * np.where(issued > 1500, 0.4, 1.0)
    late = random.random(4000) < 1 / (1 + np.exp(-odds))
    due = issued + 20
    paid = np.where(late, due + 5, due - 5)
    return Ledger.of(account=account, issued=issued, due=due, amount=np.full(4000, 100.0), paid=paid)


def test_the_slope_follows_a_book_that_narrows_and_never_turns_an_order():
    ledger = narrowing()
    model, history = fit_invoices(ledger, 1480), History(ledger)
    seen = moments_at_issue(ledger, np.flatnonzero(ledger.issued > 1700))
    late = (ledger.paid > ledger.due)[seen.place]
    still = logit(model.issue[0].chance(history, seen))
    moved = still + model.lately(history).at((False, 0), seen.account, seen.day, still)
    assert log_loss(late, moved) < log_loss(late, still)
    risky, safe = still > np.quantile(still, 0.9), still < np.quantile(still, 0.1)
    assert (moved - still)[risky].mean() < -0.02 < 0.02 < (moved - still)[safe].mean()
    # Same day, same stranger: a higher chance before the move is a higher one after it.
    line = np.linspace(-9, 9, 200)
    after = line + model.lately(history).at((False, 0), np.full(200, 99), np.full(200, 1900), line)
    assert (np.diff(after) > 0).all()


def test_cards_stored_before_the_slope_moved_keep_their_figures():
    old = Drift.from_dict([[40.0, 0.3, 0.5], [80.0, 1.0, 0.25]])
    assert old.settings == ((40.0, 0.3, 0.0, 0.0, 0.5), (80.0, 1.0, 0.0, 0.0, 0.25))
    older = Drift.from_dict({"center": -1.0, "settings": [[40.0, 0.3, 0.2, 0.5]]})
    assert older == Drift(((40.0, 0.3, 0.2, 0.0, 0.5),), -1.0)
    new = Drift(((40.0, 0.3, 0.2, 1.0, 0.5),), -1.5)
    assert Drift.from_dict(json.loads(json.dumps(new.as_dict()))) == new
