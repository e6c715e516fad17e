"""Bank data in the admin: consents by hand, revoking, lines whose every read is logged, files through the browser."""

from __future__ import annotations

from datetime import date, timedelta
from html import unescape

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from creditdesk.core.clock import business_date
from customers.bank.consents import record_consent
from customers.models import BankConsent, BankDataAccess, BankTransaction, ImportBatch, SupplierPaymentDays
from tests.factories import ACTOR

User = get_user_model()
pytestmark = pytest.mark.django_db
EVIDENCE = "admin:customers_importbatch_evidence"
DAY = date(2026, 11, 2)


@pytest.fixture
def controller(cast, client):
    client.force_login(cast.controller)
    return client


@pytest.fixture
def consent(cast):
    return record_consent(
        cast.account.customer,
        purpose="credit assessment",
        effective_on=date(2020, 1, 1),
        expires_on=date(2099, 1, 1),
        actor=ACTOR,
    )


def upload(client, code, *, mapping="bank-lines", text=None):
    day = (business_date() - timedelta(days=3)).isoformat()
    text = (
        text
        or f"customer,account,date,amount,currency\n{code},IT1,{day},10.00,EUR\n{code},IT1,{day},oops,EUR\n"
    )
    file = SimpleUploadedFile("lines.csv", text.encode())
    return client.post(reverse(EVIDENCE), {"file": file, "mapping": mapping, "customer": ""})


def test_upload_preview_confirm_and_undo(controller, cast, consent):
    page = upload(controller, cast.account.customer.code)
    assert page.status_code == 200 and page.context["report"].counts["lines"] == 1
    assert "This is not an amount" in unescape(page.content.decode())
    assert not BankTransaction.objects.exists()
    done = controller.post(reverse(EVIDENCE), {"confirm": page.context["terms"]}, follow=True)
    assert done.status_code == 200
    batch = ImportBatch.objects.get(mapping__layout="bank")
    assert BankTransaction.objects.get().batch == batch
    controller.post(reverse("admin:customers_importbatch_undo", args=[batch.pk]), {"reason": "wrong file"})
    assert not BankTransaction.objects.filter(superseded_at__isnull=True).exists()


def test_other_evidence_goes_through_the_same_page(controller, cast):
    code = cast.account.customer.code
    day = (business_date() - timedelta(days=40)).isoformat()
    text = f"customer,period_end,days,source\n{code},{day},44,filing\n"
    page = upload(controller, code, mapping="supplier-days", text=text)
    controller.post(reverse(EVIDENCE), {"confirm": page.context["terms"]})
    assert SupplierPaymentDays.objects.get().days == 44


def test_a_stranger_to_the_company_imports_nothing(client, cast, consent):
    client.force_login(cast.stranger)
    page = upload(client, cast.account.customer.code)
    assert "report" not in page.context or page.context["report"].counts["lines"] == 0
    client.force_login(cast.collector)
    assert client.get(reverse(EVIDENCE)).status_code == 403


def test_a_consent_is_recorded_and_revoked_by_hand(controller, cast):
    today = business_date()
    given = {
        "customer": cast.account.customer.pk,
        "purpose": "credit assessment",
        "scope": "transactions,balances",
        "reference": "contract 12",
        "effective_on": today.isoformat(),
        "expires_on": (today - timedelta(days=1)).isoformat(),
    }
    add = reverse("admin:customers_bankconsent_add")
    assert controller.post(add, given).status_code == 200
    assert not BankConsent.objects.exists()
    # What the form proposes is stored in no language, and told in the reader's.
    italian = {"purpose": "valutazione del credito", "expires_on": "2099-01-01"}
    User.objects.filter(pk=cast.controller.pk).update(language="it")
    told = controller.post(add, given | italian)
    assert told.status_code == 302
    row = BankConsent.objects.get()
    assert row.purpose == "credit assessment"
    consents = reverse("admin:customers_bankconsent_changelist")
    listed = controller.get(consents)
    assert "valutazione del credito" in listed.content.decode()
    User.objects.filter(pk=cast.controller.pk).update(language="en")
    revoke = reverse("admin:customers_bankconsent_revoke", args=[row.pk])
    assert controller.get(revoke).status_code == 200
    controller.post(revoke, {"reason": ""})
    row.refresh_from_db()
    assert row.revoked_on is None
    other = record_consent(
        row.customer, purpose="x", effective_on=today, expires_on=date(2099, 1, 1), actor=ACTOR
    )
    assert [one.pk for one in controller.get(revoke).context["others"]] == [other.pk]
    told = controller.post(revoke, {"reason": "asked by letter"}, follow=True)
    assert "still read under it" in told.content.decode()
    row.refresh_from_db()
    assert row.revoked_on == today


def test_only_who_may_revoke_revokes(client, cast, consent):
    revoke = reverse("admin:customers_bankconsent_revoke", args=[consent.pk])
    client.force_login(cast.manager)
    assert client.post(revoke, {"reason": "x"}).status_code == 403
    client.force_login(cast.stranger)
    assert client.post(revoke, {"reason": "x"}).status_code == 404
    consent.refresh_from_db()
    assert consent.revoked_on is None


def test_listing_and_opening_lines_is_logged_per_customer(controller, cast, consent):
    page = upload(controller, cast.account.customer.code)
    controller.post(reverse(EVIDENCE), {"confirm": page.context["terms"]})
    assert not BankDataAccess.objects.exists()
    assert controller.get(reverse("admin:customers_banktransaction_changelist")).status_code == 200
    line = BankTransaction.objects.get()
    assert (
        controller.get(reverse("admin:customers_banktransaction_change", args=[line.pk])).status_code == 200
    )
    log = BankDataAccess.objects.all()
    assert {row.customer for row in log} == {cast.account.customer}
    assert {row.user for row in log} == {cast.controller}
    assert len(log) >= 2
    assert controller.get(reverse("admin:customers_bankdataaccess_changelist")).status_code == 200
