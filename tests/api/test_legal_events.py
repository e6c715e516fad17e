"""Legal events pushed by a register's feed: once, with consequences at once, refused with field and cause."""

from __future__ import annotations

from datetime import timedelta

import pytest

from customers.models import Customer, LegalEvent
from scoring.models import DirtyAccount
from tests.api.conftest import TODAY, Caller, key_for

pytestmark = pytest.mark.django_db


def event(**more):
    day = (TODAY - timedelta(days=3)).isoformat()
    return {"customer": "C-1001", "kind": "insolvency", "happened_on": day, "source": "Tribunale"} | more


def test_an_event_is_recorded_once_and_stops_business(world):
    post = world.caller.post
    made = post("legal-events", event(link="https://register.example/77"))
    assert made.status_code == 201, made.json()
    told = made.json()
    assert (told["customer"], told["kind"], told["known_on"]) == ("C-1001", "insolvency", TODAY.isoformat())
    assert told["status"] == Customer.objects.get(code="C-1001").status == "insolvent"
    assert DirtyAccount.objects.filter(account__customer__code="C-1001").exists(), (
        "scored anew within seconds"
    )
    again = post("legal-events", event())
    assert again.status_code == 200 and again.json()["id"] == told["id"] and LegalEvent.objects.count() == 1
    (listed,) = world.caller.get("legal-events", customer="C-1001").json()["results"]
    assert listed == again.json()
    for body, status, field in (
        (event(happened_on=(TODAY + timedelta(days=1)).isoformat()), 422, "happened_on"),
        (event(ended_on="2020-01-01"), 422, "ended_on"),
        (event(kind="rumour"), 400, "kind"),
        (event(source=" "), 422, "source"),
        (event(link="javascript:alert(1)"), 400, "link"),
    ):
        refused = post("legal-events", body)
        assert (refused.status_code, refused["Content-Type"]) == (status, "application/problem+json")
        assert field in str(refused.json()["errors"]), refused.json()
    assert post("legal-events", event(customer="C-9")).json()["code"] == "customer_unknown"
    narrow = Caller(key_for(world.cast.integration, "legal-events:read")[1])
    assert narrow.post("legal-events", event()).status_code == 403
