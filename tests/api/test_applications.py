"""Applications sent by a program: taken in, answered by the rules, followed to the end."""

from __future__ import annotations

import base64

import pytest

from customers.models import CreditAccount, CreditApplication, Customer
from scoring.models import Decision
from tests.api.conftest import Caller, euro, key_for
from tests.api.test_endpoints import problem

pytestmark = pytest.mark.django_db
PROSPECT = {"name": "Officina Bianchi Srl", "country": "IT", "vat_number": "IT01234567890"}
BODY = {"prospect": PROSPECT, "company": "acme", "segment": "main", "amount": euro("8000"), "terms_days": 60}


def test_a_prospect_applies_sends_a_document_and_is_answered(world):
    made = world.caller.post("applications", BODY)
    assert made.status_code == 201, made.content
    said = made.json()
    row = CreditApplication.objects.get()
    assert made["Location"] == f"/api/v1/applications/{row.public_id}"
    assert (row.channel, row.submitted_by, row.account.customer.status) == (
        "api",
        world.cast.integration,
        "prospect",
    )
    decision = Decision.objects.get(application=row)
    assert (said["decision"], said["outcome"]) == (
        str(decision.public_id),
        decision.outcome == "review" and "review",
    )
    assert (said["status"], said["amount"], said["documents"]) == ("open", euro("8000"), [])
    path = f"applications/{said['id']}"
    content = base64.b64encode(b"year;equity\n2025;100000\n").decode()
    paper = {"kind": "accounts", "name": "balance.csv", "content": content}
    added = world.caller.post(f"{path}/documents", paper)
    assert added.status_code == 201 and added.json()["size"] == 24
    problem(world.caller.post(f"{path}/documents", paper), 409, "document_known")
    problem(world.caller.post(f"{path}/documents", paper | {"name": "x.exe"}), 409, "document_bad_type")
    problem(world.caller.post(f"{path}/documents", paper | {"content": "abc"}), 422, "not_base64")
    again = world.caller.post(f"{path}/assess", {}).json()
    assert again["decision"] != said["decision"] and [d["name"] for d in again["documents"]] == [
        "balance.csv"
    ]
    assert world.caller.get("applications", status="open").json()["results"] == [again]

    ours = BODY | {"prospect": PROSPECT | {"vat_number": "", "number": "P-99999"}}
    problem(world.caller.post("applications", ours), 409, "application_number")
    known = problem(world.caller.post("applications", BODY), 409, "application_known_customer")
    assert known["customers"] == [row.account.customer.code]
    running = {**BODY, "customer": row.account.customer.code}
    del running["prospect"]
    problem(world.caller.post("applications", running), 409, "application_running")
    account = row.account
    CreditAccount.objects.filter(pk=account.pk).update(joined_into=world.cast.account)
    problem(world.caller.post(f"{path}/assess", {}), 409, "joined")
    CreditAccount.objects.filter(pk=account.pk).update(joined_into=None)
    done = world.caller.post(f"{path}/withdraw", {"reason": "Buys elsewhere."}).json()
    assert done["status"] == "withdrawn" and world.caller.get(path).json() == done
    problem(world.caller.post(f"{path}/assess", {}), 409, "application_state")


def test_an_application_comes_where_the_key_sees_it_and_tells_nothing_of_others(world):
    problem(world.caller.post("applications", BODY | {"company": "other"}), 422, "place_unknown")
    problem(world.caller.post("applications", BODY | {"segment": "none"}), 422, "place_unknown")
    problem(world.caller.post("applications", BODY | {"portfolio": "none"}), 422, "place_unknown")
    problem(world.caller.post("applications", BODY | {"customer": "C-1001"}), 422, "contradiction")
    Customer.objects.filter(pk=world.cast.elsewhere.customer_id).update(vat_number="IT01234567890")
    known = problem(world.caller.post("applications", BODY), 409, "application_known_customer")
    assert known["customers"] == [] and "Elsewhere" not in str(known)
    assert not CreditApplication.objects.exists()
    body = {
        "customer": "C-1003",
        "company": "acme",
        "segment": "main",
        "amount": euro("500"),
        "assess": False,
    }
    made = world.caller.post("applications", body).json()
    assert (made["decision"], made["outcome"], made["customer"]) == (None, None, "C-1003")
    stranger = Caller(key_for(world.cast.stranger)[1])
    for address in (f"applications/{made['id']}",):
        problem(stranger.get(address), 404, "not_found")
    for verb, sent in (("assess", {}), ("withdraw", {"reason": "x"})):
        problem(stranger.post(f"applications/{made['id']}/{verb}", sent), 404, "not_found")
    assert stranger.get("applications").json()["results"] == []
