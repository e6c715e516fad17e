"""Orders are checked at every step of their life, and what does not pass waits for a person."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from creditdesk.core.audit import Actor
from customers.automatic import cut_or_hold
from customers.exposure import exposures
from customers.legal import record_legal_event
from customers.merging import merge_customers
from customers.models import OpenOrder, OrderHold, Reservation
from customers.order_holds import (
    OrderHoldError,
    give_grace,
    reject_order,
    release_order,
    stop_orders,
)
from customers.order_moves import bill_order, deliver_order, pick_order
from customers.order_tasks import check_holds_again
from customers.order_versions import OrderError
from customers.orders import change_order, check_again, close_order, record_order, reopen_order
from customers.shown import EVERYTHING
from scoring.order_queue import stop_text
from tests.factories import ACTOR, invoice, make_account
from tests.people import give_authority
from tests.scoring.checks.worlds import DAY, NOW, check, codes, eur, give_limit, hold_room, later
from tests.scoring.versions_in_use import with_rule

pytestmark = pytest.mark.django_db
WHEN = {"actor": ACTOR, "on": DAY, "at": NOW}
SOON = DAY + timedelta(days=10)
FAR = DAY + timedelta(days=100)


@pytest.fixture
def account(cast):
    give_limit(cast.account, 1_000)
    return cast.account


def order(account, number, amount, expected_on=SOON, **extra):
    return record_order(account, number, eur(amount), expected_on=expected_on, **(WHEN | extra))


def owed(account):
    return exposures([account], DAY)[account.pk].total


def release(cast, hold, **extra):
    values = {"reason": "they pay tomorrow", "on": DAY, "until": SOON, "up_to": hold.amount} | extra
    return release_order(hold, by=values.pop("by", cast.approver), **values)


def test_an_order_takes_its_room_once_and_one_too_many_waits_without_taking_any(account):
    hold_room(account, 700, "A")
    first = order(account, "A", 700)
    assert (first.goes_on, Reservation.objects.get().status) == (True, "used")
    assert order(account, "A", 700).order == first.order
    with pytest.raises(OrderError, match="there already"):
        order(account, "A", 701)
    second = order(account, "B", 400)
    assert (second.hold.at_entry, second.hold.point, second.hold.cause) == (True, "order", "check")
    assert second.hold.details["failures"][0]["missing"] == {"minor": 10_000, "currency": "EUR"}
    assert owed(account) == eur(700)
    assert order(account, "C", 300).goes_on
    for verb in (
        lambda: deliver_order(second.order, "D-1", eur(1), **WHEN),
        lambda: pick_order(second.order, **WHEN),
    ):
        with pytest.raises(OrderError) as refused:
            verb()
        assert refused.value.code == "on_hold"
    # When the others make room, the order that waits passes.
    assert check_again(second.hold, **WHEN).hold is not None
    close_order(first.order, **{k: WHEN[k] for k in ("actor", "on")})
    assert check_again(OrderHold.objects.get(status="waiting"), **WHEN).goes_on
    assert OrderHold.objects.get(order_number="B", status="cured").resolved_on == DAY
    assert owed(account) == eur(700)


def test_changing_closing_and_reopening_do_not_get_past_the_check(account):
    first = order(account, "A", 600).order
    changed = change_order(first, amount=eur(1_001), **WHEN)
    assert changed.hold.at_entry
    assert owed(account) == eur(0)
    assert OpenOrder.objects.filter(number="A").count() == 2
    assert order(account, "B", 900).goes_on
    # Back to what was agreed once: the room is gone.
    back = change_order(changed.order, amount=eur(600), **WHEN)
    assert (back.hold.at_entry, back.hold.placed_on) == (True, DAY)
    assert OrderHold.objects.filter(status="waiting").get().amount == eur(600)
    assert change_order(back.order, amount=eur(100), **WHEN).goes_on
    assert owed(account) == eur(1_000)
    # Smaller is never asked; sooner is.
    far = order(account, "F", 5_000, FAR)
    assert (far.goes_on, owed(account)) == (True, eur(1_000))
    assert change_order(far.order, amount=eur(4_000), **WHEN).goes_on
    assert codes(change_order(far.order, expected_on=SOON, **WHEN).result) == ["over_limit"]
    # Delivered early, an order beyond the horizon is new business, too.
    early = order(account, "G", 500, FAR).order
    assert deliver_order(early, "L-1", eur(500), **WHEN).made is None
    b = OpenOrder.objects.get(number="B")
    close_order(b, actor=ACTOR, on=DAY)
    assert close_order(b, actor=ACTOR, on=DAY).closed_on == DAY
    with pytest.raises(OrderError, match="reopen"):
        change_order(b, amount=eur(1), **WHEN)
    assert order(account, "H", 850).goes_on
    assert reopen_order(b, **WHEN).hold.at_entry
    assert owed(account) == eur(950)


def test_what_is_reopened_or_changed_counts_once(account):
    row = close_order(order(account, "A", 900).order, actor=ACTOR, on=DAY)
    again = reopen_order(row, **WHEN)
    assert (again.goes_on, again.result.exposure, again.result.new) == (True, eur(0), eur(900))
    more = change_order(again.order, amount=eur(1_000), **WHEN)
    assert (more.goes_on, more.result.exposure, more.result.new) == (True, eur(900), eur(100))
    assert codes(change_order(more.order, amount=eur(1_001), **WHEN).result) == ["over_limit"]


def test_asking_again_leaves_the_hold_its_handler_and_its_grace(cast, account, monkeypatch):
    full = order(account, "A", 900).order
    hold = order(account, "B", 500, actor=Actor.person(cast.approver)).hold
    small = order(account, "C", 150).hold
    give_grace(hold, by=cast.controller, reason="promised", on=DAY, until=SOON)
    change_order(full, amount=eur(800), **WHEN)
    by_other = WHEN | {"actor": Actor.person(cast.controller)}
    again = check_again(hold, **by_other).hold
    assert (again.pk, again.placed_by) == (hold.pk, cast.approver)
    assert again.details["failures"][0]["missing"] == {"minor": 30_000, "currency": "EUR"}
    # Every waiting order is asked, however many wait before it: only the last one fits.
    monkeypatch.setattr("customers.order_tasks.business_date", lambda _zone: DAY)
    assert check_holds_again(1) == 1
    small.refresh_from_db()
    assert small.status == "cured"
    # Another rule fails: a hold of its own, still handled by whom it was, and with its grace.
    with_rule(code="order_size", amount=1)
    again = check_again(hold, **by_other).hold
    assert again.pk != hold.pk
    assert (again.placed_by, again.decide_by, again.grace_reason) == (cast.approver, SOON, "promised")
    with pytest.raises(OrderHoldError, match="yourself"):
        release(cast, again)
    changed = change_order(OpenOrder.objects.get(number="B"), expected_on=DAY, **by_other).hold
    assert (changed.pk != again.pk, changed.placed_by) == (True, cast.controller)


def test_delivering_and_billing_more_than_ordered_is_new_business(account):
    first = order(account, "A", 600).order
    assert order(account, "B", 300).goes_on
    assert deliver_order(first, "L-1", eur(400), **WHEN).made.amount == eur(400)
    with pytest.raises(OrderError, match="there already"):
        deliver_order(first, "L-1", eur(1), **WHEN)
    assert owed(account) == eur(900)
    # 200 are left and 100 of headroom: 300 may leave, 301 not.
    assert deliver_order(first, "L-2", eur(301), **WHEN).hold.point == "order"
    hold = OrderHold.objects.get(status="waiting")
    assert hold.at_entry is False
    assert owed(account) == eur(900)
    assert check_again(hold, **WHEN).goes_on
    assert deliver_order(first, "L-2", eur(300), **WHEN).goes_on
    assert owed(account) == eur(1_000)
    made = bill_order(first, "R-1", eur(400), delivery_number="L-1", **WHEN).made
    assert made.amount == eur(400)
    for number, delivery, amount in (("R-1", "L-1", 1), ("R-2", "L-1", 1), ("R-2", "X", 1)):
        with pytest.raises(OrderError):
            bill_order(first, number, eur(amount), delivery_number=delivery, **WHEN)
    # Billed ahead of any delivery: the order is used up, and the invoice not yet in the ledger.
    second = OpenOrder.objects.get(number="B")
    assert bill_order(second, "R-3", eur(300), **WHEN).goes_on
    assert bill_order(second, "R-4", eur(1), **WHEN).hold is not None
    invoice(account, "300", DAY, number="R-3")
    assert owed(account) == eur(1_000)


def test_a_release_is_bounded_by_amount_day_and_authority_and_never_ones_own(cast, account):
    invoice(account, "900", DAY - timedelta(days=5))
    mine = order(account, "A", 500, actor=Actor.person(cast.approver)).hold
    for who, changes, code in (
        (cast.collector, {}, "not_allowed"),
        (cast.stranger, {}, "out_of_scope"),
        (cast.approver, {}, "own_order"),
        (cast.controller, {"reason": " "}, "no_reason"),
        (cast.controller, {}, "no_authority"),
    ):
        with pytest.raises(OrderHoldError) as refused:
            release(cast, mine, by=who, **changes)
        assert refused.value.code == code
    hold = order(account, "B", 500).hold
    give_authority(cast.company, rise=1_399)
    for changes, code in (
        ({"until": DAY - timedelta(days=1)}, "dates"),
        ({"up_to": eur(499)}, "cap"),
        ({}, "no_authority"),
    ):
        with pytest.raises(OrderHoldError) as refused:
            release(cast, hold, **changes)
        assert refused.value.code == code
    give_authority(cast.company, rise=1_500)
    done = release(cast, hold, up_to=eur(550))
    assert (done.status, owed(account)) == ("released", eur(1_400))
    with pytest.raises(OrderHoldError, match="released"):
        reject_order(hold, by=cast.approver, reason="late", on=DAY)
    row = OpenOrder.objects.get(number="B")
    # Within the cap it may change and leave; beyond it, or after its day, it waits again.
    row = change_order(row, amount=eur(550), **WHEN).order
    assert deliver_order(row, "L-1", eur(50), **WHEN).made
    assert deliver_order(row, "L-2", eur(501), **WHEN).hold.point == "order"
    assert check_again(OrderHold.objects.get(order_number="B", status="waiting"), **WHEN).goes_on
    assert deliver_order(row, "L-3", eur(60), **WHEN).made
    late = SOON + timedelta(days=1)
    assert deliver_order(row, "L-2", eur(200), actor=ACTOR, on=late, at=later(days=11)).hold is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        OrderHold.objects.filter(pk=mine.pk).update(
            status="released", resolved_on=DAY, resolved_by=cast.approver, resolved_reason="x",
            released_until=DAY, released_up_to=50_000,
        )  # fmt: skip
    with pytest.raises(DatabaseError, match="held anew"), transaction.atomic():
        OrderHold.objects.filter(pk=hold.pk).update(resolved_reason="other")


def test_a_release_holds_only_for_what_would_be_owed_when_it_was_given(cast, account):
    assert order(account, "A", 900).goes_on
    hold = order(account, "B", 500).hold
    release(cast, hold)
    row = close_order(OpenOrder.objects.get(number="B"), actor=ACTOR, on=DAY)
    row = reopen_order(row, **WHEN)
    assert (row.goes_on, owed(account)) == (True, eur(1_400))
    close_order(row.order, actor=ACTOR, on=DAY)
    books = invoice(account, "1", DAY - timedelta(days=5))
    assert reopen_order(row.order, **WHEN).hold.at_entry
    assert owed(account) == books.open_amount + eur(900)
    # An order beyond the horizon takes no room yet: who lets it leave today answers for all of it.
    far = order(account, "F", 300, FAR).order
    early = deliver_order(far, "L-1", eur(300), **WHEN).hold
    give_authority(cast.company, rise=1_200)
    with pytest.raises(OrderHoldError, match=r"1,201\.00"):
        release(cast, early)
    give_authority(cast.company, rise=1_201)
    release(cast, early)
    assert deliver_order(far, "L-1", eur(300), **WHEN).made


def test_rejecting_closes_the_order_and_reopening_it_waits_again(cast, account):
    hold = order(account, "A", 2_000).hold
    give_grace(hold, by=cast.controller, reason="promised", on=DAY, until=SOON)
    hold.refresh_from_db()
    assert hold.decide_by == SOON
    reject_order(hold, by=cast.controller, reason="too much", on=DAY)
    row = OpenOrder.objects.get(number="A")
    assert row.closed_on == DAY
    give_limit(account, 500)
    row = change_order(reopen_order(row, **WHEN).order, amount=eur(10), **WHEN).order
    assert check(account, 10).passes
    assert OrderHold.objects.filter(order_number="A", status="cured").exists()
    assert deliver_order(row, "L", eur(10), **WHEN).made


def test_what_was_rejected_or_stopped_never_goes_on_without_a_person(cast, account):
    full = order(account, "B", 600).order
    hold = order(account, "A", 500).hold
    reject_order(hold, by=cast.controller, reason="too much", on=DAY)
    row, keys = OpenOrder.objects.get(number="A"), {"actor": ACTOR, "on": DAY}
    close_order(full, **keys)
    for _again in range(2):
        opened = reopen_order(row, **WHEN)
        assert (opened.hold.details["rejected_on"], opened.result.passes) == (DAY, True)
        # Not by the job, not by asking again, and not by an order that is larger or as large.
        assert check_holds_again() == 0
        assert check_again(opened.hold, **WHEN).hold == opened.hold
        larger = change_order(opened.order, amount=eur(501), **WHEN)
        same = change_order(larger.order, amount=eur(500), **WHEN)
        assert same.hold.at_entry
        row = close_order(same.order, **keys)
    # One that a person let go is not asked for again.
    release(cast, reopen_order(row, **WHEN).hold)
    row = close_order(OpenOrder.objects.get(number="A", superseded_at=None), **keys)
    assert reopen_order(row, **WHEN).goes_on

    other = order(account, "S", 10).order
    details = {"code": "insolvency", "params": {}, "provision": "§ 321 BGB"}
    stop_orders([account.pk], details=details, actor=ACTOR, on=DAY)
    for _again in range(2):
        opened = reopen_order(close_order(other, **keys), **WHEN)
        assert (opened.hold.cause, opened.hold.details["code"]) == ("stopped", "insolvency")
    reject_order(opened.hold, by=cast.controller, reason="insolvent", on=DAY)
    opened = reopen_order(OpenOrder.objects.get(number="S", superseded_at=None), **WHEN)
    assert (opened.hold.cause, opened.hold.details["rejected_on"]) == ("stopped", DAY)


def test_a_cut_to_zero_sends_accepted_orders_to_the_queue_with_the_legal_basis(cast, account):
    order(account, "A", 600)
    cut_or_hold(account, eur(0), actor=ACTOR, on=DAY, reason_code="insolvency")
    hold = OrderHold.objects.get()
    assert (hold.status, hold.cause, hold.at_entry) == ("waiting", "stopped", False)
    assert (hold.details["code"], hold.details["provision"]) == ("insolvency", "art. 1461 c.c.")
    assert "art. 1461 c.c." in stop_text(hold, EVERYTHING)
    assert codes(check(account, 1)) == ["limit_zero"]


def test_a_cause_known_late_holds_the_orders_taken_since(cast, account):
    order(account, "A", 300, on=DAY - timedelta(days=3))
    gone = order(account, "B", 200).order
    assert deliver_order(gone, "L-B", eur(200), actor=ACTOR, on=DAY, at=NOW).made
    assert order(account, "C", 200).goes_on
    known = DAY - timedelta(days=2)
    record_legal_event(
        account.customer, "insolvency", effective_on=known, source="register", actor=ACTOR, known_on=known
    )
    held = OrderHold.objects.filter(status="waiting", cause="stopped")
    assert set(held.values_list("order_number", flat=True)) == {"A", "C"}


def test_stopped_business_puts_accepted_orders_into_the_queue_and_ends_releases(cast, account):
    first = order(account, "A", 600).order
    hold = order(account, "B", 700).hold
    release(cast, hold)
    waiting = order(account, "C", 100).hold
    done = order(account, "D", 200, FAR).order
    close_order(done, actor=ACTOR, on=DAY)
    details = {"code": "insolvency", "params": {}, "provision": "§ 321 BGB", "provision_text": "x"}
    assert stop_orders([account.pk], details=details, actor=ACTOR, on=DAY) == 3
    assert stop_orders([account.pk], details=details, actor=ACTOR, on=DAY) == 0
    held = {h.order_number: h for h in OrderHold.objects.filter(status="waiting")}
    assert set(held) == {"A", "B", "C"}
    assert (held["C"].at_entry, held["A"].at_entry) == (True, False)
    assert held["C"].placed_on == waiting.placed_on
    with pytest.raises(OrderError):
        deliver_order(first, "L-1", eur(1), **WHEN)
    # Passing the check is not enough: a person has to let it go.
    give_limit(account, 900)
    assert check_again(held["A"], **WHEN).hold == held["A"]
    assert change_order(first, amount=eur(1), **WHEN).hold.cause == "stopped"


def test_a_merge_carries_what_is_reserved_and_what_waits(cast, account):
    twin = make_account(cast.company, "Rossi srl", portfolio=cast.portfolio)
    give_limit(twin, 100)
    hold_room(twin, 100, "R")
    waiting = order(twin, "A", 60).hold
    merge_customers(account.customer, twin.customer, by=cast.controller, reason="the same", on=DAY)
    assert OrderHold.objects.get(pk=waiting.pk).account == account
    assert check(account, 900).passes
    assert codes(check(account, 901)) == ["over_limit"]
    with pytest.raises(OrderError, match="on hold"):
        pick_order(OpenOrder.objects.get(account=account, number="A"), **WHEN)
