from datetime import date

import pytest

from creditdesk.core.models import AuditChange
from customers.attributes import (
    AttributeRefused,
    assign_collector,
    set_parent,
    set_status,
    set_terms,
    status_at,
)
from tests.factories import ACTOR, make_account, make_company

pytestmark = pytest.mark.django_db
D = date


@pytest.fixture
def account():
    return make_account(make_company())


def test_a_status_holds_from_its_day_on(account):
    customer = account.customer
    set_status(customer, "on_hold", on=D(2026, 2, 1), actor=ACTOR)
    set_status(customer, "active", on=D(2026, 3, 1), actor=ACTOR)
    assert [status_at(customer, D(2026, m, 15)) for m in (2, 3)] == ["on_hold", "active"]
    change = AuditChange.objects.latest("pk")
    assert (change.before, change.after) == ({"status": "on_hold"}, {"status": "active"})


def test_a_backdated_status_does_not_disturb_the_current_one(account):
    customer = account.customer
    set_status(customer, "active", on=D(2026, 3, 1), actor=ACTOR)
    set_status(customer, "on_hold", on=D(2026, 1, 1), known_on=D(2026, 3, 5), actor=ACTOR)
    customer.refresh_from_db()
    assert customer.status == "active"
    assert status_at(customer, D(2026, 2, 1)) == "on_hold"


def test_a_group_never_contains_itself(account):
    parent = make_account(account.company).customer
    set_parent(account.customer, parent, on=D(2026, 1, 1), actor=ACTOR)
    with pytest.raises(AttributeRefused, match="already"):
        set_parent(parent, account.customer, on=D(2026, 1, 2), actor=ACTOR)
    with pytest.raises(AttributeRefused):
        set_parent(parent, parent, on=D(2026, 1, 2), actor=ACTOR)


def test_terms_and_collector_follow_their_newest_fact(account, django_user_model):
    marta = django_user_model.objects.create_user("marta")
    set_terms(account.customer, 60, on=D(2026, 1, 1), actor=ACTOR)
    assign_collector(account, marta, on=D(2026, 1, 1), actor=ACTOR)
    account.refresh_from_db()
    assert (account.customer.terms_days, account.collector) == (60, marta)
    assign_collector(account, None, on=D(2026, 2, 1), actor=ACTOR)
    account.refresh_from_db()
    assert account.collector is None
