"""Which limits are overdue for a review, and where the controller sees them."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.approval import approve_limit_change, propose_limit_change, reject_limit_change
from customers.attributes import set_status
from customers.models import CreditAccount
from scoring.engine import rescore
from scoring.models import AccountScore, LimitPolicy, LimitReview
from scoring.reviews import ReviewError, confirm_limit, overdue_reviews
from tests.desk_world import client_of
from tests.factories import ACTOR, invoice, make_account

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


def test_the_limit_stays_is_a_review_and_the_next_counts_from_it(cast, settings):
    settings.BUSINESS_DATE = TODAY
    decided(cast, cast.account, date(2025, 11, 19))
    soon = make_account(cast.company, portfolio=cast.portfolio)
    decided(cast, soon, date(2025, 12, 1))
    client = client_of(cast.controller)
    (row,) = client.get(reverse("limits:reviews")).context["page_obj"]
    assert (row.pk, row.due_on, row.late_days) == (cast.account.pk, date(2026, 11, 19), 1)
    both = client.get(reverse("limits:reviews") + "?soon").context["page_obj"]
    assert [r.pk for r in both] == [cast.account.pk, soon.pk]
    url = reverse("limits:confirm", args=[cast.account.pk])
    client.post(url, {"note": " "})
    assert not LimitReview.objects.exists()
    assert client_of(cast.collector).post(url, {"note": "x"}).status_code == 403
    assert client_of(cast.stranger).post(url, {"note": "x"}).status_code == 404
    client.post(url, {"note": "Accounts of 2025 seen."})
    review = LimitReview.objects.get()
    assert (review.by, review.limit, review.reviewed_on) == (cast.controller, Money.of(5000, "EUR"), TODAY)
    assert overdue() == []
    waiting = propose_limit_change(
        soon, Money.of(1, "EUR"), actor=Actor.person(cast.controller), as_of=TODAY, reason_code="other"
    )
    with pytest.raises(ReviewError, match="deciding it is the review"):
        confirm_limit(soon, by=cast.approver, note="x", on=TODAY)
    assert waiting.is_waiting
    with pytest.raises(DatabaseError), transaction.atomic():
        LimitReview.objects.update(note="other")


def test_the_months_are_the_policys(cast):
    decided(cast, cast.account, TODAY - timedelta(days=40))
    assert overdue() == []
    own = LimitPolicy.objects.create(
        segment=cast.account.segment, version=1, valid_from=TODAY, is_shipped=True, review_months_unscored=1
    )
    LimitPolicy.objects.filter(pk=own.pk).update(status="active")
    assert overdue() == [cast.account.pk]


def test_temporary_limits_are_warned_of_before_they_end(cast, settings):
    settings.BUSINESS_DATE = TODAY
    accounts = [cast.account, *(make_account(cast.company, portfolio=cast.portfolio) for _ in "ab")]
    invoice(cast.account, "7000", TODAY - timedelta(days=3))
    for account, days in zip(accounts, (14, 15, 3), strict=True):
        decided(cast, account, TODAY - timedelta(days=9))
        change = propose_limit_change(
            account, Money.of(9000, "EUR"), actor=Actor.person(cast.controller), as_of=TODAY, reason_code="other",
            kind="temporary", valid_until=TODAY + timedelta(days=days),
        )  # fmt: skip
        approve_limit_change(change, approver=cast.approver, reason="season", on=TODAY)
    decided(cast, accounts[2], TODAY, amount=4000)  # a cut ends what was temporary
    (row,) = client_of(cast.controller).get(reverse("limits:ending")).context["rows"]
    assert (row.account, row.days_left, row.base) == (cast.account, 14, Money.of(5000, "EUR"))
    assert row.over == Money.of(2000, "EUR")
    assert client_of(cast.stranger).get(reverse("limits:ending")).context["rows"] == []
    assert [
        one.account for one in client_of(cast.controller).get(reverse("desk:home")).context["ending"]
    ] == [cast.account]
