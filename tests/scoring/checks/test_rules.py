"""Every failing rule is told, at the level it fails, with what is missing and what cures it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from customers.attributes import set_parent, set_status
from customers.disputes import open_dispute
from customers.holds import place_hold
from customers.models import Cover, CreditAccount, Delivery, OpenOrder
from customers.promises import settle_promises, take_promise
from dunning.models import Reminder, ReminderItem
from scoring.checks.sentences import explain_check, message
from scoring.models import CheckPolicy
from tests.factories import ACTOR, invoice, make_account, receive
from tests.scoring.checks.worlds import DAY, NOW, check, codes, complete, eur, give_limit, hold_room
from tests.scoring.versions_in_use import check_policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(cast):
    complete(cast.company)
    give_limit(cast.account, 10_000)
    return cast.account


def remind(item, level):
    reminder = Reminder.objects.create(
        account=item.account,
        level=level,
        business_date=DAY - timedelta(days=3),
        language="en",
        to_address="a@example.org",
        subject="Reminder",
        body="Please pay",
        currency="EUR",
        amount=item.open_amount,
        state="sent",
        sent_at=NOW,
    )
    ReminderItem.objects.create(reminder=reminder, instalment=item, amount=item.open_amount)


def test_every_failing_rule_is_told_with_its_cure(cast, account, django_assert_num_queries):
    old = invoice(account, "6000", DAY - timedelta(days=100))
    invoice(account, "3000", DAY - timedelta(days=5))
    take_promise(
        account,
        [(old, Decimal(6000))],
        due_on=DAY - timedelta(days=10),
        given_on=DAY - timedelta(days=20),
        actor=ACTOR,
    )
    settle_promises(DAY, actor=ACTOR)
    remind(old, 3)
    place_hold(account, reason_code="new_information", actor=ACTOR, on=DAY)
    check_policy(
        None,
        *({"code": code} for code in ("headroom", "status", "hold", "unscored")),
        {"code": "oldest_item", "number": 30},
        {"code": "past_due_share", "number": 50},
        {"code": "broken_promise", "number": 30},
        {"code": "dunning_level", "number": 3},
        {"code": "order_size", "number": 15},
        {"code": "last_payment", "number": 60},
        {"code": "grade", "grade": "C"},
        {"code": "score", "number": 40},
    )
    account = CreditAccount.objects.get(pk=account.pk)
    with django_assert_num_queries(21):
        result = check(account, 1_600)
    told = {failure.rule: failure for failure in result.failures}
    assert set(told) == {
        *("headroom", "hold", "unscored", "oldest_item", "past_due_share", "broken_promise"),
        *("dunning_level", "order_size", "last_payment"),
    }
    assert (result.passes, result.blocking_level, result.fits) == (False, "payer", eur(1_000))
    assert told["headroom"].missing == result.missing == eur(600)
    assert told["oldest_item"].params["days"] == 70
    # 6,000 of 9,000 is late; after 3,000 more, 3,000 of 6,000 is: exactly half.
    assert told["past_due_share"].cure_params["amount"] == {"minor": 300_000, "currency": "EUR"}
    assert told["broken_promise"].params["amount"] == {"minor": 600_000, "currency": "EUR"}
    assert told["order_size"].missing == eur(100)
    assert told["last_payment"].code == "never_paid"
    words = explain_check(result)
    assert all(line.reason and line.ask and "%(" not in line.reason + line.cure for line in words)
    assert words[0].reason.startswith(
        "Rossi Forniture would owe 10,600.00 EUR and may owe 10,000.00 EUR: 600.00"
    )
    assert "An order of up to 1,000.00 EUR passes now" in message(result)
    assert f"account={account.pk}" in words[0].link
    # Paying what is late cures every rule that is about it; what was promised has come.
    receive(account, "9000", DAY)
    from customers.ledger import allocate_payment
    from customers.models import Payment

    allocate_payment(Payment.objects.get(), [(old, Decimal(6000))], actor=ACTOR)
    settle_promises(DAY, actor=ACTOR)
    assert {f.rule for f in check(account, 1_000).failures} == {"hold", "unscored"}


def test_a_rule_only_asked_where_it_stands_and_only_warning_does_not_stop(account):
    check_policy(
        None,
        {"code": "headroom", "at_delivery": False, "stops": False},
        {"code": "order_size", "amount": 50_000, "at_pick": False, "at_delivery": False},
    )
    result = check(account, 10_001)
    assert [(f.rule, f.stops) for f in result.failures] == [("headroom", False), ("order_size", True)]
    assert result.fits == eur(10_000)
    assert check(account, 10_001, point="delivery").failures == ()


def test_tolerance_is_a_share_an_amount_or_the_smaller_and_a_zero_limit_has_none(cast, account):
    for terms, most in (
        ({"number": 5}, 10_500),
        ({"amount": 20_000}, 10_200),
        ({"number": 5, "amount": 20_000}, 10_200),
    ):
        check_policy(None, {"code": "headroom", **terms})
        assert check(account, most).passes
        assert codes(check(account, most + 1)) == ["over_limit"]
    assert check(account, 1).tolerance == eur(200)
    nobody = make_account(cast.company)
    assert codes(check(nobody, 1)) == ["no_limit"]
    give_limit(account, 0)
    assert codes(check(account, 1)) == ["limit_zero"]


def test_disputed_items_are_in_or_out_as_each_rule_says(account):
    late = invoice(account, "9500", DAY - timedelta(days=100))
    open_dispute(account, [(late, Decimal(9500))], reason="quality", opened_on=DAY, actor=ACTOR)
    check_policy(
        None,
        {"code": "headroom", "without_disputed": True},
        {"code": "oldest_item", "number": 30, "without_disputed": True},
    )
    result = check(account, 9_000)
    assert (result.passes, result.disputed, result.headroom) == (True, eur(9_500), eur(10_000))
    check_policy(
        None,
        {"code": "headroom", "without_disputed": False},
        {"code": "oldest_item", "number": 30, "without_disputed": False},
    )
    assert codes(check(account, 9_000)) == ["over_limit", "oldest_item"]
    # A part in dispute: the rest is late.
    half = invoice(account, "100", DAY - timedelta(days=90))
    open_dispute(account, [(half, Decimal(40))], reason="price", opened_on=DAY, actor=ACTOR)
    check_policy(None, {"code": "oldest_item", "number": 30, "without_disputed": True})
    (failure,) = check(account, 1).failures
    assert (failure.params["amount"]["minor"], failure.params["days"]) == (6_000, 60)


def test_nobody_is_late_beyond_the_day_the_ledger_is_complete_through(cast):
    give_limit(cast.account, 1_000)
    complete(cast.company, DAY - timedelta(days=60))
    invoice(cast.account, "100", DAY - timedelta(days=90))
    check_policy(None, {"code": "oldest_item", "number": 0}, {"code": "past_due_share", "number": 0})
    assert check(cast.account, 1).passes


def test_payer_orderer_and_group_are_kept_apart(cast, account):
    """The order of a branch, paid by its purchasing company, whose holding has the limit of the group."""
    holding = make_account(cast.company, "Holding")
    sister = make_account(cast.company, "Sister")
    branch = make_account(cast.company, "Branch")
    stranger = make_account(cast.company, "Stranger")
    between = make_account(cast.company, "Between")
    for child, parent in ((account, between), (between, holding), (sister, holding)):
        set_parent(child.customer, parent.customer, on=date(2026, 1, 1), actor=ACTOR)
    give_limit(holding, 12_000)
    give_limit(branch, 0)
    give_limit(sister, 50_000)
    give_limit(stranger, 50_000)
    invoice(sister, "7000", DAY - timedelta(days=5))
    invoice(stranger, "7000", DAY - timedelta(days=5))
    order = {"orderer": branch.customer}
    # Nobody says that the holding's limit is the group's: only the payer's own counts, never the orderer's.
    assert check(account, 10_000, **order).passes
    CreditAccount.objects.filter(pk=holding.pk).update(limit_is_for_group=True)
    result = check(account, 10_001, **order)
    assert (codes(result, "payer"), codes(result, "group"), codes(result, "orderer")) == (
        ["over_limit"],
        ["over_limit"],
        [],
    )
    assert result.fits == eur(5_000)
    result = check(account, 5_001, **order)
    assert (result.blocking_level, result.failures[0].customer, result.missing) == (
        "group",
        "Holding",
        eur(1),
    )
    assert "The group of Holding (4 accounts)" in message(result)
    hold_room(sister, 4_999, "S-1")
    assert (check(account, 1, **order).passes, check(account, 2, **order).passes) == (True, False)
    assert check(stranger, 40_000).passes
    # The credit balance of one member pays for nobody else.
    receive(between, "3000", DAY)
    assert not check(account, 2, **order).passes
    # The head itself orders: its own tree binds it too.
    assert check(holding, 2).blocking_level == "group"
    # Who orders answers for its own behaviour.
    place_hold(branch, reason_code="person", actor=ACTOR, on=DAY)
    assert codes(check(account, 1, **order), "orderer") == ["hold"]
    alone = make_account(cast.company, "No account here").customer
    CreditAccount.objects.filter(customer=alone).delete()
    assert check(account, 1, orderer=alone).passes
    set_status(alone, "insolvent", on=DAY, actor=ACTOR)
    assert codes(check(account, 1, orderer=alone), "orderer") == ["status"]
    # A membership that ended yesterday binds no more.
    set_parent(sister.customer, None, on=DAY, actor=ACTOR)
    assert check(account, 9_999).passes


def test_far_orders_take_no_room_yet_and_what_leaves_is_not_held_up_by_what_is_only_ordered(account):
    far = DAY + timedelta(days=91)
    result = check(account, 99_999, expected_on=far)
    assert (result.passes, result.beyond_horizon, result.new) == (True, True, eur(0))
    dates = {"effective_on": DAY, "known_on": DAY}
    for number, amount in (("A", 600_000), ("B", 400_000)):
        OpenOrder.objects.create(
            account=account, number=number, expected_on=DAY, currency="EUR", amount=amount, **dates
        )
    assert codes(check(account, 1)) == ["over_limit"]
    # Raising A from 6,000 to 6,001 needs one more; lowering it always passes; delivering it as well.
    assert codes(check(account, 6_001, counted=eur(6_000))) == ["over_limit"]
    assert check(account, 5_999, counted=eur(6_000)).passes
    assert check(account, 6_000, counted=eur(6_000), point="delivery").passes
    Delivery.objects.create(account=account, number="X", currency="EUR", amount=500_000, **dates)
    assert codes(check(account, 6_000, counted=eur(6_000), point="delivery")) == ["over_limit"]


def test_a_segment_has_its_own_checks_and_versions_are_never_edited(cast, account):
    check_policy(None, {"code": "order_size", "amount": 100})
    assert codes(check(account, 2)) == ["order_size"]
    row = check_policy(account.segment, {"code": "order_size", "amount": 500})
    assert check(account, 5).policy_id == row.pk
    assert check(account, 5).passes
    with pytest.raises(IntegrityError), transaction.atomic():
        CheckPolicy.objects.filter(pk=row.pk).update(version=9)
    for wrong in (
        {"code": "grade"},
        {"code": "order_size"},
        {"code": "score"},
        {"code": "headroom", "on_orderer": True},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            check_policy(account.segment, wrong)


def test_amounts_in_other_currencies_are_converted_at_the_rates_of_the_day(cast, account):
    from customers.models import ExchangeRate

    ExchangeRate.objects.create(
        base="EUR", quote="USD", on=date(2026, 1, 1), rate=Decimal("1.25"), source="ECB"
    )
    assert check(account, "12500", currency="USD").passes
    result = check(account, "12501", currency="USD")
    assert result.missing == eur("0.80")
    hold_room(account, 9_000, "E-1")
    dollars = make_account(cast.company, currency="USD")
    give_limit(dollars, 100)
    check_policy(None, {"code": "headroom", "amount": 1_000})
    assert check(dollars, "112.50").passes
    assert codes(check(dollars, "112.51")) == ["over_limit"]


def test_room_at_our_own_risk_and_room_under_cover_are_rules_of_their_own(cast, account):
    """Limit 10,000, cover of 4,000: 6,000 are free at our own risk."""
    cover = {"account": account, "kind": "insurance", "provider": "Insurer", "currency": "EUR"}
    Cover.objects.create(amount=400_000, effective_on=date(2026, 1, 1), known_on=date(2026, 1, 1), **cover)
    check_policy(
        None,
        {"code": "headroom"},
        {"code": "secured", "stops": False},
        {"code": "unsecured", "number": 50, "amount": 900_000},
    )
    assert not check(account, 6_000).failures
    asked = check(account, 7_000)
    assert asked.passes and [f.code for f in asked.failures] == ["needs_cover"]
    (line,) = explain_check(asked)
    assert line.missing == eur(1_000) and "4,000" in line.reason and "guarantee is asked" in line.cure
    # Half the limit at our own risk: 9,500 would be 5,500.
    over = check(account, 9_500)
    assert codes(over) == ["over_own_risk"] and over.missing == eur(500)
    assert "500" in next(one for one in explain_check(over) if one.stops).cure
    assert check(account, 9_000).passes
    # What is reserved takes the cover first; what is owed is secured by it as far as it goes.
    hold_room(account, 3_000, "R")
    reserved = next(f for f in check(account, 6_100).failures if f.code == "needs_cover")
    assert reserved.missing == eur(100) and reserved.cure == "confirm_cover"
    assert codes(check(account, 6_500)) == ["over_own_risk"]
    invoice(account, "6000", DAY - timedelta(days=5))
    # 2,000 no cover pays, and 3,000 that are reserved: the half is used up, and no cover is left to lean on.
    assert [f.code for f in check(account, 1_000).failures] == ["over_own_risk"]
    assert not check(account, 1_000, point="delivery").failures
    for wrong in (
        {"code": "unsecured"},
        {"code": "secured", "on_group": True},
        {"code": "secured", "on_orderer": True},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            check_policy(account.segment, wrong)
