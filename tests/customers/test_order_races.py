"""Many want the last headroom at the same moment: it is given away once. Real threads, real commits."""

from datetime import date, timedelta

import pytest

from customers import locks
from customers.attributes import set_parent
from customers.bindings import decide_binding, propose_binding
from customers.exposure import exposures
from customers.groups import group_of
from customers.merging import merge_customers
from customers.models import CreditAccount, OpenOrder, OrderHold, Reservation
from customers.orders import record_order
from customers.reservations import ReservationError, release_reservation, reserve, reserved
from tests.customers.limits.test_concurrency import together
from tests.factories import ACTOR, make_account
from tests.people import make_cast
from tests.scoring.checks.worlds import DAY, NOW, eur, give_limit, graded

THREADS = 8


@pytest.mark.django_db
def test_an_account_joined_while_its_lock_is_waited_for_gives_no_room_of_its_own(cast, monkeypatch):
    """The merge happens between the reading of the account and its lock."""
    twin = make_account(cast.company, portfolio=cast.portfolio)
    give_limit(cast.account, 100)
    give_limit(twin, 100)

    def merging(customer_id, as_of):
        monkeypatch.setattr(locks, "group_of", group_of)
        values = {"by": cast.controller, "reason": "the same", "on": DAY}
        merge_customers(cast.account.customer, twin.customer, **values)
        return group_of(customer_id, as_of)

    monkeypatch.setattr(locks, "group_of", merging)
    made = reserve(twin, eur(100), reference="R", actor=ACTOR, as_of=DAY, at=NOW)
    assert made.account == cast.account
    with pytest.raises(ReservationError):
        reserve(cast.account, eur(1), reference="S", actor=ACTOR, as_of=DAY, at=NOW)


@pytest.mark.django_db(transaction=True)
def test_the_last_headroom_is_given_away_once():
    from scoring.default_checks import ensure_default_checks

    ensure_default_checks()  # the flush of an earlier test took it away
    cast = make_cast()
    give_limit(cast.account, 500)

    def taking(account, reference, amount=100):
        return lambda: reserve(account, eur(amount), reference=reference, actor=ACTOR, as_of=DAY, at=NOW)

    results = together(*(taking(cast.account, f"R-{n}") for n in range(THREADS)))
    made = [r for r in results if isinstance(r, Reservation)]
    errors = [r for r in results if not isinstance(r, Reservation)]
    assert (len(made), {type(e) for e in errors}, {e.code for e in errors}) == (
        5,
        {ReservationError},
        {"blocked"},
    )
    assert reserved([cast.account.pk], NOW) == {(cast.account.pk, "EUR"): 50_000}

    # The same reference from everybody at once is one reservation.
    for row in made:
        release_reservation(row, actor=ACTOR, on=DAY, at=NOW)
    same = together(*[taking(cast.account, "ONE", 500)] * 4)
    assert len({row.pk for row in same}) == 1
    release_reservation(same[0], actor=ACTOR, on=DAY, at=NOW)

    # Two members of one group, each with room of its own, and one last headroom of the group.
    holding, sister = make_account(cast.company), make_account(cast.company)
    for account in (cast.account, sister):
        set_parent(account.customer, holding.customer, on=date(2026, 1, 1), actor=ACTOR)
    CreditAccount.objects.filter(pk=holding.pk).update(limit_is_for_group=True)
    give_limit(holding, 300)
    give_limit(sister, 500)

    def ordering(account, number):
        return lambda: record_order(
            account, number, eur(300), expected_on=DAY + timedelta(days=3), actor=ACTOR, on=DAY, at=NOW
        )

    outcomes = together(ordering(cast.account, "A"), ordering(sister, "B"), ordering(cast.account, "C"))
    assert sorted(outcome.goes_on for outcome in outcomes) == [False, False, True]
    assert (OpenOrder.objects.count(), OrderHold.objects.filter(status="waiting").count()) == (3, 2)
    owed = exposures(CreditAccount.objects.all(), DAY)
    assert sum(owed[a.pk].total.minor for a in (cast.account, sister, holding)) == 30_000


@pytest.mark.django_db(transaction=True)
def test_two_of_our_companies_do_not_both_give_the_last_of_a_total():
    """A customer of two companies whose total binds, and a group of two under a ceiling; a switch comes in between."""
    from scoring.default_checks import ensure_default_checks

    ensure_default_checks()
    cast = make_cast()
    other = cast.elsewhere.company
    beta = CreditAccount.objects.create(
        customer=cast.account.customer, company=other, segment=other.segments.get(), currency="EUR"
    )
    for user in (cast.controller, cast.approver):
        user.accesses.create(company=other)
    give_limit(cast.account, 300)
    give_limit(beta, 200)

    def switch(customer, binds, ceiling=None):
        row = propose_binding(
            customer, binds, by=cast.controller, on=DAY, reason="one limit", ceiling=ceiling
        )
        return lambda: decide_binding(
            row, approve=True, by=cast.approver, on=DAY, reason="agreed", grades=graded
        )

    def taking(account, reference, amount=100):
        return lambda: reserve(account, eur(amount), reference=reference, actor=ACTOR, as_of=DAY, at=NOW)

    switch(cast.account.customer, "total")()
    results = together(
        *(taking(account, f"{account.pk}-{n}") for n in range(4) for account in (cast.account, beta))
    )
    made = [r for r in results if isinstance(r, Reservation)]
    assert len(made) == 5, results
    assert sum(reserved([cast.account.pk, beta.pk], NOW).values()) == 50_000
    for row in made:
        release_reservation(row, actor=ACTOR, on=DAY, at=NOW)

    # A ceiling on the group comes into force while its members order: what passes keeps to one setting or the other.
    holding, sister = make_account(cast.company), make_account(cast.company)
    for account in (cast.account, sister):
        set_parent(account.customer, holding.customer, on=date(2026, 1, 1), actor=ACTOR)
    give_limit(sister, 500)
    decide = switch(holding.customer, "both", eur(400))
    results = together(decide, taking(beta, "B", 400), taking(sister, "S", 400))
    assert not isinstance(results[0], Exception), results
    first = sum(reserved([cast.account.pk, beta.pk, sister.pk], NOW).values())
    assert first in (40_000, 80_000)  # before the ceiling both had room of their own
    assert not any(
        isinstance(r, Reservation) for r in together(*(taking(a, f"L{a.pk}", 1) for a in (beta, sister)))
    )
