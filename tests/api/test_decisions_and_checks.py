"""Decisions, credit checks and reservations as a shop's till sees them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from creditdesk.core.models import AuditEntry
from customers.bank.consents import record_consent, revoke_consent
from customers.models import Access, Customer, Reservation
from scoring.decisions import decide
from scoring.engine import rescore
from scoring.models import Decision
from tests.api.conftest import TODAY, Caller, euro, key_for
from tests.api.test_endpoints import problem
from tests.factories import ACTOR, invoice
from tests.scoring.checks.worlds import give_limit

pytestmark = pytest.mark.django_db


def test_a_decision_is_answered_kept_and_found_again(world):
    rescore(TODAY)
    body = {"customer": "C-1001", "amount": euro("15000"), "terms_days": 60}
    world.caller.post("decisions", body)  # cards and policies are kept in memory from the first one on
    with CaptureQueriesContext(connection) as queries:
        made = world.caller.post("decisions", body)
    assert made.status_code == 201 and len(queries) <= 44, len(queries)
    said = made.json()
    decision = Decision.objects.get(public_id=said["id"])
    assert made["Location"] == f"/api/v1/decisions/{said['id']}"
    assert (said["outcome"], said["limit"], said["asked"]) == ("review", None, euro("15000"))
    assert (said["score"], said["pd"]) == (decision.score, str(decision.pd))
    assert said["scorecard"] == {"code": decision.card.code, "version": decision.card.version}
    assert said["limit_policy"]["version"] == decision.limit_policy.version
    codes = [reason["code"] for reason in said["reasons"]]
    assert codes[0] in ("no_history", "thin_history") and "signal" in codes
    assert all(reason["text"] for reason in said["reasons"])
    assert (decision.asked_by, said["decided_by"], said["settled_by"]) == ("API: till", "rules", None)
    found = world.caller.get(f"decisions/{said['id']}").json()
    assert found == said
    assert world.caller.get("decisions", customer="C-1001", outcome="review").json()["results"][0] == said
    assert world.caller.get("decisions", outcome="declined").json()["results"] == []

    stranger = Caller(key_for(world.cast.stranger)[1])
    problem(stranger.get(f"decisions/{said['id']}"), 404, "not_found")
    assert stranger.get("decisions").json()["results"] == []
    problem(stranger.post("decisions", body), 422, "customer_unknown")
    dollars = {"customer": "C-1001", "amount": {"amount": "5", "currency": "USD"}}
    problem(world.caller.post("decisions", dollars), 422, "wrong_currency")
    problem(world.caller.post("decisions", body | {"amount": euro("0")}), 422, "amount_not_positive")
    problem(world.caller.post("decisions", body | {"terms_days": "60"}), 400, "invalid")


def test_old_decisions_tell_nothing_of_bank_or_agencies_once_that_ended(world):
    """A key with the right to bank data reads what banks and agencies told only while a consent and a basis allow it."""
    rescore(TODAY)
    caller, account = world.caller, world.cast.company.accounts.get(customer__code="C-1001")
    first = decide(account, TODAY, asked_by=ACTOR)
    same = {
        f.attname: getattr(first, f.attname)
        for f in Decision._meta.fields
        if f.name not in ("id", "public_id")
    }
    minor = {"minor": 98765, "currency": "EUR"}
    values = {"bank_sudden_change": -5.5, "bureau_fall_12m": 37}
    signals = [
        {"code": "signal", "params": {"signal": name, "points": -9, "value": value}}
        for name, value in values.items()
    ]
    caps = [{"code": "limit", "params": {"cap": cap, "limit": minor}} for cap in ("bank_flows", "agency")]
    Decision.objects.create(**same | {"reasons": [*signals, *caps]})
    world.cast.integration.user_permissions.add(Permission.objects.get(codename="view_banktransaction"))
    consent = record_consent(
        account.customer, purpose="credit", effective_on=TODAY, expires_on=TODAY, actor=ACTOR
    )

    def texts():
        with CaptureQueriesContext(connection) as queries:
            found = caller.get("decisions", customer="C-1001").json()["results"][0]["reasons"]
        return [reason["text"] for reason in found], len(queries)

    (change, fall, flows, agency), before = texts()
    assert "5.5" in change and "37" in fall and "987.65" in flows and "987.65" in agency
    Customer.objects.filter(pk=account.customer_id).update(kind=Customer.Kind.SOLE_TRADER)
    revoke_consent(consent, by=ACTOR, reason="asked", on=TODAY)
    told, after = texts()
    assert not any(figure in text for text in told for figure in ("5.5", "37", "987.65")) and all(told)
    assert after <= before + 1


def test_a_check_says_all_that_fails_and_what_would_cure_it(world):
    body = {"customer": "C-1002", "amount": euro("9000")}
    passed = world.caller.post("credit-checks", body).json()
    assert passed["passes"] and passed["headroom"] == euro("10000") and passed["failures"] == []
    failed = world.caller.post("credit-checks", body | {"amount": euro("12000")}).json()
    assert not failed["passes"] and failed["reservation"] is None
    assert (failed["missing"], failed["fits"]) == (euro("2000"), euro("10000"))
    assert failed["blocking_level"] == "payer"
    (failure,) = failed["failures"]
    assert failure["rule"] == "headroom" and failure["missing"] == euro("2000")
    assert failure["reason"] in failed["message"] and failure["cure"]
    problem(world.caller.post("credit-checks", body | {"orderer": "nobody"}), 422, "customer_unknown")
    elsewhere = world.cast.elsewhere.customer.code
    problem(world.caller.post("credit-checks", body | {"orderer": elsewhere}), 422, "customer_unknown")
    problem(world.caller.post("credit-checks", body | {"amount": euro("0")}), 422, "amount_not_positive")
    problem(world.caller.post("credit-checks", body | {"point": "never"}), 400, "invalid")
    checker = Caller(key_for(world.cast.integration, "credit-checks:run")[1])
    assert checker.post("credit-checks", body).json()["passes"]
    asked = body | {"reserve": {"reference": "SO-1"}}
    problem(checker.post("credit-checks", asked), 403, "scope_missing")
    assert not Reservation.objects.exists()


def test_a_total_with_accounts_a_key_may_not_see_is_told_without_amounts(world):
    acme = world.cast.company.accounts.get(customer__code="C-1002")
    other = world.cast.elsewhere.company
    beta = acme.customer.accounts.create(company=other, segment=other.segments.get(), currency="EUR")
    give_limit(beta, 500)
    invoice(beta, "123.00", TODAY)
    approver, said = world.cast.approver, {"status": "in_force", "valid_from": TODAY, "decided_on": TODAY}
    said |= {"wanted_from": TODAY, "proposed_on": TODAY, "decided_at": timezone.now(), "reason": "r"}
    acme.customer.limit_bindings.create(
        binds="both", proposed_by=world.cast.controller, decided_by=approver, decision_reason="r", **said
    )
    body = {"customer": "C-1002", "company": acme.company.code, "amount": euro("1")}
    told = world.caller.post("credit-checks", body).json()
    payer, total = told["limits"]
    assert payer["exposure"] == euro("0") and (total["level"], total["binds"]) == ("total", True)
    assert [total[name] for name in ("limit", "exposure", "reserved", "headroom")] == [None] * 4
    assert told["passes"]
    give_limit(acme, 5)
    over = world.caller.post("credit-checks", body | {"amount": euro("400")}).json()
    assert [(f["level"], f["missing"]) for f in over["failures"]] == [("payer", euro("395")), ("total", None)]
    assert over["fits"] == euro("5") and "123" not in str(over) and "505" not in str(over)
    world.cast.integration.accesses.create(company=other)
    seen = world.caller.post("credit-checks", body).json()
    assert seen["limits"][1]["exposure"] == euro("123")
    narrow = Caller(key_for(world.cast.integration, company=acme.company)[1])
    assert narrow.post("credit-checks", body).json()["limits"][1]["exposure"] is None


def test_headroom_is_reserved_once_released_and_free_again(world):
    body = {"customer": "C-1002", "amount": euro("6000"), "reserve": {"reference": "SO-1", "minutes": 30}}
    first = world.caller.post("credit-checks", body).json()
    held = first["reservation"]
    assert first["passes"] and (held["status"], held["amount"]) == ("active", euro("6000"))
    row = Reservation.objects.get()
    assert (row.made_by, row.made_by_name) == (world.cast.integration, "API: till")
    assert AuditEntry.objects.get(act="reservation.make").actor_kind == "api"
    again = world.caller.post("credit-checks", body).json()
    assert again == first and Reservation.objects.count() == 1
    other = problem(
        world.caller.post("credit-checks", body | {"amount": euro("1")}), 409, "reservation_conflict"
    )
    assert other["reservation"] == held["id"]
    south = world.cast.company.portfolios.get(code="south")
    given = Access.objects.filter(user=world.cast.integration)
    given.update(portfolio=south)
    hidden = world.caller.post("credit-checks", body | {"customer": "C-1003"})
    told = problem(hidden, 409, "reservation_conflict")
    assert "reservation" not in told and "6,000" not in told["detail"] and "taken" in told["detail"]
    given.update(portfolio=None)
    full = body | {"reserve": {"reference": "SO-2"}}
    blocked = world.caller.post("credit-checks", full, "k").json()
    assert not blocked["passes"] and blocked["reservation"] is None and blocked["fits"] == euro("4000")
    # What is held already does not stand in the way of goods that leave: nothing is held at those points.
    for point in ("pick", "delivery", "invoice"):
        problem(world.caller.post("credit-checks", full | {"point": point}), 422, "reserve_only_orders")
    assert Reservation.objects.count() == 1

    path = f"reservations/{held['id']}"
    assert world.caller.get(path).json() == held
    assert world.caller.get("reservations", reference="SO-1", customer="C-1002").json()["results"] == [held]
    stranger = Caller(key_for(world.cast.stranger)[1])
    problem(stranger.get(path), 404, "not_found")
    released = world.caller.post(f"{path}/release", {}).json()
    assert released["status"] == "released" and released["closed_at"]
    assert world.caller.post(f"{path}/release", {}).json() == released
    # What was answered to a key stays its answer; a new request sees the room.
    assert world.caller.post("credit-checks", full, "k").json() == blocked
    assert world.caller.post("credit-checks", full).json()["passes"]
    narrowed = Caller(key_for(world.cast.integration, company=world.cast.elsewhere.company)[1])
    problem(narrowed.get(path), 404, "not_found")
    problem(narrowed.post(f"{path}/release", {}), 404, "not_found")
    assert narrowed.get("reservations").json()["results"] == []
