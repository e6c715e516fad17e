"""Building: idempotent, all or nothing, a fixed number of queries; and why somebody is on no list."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.disputes import open_dispute
from customers.models import Customer, DunningBlock, ExchangeRate
from customers.promises import take_promise
from tests.factories import ACTOR, make_company, pay
from tests.worklists.conftest import AS_OF, account_of, ago, make_collector, overdue
from worklists import actions, runs, storing
from worklists.models import FollowUp, WorklistRow, WorklistRun
from worklists.runs import build_worklists, refresh_accounts

pytestmark = pytest.mark.django_db


def facts(row):
    return {
        name: getattr(row, name)
        for name in (*storing.COMPUTED, "state", "account_id")
        if name not in {"at_risk", "collectable", "overdue"}
    } | {"money": (row.at_risk.minor, row.collectable.minor, row.overdue.minor)}


def snapshot():
    return [facts(row) for row in WorklistRow.objects.order_by("account_id")]


def test_building_twice_changes_nothing(company, marta):
    for amount in ("500.00", "4000.00", "90.00"):
        overdue(account_of(company, marta), amount)
    build_worklists(AS_OF)
    first = snapshot()
    build_worklists(AS_OF)
    assert len(first) == 3
    assert snapshot() == first
    assert WorklistRun.objects.count() == 1


def test_rebuilding_keeps_what_was_worked_and_lets_settled_ones_leave(company, marta):
    worked, settled, still = (account_of(company, marta) for _ in range(3))
    overdue(worked, "9000.00")
    item = overdue(settled, "5000.00")
    overdue(still, "100.00")
    build_worklists(AS_OF)
    actions.log_call(worked, user=marta, on=AS_OF, outcome="reached")
    pay(item, AS_OF)
    build_worklists(AS_OF)
    states = dict(WorklistRow.objects.values_list("account_id", "state"))
    assert states == {worked.pk: "done", settled.pk: "left", still.pk: "open"}
    assert WorklistRow.objects.get(account=still).rank == 1, "the open ones are ranked anew"
    assert FollowUp.objects.count() == 1


def test_one_that_left_comes_back_when_its_money_is_due_again(company, marta):
    account = account_of(company, marta)
    item = overdue(account, "800.00")
    build_worklists(AS_OF)
    block = DunningBlock.objects.create(
        account=account, reason_code="x", effective_on=AS_OF, known_on=AS_OF, expires_on=AS_OF
    )
    build_worklists(AS_OF)
    assert WorklistRow.objects.get().state == "left"
    block.lifted_on = AS_OF
    block.save()
    build_worklists(AS_OF)
    assert WorklistRow.objects.get().state == "open"
    assert item.open_amount.minor == 80_000


def test_a_build_that_dies_leaves_the_run_as_it_was(company, marta, monkeypatch):
    overdue(account_of(company, marta), "800.00")
    build_worklists(AS_OF)
    before, built_at = snapshot(), WorklistRun.objects.get().built_at
    overdue(account_of(company, marta), "9000.00")
    store = runs._store

    def killed(*args, **kwargs):
        store(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "_store", killed)
    with pytest.raises(KeyboardInterrupt):
        build_worklists(AS_OF)
    assert snapshot() == before
    assert WorklistRun.objects.get().built_at == built_at
    monkeypatch.undo()
    build_worklists(AS_OF)
    assert WorklistRow.objects.count() == 2


def cast_of(company, marta, size):
    head = Customer.objects.create(code=f"H-{size}", name="Head")
    for number in range(size):
        account = account_of(company, marta, parent=head if number % 3 == 0 else None)
        item = overdue(account, "1000.00", 10 + number % 50)
        overdue(account, "50.00", 5)
        if number % 2:
            take_promise(account, [(item, Decimal("200"))], due_on=AS_OF, given_on=ago(3), actor=ACTOR)
        else:
            open_dispute(account, [(item, Decimal("300"))], reason="price", opened_on=ago(3), actor=ACTOR)


def test_the_number_of_queries_does_not_grow_with_the_book(company, marta):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as caught:
            build_worklists(AS_OF)
        return len(caught)

    cast_of(company, marta, 6)
    build_worklists(AS_OF)
    few = queries()
    cast_of(company, marta, 24)
    build_worklists(AS_OF)
    many = queries()
    assert many == few
    assert many <= 45


def test_a_large_book_is_read_by_condition_and_says_the_same(company, marta, monkeypatch):
    cast_of(company, marta, 9)
    build_worklists(AS_OF)
    by_ids = snapshot()
    monkeypatch.setattr("worklists.gathering.ID_LIST_UP_TO", 2)
    build_worklists(AS_OF)
    assert snapshot() == by_ids


def test_refreshing_an_account_agrees_with_building_all(company, marta):
    cast_of(company, marta, 9)
    build_worklists(AS_OF)
    account = WorklistRow.objects.order_by("rank").last().account
    overdue(account, "50000.00", 40)
    refresh_accounts([account.pk], AS_OF)
    refreshed = snapshot()
    build_worklists(AS_OF)
    assert snapshot() == refreshed
    assert WorklistRow.objects.get(account=account).rank == 1


def test_every_collector_has_a_list_of_their_own(company, marta):
    lucas = make_collector("lucas", company)
    for who in (marta, lucas, None):
        for amount in ("100.00", "200.00"):
            overdue(account_of(company, who), amount)
    build_worklists(AS_OF)
    for who in (marta, lucas, None):
        ranks = WorklistRow.objects.filter(collector=who).order_by("rank").values_list("rank", "overdue")
        assert list(ranks) == [(1, 20_000), (2, 10_000)]


def test_several_currencies_are_ranked_in_the_companys(company, marta):
    ExchangeRate.objects.create(base="EUR", quote="GBP", on=ago(3), rate=Decimal("0.5"), source="test")
    pound, euro = account_of(company, marta, currency="GBP"), account_of(company, marta)
    overdue(pound, "1000.00")
    overdue(euro, "1500.00")
    build_worklists(AS_OF)
    row = WorklistRow.objects.get(account=pound)
    assert (row.collectable.minor, row.currency) == (200_000, "EUR")
    assert (row.overdue.minor, row.account_currency) == (100_000, "GBP")
    assert row.rank == 1


def test_a_missing_rate_is_said_and_does_not_stop_the_others(company, marta):
    dollar, euro = account_of(company, marta, currency="USD"), account_of(company, marta)
    overdue(dollar, "1000.00")
    overdue(euro, "1500.00")
    build_worklists(AS_OF)
    assert WorklistRun.objects.get().counts["missing_rates"] == ["USD/EUR"]
    assert WorklistRow.objects.get(account=euro).rank == 1


def test_nobody_is_late_beyond_the_complete_ledger(marta):
    company = make_company("later", complete_through=ago(10))
    account = account_of(company, marta)
    overdue(account, "1000.00", 9)
    build_worklists(AS_OF, company)
    assert not WorklistRow.objects.exists()
    overdue(account, "700.00", 12)
    build_worklists(AS_OF, company)
    row = WorklistRow.objects.get()
    assert (row.overdue.minor, row.cause_params["days"]) == (70_000, 2)


def test_no_answer_comes_back_the_next_day_but_a_talk_rests(company, marta):
    reached, missed = account_of(company, marta), account_of(company, marta)
    for account, outcome in ((reached, "no_commitment"), (missed, "no_answer")):
        overdue(account, "900.00")
        FollowUp.objects.create(account=account, kind="call", outcome=outcome, business_date=ago(1), by=marta)
    build_worklists(AS_OF)
    assert [row.account_id for row in WorklistRow.objects.all()] == [missed.pk]


def test_part_of_a_promise_that_came_in_is_not_held_twice(company, marta):
    """10,000 open, 6,000 promised, 2,000 of it came: 8,000 open of which 4,000 are still promised."""
    account = account_of(company, marta)
    item = overdue(account, "10000.00")
    take_promise(
        account, [(item, Decimal("6000"))], due_on=AS_OF.replace(day=30), given_on=ago(5), actor=ACTOR
    )
    pay(item, ago(1), "2000.00")
    build_worklists(AS_OF)
    assert WorklistRow.objects.get().collectable.minor == 400_000


def test_a_promise_over_more_than_the_rest_is_whole_again_after_a_return(company, marta):
    account = account_of(company, marta)
    item = overdue(account, "1000.00")
    take_promise(
        account, [(item, Decimal("1000"))], due_on=AS_OF.replace(day=30), given_on=ago(5), actor=ACTOR
    )
    build_worklists(AS_OF)
    assert not WorklistRow.objects.filter(state="open").exists()
    assert item.open_amount.minor == 100_000
