"""Asking the proposer while a change waits, and holds that a person places: pages, rules, what stays on record."""

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval import ApprovalError, propose_limit_change, reject_limit_change
from customers.holds import HoldError, is_stopped, place_hold_by_hand
from customers.limit_comments import comment_on
from customers.models import CreditHold, LimitChangeComment
from tests.desk_world import TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _pinned_day(settings):
    settings.BUSINESS_DATE = TODAY


@pytest.fixture
def change(cast):
    return propose_limit_change(
        cast.account,
        Money.of(5_000, "EUR"),
        actor=Actor.person(cast.controller),
        as_of=TODAY,
        reason_code="customer_request",
    )


def test_the_approver_asks_and_the_proposer_answers_while_the_change_waits(cast, change, client):
    url = reverse("limits:comment", args=[change.pk])
    client.force_login(cast.approver)
    client.post(url, {"text": "Which orders is this for?"})
    client.force_login(cast.controller)
    assert "1 question or answer" in client.get(reverse("limits:inbox")).content.decode()
    page = client.get(reverse("limits:decide", args=[change.pk])).content.decode()
    assert "Which orders is this for?" in page and "Send the answer" in page
    client.post(url, {"text": "The spring collection."})
    client.force_login(cast.approver)
    page = client.get(reverse("limits:decide", args=[change.pk])).content.decode()
    assert page.index("Which orders is this for?") < page.index("The spring collection.")
    change.refresh_from_db()
    assert change.is_waiting
    acts = AuditEntry.objects.filter(act="limit.comment", subject_pk=str(change.pk)).order_by("pk")
    assert [(entry.actor, entry.note.text) for entry in acts] == [
        (cast.approver, "Which orders is this for?"),
        (cast.controller, "The spring collection."),
    ]


def test_a_comment_says_something_and_stays(cast, change, client):
    client.force_login(cast.approver)
    response = client.post(reverse("limits:comment", args=[change.pk]), {"text": "  "}, follow=True)
    assert "Write the question or the answer." in response.content.decode()
    comment = comment_on(change, author=cast.approver, text="Why?", on=TODAY)
    comment.text = "Fine."
    with pytest.raises(DatabaseError, match="customers_limitchangecomment"), transaction.atomic():
        comment.save()
    assert LimitChangeComment.objects.get().text == "Why?"


def test_who_may_not_comment(cast, change):
    for author, code in ((cast.collector, "not_allowed"), (cast.stranger, "out_of_scope")):
        with pytest.raises(ApprovalError) as refused:
            comment_on(change, author=author, text="Why?", on=TODAY)
        assert refused.value.code == code
    reject_limit_change(change, approver=cast.approver, reason="no", on=TODAY)
    with pytest.raises(ApprovalError) as refused:
        comment_on(change, author=cast.approver, text="Why?", on=TODAY)
    assert refused.value.code == "decided"
    assert not LimitChangeComment.objects.exists()


def test_a_controller_places_a_hold_by_hand(cast, client):
    client.force_login(cast.controller)
    customer = reverse("desk:customer", args=[cast.account.customer_id])
    url = reverse("limits:place_hold", args=[cast.account.pk])
    assert url in client.get(customer).content.decode()
    assert client.post(url, {"reason_code": "new_information", "note": ""}).status_code == 400
    assert not is_stopped(cast.account, TODAY)
    given = {"reason_code": "new_information", "note": "Their warehouse burnt down"}
    response = client.post(url, given, follow=True)
    assert response.redirect_chain[-1][0] == reverse("limits:holds")
    assert "Their warehouse burnt down" in response.content.decode()
    assert is_stopped(cast.account, TODAY)
    hold = CreditHold.objects.get()
    assert (hold.placed_by, hold.placed_on) == (cast.controller, TODAY)
    entry = AuditEntry.objects.get(act="hold.place")
    assert (entry.actor, entry.note.text) == (cast.controller, "Their warehouse burnt down")
    again = client.post(url, given)
    assert again.status_code == 400 and "already" in again.content.decode()
    assert CreditHold.objects.count() == 1


def test_a_hold_needs_right_scope_and_known_reason(cast):
    given = {"reason_code": "person", "note": "x", "on": TODAY}
    for by in (cast.collector, cast.stranger):
        with pytest.raises(HoldError):
            place_hold_by_hand(cast.account, by=by, **given)
    with pytest.raises(HoldError, match="reasons"):
        place_hold_by_hand(cast.account, by=cast.controller, **(given | {"reason_code": "insolvency"}))
    assert not CreditHold.objects.exists()


def test_a_limit_of_zero_is_a_limit(cast, client):
    from customers.approval import apply_automatic_cut

    apply_automatic_cut(
        cast.account, Money.zero("EUR"), actor=Actor.job("test"), on=TODAY, reason_code="declined"
    )
    propose_limit_change(
        cast.account,
        Money.of(700, "EUR"),
        actor=Actor.person(cast.controller),
        as_of=TODAY,
        reason_code="undo_cut",
    )
    client.force_login(cast.approver)
    home = client.get(reverse("desk:home")).content.decode()
    assert "0 → <b>700</b>" in home
    tab = client.get(reverse("desk:customer", args=[cast.account.customer_id]), {"tab": "limits"})
    assert '<td class="num">0.00</td>' in tab.content.decode()
