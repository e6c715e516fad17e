"""The tab Exposure and the page of cover to watch; cover and notices through the admin."""

from datetime import date as D
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.urls import reverse

from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.attributes import set_parent
from customers.cover_warnings import cover_watch
from customers.exposure import exposures
from customers.models import Cover, CoverNotice, CreditAccount, Delivery, OpenOrder
from tests.desk_world import client_of
from tests.factories import ACTOR, invoice, make_account, receive

pytestmark = pytest.mark.django_db
TODAY = D(2026, 11, 20)


@pytest.fixture
def world(cast, settings):
    settings.BUSINESS_DATE = TODAY
    cache.clear()
    account = cast.account
    dates = {"effective_on": D(2026, 9, 1), "known_on": D(2026, 9, 2)}
    invoice(account, "1000", D(2026, 9, 1))  # due 1 October
    receive(account, "30", D(2026, 11, 1))
    OpenOrder.objects.create(
        account=account, number="O1", currency="EUR", amount=50000, expected_on=D(2026, 12, 1), **dates
    )
    Delivery.objects.create(
        account=account,
        number="L1",
        order_number="O1",
        currency="EUR",
        amount=20000,
        effective_on=D(2026, 10, 5),
        known_on=D(2026, 11, 10),
    )
    Cover.objects.create(
        account=account,
        kind="insurance",
        provider="Insurer",
        policy="P1",
        currency="EUR",
        amount=90000,
        percent=90,
        expires_on=D(2026, 12, 31),
        notify_days=60,
        max_extension_days=40,
        policy_limit=100000,
        **dates,
    )
    return cast


def test_the_tab_on_any_day_down_to_the_rows(world):
    client = client_of(world.controller)
    url = reverse("desk:customer", args=[world.account.customer_id]) + "?tab=exposure"
    page = client.get(url)
    assert {p.slug: p.amount.amount for p in page.context["parts"]} == {
        "open_invoices": 1000,
        "unbilled_deliveries": 200,
        "open_orders": 300,
        "unapplied_cash": 30,
    }
    assert page.context["mine"].total == Money.of(1470, "EUR")
    drilled = client.get(url + "&part=unbilled_deliveries").context["drill"]
    assert [(row["item"].number, row["amount"].amount) for row in drilled["page"].object_list] == [
        ("L1", 200)
    ]
    assert drilled["page"].object_list[0]["url"]
    # On another day; as it was known then the delivery had not been reported.
    assert client.get(url + "&on=2026-10-06&part=open_orders").context["drill"]["total"] == Money.of(
        300, "EUR"
    )
    then = client.get(url + "&on=2026-10-06&seen=then&part=open_orders")
    assert then.context["drill"]["total"] == Money.of(500, "EUR")
    assert client.get(url + "&on=nonsense").context["on"] == TODAY
    assert "stopped" not in page.content.decode() and "overdue for 40 days" in page.content.decode()


def test_the_group_shows_only_who_may_be_seen(world):
    above = world.elsewhere
    set_parent(world.account.customer, above.customer, on=D(2026, 1, 1), actor=ACTOR)
    below = make_account(world.company, "Daughter", portfolio=world.portfolio)
    set_parent(below.customer, world.account.customer, on=D(2026, 1, 1), actor=ACTOR)
    invoice(above, "5000", D(2026, 11, 1))
    invoice(below, "70", D(2026, 11, 1))
    url = reverse("desk:customer", args=[below.customer_id]) + "?tab=exposure"
    seen = client_of(world.collector).get(url)
    text = seen.content.decode()
    assert [b.depth for b in seen.context["group"]] == [0, 1, 2]
    assert seen.context["group"][1].subtree == Money.of(1540, "EUR")
    assert seen.context["hidden"] == 1
    assert seen.context["whole"].total.exposure == Money.of(1540, "EUR")
    assert above.customer.name not in text[text.index('id="x-group"') :]
    assert client_of(world.stranger).get(url).status_code == 404


def test_cover_to_watch_and_what_is_done_about_it(world, django_assert_max_num_queries):
    accounts = CreditAccount.objects.select_related("customer", "company", "segment")
    with django_assert_max_num_queries(16):
        warnings, policies = cover_watch(accounts, TODAY)
    assert [(one.kind, one.on, one.amount.amount, one.missed) for one in warnings] == [
        ("stopped", D(2026, 11, 10), 0, False),
        ("notify", D(2026, 11, 30), 1000, False),
        ("expires", D(2026, 12, 31), Decimal(810), False),
    ]
    assert (policies[0].used.amount, policies[0].share) == (810, 0.81)
    client = client_of(world.controller)
    page = client.get(reverse("desk:cover"))
    assert page.content.decode().count("Insurer") == 4
    assert len(client.get(reverse("desk:cover"), {"kind": "notify"}).context["page"].object_list) == 1
    assert not client_of(world.stranger).get(reverse("desk:cover")).context["page"].object_list

    add = reverse("admin:customers_covernotice_add")
    values = {"account": world.account.pk, "policy": "P1", "reference": "M-1", "known_on": TODAY}
    wrong = client.post(add, values | {"effective_on": TODAY, "due_through": D(2026, 12, 1)})
    assert wrong.status_code == 200 and not CoverNotice.objects.exists()
    client.post(add, values | {"effective_on": TODAY, "due_through": D(2026, 10, 1)})
    assert CoverNotice.objects.get().recorded_by == world.controller
    assert "notify" not in [one.kind for one in cover_watch(accounts, TODAY)[0]]

    cover = Cover.objects.get()
    withdraw = reverse("admin:customers_cover_withdraw", args=[cover.pk])
    assert client_of(world.auditor).post(withdraw, {"on": TODAY}).status_code == 403
    assert client_of(world.stranger).get(withdraw).status_code == 404
    assert client.post(withdraw, {"on": D(2027, 2, 1)}).context["form"].errors
    client.post(withdraw, {"on": D(2026, 10, 10)})
    assert Cover.objects.seen().get().withdrawn_on == D(2026, 10, 10)
    assert set(AuditEntry.objects.values_list("act", flat=True)) >= {"cover.withdraw", "covernotice.add"}
    found = exposures([world.account], TODAY)[world.account.pk].standing.parts[0]
    assert found.room == Money.zero("EUR")
