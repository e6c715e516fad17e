"""What the endpoints answer, and that nobody sees or does more than their key, user and company allow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from creditdesk.api.endpoints import open_invoices
from creditdesk.core.models import AuditEntry
from customers.models import LimitChange
from scoring.invoices.estimates import InvoiceEstimate
from tests.api.conftest import TODAY, Caller, euro, key_for
from tests.factories import invoice, pay

pytestmark = pytest.mark.django_db


def problem(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    said = response.json()
    assert (said["code"], said["status"]) == (code, status)
    assert said["title"] and said["detail"] and said["type"]
    return said


def test_open_invoices_say_when_they_will_be_paid(world, monkeypatch):
    account = world.cast.company.accounts.get(customer__code="C-1001")
    coming = invoice(account, "300.00", TODAY - timedelta(days=5), delivery="paper")
    (row, second) = world.caller.get("open-invoices", customer="C-1001").json()["results"]
    assert row["open"] == {"amount": "700.00", "currency": "EUR"} and row["expected"] is None
    assert (row["delivery"], second["delivery"]) == (None, "paper")
    assert (row["days_past_due"], second["days_past_due"], second["id"]) == (30, 0, coming.pk)
    said = InvoiceEstimate(0.75, 0.25, 0.1, 12.34, TODAY, TODAY, TODAY + timedelta(days=9), card=3)
    monkeypatch.setattr(open_invoices, "estimate", lambda ids, day: dict.fromkeys(ids, said))
    for query, found in (
        ({"overdue": "true"}, [row["id"]]),
        ({"overdue": "false"}, [coming.pk]),
        ({"due_from": TODAY}, [coming.pk]),
        ({"due_to": TODAY}, [row["id"]]),
    ):
        rows = world.caller.get("open-invoices", customer="C-1001", **query).json()["results"]
        assert [one["id"] for one in rows] == found
        assert rows[0]["expected"] == {
            "expected_on": "2026-11-20",
            "earliest_on": "2026-11-20",
            "latest_on": "2026-11-29",
            "days_late": "12.3",
            "late": "0.7500",
            "late_15": "0.2500",
            "late_30": "0.1000",
            "card": 3,
        }
    pay(coming, TODAY)
    assert len(world.caller.get("open-invoices", customer="C-1001").json()["results"]) == 1
    elsewhere = world.cast.elsewhere.customer.code
    assert world.caller.get("open-invoices", customer=elsewhere).json()["results"] == []
    stranger = Caller(key_for(world.cast.stranger, "customers:read")[1])
    problem(stranger.get("open-invoices"), 403, "scope_missing")


def test_customers_and_exposures_are_those_of_the_key(world):
    found = world.caller.get("customers").json()
    assert (found["next"], found["previous"]) == (None, None)
    assert {row["number"] for row in found["results"]} >= {"C-1001", "C-1002", "C-1003"}
    assert "Elsewhere Ltd" not in {row["name"] for row in found["results"]}
    (one,) = world.caller.get("customers", number="C-1001").json()["results"]
    assert [account["company"] for account in one["accounts"]] == ["acme"]
    assert world.caller.get(f"customers/{one['id']}").json() == one
    assert world.caller.get("customers", name="shop 100", company="acme").json()["results"][0] == one
    problem(world.caller.get(f"customers/{world.cast.elsewhere.customer_id}"), 404, "not_found")
    problem(world.caller.get(f"exposures/{world.cast.elsewhere.pk}"), 404, "not_found")

    (row,) = world.caller.get("exposures", customer="C-1001").json()["results"]
    detail = world.caller.get(f"exposures/{row['account']}").json()
    assert detail == row | {"binds": "company", "totals": []}
    assert row["parts"]["open_invoices"] == euro("700") and row["parts"]["unapplied_cash"] == euro("50")
    assert (row["total"], row["overdue"], row["oldest_days_past_due"]) == (euro("650"), euro("700"), 30)
    assert (row["limit"], row["headroom"]) == (None, None)
    before = world.caller.get("exposures", customer="C-1001", as_of=TODAY - timedelta(days=4)).json()
    assert before["results"][0]["total"] == euro("700")

    collector = Caller(key_for(world.cast.collector, "customers:read")[1])
    seen = {row["number"] for row in collector.get("customers").json()["results"]}
    assert "C-1001" in seen and "C-1003" not in seen
    stranger = Caller(key_for(world.cast.stranger, "customers:read", "exposures:read")[1])
    assert [r["name"] for r in stranger.get("customers").json()["results"]] == ["Elsewhere Ltd"]
    assert stranger.get("exposures", customer="C-1001").json()["results"] == []
    narrowed = Caller(
        key_for(world.cast.integration, "customers:read", company=world.cast.elsewhere.company)[1]
    )
    assert narrowed.get("customers").json()["results"] == []


def test_pages_follow_each_other_and_cost_the_same(world):
    def counted(**query):
        with CaptureQueriesContext(connection) as queries:
            page = world.caller.get("exposures", **query).json()
        return page, len(queries)

    counted()  # the first request of a minute notes that the key was used
    page, few = counted(limit=1)
    _all, many = counted(limit=200)
    assert few == many <= 16
    seen = [page["results"][0]["customer"]]
    while page["next"]:
        page = world.caller.client.get(page["next"], headers=world.caller.headers()).json()
        seen += [row["customer"] for row in page["results"]]
    assert len(seen) == len(set(seen)) == len(_all["results"]) == 4
    back = world.caller.client.get(page["previous"], headers=world.caller.headers()).json()
    assert back["results"][0]["customer"] == seen[-2]


def test_parameters_and_bodies_are_checked_by_name(world):
    for query, name, code in (
        ({"limit": 0}, "limit", "min_value"),
        ({"limit": "x"}, "limit", "invalid"),
        ({"custmer": "C-1"}, "custmer", "unknown"),
        ({"as_of": "tomorrow"}, "as_of", "invalid"),
        ({"company": "a b"}, "company", "invalid"),
        ({"limit": ["1", "2"]}, "limit", "repeated"),
    ):
        said = problem(world.caller.get("exposures", **query), 400, "invalid")
        assert {"parameter": name, "code": code}.items() <= said["errors"][0].items(), said
    body = {
        "customer": "C-1001",
        "amount": {"amount": "12.345", "currency": "EUR"},
        "reason": "other",
        "x": 1,
    }
    said = problem(world.caller.post("limit-changes", body), 400, "invalid")
    assert [e["pointer"] for e in said["errors"]] == ["#/x"]
    del body["x"]
    said = problem(world.caller.post("limit-changes", body), 422, "contradiction")
    assert [e["pointer"] for e in said["errors"]] == ["#/amount/amount"]
    body["amount"]["amount"] = "12.30"
    said = problem(world.caller.post("limit-changes", body), 422, "contradiction")
    assert [e["pointer"] for e in said["errors"]] == ["#/comment"]
    problem(world.caller.get("exposures", cursor="abc"), 404, "cursor_unknown")
    problem(world.caller.get("exposures", as_of="2027-01-01"), 422, "future")
    for wrong in (12, None, True, "", "12.", "-1", "1e3"):
        sent = world.caller.post("limit-changes", body | {"amount": {"amount": wrong, "currency": "EUR"}})
        problem(sent, 400, "invalid")
    assert not LimitChange.objects.filter(status="proposed").exists()


def test_a_limit_change_is_proposed_by_the_client_and_decided_by_somebody_else(world):
    body = {"customer": "C-1001", "amount": euro("25000"), "reason": "growing_business"}
    made = world.caller.post("limit-changes", body)
    assert made.status_code == 201
    change = LimitChange.objects.get(account__customer__code="C-1001")
    assert made["Location"] == f"/api/v1/limit-changes/{change.pk}"
    said = made.json()
    assert (said["status"], said["new_amount"], said["old_amount"]) == ("proposed", euro("25000"), None)
    assert (change.proposer, change.proposer_name) == (world.cast.integration, "API: till")
    assert change.evidence["exposure"]["total"]["minor"] == 65000
    entry = AuditEntry.objects.get(act="limit.propose")
    assert (entry.actor_kind, entry.actor, entry.actor_name) == ("api", world.cast.integration, "API: till")
    assert world.caller.get(f"limit-changes/{change.pk}").json() == said
    assert world.caller.get("limit-changes", status="proposed", customer="C-1001").json()["results"] == [said]
    (opening,) = world.caller.get("limit-changes", status="applied").json()["results"]
    assert opening["customer"] == "C-1002"

    again = problem(world.caller.post("limit-changes", body), 409, "already_waiting")
    assert again["limit_change"] == change.pk
    problem(world.caller.post("limit-changes", body | {"customer": "T-99"}), 422, "customer_unknown")
    elsewhere = world.cast.elsewhere.customer.code
    problem(world.caller.post("limit-changes", body | {"customer": elsewhere}), 422, "customer_unknown")
    dollars = body | {"customer": "C-1002", "amount": {"amount": "1", "currency": "USD"}}
    problem(world.caller.post("limit-changes", dollars), 409, "wrong_currency")

    path = f"limit-changes/{change.pk}/withdraw"
    stranger = Caller(key_for(world.cast.stranger)[1])
    problem(stranger.post(path, {"reason": "no"}), 404, "not_found")
    assert stranger.get("limit-changes").json()["results"] == []
    other = Caller(key_for(world.cast.controller)[1])
    problem(other.post(path, {"reason": "no"}), 403, "not_allowed")
    done = world.caller.post(path, {"reason": "ordered elsewhere"})
    assert (done.status_code, done.json()["status"]) == (200, "withdrawn")
    problem(world.caller.post(path, {"reason": "again"}), 409, "decided")


def test_every_refusal_is_a_problem(world, client):
    problem(client.get("/api/v1/customers"), 401, "not_authenticated")
    refused = client.get("/api/v1/customers", headers={"Authorization": "Bearer cdk_x"})
    problem(refused, 401, "authentication_failed")
    assert refused["WWW-Authenticate"].startswith("Bearer")
    problem(world.caller.get("no-such-thing"), 404, "not_found")
    problem(client.delete("/api/v1/no-such-thing"), 404, "not_found")
    wrong_method = world.caller.client.delete("/api/v1/customers", headers=world.caller.headers())
    problem(wrong_method, 405, "method_not_allowed")
    assert "GET" in wrong_method["Allow"]
    headers = world.caller.headers(**{"Idempotency-Key": "k"})
    form = world.caller.client.post("/api/v1/limit-changes", {"customer": "C-1001"}, headers=headers)
    problem(form, 415, "unsupported_media_type")
    for text, code in (("{", "parse_error"), ("[]", "invalid"), ('{"customer": NaN}', "parse_error")):
        sent = world.caller.client.post(
            "/api/v1/limit-changes", text, content_type="application/json", headers=headers
        )
        problem(sent, 400, code)
    reader = Caller(key_for(world.cast.integration, "customers:read")[1])
    assert (
        "limit-changes:propose" in problem(reader.post("limit-changes", {}), 403, "scope_missing")["detail"]
    )
    collector = Caller(key_for(world.cast.collector)[1])
    problem(collector.post("limit-changes", {}), 403, "permission_missing")
    plain = world.caller.client.get("/api/v1/customers", headers=world.caller.headers(Accept="text/html"))
    problem(plain, 406, "not_acceptable")
    italian = client.get("/api/v1/customers", headers={"Accept-Language": "it"})
    assert italian["Content-Language"] == "it"
    codes = {row["code"] for row in client.get("/api/v1/problems").json()}
    assert {"throttled", "already_waiting"} <= codes
