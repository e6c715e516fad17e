"""Headroom is held once, found again by its reference, and given back by release or time."""

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core.models import AuditEntry
from customers.models import Reservation
from customers.orders import record_order
from customers.reservations import (
    ReservationError,
    expire_reservations,
    release_reservation,
)
from scoring.checks.effect import effect
from scoring.models import CheckPolicy
from tests.factories import ACTOR, make_account
from tests.scoring.checks.worlds import DAY, NOW, check, codes, eur, give_limit, hold_room, later

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(cast):
    give_limit(cast.account, 1_000)
    return cast.account


def test_the_same_reference_holds_room_once_and_another_business_under_it_is_refused(account):
    first = hold_room(account, 600, "SO-1")
    assert hold_room(account, 600, "SO-1") == first
    assert check(account, 400).passes
    assert codes(check(account, 401)) == ["over_limit"]
    assert check(account, 401).missing == eur(1)
    assert check(account, 900, exclude_reservation=first.pk).passes
    with pytest.raises(ReservationError) as other:
        hold_room(account, 601, "SO-1")
    assert (other.value.code, other.value.reservation) == ("conflict", first)
    with pytest.raises(ReservationError) as blocked:
        hold_room(account, 401, "SO-2")
    assert blocked.value.code == "blocked"
    assert blocked.value.result.fits == eur(400)
    assert Reservation.objects.count() == AuditEntry.objects.filter(act="reservation.make").count() == 1


def test_release_and_expiry_give_the_room_back(account):
    first = hold_room(account, 1_000, "SO-1", minutes=30)
    assert not check(account, 1).passes
    release_reservation(first, actor=ACTOR, on=DAY, at=NOW)
    assert release_reservation(first, actor=ACTOR, on=DAY, at=NOW).status == "released"
    second = hold_room(account, 1_000, "SO-1", minutes=30)
    assert second != first
    # It stops counting when it expires, swept or not; its reference is free again.
    assert check(account, 1_000, at=later(minutes=30)).passes
    third = hold_room(account, 900, "SO-1", at=later(minutes=31), minutes=30)
    second.refresh_from_db()
    assert second.status == "expired"
    assert expire_reservations(later(minutes=60), DAY) == 0
    assert expire_reservations(later(minutes=61), DAY) == 1
    assert expire_reservations(later(minutes=61), DAY) == 0
    third.refresh_from_db()
    assert (third.status, third.closed_at) == ("expired", later(minutes=61))


@pytest.mark.parametrize(
    ("amount", "reference", "minutes", "code"),
    [
        (0, "A", 5, "bad_amount"),
        (5, " ", 5, "bad_reference"),
        (5, "A", 0, "bad_expiry"),
        (5, "A", 99999, "bad_expiry"),
    ],
)
def test_nonsense_is_refused_with_a_reason(account, amount, reference, minutes, code):
    with pytest.raises(ReservationError) as refused:
        hold_room(account, amount, reference, minutes=minutes)
    assert refused.value.code == code


def test_the_database_keeps_closed_reservations_and_one_live_reference(cast, account):
    row = hold_room(account, 10, "SO-1")
    other = make_account(cast.company)
    give_limit(other, 100)
    with pytest.raises(ReservationError, match="SO-1"):
        hold_room(other, 10, "SO-1")
    for change in ({"amount": 1}, {"expires_at": later(days=9)}, {"reference": "X"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Reservation.objects.filter(pk=row.pk).update(**change)
    release_reservation(row, actor=ACTOR, on=DAY, at=NOW)
    with pytest.raises(DatabaseError, match="reserve again"), transaction.atomic():
        Reservation.objects.filter(pk=row.pk).update(status="active", closed_at=None)
    with pytest.raises(DatabaseError), transaction.atomic():
        row.delete()


def test_what_a_held_order_keeps_reserved_does_not_stop_it_in_a_simulation(cast, account):
    """Its own reservation stays until it is released; asked again, and tried under other checks, it is not in the way."""
    give_limit(account, 1_000)
    own = hold_room(account, 900, "SO-1", minutes=3 * 24 * 60)
    give_limit(account, 800)
    hold = record_order(account, "SO-1", eur(900), expected_on=DAY, actor=ACTOR, on=DAY, at=NOW).hold
    assert hold is not None and Reservation.objects.get(pk=own.pk).status == "active"
    draft = CheckPolicy.objects.create(version=9, segment=account.segment, valid_from=DAY)
    draft.rules.create(code="headroom", at_order=True, number=15, stops=True)
    figures = effect(draft, DAY)
    assert figures["orders"] == {"accepted": 0, "held": 1}
    assert figures["changed"]["passes_held"] == 1
    assert figures["stopped"] == {"in_use": {"accepted": 0, "held": 1}, "draft": {"accepted": 0, "held": 0}}
