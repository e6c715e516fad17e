"""Running sums against plain loops over what was known on the day."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.invoices.history import EARLIEST, LATEST, BookLevels, History, Moment
from scoring.invoices.ledger import NEVER, Ledger, beyond

rows = st.lists(
    st.tuples(
        st.integers(0, 2),  # payer
        st.integers(1000, 1200),  # issued
        st.integers(0, 60),  # terms
        st.one_of(st.none(), st.integers(-40, 130)),  # days late, None: open
        st.integers(0, 10),  # days until the payment is known
        st.sampled_from(["", "", "", "credited", "lost", "disputed"]),
    ),
    min_size=1,
    max_size=12,
)


def ledger_of(given_rows):
    columns = {
        name: []
        for name in "account issued due paid paid_known closed_known at_least disputed undisputed".split()
    }
    for payer, issued, terms, late, lag, kind in given_rows:
        due = issued + terms
        paid = NEVER if late is None or kind in {"credited", "lost"} else max(due + late, issued)
        gone = due + 20 if kind in {"credited", "lost"} else NEVER
        for name, value in {
            "account": payer,
            "issued": issued,
            "due": due,
            "paid": paid,
            "paid_known": NEVER if paid == NEVER else paid + lag,
            "closed_known": gone,
            "at_least": 20 if kind == "lost" else -NEVER,
            "disputed": due if kind == "disputed" else NEVER,
            "undisputed": due + 10 if kind == "disputed" else NEVER,
        }.items():
            columns[name].append(value)
    return Ledger.of(amount=np.full(len(given_rows), 100.0), **columns)


def as_known(led, n, day, days):
    """(decided, late) of one row by the definition: paid, or open and not disputed for longer than `days`."""
    if led.issued[n] > day:
        return False, False
    if led.paid_known[n] <= day:
        return True, led.paid[n] - led.due[n] > days
    if led.closed_known[n] <= day:
        return led.at_least[n] > days, led.at_least[n] > days
    start = max(led.due[n] + days + 1, led.issued[n])
    if led.disputed[n] <= start < led.undisputed[n]:
        start = led.undisputed[n]
    return start <= day, start <= day


@settings(max_examples=150, deadline=None)
@given(rows, st.integers(1000, 1400), st.sampled_from([0, 15, 30]))
def test_counts_are_what_was_known_that_day(given_rows, day, days):
    led = ledger_of(given_rows)
    history = History(led)
    places = np.arange(len(led))
    seen = Moment(led.account, np.full(len(led), day), places)
    count, late = history.beyond(days, None, None, seen)
    others = [[m for m in places if m != n and led.account[m] == led.account[n]] for n in places]
    for n in places:
        told = [as_known(led, m, day, days) for m in others[n]]
        assert count[n] == pytest.approx(sum(d for d, _l in told)), (n, told)
        assert late[n] == pytest.approx(sum(x for _d, x in told))
    running, overdue, over = history.standing(seen)
    number, total = history.delays(None, seen)
    for n in places:
        late_now = [
            m
            for m in others[n]
            if as_known(led, m, day, 0)[1] and led.paid_known[m] > day and led.closed_known[m] > day
        ]
        assert overdue[n] == pytest.approx(len(late_now))
        assert over[n] == pytest.approx(sum(day - led.due[m] for m in late_now))
        days_late = [min(day - led.due[m], LATEST) for m in late_now]
        days_late += [
            np.clip(led.paid[m] - led.due[m], EARLIEST, LATEST)
            for m in others[n]
            if led.paid_known[m] <= day and led.issued[m] <= day
        ]
        days_late += [
            20
            for m in others[n]
            if led.closed_known[m] <= day and led.at_least[m] > 0 and led.issued[m] <= day
        ]
        assert number[n] == pytest.approx(len(days_late))
        assert total[n] == pytest.approx(sum(days_late))
        open_early = [
            m
            for m in others[n]
            if led.issued[m] <= day <= led.due[m] and led.paid_known[m] > day and led.closed_known[m] > day
        ]
        assert running[n] == pytest.approx(len(open_early))


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1000, 1400))
def test_nothing_later_changes_what_was_known(given_rows, day):
    led = ledger_of(given_rows)
    later = (led.issued > day) | (led.paid_known > day)
    blind = Ledger.of(
        amount=led.amount,
        **{
            name: np.where(later, NEVER, getattr(led, name))
            if name in {"paid", "paid_known"}
            else getattr(led, name)
            for name in "account issued due paid paid_known closed_known at_least disputed undisputed".split()
        },
    )
    seen = Moment(led.account, np.full(len(led), day), np.arange(len(led)))
    for half_life in (None, 45.0):
        for days, above in ((0, None), (15, 0), (30, 15)):
            for a, b in zip(
                History(led).beyond(days, above, half_life, seen),
                History(blind).beyond(days, above, half_life, seen),
                strict=True,
            ):
                assert a == pytest.approx(b)
        for a, b in zip(
            History(led).delays(half_life, seen), History(blind).delays(half_life, seen), strict=True
        ):
            assert a == pytest.approx(b)


def test_recent_evidence_weighs_more_and_a_payment_does_not_make_lateness_newer():
    led = ledger_of([(0, 1000, 10, 30, 0, ""), (0, 1000, 10, 30, 0, ""), (0, 1100, 10, -5, 0, "")])
    history = History(led)
    # Seen through the third row: two others, late since day 1011, paid on day 1040.
    seen = Moment(np.array([0]), np.array([1101]), np.array([2]))
    count, late = history.beyond(0, None, 45.0, seen)
    assert count[0] == late[0] == pytest.approx(2 * 2 ** (-(1101 - 1011) / 45))


def test_the_book_in_short_agrees_with_the_book_in_full():
    random = np.random.default_rng(4)
    issued = 1000 + random.integers(0, 200, 300)
    paid = issued + 30 + random.integers(-20, 60, 300)
    led = Ledger.of(
        account=random.integers(0, 9, 300), issued=issued, due=issued + 30, amount=np.ones(300), paid=paid
    )
    due, settled, count = np.array([[d, p, 1] for d, p in zip(led.due, led.paid, strict=True)]).T
    seen = Moment(np.array([99]), np.array([1400]), np.array([0]))
    for days, above in ((0, None), (15, 0)):
        whole = History(led).book(days, above, 45.0, seen)
        short = BookLevels(due, settled, count).beyond(days, above, 45.0, seen)
        # The observed row itself is in the short version only.
        own = 2 ** (-(1400 - min(led.paid[0], led.due[0] + days + 1)) / 45)
        assert short[0][0] - whole[0][0] in (pytest.approx(0), pytest.approx(own))


def test_what_is_known_of_a_delay():
    led = ledger_of(
        [
            (0, 1000, 30, 5, 0, ""),
            (0, 1000, 30, None, 0, ""),
            (0, 1000, 30, 0, 0, "lost"),
            (0, 1000, 30, 0, 0, "credited"),
        ]
    )
    low, high = led.delay_at(1050)
    assert beyond(low, high, 0).tolist()[:3] == [1, 1, 1] and np.isnan(beyond(low, high, 0)[3])
    assert beyond(low, high, 15).tolist()[:3] == [0, 1, 1]
    assert beyond(low, high, 30)[0] == 0 and np.isnan(beyond(low, high, 30)[1:]).all()
    early = led.delay_at(1010)
    assert np.isnan(beyond(*early, 0)).all()
