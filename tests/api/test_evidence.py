"""Consents to bank data and annual accounts, one by one from a client program."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from creditdesk.core.facts import View
from creditdesk.core.models import AuditEntry
from customers.bank.consents import consent_of, record_consent
from customers.models import BankAccount, BankConsent, Customer, FinancialStatement
from scoring.models import DirtyAccount
from tests.api.conftest import TODAY, Caller, key_for
from tests.factories import ACTOR

pytestmark = pytest.mark.django_db

CONSENT = {
    "customer": "C-1001",
    "purpose": "credit assessment",
    "effective_on": TODAY.isoformat(),
    "expires_on": (TODAY + timedelta(days=364)).isoformat(),
    "reference": "portal:8f31",
}
YEAR = {
    "customer": "C-1001",
    "balance_sheet_on": "2025-12-31",
    "known_on": "2026-06-30",
    "currency": "EUR",
    "source": "Registro Imprese",
    "figures": {"revenue": "2450000.00", "ebit": "-18000.50", "equity": "290000.00"},
}


def refused(answer, status, where):
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), (
        answer.content
    )
    said = answer.json()
    assert said["title"] and where in str(said.get("errors", said["code"])), said


def test_a_consent_is_recorded_once_and_taking_it_back_deletes_what_was_read(world):
    post = world.caller.post
    made = post("consents", CONSENT)
    assert made.status_code == 201, made.content
    told = made.json()
    assert told["in_force"] and told["may_read"] == ["balances", "transactions"]
    customer = Customer.objects.get(code="C-1001")
    consent = consent_of(customer, TODAY)
    assert (consent.pk, consent.reference, consent.known_on) == (told["id"], "portal:8f31", TODAY)
    again = post("consents", CONSENT)
    assert again.status_code == 200 and again.json() == told and BankConsent.objects.count() == 1
    # The same recorded by hand (in whatever order it lists what may be read), and its reference erased since.
    by_hand = CONSENT | {"purpose": "by hand"}
    stored = record_consent(
        customer,
        purpose="by hand",
        scope="balances, transactions",
        effective_on=TODAY,
        expires_on=TODAY + timedelta(days=364),
        reference="portal:8f31",
        actor=ACTOR,
    )
    assert post("consents", by_hand).json()["id"] == stored.pk
    BankConsent.objects.filter(pk=stored.pk).update(reference="")
    assert post("consents", by_hand).json()["id"] == stored.pk
    assert post(f"consents/{stored.pk}/revoke", {"reason": "x"}).status_code == 200
    narrower = post("consents", CONSENT | {"may_read": ["transactions"], "effective_on": "2026-11-25"}).json()
    assert not narrower["in_force"] and narrower["may_read"] == ["transactions"]
    for body, status, where in (
        (CONSENT | {"purpose": " "}, 422, "purpose"),
        (CONSENT | {"may_read": ["balances"]}, 422, "may_read"),
        (CONSENT | {"may_read": ["everything"]}, 400, "may_read"),
        (CONSENT | {"expires_on": "2026-11-19"}, 422, "expires_on"),
        ({k: v for k, v in CONSENT.items() if k != "reference"}, 400, "reference"),
        (CONSENT | {"known_on": "2020-01-01"}, 400, "known_on"),
        (CONSENT | {"customer": world.cast.elsewhere.customer.code}, 422, "customer_unknown"),
    ):
        refused(post("consents", body), status, where)
    listed = world.caller.get("consents", customer="C-1001", in_force="true").json()["results"]
    assert listed == [told]
    later, *_revoked = world.caller.get("consents", in_force="false").json()["results"]
    assert later["id"] == narrower["id"]
    BankAccount.objects.create(
        consent=consent, customer=customer, iban="IT60X0542811101000000123456", currency="EUR"
    )
    refused(post(f"consents/{consent.pk}/revoke", {"reason": " "}), 422, "reason")
    gone = post(f"consents/{consent.pk}/revoke", {"reason": "Taken back."})
    assert gone.status_code == 200 and gone.json()["revoked_on"] == TODAY.isoformat()
    assert not gone.json()["in_force"] and not BankAccount.objects.exists()
    refused(post(f"consents/{consent.pk}/revoke", {"reason": "Again."}), 409, "consent_refused")
    refused(post("consents/999999/revoke", {"reason": "?"}), 404, "not_found")
    acts = AuditEntry.objects.filter(act__startswith="bank_consent").order_by("pk")
    assert [entry.act.split(".")[1] for entry in acts] == ["record", "record", "revoke", "record", "revoke"]
    # Who may record may not delete, and who reads may do neither.
    narrow = Caller(key_for(world.cast.integration, "consents:record", "annual-accounts:read")[1])
    assert narrow.post(f"consents/{narrower['id']}/revoke", {"reason": "x"}).status_code == 403
    assert narrow.get("consents").status_code == narrow.post("annual-accounts", YEAR).status_code == 403


def test_annual_accounts_told_otherwise_are_corrected_by_a_new_version(world):
    post = world.caller.post
    DirtyAccount.objects.all().delete()
    made = post("annual-accounts", YEAR)
    assert made.status_code == 201, made.content
    told = made.json()
    assert (told["balance_sheet_on"], told["known_on"], told["months"]) == ("2025-12-31", "2026-06-30", 12)
    assert (told["figures"]["ebit"], told["figures"]["cash"]) == ("-18000.50", None)
    assert DirtyAccount.objects.filter(account__customer__code="C-1001").exists(), "scored anew"
    again = post("annual-accounts", YEAR | {"figures": YEAR["figures"] | {"cash": None}})
    assert again.status_code == 200 and again.json() == told and FinancialStatement.objects.count() == 1
    # A figure taken out is a correction as well; what was known before stays as it was.
    less = YEAR | {"figures": {"revenue": "2400000.00", "equity": "290000.00"}}
    corrected = post("annual-accounts", less)
    assert corrected.status_code == 201 and corrected.json()["figures"]["ebit"] is None
    assert corrected.json()["known_on"] == TODAY.isoformat()
    (listed,) = world.caller.get("annual-accounts", customer="C-1001").json()["results"]
    assert listed == corrected.json() == post("annual-accounts", less).json()
    before = FinancialStatement.objects.seen(View(known_at=date(2026, 11, 1))).get()
    assert before.pk == told["id"] and before.ebit.minor == -1_800_050
    assert post("annual-accounts", YEAR | {"source": "Letter"}).status_code == 201, "another source"
    acts = AuditEntry.objects.filter(act__startswith="statement.").order_by("pk")
    assert [entry.act.split(".")[1] for entry in acts] == ["record", "correct", "record"]
    for body, status, where in (
        (YEAR | {"balance_sheet_on": "2026-12-31"}, 422, "balance_sheet_on"),
        (YEAR | {"known_on": "2025-11-30"}, 422, "known_on"),
        (YEAR | {"known_on": "2026-11-21"}, 422, "known_on"),
        (YEAR | {"source": " "}, 422, "source"),
        (YEAR | {"figures": {}}, 422, "figures"),
        (YEAR | {"figures": {"profit": "1"}}, 400, "profit"),
        (YEAR | {"figures": {"revenue": 12}}, 400, "revenue"),
        (YEAR | {"figures": {"revenue": "1.005"}}, 422, "revenue"),
        (YEAR | {"months": 25}, 400, "months"),
        (YEAR | {"customer": world.cast.elsewhere.customer.code}, 422, "customer_unknown"),
    ):
        refused(post("annual-accounts", body), status, where)
    assert FinancialStatement.objects.filter(superseded_at__isnull=True).count() == 2
