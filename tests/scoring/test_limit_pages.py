"""The inbox, the decision page and the proposal page, as the people of the cast see them."""

from copy import deepcopy
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.approval import approve_limit_change, propose_limit_change, reject_limit_change
from customers.holds import place_hold
from customers.legal import record_legal_event
from customers.limits import limit_at
from customers.models import CreditHold, ImportBatch, LegalEvent, LimitChange
from customers.orders import record_order
from scoring.engine import rescore
from scoring.models import AccountScore
from scoring.overrides import override_score
from scoring.proposals import evidence_of
from tests.factories import ACTOR, history, invoice, make_account
from tests.people import give_authority, make_cast

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def _pinned_day(monkeypatch):
    monkeypatch.setattr(settings, "BUSINESS_DATE", DAY, raising=False)


@pytest.fixture(scope="module")
def kept_desk(module_database):
    cast = make_cast()
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
    issued = [DAY - timedelta(days=30 * month) for month in range(12, 1, -1)]
    history(cast.account, [("10000", day, 30, day + timedelta(days=30)) for day in issued])
    invoice(cast.account, "7777", DAY - timedelta(days=35))
    rescore(DAY)
    return cast


@pytest.fixture
def desk(kept_desk, db):
    return deepcopy(kept_desk)


def propose(cast, amount=10_000, account=None, on=DAY, **extra):
    account = account or cast.account
    why = {"reason_code": "customer_request", "evidence": evidence_of(account, on)} | extra
    return propose_limit_change(
        account, Money.of(amount, "EUR"), actor=Actor.person(cast.controller), as_of=on, **why
    )


def in_force(cast):
    return limit_at(cast.account, DAY).in_force


def test_the_inbox_names_what_waits_ranked_by_money_and_age(desk, client):
    small = propose(desk, 5_000)
    big = make_account(desk.company, "Big Buyer", portfolio=desk.portfolio)
    propose(desk, 90_000, big)
    trader = make_account(desk.company, "Bianchi", portfolio=desk.portfolio, kind="sole_trader")
    record_legal_event(
        trader.customer, "insolvency", effective_on=DAY, known_on=DAY, source="register", actor=ACTOR
    )
    client.force_login(desk.approver)
    response = client.get(reverse("limits:inbox"))
    names = [row.customer for row in response.context["rows"]]
    assert names == ["Bianchi", "Big Buyer", "Rossi Forniture"]
    text = response.content.decode()
    for expected in ("The customer asks for it", "90,000.00", "carla", "approver", "register", "7,777.00"):
        assert expected in text
    assert reverse("limits:decide", args=[small.pk]) in text


def test_the_decision_page_shows_then_and_now_with_differences(desk, client):
    change = propose(desk)
    later = DAY
    invoice(desk.account, "3333", later)
    client.force_login(desk.approver)
    response = client.get(reverse("limits:decide", args=[change.pk]))
    lines = {line.label: line for line in response.context["facts"]}
    assert (lines["exposure"].then, lines["exposure"].now) == ("7,777.00 EUR", "11,110.00 EUR")
    assert lines["exposure"].changed
    assert not lines["customer status"].changed
    signals = response.context["signals"]
    base = response.context["then"]["base_points"]
    assert base + sum(line.points_then for line in signals) == response.context["then"]["score"]
    text = response.content.decode()
    assert "Policy caps" in text and "Limit history" in text and "carla" in text


def test_approving_needs_a_reason_and_opens_the_next_one(desk, client):
    first = propose(desk, 50_000)
    second = propose(desk, 1_000, make_account(desk.company, portfolio=desk.portfolio))
    client.force_login(desk.approver)
    url = reverse("limits:decide", args=[first.pk])
    assert client.post(url, {"action": "approve", "reason": ""}).status_code == 400
    assert in_force(desk) is None
    response = client.post(url, {"action": "approve", "reason": "good payer"})
    assert response.headers["Location"] == reverse("limits:decide", args=[second.pk])
    assert in_force(desk) == Money.of(50_000, "EUR")
    response = client.post(
        reverse("limits:decide", args=[second.pk]), {"action": "reject", "reason": "no need"}, follow=True
    )
    assert response.redirect_chain[-1][0] == reverse("limits:inbox")
    assert "Nothing waits" in response.content.decode()


def test_deciding_is_never_a_get(desk, client):
    change = propose(desk)
    client.force_login(desk.approver)
    client.get(reverse("limits:decide", args=[change.pk]), {"action": "approve", "reason": "x"})
    change.refresh_from_db()
    assert change.is_waiting


