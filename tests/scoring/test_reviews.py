"""Which limits are overdue for a review, and where the controller sees them."""

from datetime import date

import pytest
from django.urls import reverse

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.approval import approve_limit_change, propose_limit_change, reject_limit_change
from customers.attributes import set_status
from customers.models import CreditAccount
from scoring.engine import rescore
from scoring.models import AccountScore
from scoring.reviews import overdue_reviews
from tests.desk_world import client_of
from tests.factories import ACTOR, make_account

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


def decided(cast, account, on, amount=5000, reject=False):
    change = propose_limit_change(
        account, Money.of(amount, "EUR"), actor=Actor.person(cast.controller), as_of=on, reason_code="other"
    )
    decide = reject_limit_change if reject else approve_limit_change
    decide(change, approver=cast.approver, reason="looked at", on=on)


def overdue():
    return [row.pk for row in overdue_reviews(CreditAccount.objects.all(), TODAY)]


@pytest.mark.parametrize(
    ("grade", "last_good", "too_old"),
    [
        ("A", date(2025, 11, 20), date(2025, 11, 19)),
        ("C", date(2026, 5, 20), date(2026, 5, 19)),
        ("E", date(2026, 8, 20), date(2026, 8, 19)),
    ],
)
def test_the_riskier_the_sooner(cast, grade, last_good, too_old):
    accounts = [make_account(cast.company) for _ in "ab"]
    rescore(TODAY)
    for account, on in zip(accounts, (last_good, too_old), strict=True):
        decided(cast, account, on)
        AccountScore.objects.filter(account=account).update(grade=grade)
    assert overdue() == [accounts[1].pk]


def test_without_a_score_a_year(cast):
    decided(cast, cast.account, date(2025, 11, 19))
    assert overdue() == [cast.account.pk]


def test_a_rejected_change_is_a_review_and_zero_needs_none(cast):
    looked_at, cut, ended, never = (make_account(cast.company) for _ in "abcd")
    for row in (looked_at, cut, ended):
        decided(cast, row, date(2025, 1, 2))
    decided(cast, looked_at, date(2026, 11, 2), amount=9000, reject=True)
    decided(cast, cut, date(2025, 1, 3), amount=0)
    set_status(ended.customer, "closed", on=TODAY, actor=ACTOR)
    assert overdue() == []


def test_the_controllers_home_lists_ones_own(cast, settings):
    settings.BUSINESS_DATE = TODAY
    decided(cast, cast.account, date(2025, 1, 2))
    page = client_of(cast.controller).get(reverse("desk:home"))
    assert [row.pk for row in page.context["reviews"]] == [cast.account.pk]
    assert page.context["review_count"] == 1
    assert "last decided 2 Jan 2025" in page.content.decode()
    assert client_of(cast.stranger).get(reverse("desk:home")).context["review_count"] == 0
    assert "reviews" not in client_of(cast.manager).get(reverse("desk:home")).context
