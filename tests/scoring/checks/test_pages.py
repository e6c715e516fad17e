"""The queue of orders on hold, deciding one, asking whether an order would pass, and a new version of the checks."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse

from creditdesk.core.models import AuditEntry
from customers.models import OrderHold, Portfolio
from customers.orders import record_order
from scoring.checks.check import check_credit
from scoring.models import CheckPolicy
from tests.desk_world import client_of
from tests.factories import ACTOR, invoice, make_account
from tests.scoring.checks.worlds import DAY, NOW, check, eur, give_limit
from tests.scoring.versions_in_use import agreed

pytestmark = pytest.mark.django_db
SOON = DAY + timedelta(days=5)


def held(account, number, amount, on=DAY):
    return record_order(account, number, eur(amount), expected_on=SOON, actor=ACTOR, on=on, at=NOW).hold


@pytest.fixture
def world(cast, settings):
    settings.BUSINESS_DATE = DAY
    cache.clear()
    give_limit(cast.account, 1_000)
    invoice(cast.account, "800", DAY - timedelta(days=20))
    cast.holds = [
        held(cast.account, "SMALL", 500),
        held(cast.account, "LATE", 300, on=DAY - timedelta(days=9)),
        held(cast.account, "BIG", 5_000),
    ]
    return cast


def test_the_queue_ranks_tells_why_and_is_decided(
    world, django_assert_num_queries, django_assert_max_num_queries
):
    client = client_of(world.approver)
    client.get(reverse("orders:queue"))
    text = client.get(reverse("orders:queue")).content.decode()
    assert text.index("LATE") < text.index("BIG") < text.index("SMALL")
    assert "would owe 1,300.00 EUR and may owe 1,000.00 EUR" in text
    url = reverse("orders:decide", args=[world.holds[0].pk])
    page = client.get(url)
    assert page.status_code == 200
    assert "An order of up to 200.00 EUR passes now" in page.content.decode()
    # No reason, no day, no amount: nothing happens, and the form says what is missing.
    wrong = client.post(url, {"action": "release"})
    assert (wrong.status_code, wrong.content.decode().count("errorlist")) == (400, 3)
    done = client.post(url, {"action": "release", "reason": "secured", "until": "2026-03-09", "up_to": "500"})
    assert (done.status_code, done.url) == (302, reverse("orders:decide", args=[world.holds[1].pk]))
    world.holds[0].refresh_from_db()
    assert (world.holds[0].status, world.holds[0].resolved_by) == ("released", world.approver)
    assert client.post(url, {"action": "reject", "reason": "late"}).status_code == 409
    for hold, action in ((world.holds[1], "again"), (world.holds[1], "grace"), (world.holds[2], "reject")):
        latest = OrderHold.objects.filter(order_number=hold.order_number).latest("pk")
        posted = {"action": action, "reason": "r", "until": "2026-03-05"}
        assert client.post(reverse("orders:decide", args=[latest.pk]), posted).status_code == 302, action
    assert set(OrderHold.objects.filter(status="waiting").values_list("order_number", "decide_by")) == {
        ("LATE", DAY + timedelta(days=3))
    }
    # A collector reads the queue and decides nothing; other portfolios do not exist.
    reader = client_of(world.collector)
    assert reader.post(url, {"action": "again"}).status_code == 403
    south = Portfolio.objects.create(company=world.company, code="south", name="South")
    other = make_account(world.company, "Far away", portfolio=south)
    theirs = held(other, "X", 5)
    assert reader.get(reverse("orders:decide", args=[theirs.pk])).status_code == 404
    assert "Far away" not in reader.get(reverse("orders:queue")).content.decode()
    # Queries do not grow with the queue.
    client.get(reverse("orders:queue"))
    with django_assert_max_num_queries(20) as few:
        client.get(reverse("orders:queue"))
    for n in range(3):
        held(make_account(world.company, portfolio=world.portfolio), f"N-{n}", 5)
    with django_assert_num_queries(len(few)):
        client.get(reverse("orders:queue"))


def test_anybody_of_the_desk_may_ask_whether_an_order_passes(world):
    client = client_of(world.collector)
    url = reverse("orders:check", args=[world.account.pk])
    assert "Nothing is stored" in client.get(url).content.decode()
    text = client.get(url, {"amount": "201", "point": "order"}).content.decode()
    assert "1.00 EUR too much" in text
    assert "Ask a credit controller" in text
    assert "The credit check passes" in client.get(url, {"amount": "200"}).content.decode()
    assert client.get(url, {"amount": "x"}).status_code == 400


def form_of(page):
    """What the browser would send back of an edit page."""
    forms = page.context["forms"]
    found = {}
    for field in (field for form in (forms.terms, *forms.rows) for field in form):
        value = field.value()
        if value not in (None, False):
            found[field.html_name] = value
    return found


def test_new_checks_take_two_persons_and_a_look_at_the_open_orders(world, django_assert_max_num_queries):
    accepted = record_order(world.account, "SMALLER", eur(150), expected_on=SOON, actor=ACTOR, on=DAY, at=NOW)
    assert accepted.goes_on
    carla, paolo = client_of(world.controller), client_of(world.approver)
    shipped = CheckPolicy.objects.get(status="active")
    carla.post(reverse("checkpolicies:copy", args=[shipped.pk]))
    draft = CheckPolicy.objects.get(status="draft")
    assert (draft.version, draft.rules.count(), draft.created_by) == (2, 12, world.controller)
    edit = reverse("checkpolicies:edit", args=[draft.pk])
    data = form_of(carla.get(edit))
    for wrong in ({"rule-3-number": ""}, {"rule-12-code": "score"}, {"terms-reservation_minutes": "0"}):
        assert carla.post(edit, data | wrong).status_code == 422, wrong
    assert carla.post(edit, {name: "" for name in data if name.endswith("-code")}).status_code == 422
    # Twice the limit passes, an order of more than 100 does not: the big one stays on hold, for another reason.
    changed = data | {"rule-0-number": "100", "rule-12-code": "order_size", "rule-12-amount": "100"}
    changed |= {"rule-12-at_order": "on", "rule-12-stops": "on", "terms-group_binds": "none"}
    assert carla.post(edit, changed).status_code == 302
    assert carla.post(reverse("checkpolicies:simulate", args=[draft.pk])).status_code == 302
    page = carla.get(reverse("checkpolicies:policy", args=[draft.pk]))
    figures = page.context["report"].figures
    assert figures["orders"] == {"accepted": 1, "held": 3}
    assert figures["changed"] == {
        "stops_accepted": 1,
        "passes_accepted": 0,
        "stops_held": 0,
        "passes_held": 0,
    }
    assert figures["stopped"]["in_use"] == {"accepted": 0, "held": 3}
    assert figures["rules"]["draft"]["order_size"] == 4
    text = page.content.decode()
    assert (
        "1 accepted order would be stopped, 0 orders on hold would pass" in text
        and world.account.customer.name in text
    )
    assert "not there" in text and "Tolerance in % of the limit" in text
    compare = carla.get(reverse("checkpolicies:compare", args=[draft.pk]))
    differing = [one for _title, settings in compare.context["compared"] for one in settings if one.differs]
    assert compare.context["count"] == len(differing)
    # A tolerance, whose limit binds, and the five lines of a rule that was not there.
    assert len(differing) == 7, [one.label for one in differing]
    carla.post(reverse("checkpolicies:propose", args=[draft.pk]), {"propose-reason": "Growth."})
    assert carla.post(reverse("checkpolicies:publish", args=[draft.pk])).status_code == 403
    assert check(world.account, 150).policy_id == shipped.pk
    paolo.get(reverse("checkpolicies:policy", args=[draft.pk]))
    with django_assert_max_num_queries(40):
        paolo.get(reverse("checkpolicies:policy", args=[draft.pk]))
    paolo.post(reverse("checkpolicies:publish", args=[draft.pk]), agreed(draft))
    result = check(world.account, 150)
    assert (result.policy_id, result.passes) == (draft.pk, False)
    assert (
        check_credit(world.account, eur(150), as_of=DAY - timedelta(days=1), at=NOW).policy_id == shipped.pk
    )
    edited = AuditEntry.objects.get(act="check_policy.edited").changes.get()
    assert (edited.before["headroom.number"], edited.after["headroom.number"]) == (None, 100)
    for url in ("checkpolicies:list", "admin:scoring_checkpolicy_changelist"):
        assert paolo.get(reverse(url)).status_code == 200
    change = carla.get(reverse("admin:scoring_checkpolicy_change", args=[draft.pk]))
    assert (change.status_code, change.context["has_change_permission"]) == (200, False)
