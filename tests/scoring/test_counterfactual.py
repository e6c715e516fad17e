"""What would lift a score: computed on the ledger itself, exact, and without leaving a trace."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.apps import apps

from customers.models import ImportBatch, Payment
from scoring.card import active_card, active_cards
from scoring.counterfactual import better_bins, would_lift
from scoring.engine import compute, rescore
from scoring.explain import explain
from scoring.models import AccountScore
from scoring.statement import Scope
from tests.factories import ACTOR, history, invoice, make_account, make_company, pay
from tests.scoring.test_thin_card import feed

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def kept_account(module_database):
    """Eight months of good payment, then three invoices that stay open: two overdue, one not due yet."""
    company = make_company()
    ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=TODAY)
    account = make_account(company)
    issued = [TODAY - timedelta(days=120 + 30 * month) for month in range(8)]
    history(account, [("1000", day, 30, day + timedelta(days=32)) for day in issued])
    account.late = invoice(account, "2000", TODAY - timedelta(days=105))
    account.later = invoice(account, "3000", TODAY - timedelta(days=65))
    account.due_soon = invoice(account, "4000", TODAY - timedelta(days=10))
    rescore(TODAY)
    return account


@pytest.fixture
def account(kept_account, db):
    return deepcopy(kept_account)


def lift(account):
    row = AccountScore.objects.get(account=account)
    return would_lift(explain(row), row, TODAY, reader=ACTOR)


def rows_of_everything() -> dict[str, int]:
    return {m._meta.label: m.objects.count() for m in apps.get_models() if m._meta.managed}


def test_it_is_what_really_happens_when_the_invoices_are_paid(account):
    found = lift(account)
    assert found.all_paid.instalments == (account.late, account.later)
    assert str(found.all_paid.amount.amount) == "5000.00"
    assert found.all_paid.score > found.score
    pay(account.late, TODAY)
    pay(account.later, TODAY)
    row = next(compute(TODAY, Scope.of([account.pk])))
    assert (row.score, row.grade) == (found.all_paid.score, found.all_paid.grade)


def test_paying_everything_in_time_is_seen_three_months_ahead(account):
    found = lift(account)
    assert found.on_time.day == TODAY + timedelta(days=90)
    pay(account.late, TODAY)
    pay(account.later, TODAY)
    pay(account.due_soon, account.due_soon.due_on)
    ImportBatch.objects.create(
        source=account.company.sources.get(code="erp"), complete_through=found.on_time.day
    )
    assert next(compute(found.on_time.day, Scope.of([account.pk]))).score == found.on_time.score


def test_it_leaves_no_trace(account):
    before = rows_of_everything()
    lift(account)
    assert rows_of_everything() == before
    account.late.refresh_from_db()
    assert account.late.open_amount == account.late.amount
    assert not Payment.objects.filter(key__startswith="what-if").exists()


def test_the_fewest_invoices_that_reach_the_next_grade(account):
    found = lift(account)
    if found.next_grade is not None:
        assert found.next_grade.grade < found.grade
        assert len(found.next_grade.instalments) < len(found.all_paid.instalments)
    else:
        assert found.all_paid.grade <= found.grade


def test_better_bins_are_worth_what_the_card_says(account):
    card, row = active_card(), AccountScore.objects.get(account=account)
    bins = better_bins(explain(row), card)
    assert bins and [b.points for b in bins] == sorted((b.points for b in bins), reverse=True)
    for better in bins:
        inside = better.bound - 1 if better.below else better.bound
        if better.item.signal.is_ratio and better.below:
            inside = better.bound * 999999 / 1000000 if better.bound > 0 else better.bound
        assert card.points_of(better.item.name, inside) >= better.item.points + 1


def test_nothing_overdue_nothing_to_pay():
    company = make_company("second")
    ImportBatch.objects.create(source=company.sources.get(code="erp"), complete_through=TODAY)
    account = make_account(company)
    pay(invoice(account, "10", TODAY - timedelta(days=60)), TODAY - timedelta(days=30))
    rescore(TODAY)
    found = lift(account)
    assert (found.next_grade, found.all_paid, found.on_time) == (None, None, None)


def test_what_is_known_from_elsewhere_does_not_go_stale_on_the_way_to_a_day_ahead():
    """Bank lines end today: in 90 days they would count as missing, and another card would praise that."""
    company = make_company("third", complete_through=TODAY)
    account = make_account(company)
    feed(account, drop=90)
    invoice(account, "100", TODAY - timedelta(days=10))
    rescore(TODAY)
    row = AccountScore.objects.get(account=account)
    assert row.card_id == active_cards().thin.pk
    found = lift(account)
    # The one payment that can be judged then is worth its point; nothing else moves.
    assert (found.on_time.score, found.on_time.grade) == (row.score + 1, row.grade)


def test_however_much_is_overdue_trying_it_costs_the_same(django_assert_max_num_queries):
    """5,000 overdue invoices were tried one by one, four minutes under a row lock."""
    company = make_company("fourth", complete_through=TODAY)
    account = make_account(company)
    history(account, [("10", TODAY - timedelta(days=200 + n), 30, None) for n in range(40)])
    rescore(TODAY)
    with django_assert_max_num_queries(420):
        found = lift(account)
    assert len(found.all_paid.instalments) == 40 and found.all_paid.score > found.score
