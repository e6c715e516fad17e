"""The queue of orders on hold, deciding one, asking whether an order would pass, and a new version of the checks."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse

from creditdesk.core.models import AuditEntry
from customers.models import OrderHold, Portfolio
from customers.orders import record_order
from scoring.models import CheckPolicy
from tests.desk_world import client_of
from tests.factories import ACTOR, invoice, make_account
from tests.scoring.checks.worlds import DAY, NOW, check, eur, give_limit

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


def test_a_new_version_of_the_checks_starts_as_a_copy_and_leaves_a_trail(world):
    client = client_of(world.controller)
    url = reverse("admin:scoring_checkpolicy_add")
    form = client.get(url).context
    rules = form["inline_admin_formsets"][0].formset
    data = {
        "segment": "",
        "valid_from": "2026-03-02",
        "currency": "EUR",
        "group_binds": "none",
        "reservation_minutes": "5",
    }
    data |= {"decide_within_days": "1", "release_days": "9"}
    data |= {f"rules-{name}": value for name, value in rules.management_form.initial.items()}
    rows = [row.initial for row in rules.forms if row.initial.get("code")]
    assert len(rows) == 12
    for n, row in enumerate(rows):
        data |= {f"rules-{n}-{name}": value for name, value in row.items() if value not in (None, False, "")}
    data["rules-0-number"] = "50"
    assert client.post(url, data | {"rules-3-number": ""}).status_code == 200
    assert client.post(url, data | {"valid_from": "2026-03-01"}).status_code == 200
    answer = client.post(url, data)
    assert answer.status_code == 302, answer.context["errors"]
    policy = CheckPolicy.objects.get(version=2)
    assert (policy.rules.count(), policy.group_binds) == (12, "none")
    assert check(world.account, 700).passes
    entry = AuditEntry.objects.get(act="check_policy.new")
    assert entry.changes.get().after["rules"]["headroom"]["number"] == "50"
    change = client.get(reverse("admin:scoring_checkpolicy_change", args=[policy.pk]))
    assert (change.status_code, change.context["has_change_permission"]) == (200, False)