def test_somebody_else_was_faster(desk, client):
    change = propose(desk)
    reject_limit_change(change, approver=desk.approver, reason="first", on=DAY)
    client.force_login(desk.approver)
    response = client.post(
        reverse("limits:decide", args=[change.pk]), {"action": "approve", "reason": "second"}
    )
    assert response.status_code == 409
    assert "paolo was faster" in response.content.decode()
    assert in_force(desk) is None


def test_without_authority_the_page_says_so_and_offers_no_decision(desk, client):
    give_authority(desk.company, rise=1_000)
    change = propose(desk, 50_000)
    client.force_login(desk.approver)
    url = reverse("limits:decide", args=[change.pk])
    text = client.get(url).content.decode()
    assert "Your authority does not cover 50,000.00 EUR" in text
    assert "data-approve" not in text
    assert client.post(url, {"action": "approve", "reason": "still"}).status_code == 409
    assert in_force(desk) is None


def test_authority_is_measured_by_an_override_to_a_worse_grade(desk, client):
    AccountScore.objects.update(grade="B", pd="0.02")
    approve_limit_change(propose(desk, 20_000), approver=desk.approver, reason="ok", on=DAY)
    change = propose(desk, 20_500)
    order = record_order(
        *(desk.account, "O-1", Money.of(30_000, "EUR")),
        expected_on=DAY,
        actor=ACTOR,
        on=DAY,
        at=timezone.now(),
    )
    give_authority(desk.company, grade="C")
    client.force_login(desk.approver)
    page = reverse("limits:decide", args=[change.pk])
    release = {"action": "release", "reason": "secured", "until": DAY.isoformat(), "up_to": "30000"}

    def seen():
        (row,) = client.get(reverse("limits:inbox")).context["rows"]
        return row.may_decide, row.is_small, "data-approve" in client.get(page).content.decode()

    def released():
        return client.post(reverse("orders:decide", args=[order.hold.pk]), release).status_code

    assert seen() == (True, True, True)
    why = {"reason_code": "other", "note": "n", "valid_until": DAY + timedelta(days=30), "as_of": DAY}
    override_score(desk.account, "D", by=desk.controller, **why)
    assert seen() == (False, False, False)
    assert released() == 409
    client.post(reverse("limits:bulk"), {"changes": [change.pk], "reason": "small step"})
    assert client.post(page, {"action": "approve", "reason": "still"}).status_code == 409
    assert in_force(desk) == Money.of(20_000, "EUR")
    give_authority(desk.company, grade="D")
    assert seen() == (True, False, True)
    assert released() == 302
    # Proposed under the override, a change keeps the worse grade; one to a better grade gains nobody authority.
    assert evidence_of(desk.account, DAY)["grade"] == "D"
    override_score(desk.account, "A", by=desk.controller, **why)
    assert evidence_of(desk.account, DAY)["grade"] == "B"


def test_who_amends_becomes_the_proposer(desk, client):
    change = propose(desk, 50_000)
    client.force_login(desk.approver)
    data = {"amend-amount": "40000", "amend-reason_code": "other", "amend-comment": "enough for now"}
    response = client.post(reverse("limits:amend", args=[change.pk]), data, follow=True)
    amended = LimitChange.objects.get(status="proposed")
    assert (amended.proposer, amended.new_amount) == (desk.approver, Money.of(40_000, "EUR"))
    text = response.content.decode()
    assert "data-approve" not in text and "You proposed this yourself" in text
    bad = client.post(
        reverse("limits:amend", args=[amended.pk]), {"amend-amount": "1", "amend-reason_code": "other"}
    )
    assert bad.status_code == 400 and "Say which reason" in bad.content.decode()


def test_proposing_shows_the_recommendation_and_goes_to_the_approvers(desk, client):
    client.force_login(desk.controller)
    url = reverse("limits:propose", args=[desk.account.pk])
    page = client.get(url)
    assert page.context["recommended"]["amount"]["minor"] == page.context["form"].initial["amount"] * 100
    assert "91 days" in page.content.decode()
    response = client.post(
        url, {"amount": "12000.50", "kind": "base", "reason_code": "growing_business"}, follow=True
    )
    change = LimitChange.objects.get()
    assert (change.new_amount, change.proposer) == (Money.of("12000.50", "EUR"), desk.controller)
    assert change.evidence["score"] and change.evidence["recommended"]["caps"]
    assert "data-approve" not in response.content.decode()
    # Another look leads to the change that waits.
    assert client.get(url).headers["Location"] == reverse("limits:decide", args=[change.pk])
    again = client.post(url, {"amount": "13000", "kind": "base", "reason_code": "growing_business"})
    assert again.status_code == 409 and "waiting already" in again.content.decode()
    withdrawn = {"action": "withdraw", "reason": "typing error"}
    client.post(reverse("limits:decide", args=[change.pk]), withdrawn)
    change.refresh_from_db()
    assert change.status == "withdrawn"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"amount": "-1"}, "greater than or equal to 0"),
        ({"amount": "1.234"}, "decimal"),
        ({"kind": "temporary"}, "needs a last day"),
        ({"reason_code": "other"}, "Say which reason"),
        ({"reason_code": "policy_rise"}, "valid choice"),
    ],
)
def test_bad_input_names_the_field_and_the_cure(desk, client, data, words):
    client.force_login(desk.controller)
    url = reverse("limits:propose", args=[desk.account.pk])
    good = {"amount": "1000", "kind": "base", "reason_code": "growing_business"}
    response = client.post(url, good | data)
    assert response.status_code == 400 and words in response.content.decode()
    assert not LimitChange.objects.exists()


