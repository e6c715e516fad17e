from datetime import date
from decimal import Decimal

import pytest

from creditdesk.core.money import Money
from customers.ledger import return_payment
from customers.ledger.checking import check_ledger
from customers.models import ImportBatch, Promise, PromiseMove
from customers.promises import PromiseError, open_promised, settle_promises, take_promise, withdraw_promise
from tests.factories import ACTOR, invoice, make_account, make_company, pay

pytestmark = pytest.mark.django_db
D = date
GIVEN, DUE = D(2026, 3, 2), D(2026, 3, 6)  # a Monday and the Friday after; judged on Tuesday the 10th
JUDGED = D(2026, 3, 10)


@pytest.fixture
def account():
    return make_account(make_company(complete_through=D(2026, 3, 4)))


@pytest.fixture
def row(account):
    return invoice(account, "100", D(2026, 1, 1))


def promise_for(row, amount="100", **extra):
    given = {"due_on": DUE, "given_on": GIVEN, "actor": ACTOR} | extra
    return take_promise(row.account, [(row, Decimal(amount))], **given)


def complete(account, day):
    ImportBatch.objects.create(source=account.company.sources.get(), complete_through=day)


def settle(promise, as_of):
    moved = settle_promises(as_of, actor=ACTOR)
    promise.refresh_from_db()
    return moved


def test_grace_counts_business_days(row):
    assert promise_for(row).judged_on == JUDGED


def test_none_is_broken_before_the_ledger_is_complete(account, row):
    promise = promise_for(row)
    assert settle(promise, D(2026, 3, 20)) == 0
    complete(account, D(2026, 3, 9))
    assert settle(promise, D(2026, 3, 20)) == 0
    assert promise.status == "open"
    complete(account, JUDGED)
    assert settle(promise, D(2026, 3, 20)) == 1
    assert (promise.status, promise.resolved_on) == ("broken", JUDGED)
    assert settle(promise, D(2026, 3, 20)) == 0
    assert PromiseMove.objects.count() == 1


def test_cash_within_grace_keeps_it_even_in_parts(account, row):
    promise = promise_for(row)
    pay(row, D(2026, 3, 5), "60")
    assert settle(promise, D(2026, 3, 5)) == 0
    assert promise.kept_amount == Money.of(60, "EUR")
    pay(row, JUDGED, "40")
    assert settle(promise, JUDGED) == 1
    assert (promise.status, promise.resolved_on, promise.kept_amount) == (
        "kept",
        JUDGED,
        Money.of(100, "EUR"),
    )


def test_part_of_the_cash_keeps_part_of_it(account, row):
    promise = promise_for(row)
    pay(row, D(2026, 3, 5), "60")
    pay(row, D(2026, 3, 11), "40")
    complete(account, D(2026, 3, 31))
    settle(promise, D(2026, 3, 31))
    assert (promise.status, promise.kept_amount) == ("partly_kept", Money.of(60, "EUR"))


def test_cash_before_the_promise_does_not_count(account, row):
    pay(row, D(2026, 2, 1), "50")
    promise = promise_for(row, "50")
    complete(account, D(2026, 3, 31))
    settle(promise, D(2026, 3, 31))
    assert promise.status == "broken"


def test_a_returned_payment_takes_the_promise_back(account, row):
    promise = promise_for(row)
    payment = pay(row, D(2026, 3, 5))
    settle(promise, D(2026, 3, 5))
    assert promise.status == "kept"
    return_payment(payment, actor=ACTOR, on=D(2026, 3, 9), reason_code="nsf")
    settle(promise, D(2026, 3, 9))
    assert (promise.status, promise.resolved_on) == ("open", None)
    complete(account, JUDGED)
    settle(promise, D(2026, 3, 12))
    assert promise.status == "broken"
    assert [str(f) for f in check_ledger()] == []


def test_a_late_booking_mends_a_broken_promise(account, row):
    promise = promise_for(row)
    complete(account, D(2026, 3, 20))
    settle(promise, D(2026, 3, 20))
    assert promise.status == "broken"
    pay(row, D(2026, 3, 6), known_on=D(2026, 3, 20))
    settle(promise, D(2026, 3, 20))
    assert (promise.status, promise.resolved_on) == ("kept", D(2026, 3, 6))


def test_a_new_promise_replaces_the_open_one(row):
    first = promise_for(row)
    second = promise_for(row, due_on=D(2026, 3, 13))
    first.refresh_from_db()
    assert (first.status, first.replaced_by) == ("replaced", second)
    assert open_promised([row.account_id], D(2026, 3, 3)) == {row.pk: 10000}


def test_a_withdrawn_promise_is_never_broken(account, row):
    promise = promise_for(row)
    withdraw_promise(promise, on=GIVEN, actor=ACTOR, reason_code="undo")
    complete(account, D(2026, 3, 31))
    assert settle(promise, D(2026, 3, 31)) == 0
    assert promise.status == "withdrawn"
    with pytest.raises(PromiseError, match="cannot become"):
        withdraw_promise(promise, on=GIVEN, actor=ACTOR, reason_code="undo")


@pytest.mark.parametrize(
    ("amount", "change", "words"),
    [
        ("100.01", {}, "not within what is open"),
        ("0", {}, "not within"),
        ("10", {"due_on": D(2026, 3, 1)}, "in the past"),
    ],
)
def test_impossible_promises_are_refused(row, amount, change, words):
    with pytest.raises(PromiseError, match=words):
        promise_for(row, amount, **change)
    assert not Promise.objects.exists()


def test_many_promises_are_judged_in_as_many_queries_as_one(account, row, django_assert_max_num_queries):
    for _n in range(6):
        promise_for(invoice(account, "10", D(2026, 1, 1)), "10")
    with django_assert_max_num_queries(9):
        settle_promises(D(2026, 3, 5), actor=ACTOR)


def test_cash_that_comes_back_is_a_move_of_its_own(account, row):
    promise = promise_for(row)
    first, second = pay(row, D(2026, 3, 5), "60"), pay(row, D(2026, 3, 5), "20")
    complete(account, D(2026, 3, 31))
    settle(promise, D(2026, 3, 11))
    assert (promise.status, promise.kept_amount) == ("partly_kept", Money.of(80, "EUR"))
    return_payment(second, actor=ACTOR, on=D(2026, 3, 12), reason_code="nsf")
    assert settle(promise, D(2026, 3, 13)) == 1
    assert (promise.status, promise.kept_amount) == ("partly_kept", Money.of(60, "EUR"))
    assert list(promise.moves.order_by("pk").values_list("kept_amount", flat=True)) == [8000, 6000]
    assert first.open_amount.minor == 0
