"""The fitted card: it finds what is there, holds thin payers to the portfolio, and refuses what it cannot know."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from scoring.fitting.logistic import FitError, logit
from scoring.fitting.measures import auc, calibration_table
from scoring.invoices import fitting, forward
from scoring.invoices.card import THIN, InvoiceModel
from scoring.invoices.features import CODES, FEATURES, RECORDED, Mean, Rate, features
from scoring.invoices.fitting import fit_invoices, moments_after_due, moments_at_issue
from scoring.invoices.history import History, Moment
from scoring.invoices.ledger import ELECTRONIC, NEVER, PAPER, UNKNOWN, Ledger
from scoring.invoices.told import Told
from scoring.invoices.wording import sentence

from .books import START, made

UNTIL = START.toordinal() + 400


@pytest.fixture(scope="module")
def book():
    ledger = made()
    return ledger, fit_invoices(ledger, UNTIL)


def assert_same(one, other):
    for a, b in zip(one.issue + one.unpaid, other.issue + other.unpaid, strict=True):
        assert (a.rows, a.events, a.ridge, a.why) == (b.rows, b.events, b.ridge, b.why)
        assert a.coef == pytest.approx(b.coef, abs=1e-6) and a.ratio == pytest.approx(b.ratio)
    for a, b in ((one.issue_curves, other.issue_curves), (one.unpaid_curves, other.unpaid_curves)):
        assert np.array(a.bands) == pytest.approx(np.array(b.bands), abs=1e-6)


def test_ranks_later_invoices_and_says_how_often(book):
    ledger, model = book
    tests = np.flatnonzero(ledger.issued >= UNTIL)
    said = model.estimate(History(ledger), moments_at_issue(ledger, tests))
    delay = (ledger.paid - ledger.due)[tests]
    assert auc(delay > 0, said.late) > 0.72
    assert said.late.mean() == pytest.approx((delay > 0).mean(), abs=0.06)
    assert sum(row.agrees for row in calibration_table(delay > 0, said.late)) >= 7
    assert (said.late >= said.late_15).all() and (said.late_15 >= said.late_30).all()
    assert (said.p10 <= said.p50).all() and (said.p50 <= said.p90).all()
    within = (delay >= said.p10) & (delay <= said.p90)
    assert 0.7 < within.mean() < 0.95
    assert said.days_late.mean() == pytest.approx(np.maximum(delay, 0).mean(), rel=0.35)


def test_an_invoice_seen_unpaid_is_likelier_to_be_very_late(book):
    ledger, model = book
    tests = np.flatnonzero((ledger.issued >= UNTIL) & (ledger.paid > ledger.due + 1))
    history = History(ledger)
    at_issue = model.estimate(history, moments_at_issue(ledger, tests))
    after = model.estimate(history, moments_after_due(ledger, tests))
    assert after.late == pytest.approx(np.ones(tests.size))
    assert after.late_15.mean() > at_issue.late_15.mean()
    assert after.late_15.mean() == pytest.approx((ledger.paid - ledger.due > 15)[tests].mean(), abs=0.1)
    day = ledger.due[tests] + 10
    later = model.estimate(history, Moment(ledger.account[tests], day, tests))
    assert (later.late_15 >= after.late_15 - 0.15).all() and later.late_15.mean() > after.late_15.mean()
    assert (later.p10 >= 10).all()


def test_a_later_fact_changes_no_estimate(book):
    ledger, model = book
    tests = np.flatnonzero(ledger.issued >= UNTIL)[:50]
    day = int(ledger.issued[tests].max())
    blind = {
        name: np.where(ledger.paid_known > day, NEVER, getattr(ledger, name))
        for name in ("paid", "paid_known")
    }
    known = Ledger.of(
        account=ledger.account, issued=ledger.issued, due=ledger.due, amount=ledger.amount, **blind
    )
    seen = moments_at_issue(ledger, tests)
    a, b = model.estimate(History(ledger), seen), model.estimate(History(known), seen)
    assert a.late == pytest.approx(b.late) and a.days_late == pytest.approx(b.days_late)
    assert_same(fit_invoices(ledger.take(ledger.issued < UNTIL), UNTIL), model)


def test_whole_customers_are_left_out_not_their_accounts(book, monkeypatch):
    ledger, model = book
    assert_same(fit_invoices(ledger, UNTIL, payers=lambda account: account), model)
    told = []

    def left_out(fitted, X, happened, payer, ridge):
        told.append(payer)
        return forward.left_out(fitted, X, happened, payer, ridge)

    monkeypatch.setattr(fitting, "left_out", left_out)
    card = fit_invoices(ledger, UNTIL, payers=lambda account: account // 2)
    assert told and all((payer <= 20).all() for payer in told)
    assert card.issue[0].payers < model.issue[0].payers


def full_of_events(seed):
    """A book in which payments are told late, rows are corrected, credited, written off and disputed."""
    random, ledger = np.random.default_rng(seed), made(seed=seed, payers=12, invoices=400, days=300)
    size = len(ledger)

    def some(share, days):
        return np.where(random.random(size) < share, days, NEVER)

    closed = some(0.08, ledger.issued + random.integers(1, 90, size))
    disputed = some(0.15, ledger.issued + random.integers(0, 60, size))
    return replace(
        ledger,
        known=ledger.issued + np.where(random.random(size) < 0.2, random.integers(0, 20, size), 0),
        until=some(0.1, ledger.issued + random.integers(1, 120, size)),
        paid=np.where(closed < NEVER, NEVER, ledger.paid),
        paid_known=np.where(closed < NEVER, NEVER, ledger.paid + random.integers(0, 25, size)),
        closed_known=closed,
        at_least=np.where(
            (closed < NEVER) & (random.random(size) < 0.5), random.integers(1, 60, size), -NEVER
        ),
        disputed=disputed,
        undisputed=np.where(
            disputed < NEVER, some(0.8, np.minimum(disputed, 10**6) + random.integers(1, 60, size)), NEVER
        ),
    )


def changed_after(ledger, day, keep, random):
    """Every fact that became known after `day` is another one: rows vanish or change, events move or never come."""
    known_later = (ledger.known > day) & (np.arange(len(ledger)) != keep)

    def later():
        moved = day + 1 + random.integers(0, 200, len(ledger))
        return np.where(random.random(len(ledger)) < 0.4, NEVER, moved)

    def moved(days):
        return np.where(days > day, later(), days)

    paid_known = np.where(ledger.closed_known > day, moved(ledger.paid_known), NEVER)
    told_later = ledger.paid_known > day
    closed_known = np.where(paid_known < NEVER, NEVER, moved(ledger.closed_known))
    newly = np.where(closed_known < NEVER, 77, -NEVER)
    paid = np.where(told_later, np.where(paid_known < NEVER, paid_known - 3, NEVER), ledger.paid)
    return replace(
        ledger,
        account=np.where(known_later, random.integers(0, 12, len(ledger)), ledger.account),
        amount=np.where(known_later, 9.99, ledger.amount),
        due=np.where(known_later, ledger.due + random.integers(0, 60, len(ledger)), ledger.due),
        known=np.where(known_later, later(), ledger.known),
        until=moved(ledger.until),
        paid=paid,
        paid_known=paid_known,
        closed_known=closed_known,
        at_least=np.where(ledger.closed_known > day, newly, ledger.at_least),
        disputed=moved(ledger.disputed),
        undisputed=moved(ledger.undisputed),
    )


@pytest.mark.parametrize("seed", range(2))
def test_no_fact_known_after_the_day_of_issue_moves_an_estimate(seed):
    """Whatever became known later, of this invoice or any other: the card, its level and the estimate stay."""
    ledger, random = full_of_events(seed), np.random.default_rng(seed)
    until = START.toordinal() + 200
    tests = np.flatnonzero((ledger.issued >= until) & (ledger.until > ledger.issued))
    card = fit_invoices(ledger, until)
    for place in random.choice(tests, 3, replace=False):
        day = int(ledger.issued[place])
        other = changed_after(ledger, day, place, random)
        said = [
            model.estimate(History(led), Moment(led.account[[place]], np.array([day]), np.array([place])))
            for model, led in ((card, ledger), (fit_invoices(other, until), other))
        ]
        for name in ("late", "late_15", "late_30", "days_late", "p10", "p50", "p90"):
            assert getattr(said[1], name) == pytest.approx(getattr(said[0], name), abs=1e-6), name
    # Rows heard of after their day of issue: what was recorded in between is no part of their features either.
    priors = card.issue[0].priors
    assert set(priors.alike) == {"month", "size"}
    for place in np.flatnonzero((ledger.known > ledger.issued) & (ledger.until > ledger.issued))[::2]:
        day = int(ledger.issued[place])
        seen = Moment(ledger.account[[place]], np.array([day]), np.array([place]))
        then, other = (
            features(priors, History(led), seen)
            for led in (ledger, changed_after(ledger, day, place, random))
        )
        assert dict(zip(CODES, other[0], strict=True)) == pytest.approx(
            dict(zip(CODES, then[0], strict=True))
        )


def test_few_events_late_in_the_training_are_still_learned_from():
    """Nothing happened early on, so nothing can be forecast from it: the ridges are weighed by customers left out."""
    ledger = spoiled(
        paid=lambda led: np.where(
            (led.issued > UNTIL - 160) & (led.account % 3 == 0), led.due + 20, led.due - 1
        )
    )
    model = fit_invoices(ledger, UNTIL)
    assert model.issue[0].fitted and model.issue[0].ridge < 8000 and model.issue[0].drift.settings
    tests = ledger.issued >= UNTIL
    said = sensible(ledger, model).late
    assert said[(ledger.account % 3 == 0)[tests]].min() > 0.5 > said[(ledger.account % 3 > 0)[tests]].max()


def test_training_looks_at_nothing_after_its_day():
    ledger = made(seed=2)
    after = ledger.paid_known > UNTIL
    blind = Ledger.of(
        account=ledger.account,
        issued=ledger.issued,
        due=ledger.due,
        amount=ledger.amount,
        paid=np.where(after, NEVER, ledger.paid),
        paid_known=np.where(after, NEVER, ledger.paid_known),
    )
    assert_same(fit_invoices(ledger, UNTIL), fit_invoices(blind, UNTIL))


def test_stored_and_read_again(book):
    ledger, model = book
    again = InvoiceModel.from_dict(json.loads(json.dumps(model.as_dict())))
    seen = moments_at_issue(ledger, np.arange(len(ledger)))
    history = History(ledger)
    assert again.estimate(history, seen).late == pytest.approx(model.estimate(history, seen).late)


def test_contributions_add_up_with_the_level_as_a_line_of_its_own(book):
    ledger, model = book
    target, history = model.issue[0], History(ledger)
    seen = moments_at_issue(ledger, np.flatnonzero(ledger.issued >= UNTIL))
    still = logit(target.chance(history, seen))
    level = model.lately(history).at((False, 0), seen.account, seen.day, still)
    lines = target.lines(history, seen, level)
    assert sum(lines.values()) == pytest.approx(logit(model.estimate(history, seen).late), abs=1e-6)
    assert (
        set(lines) <= {"base", "thin_history", "level_now", *CODES} and np.abs(lines["level_now"]).max() > 0
    )
    grows = np.array([f.grows for f in FEATURES])
    assert (np.array(target.coef)[grows] >= 0).all()
    assert len(CODES) == len(set(CODES)) == len(target.coef)


def test_a_ledger_with_one_channel_gets_the_card_of_one_that_tells_none(book):
    ledger, model = book
    told = np.where(np.arange(len(ledger)) % 3 > 0, ELECTRONIC, UNKNOWN).astype(np.int8)
    ledger = replace(ledger, channel=told)
    same = fit_invoices(ledger, UNTIL)
    assert same.as_dict() == model.as_dict()
    assert all(t.coef[CODES.index("channel")] == 0 and t.priors.channel is None for t in same.issue if t.coef)


def going_electronic(seed: int = 3, effect: float = -1.5) -> Ledger:
    """Payers go over to electronic invoices one after the other; the same payer then is late less often."""
    random = np.random.default_rng(seed)
    payers, count = 50, 1000
    account = random.integers(0, payers, count)
    issued = np.sort(START.toordinal() + random.integers(0, 600, count))
    electronic = issued >= (START.toordinal() + random.uniform(-100, 700, payers))[account]
    odds = random.normal(0.3, 1, payers)[account] + effect * electronic
    delay = np.where(random.random(count) < 1 / (1 + np.exp(-odds)), 1 + random.exponential(12, count), -3)
    return Ledger.of(
        account=account,
        issued=issued,
        due=issued + 30,
        amount=np.exp(random.normal(6, 1, count)),
        paid=issued + 30 + np.round(delay).astype(int),
        channel=np.where(electronic, ELECTRONIC, PAPER),
    )


def test_how_an_invoice_is_sent_counts_against_how_those_of_the_record_were():
    ledger = going_electronic()
    model = fit_invoices(ledger, UNTIL)
    target, history = model.issue[0], History(ledger)
    assert target.priors.channel.effect == pytest.approx(-1.5, abs=0.6)
    again = InvoiceModel.from_dict(json.loads(json.dumps(model.as_dict())))
    assert again.issue[0].priors.channel == target.priors.channel
    tests = np.flatnonzero(ledger.issued >= UNTIL)
    seen = moments_at_issue(ledger, tests)
    column = features(target.priors, history, seen)[:, CODES.index("channel")]
    counted, _late = history.beyond(0, None, None, seen)
    known, electronic = history.sent(0, None, None, seen)
    assert (known == counted).all()
    rows, share, effect = (
        target.priors.steps[0][2].rows,
        target.priors.channel.share,
        target.priors.channel.effect,
    )
    mix = (electronic + rows * share) / (counted + rows)
    assert column == pytest.approx(effect * ((ledger.channel[tests] == ELECTRONIC) - mix))
    # Whoever always was sent them electronically is credited for nothing beyond its record.
    always = (electronic == counted) & (counted > 15) & (ledger.channel[tests] == ELECTRONIC)
    changed = (electronic == 0) & (counted > 15) & (ledger.channel[tests] == ELECTRONIC)
    assert always.any() and changed.any()
    assert np.abs(column[always]).max() < 0.35 * np.abs(column[changed]).min()
    # A line of the points like any other, told in words.
    lines = target.lines(history, seen)
    assert sum(lines.values()) == pytest.approx(logit(target.chance(history, seen)), abs=1e-6)
    one = int(np.flatnonzero(changed)[0])
    assert lines["channel"][one] < 0
    seen_one = Moment(seen.account[[one]], seen.day[[one]], seen.place[[one]])
    said_of_one = sentence("channel", Told(target, history, seen_one, START, "EUR"))
    assert f"sent electronically; of the {int(counted[one])} invoices of its record 0 were." in said_of_one
    assert "late less often" in said_of_one
    # It explains those who turned punctual.
    late = ledger.paid[tests] > ledger.due[tests]
    said = model.estimate(history, seen).late
    blind = replace(ledger, channel=np.zeros(len(ledger), dtype=np.int8))
    without = fit_invoices(blind, UNTIL).estimate(History(blind), seen).late
    assert auc(late, said) > auc(late, without) + 0.01
    # One of which nobody knows how it was sent counts as the portfolio's.
    missing = replace(
        ledger, channel=np.where(np.isin(np.arange(len(ledger)), tests), UNKNOWN, ledger.channel)
    )
    between = features(target.priors, History(missing), seen)[:, CODES.index("channel")]
    assert np.isfinite(between).all() and np.abs(between).max() <= abs(effect)


def test_thin_payers_stay_between_the_portfolio_and_their_own_record(book):
    ledger, model = book
    target = model.issue[0]
    portfolio = target.priors.rate
    for paid_late in (0, 1, 2, 3):
        for invoices in range(max(paid_late, 1), THIN):
            when = UNTIL - 100 + 10 * np.arange(invoices)
            late = np.arange(invoices) < paid_late
            extra = Ledger.of(
                account=np.r_[ledger.account, np.full(invoices + 1, 999)],
                issued=np.r_[ledger.issued, when - 40, UNTIL],
                due=np.r_[ledger.due, when - 10, UNTIL + 30],
                amount=np.r_[ledger.amount, np.full(invoices + 1, 400.0)],
                paid=np.r_[ledger.paid, np.where(late, when, when - 12), NEVER],
            )
            place = np.array([len(ledger) + invoices])
            shares, held = target.parts(History(extra), moments_at_issue(extra, place))
            told = shares[0, RECORDED].sum() + held[0]
            own = logit(np.clip(paid_late / invoices, 0.02, 0.98)) - logit(portfolio)
            assert min(own, 0) - 1e-9 <= told <= max(own, 0) + 1e-9
            assert abs(told) > 0.01, "but it does say something"


def test_a_new_payer_gets_the_portfolio(book):
    ledger, model = book
    target = model.issue[0]
    extra = Ledger.of(
        account=np.r_[ledger.account, 999],
        issued=np.r_[ledger.issued, UNTIL],
        due=np.r_[ledger.due, UNTIL + 30],
        amount=np.r_[ledger.amount, np.exp(6.0)],
        paid=np.r_[ledger.paid, NEVER],
    )
    place = np.array([len(ledger)])
    shares, held = target.parts(History(extra), moments_at_issue(extra, place))
    assert shares[0, RECORDED] == pytest.approx(np.zeros(RECORDED.sum())) and held[0] == 0
    said = model.estimate(History(extra), moments_at_issue(extra, place))
    assert said.late[0] == pytest.approx(target.priors.rate, abs=0.08)


def spoiled(**changes):
    ledger = made(seed=3)
    columns = {n: getattr(ledger, n) for n in ("account", "issued", "due", "amount", "paid")}
    columns |= {name: change(ledger) for name, change in changes.items()}
    return Ledger.of(**columns)


@pytest.mark.parametrize("size", [0, 1, 40])
def test_too_little_is_refused_with_counts(size):
    with pytest.raises(FitError, match=f"Only {size} invoices"):
        fit_invoices(made(seed=3).take(slice(0, size)), UNTIL)


def sensible(ledger, model):
    seen = moments_at_issue(ledger, np.flatnonzero(ledger.issued >= UNTIL))
    said = model.estimate(History(ledger), seen)
    for values in (said.late, said.late_15, said.late_30):
        assert ((values >= 0) & (values <= 1)).all()
    assert np.isfinite(said.days_late).all() and (said.days_late >= 0).all()
    return said


@pytest.mark.parametrize(
    ("ledger", "low", "high"),
    [
        (spoiled(paid=lambda led: led.due - 1), 0.0, 0.02),
        (spoiled(paid=lambda led: led.due + 5), 0.98, 1.0),
        (spoiled(account=lambda led: np.zeros(len(led))), 0.2, 0.5),
    ],
    ids=["none late", "all late", "one payer"],
)
def test_what_cannot_be_fitted_is_said_and_estimated_from_the_record(ledger, low, high):
    model = fit_invoices(ledger, UNTIL)
    assert not model.issue[0].fitted and "own record" in model.issue[0].why
    said = sensible(ledger, model)
    assert (said.late >= low).all() and (said.late <= high).all()


def test_rare_events_are_scaled_from_the_nearer_target():
    ledger = spoiled(
        paid=lambda led: np.minimum(led.paid, led.due + 20 + led.row % 2 * (led.row % 97 == 0) * 30)
    )
    model = fit_invoices(ledger, UNTIL)
    far = model.issue[2]
    assert far.scaled_from == 15 and 0 < far.ratio < 0.3 and "too few to fit" in far.why
    said = sensible(ledger, model)
    assert said.late_30 == pytest.approx(np.minimum(said.late_15 * far.ratio, said.late_15), rel=1e-6)


def test_a_tail_of_unpaid_invoices_counts_as_late():
    ledger = spoiled(paid=lambda led: np.where(led.account % 4 == 0, NEVER, led.paid))
    model = fit_invoices(ledger, UNTIL)
    said = sensible(ledger, model)
    tests = ledger.issued >= UNTIL
    never = (ledger.account % 4 == 0)[tests]
    assert said.late_30[never].mean() > 0.7 > 0.3 > said.late_30[~never].mean()


@pytest.mark.parametrize(
    "ledger",
    [
        spoiled(amount=lambda led: np.zeros(len(led))),
        spoiled(amount=lambda led: np.full(len(led), 1e12)),
        spoiled(due=lambda led: led.issued, paid=lambda led: led.issued + led.row % 3 * led.account),
        spoiled(issued=lambda led: led.due),
        spoiled(account=lambda led: np.where(led.row % 2, 0, led.account)),
        spoiled(paid=lambda led: np.where(led.row % 3 == 0, led.due + 3000, led.paid)),
    ],
    ids=["no amounts", "huge amounts", "no terms", "due at once", "one giant", "absurd delays"],
)
def test_odd_ledgers_give_sensible_chances(ledger):
    sensible(ledger, fit_invoices(ledger, UNTIL))


def test_several_currencies_are_measured_each_by_its_own():
    ledger = made(seed=5)
    yen = ledger.account % 2 == 0
    mixed = Ledger.of(
        account=ledger.account,
        issued=ledger.issued,
        due=ledger.due,
        amount=np.where(yen, ledger.amount * 160, ledger.amount),
        paid=ledger.paid,
        currency=np.where(yen, "JPY", "EUR"),
    )
    sizes = fit_invoices(mixed, UNTIL).issue[0].priors.sizes
    assert sizes["JPY"] - sizes["EUR"] == pytest.approx(np.log(160), abs=0.3)
    sensible(mixed, fit_invoices(mixed, UNTIL))


def test_how_much_history_a_rate_asks_for():
    random = np.random.default_rng(1)
    count = np.full(400, 20.0)
    alike = Rate.of(count, random.binomial(20, 0.3, 400).astype(float))
    apart = Rate.of(count, random.binomial(20, random.beta(0.6, 1.4, 400)).astype(float))
    assert alike.rows > 60 and apart.rows == pytest.approx(2.0, rel=0.25)
    assert apart.rate == pytest.approx(0.3, abs=0.04)
    assert apart.rate < apart.blended(np.array([3.0]), np.array([3.0]))[0] < 1
    payer = np.repeat(np.arange(200), 10)
    mean = Mean.of(payer, random.normal(0, 2, 200)[payer] + random.normal(5, 4, 2000))
    assert mean.rows == pytest.approx(4, rel=0.35) and mean.mean == pytest.approx(5, abs=0.5)