def test_an_applied_cut_offers_its_undoing_as_a_proposal(desk, client):
    approve_limit_change(propose(desk, 20_000), approver=desk.approver, reason="ok", on=DAY)
    cut = approve_limit_change(propose(desk, 5_000), approver=desk.approver, reason="ok", on=DAY)
    client.force_login(desk.controller)
    text = client.get(reverse("limits:decide", args=[cut.pk])).content.decode()
    link = f"{reverse('limits:propose', args=[desk.account.pk])}?reason=undo_cut&amp;amount=20000.00"
    assert link in text
    page = client.get(link.replace("&amp;", "&"))
    assert page.context["form"].initial == {"amount": "20000.00", "reason_code": "undo_cut"}


def test_holds_are_released_with_a_reason_by_post(desk, client):
    hold = place_hold(desk.account, reason_code="person", actor=Actor.person(desk.controller), on=DAY)
    client.force_login(desk.approver)
    assert "Rossi Forniture" in client.get(reverse("limits:holds")).content.decode()
    url = reverse("limits:release", args=[hold.pk])
    assert client.get(url).status_code == 405
    client.post(url, {"reason": ""})
    hold.refresh_from_db()
    assert hold.released_on is None
    client.post(url, {"reason": "paid in full"})
    hold.refresh_from_db()
    assert (hold.released_by, hold.release_reason) == (desk.approver, "paid in full")


def test_an_insolvency_recorded_in_the_admin_cuts_at_once(desk, client):
    approve_limit_change(propose(desk, 20_000), approver=desk.approver, reason="ok", on=DAY)
    client.force_login(desk.controller)
    data = {
        "customer": desk.account.customer_id,
        "kind": "insolvency",
        "effective_on": "2026-03-01",
        "known_on": "2026-03-02",
        "source": "register",
    }
    url = reverse("admin:customers_legalevent_add")
    wrong = client.post(url, data | {"effective_on": "2026-03-03"})
    assert wrong.status_code == 200 and "before it happens" in wrong.content.decode()
    over = client.post(url, data | {"ended_on": "2026-02-28"})
    assert over.status_code == 200 and "over before it happened" in over.content.decode()
    assert client.post(url, data).status_code == 302
    assert LegalEvent.objects.get().recorded_by == desk.controller
    assert in_force(desk) == Money.of(0, "EUR")
    assert not CreditHold.objects.exists()


def test_the_admin_inbox_lists_what_waits_and_leads_to_the_decision(desk, client):
    change = propose(desk)
    client.force_login(desk.approver)
    url = reverse("admin:customers_limitchange_changelist")
    assert "Rossi Forniture" in client.get(url).content.decode()
    change_url = reverse("admin:customers_limitchange_change", args=[change.pk])
    assert client.get(change_url).headers["Location"] == reverse("limits:decide", args=[change.pk])
    client.force_login(desk.stranger)
    assert "Rossi Forniture" not in client.get(url).content.decode()
    assert client.get(change_url).status_code == 404


def fill(desk, count):
    for _n in range(count):
        propose(desk, 1_000, make_account(desk.company, portfolio=desk.portfolio))


@pytest.mark.parametrize("count", [2, 8])
def test_the_inbox_takes_as_many_queries_for_many_as_for_few(
    desk, client, count, django_assert_max_num_queries
):
    fill(desk, count)
    client.force_login(desk.approver)
    client.get(reverse("limits:inbox"))
    with django_assert_max_num_queries(34):
        client.get(reverse("limits:inbox"))
    with django_assert_max_num_queries(24):
        client.get(reverse("admin:customers_limitchange_changelist"))


def test_the_decision_page_has_a_fixed_number_of_queries(desk, client, django_assert_max_num_queries):
    fill(desk, 6)
    change = propose(desk)
    client.force_login(desk.approver)
    url = reverse("limits:decide", args=[change.pk])
    client.get(url)
    with django_assert_max_num_queries(60):
        client.get(url)
