"""From an application to a customer with a first limit: intake, documents, decision, letter, conversion."""

from __future__ import annotations

import io
import zipfile
from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.applications import (
    ApplicationError,
    Prospect,
    Wish,
    receive_application,
    receive_from_prospect,
    withdraw_application,
)
from customers.approval import approve_limit_change, reject_limit_change
from customers.attributes import set_status
from customers.bank.consents import record_consent
from customers.documents import DocumentRefused, attach, plain_name, read_document, remove_document
from customers.limits import limit_at
from customers.models import (
    ApplicationDocument,
    ApplicationDocumentPart,
    BankTransaction,
    Cover,
    CreditApplication,
    Customer,
    FinancialStatement,
    ImportBatch,
)
from scoring.models import Decision, DecisionLetter
from scoring.onboarding.assessing import assess, latest_decision
from scoring.onboarding.converting import propose_first_limit
from scoring.onboarding.deciding import Answer, decide_application
from scoring.onboarding.letters import compose, letter_for
from tests.desk_world import client_of
from tests.factories import ACTOR, history
from tests.people import Cast

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)
PDF = b"%PDF-1.7\n%made for a test\n"


def eur(amount: int) -> Money:
    return Money.of(amount, "EUR")


def asked(cast: Cast, kind: str = "company", amount: int = 12_000, **prospect) -> CreditApplication:
    """An application of a new prospect in the cast's company."""
    known = {"name": "Nuova Srl", "country": "IT", "language": "it", "sector": "46.73", **prospect}
    return receive_from_prospect(
        Prospect(kind=kind, stands_alone=True, **known),
        cast.company.segments.get(code="main"),
        Wish(eur(amount), terms_days=60, contact_name="Anna Bianchi", contact_email="anna@example.com"),
        portfolio=cast.portfolio,
        actor=Actor.person(cast.controller),
        on=TODAY,
    )


def answer(made: Decision, outcome: str = "approved", **given) -> Answer:
    defaults = {
        "limit": eur(8000),
        "terms_days": 30,
        "note": "seen the accounts",
        "told": "Bilancio positivo",
    }
    return Answer(outcome, **{**defaults, **given})


def decided(cast: Cast, application: CreditApplication, outcome: str = "approved", **given) -> Decision:
    made = assess(application, as_of=TODAY, actor=Actor.person(cast.controller))
    return decide_application(
        application, answer(made, outcome, **given), by=cast.controller, on=TODAY, seen=str(made.public_id)
    )


def test_a_prospect_becomes_a_customer_with_its_first_limit_through_the_approvers(cast, settings):
    settings.BUSINESS_DATE = TODAY
    application = asked(cast)
    customer = application.account.customer
    assert (customer.status, customer.code) == ("prospect", "P-00001")
    FinancialStatement.objects.create(
        customer=customer, currency="EUR", equity=20_000_000, effective_on=TODAY, known_on=TODAY
    )
    made = assess(application, as_of=TODAY, actor=Actor.person(cast.controller))
    assert (made.outcome, made.application_id, made.requested) == ("review", application.pk, eur(12_000))
    assert made.advice["limit"]["minor"] == 1_200_000, "what was asked for, below a tenth of the equity"
    decision = decide_application(
        application,
        answer(made, because=[], limit=eur(10_000)),
        by=cast.controller,
        on=TODAY,
        seen=str(made.public_id),
    )
    assert (decision.by_kind, decision.decided_by, decision.answers_id) == (
        "person",
        cast.controller,
        made.pk,
    )
    assert decision.kept_id == made.kept_id and decision.card_id == made.card_id
    change = propose_first_limit(application, by=cast.controller, on=TODAY)
    assert change.evidence["decision"] == str(decision.public_id)
    assert limit_at(application.account, TODAY).base is None, "nothing is in force before the approval"
    with pytest.raises(ApplicationError):
        propose_first_limit(application, by=cast.controller, on=TODAY)
    given = {"by": cast.controller, "on": TODAY, "seen": str(decision.public_id)}
    with pytest.raises(ApplicationError, match="waits for approval"):
        decide_application(application, answer(made, limit=eur(5000)), **given)
    reject_limit_change(change, approver=cast.approver, reason="not yet", on=TODAY)
    application.refresh_from_db()
    page = client_of(cast.controller).get(reverse("applications:page", args=[application.pk]))
    assert page.context["answer_form"] and page.context["may_withdraw"], "no dead end"
    with transaction.atomic():
        gone = withdraw_application(application, actor=ACTOR, reason="bought elsewhere", on=TODAY)
        assert gone.status == "withdrawn"
        transaction.set_rollback(True)
    with transaction.atomic():
        lower = decide_application(application, answer(made, limit=eur(5000)), **given)
        assert propose_first_limit(application, by=cast.controller, on=TODAY).new_amount == lower.limit
        transaction.set_rollback(True)
    application.refresh_from_db()
    again = propose_first_limit(application, by=cast.controller, on=TODAY)
    approve_limit_change(again, approver=cast.approver, reason="now", on=TODAY)
    application.refresh_from_db()
    customer.refresh_from_db()
    assert (application.status, customer.status, customer.terms_days) == ("active", "active", 30)
    assert (customer.customer_since, customer.contacts.get().name) == (TODAY, "Anna Bianchi")
    assert limit_at(application.account, TODAY).base == eur(10_000)
    acts = list(AuditEntry.objects.filter(act__startswith="application.").values_list("act", flat=True))
    assert acts.count("application.move") == 4 and "application.decide" in acts
    with pytest.raises(DatabaseError, match="stays over"), transaction.atomic():
        CreditApplication.objects.filter(pk=application.pk).update(status="open", closed_on=None)


def test_guarantees_asked_must_be_on_file_before_the_limit_is_proposed(cast):
    application = asked(cast)
    decision = decided(cast, application, "guarantees", guarantee=eur(4000), kinds=["deposit", "guarantee"])
    assert decision.guarantees["percent"] == 50
    with pytest.raises(ApplicationError, match=r"4,000\.00 EUR are missing"):
        propose_first_limit(application, by=cast.controller, on=TODAY)
    Cover.objects.create(
        account=application.account,
        kind="deposit",
        currency="EUR",
        amount=400_000,
        effective_on=TODAY,
        known_on=TODAY,
    )
    assert propose_first_limit(application, by=cast.controller, on=TODAY).new_amount == eur(8000)


def test_the_rules_settle_alone_what_they_may_and_a_natural_person_waits_for_a_human(cast):
    ImportBatch.objects.create(source=cast.company.sources.get(code="erp"), complete_through=TODAY)
    found = {}
    for kind, vat in (("company", "IT00743110157"), ("sole_trader", "")):
        application = asked(cast, kind, vat_number=vat, name=kind)
        set_status(application.account.customer, "insolvent", on=TODAY, actor=ACTOR)
        found[kind] = assess(application, as_of=TODAY, actor=ACTOR)
        application.refresh_from_db()
        found[kind + " status"] = application.status
    assert (found["company"].outcome, found["company status"]) == ("declined", "declined")
    person = found["sole_trader"]
    assert (person.outcome, person.advised, found["sole_trader status"]) == ("review", "declined", "open")
    with pytest.raises(ApplicationError, match="yet to decide"):
        letter_for(person, by=cast.controller, on=TODAY)
    with pytest.raises(ApplicationError) as refused:
        decide_application(
            person.application, answer(person), by=cast.controller, on=TODAY, seen=str(person.public_id)
        )
    assert refused.value.code == "outcome", "an insolvent customer is not approved"

    Customer.objects.filter(pk=found["company"].account.customer_id).update(kind="sole_trader")
    with pytest.raises(ApplicationError, match="named person"):
        letter_for(latest_decision(found["company"].application), by=cast.controller, on=TODAY)

    good = asked(cast, name="Pagante")
    issued = [TODAY - timedelta(days=40 + 30 * month) for month in range(8)]
    history(good.account, [("9000", day, 30, day + timedelta(days=25)) for day in issued])
    assert assess(good, as_of=TODAY, actor=ACTOR).outcome == "approved"
    good.refresh_from_db()
    assert good.status == "granted"
    change = propose_first_limit(good, by=cast.controller, on=TODAY)
    with pytest.raises(ApplicationError):
        assess(good, as_of=TODAY, actor=ACTOR)
    reject_limit_change(change, approver=cast.approver, reason="not yet", on=TODAY)
    assert assess(good, as_of=TODAY, actor=ACTOR).outcome == "approved"
    good.refresh_from_db()
    assert good.status == "granted", "may be proposed again"


def test_who_may_decide_and_what_a_decision_needs(cast):
    application = asked(cast)
    with pytest.raises(ApplicationError) as refused:
        decide_application(application, Answer("declined", "x"), by=cast.controller, on=TODAY, seen="")
    assert refused.value.code == "no_decision"
    made = assess(application, as_of=TODAY, actor=ACTOR)
    seen = str(made.public_id)

    def code(by=cast.controller, on=TODAY, seen=seen, **given):
        with pytest.raises(ApplicationError) as refused:
            decide_application(application, answer(made, **given), by=by, on=on, seen=seen)
        return refused.value.code

    assert code(by=cast.collector) == "not_allowed"
    assert code(by=cast.stranger) == "out_of_scope"
    assert code(seen="another") == "moved"
    assert code(on=TODAY + timedelta(days=32)) == "moved"
    assert code(outcome="review") == "outcome"
    assert code(note=" ") == "no_reason"
    assert code(outcome="declined", told="") == "no_reason"
    assert code(limit=None) == code(limit=eur(0)) == code(terms_days=400) == "limit"
    assert code(limit=Money.of(1, "GBP")) == "currency"
    assert code(outcome="guarantees") == "limit"
    withdraw_application(application, actor=ACTOR, reason="bought elsewhere", on=TODAY)
    assert code() == "state"


def test_intake_refuses_who_is_known_and_a_second_application(cast):
    first = asked(cast, vat_number="IT00743110157")
    with pytest.raises(ApplicationError) as refused:
        asked(cast, name="The same under another name", vat_number="IT00743110157")
    assert (refused.value.code, refused.value.field) == ("known_customer", "vat_number")
    assert refused.value.customers == (first.account.customer,)
    form = {"name": "Again", "kind": "company", "language": "it", "requested": "12000"}
    form |= {"vat_number": "IT00743110157", "country": "it"}
    for who, segment, named in (
        (cast.controller, cast.company.segments.get(code="main"), True),
        (cast.stranger, cast.elsewhere.segment, False),
    ):
        given = form | {"segment": segment.pk, "portfolio": "" if named else cast.elsewhere.portfolio_id}
        page = client_of(who).post(reverse("applications:new"), given)
        text = page.content.decode()
        assert page.status_code == 422 and "is a customer already" in text
        assert ("P-00001" in text, "Nuova Srl" in text) == (named, named)
    assert Customer.objects.filter(status="prospect").count() == 1
    with pytest.raises(ApplicationError) as refused:
        receive_application(first.account, Wish(eur(5)), actor=ACTOR, on=TODAY)
    assert refused.value.code == "running"
    for wish, code in ((Wish(Money.of(5, "GBP")), "currency"), (Wish(eur(0)), "amount")):
        with pytest.raises(ApplicationError) as refused:
            receive_application(cast.account, wish, actor=ACTOR, on=TODAY)
        assert refused.value.code == code


def test_numbers_of_prospects_go_on_beyond_five_digits_and_are_given_here_only(cast):
    for number in ("P-99999", "P-100000", "P-12345678901234", "P-9x"):
        Customer.objects.create(code=number, name=number)
    assert asked(cast).account.customer.code == "P-100001"
    assert asked(cast).account.customer.code == "P-100002"
    with pytest.raises(ApplicationError, match="P-00001") as refused:
        asked(cast, code="P-7")
    assert refused.value.code == "number"
    assert asked(cast, code="P-7A").account.customer.code == "P-7A"


def workbook(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return packed.getvalue()


def test_documents_are_what_they_say_and_go_with_a_reason(cast, monkeypatch):
    application, who = asked(cast), Actor.person(cast.controller)
    kept = attach(application, r"C:\scans\bilancio.pdf", [PDF[:7], PDF[7:]], kind="accounts", actor=who)
    assert (kept.name, kept.size, kept.content_type) == ("bilancio.pdf", len(PDF), "application/pdf")
    assert read_document(kept, by=cast.approver) == PDF
    read = AuditEntry.objects.get(act="application.document_read")
    assert (read.actor, read.data["document"]) == (cast.approver, kept.pk)
    good = workbook("[Content_Types].xml", "xl/workbook.xml")
    assert attach(application, "b.xlsx", [good], kind="other", actor=who).pk
    for name, content, code in (
        ("empty.pdf", b"", "empty"),
        ("page.html", b"<html>", "bad_type"),
        ("program.pdf", b"MZ\x90\x00", "not_what_it_says"),
        ("page.xml", b"<?xml version='1.0'?><html><script/></html>", "not_what_it_says"),
        ("list.csv", b"\x00\x01\x02", "not_what_it_says"),
        ("m.xlsx", workbook("[Content_Types].xml", "xl/vbaProject.bin"), "not_what_it_says"),
        ("again.pdf", PDF, "known"),
    ):
        with pytest.raises(DocumentRefused) as refused:
            attach(application, name, [content], kind="other", actor=who)
        assert refused.value.code == code, name
    monkeypatch.setattr("customers.documents.MAX_BYTES", 10)
    with pytest.raises(DocumentRefused) as refused:
        attach(application, "large.pdf", [PDF], kind="other", actor=who)
    assert refused.value.code == "too_large"
    assert plain_name("../../etc/pass\x00wd\n") == "passwd" and plain_name("...") == "document"
    with pytest.raises(DatabaseError, match=r"append-only|keeps its words"), transaction.atomic():
        ApplicationDocument.objects.filter(pk=kept.pk).update(name="other.pdf")
    with pytest.raises(DocumentRefused):
        remove_document(kept, by=cast.controller, reason=" ")
    remove_document(kept, by=cast.controller, reason="sent by mistake")
    assert not ApplicationDocumentPart.objects.filter(document=kept).exists()
    kept.refresh_from_db()
    with pytest.raises(DocumentRefused):
        read_document(kept, by=cast.approver)


def test_the_letter_speaks_the_customers_language_and_is_kept(cast):
    application = asked(cast, "sole_trader", name="Élodie *Font* #1", language="fr")
    decision = decided(
        cast, application, "declined", told="Des factures impayées chez d'autres fournisseurs."
    )
    said = compose(decision, TODAY, "fr")
    assert said["recipient"]["lines"][:2] == ["Élodie *Font* #1", "Anna Bianchi"]
    assert said["reasons"] == ["Des factures impayées chez d'autres fournisseurs."]
    assert said["terms"] == [] and said["signed"] == "carla, Acme"
    assert len(said["closing"]) == 2, "payment in advance, and the rights of a natural person"
    assert "seen the accounts" not in str(said), "the note for the file stays inside"
    again = {"on": TODAY, "seen": str(decision.public_id)}
    with pytest.raises(ApplicationError) as refused:
        decide_application(application, answer(decision), by=cast.controller, **again)
    assert refused.value.code == "same_person"
    assert decide_application(application, answer(decision), by=cast.approver, **again).outcome == "approved"
    made = letter_for(decision, by=cast.controller, on=TODAY)
    assert bytes(made.content).startswith(b"%PDF-") and made.language == "fr"
    assert letter_for(decision, by=cast.approver, on=TODAY).pk == made.pk
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        DecisionLetter.objects.update(language="de")
    corrected = asked(cast, language="fr")
    decision = decided(cast, corrected, "declined", told="Encore des impayés.")
    assert not decision.is_natural_person and len(compose(decision, TODAY, "fr")["closing"]) == 2
    Customer.objects.filter(pk=corrected.account.customer_id).update(kind="sole_trader")
    decision = latest_decision(corrected)
    assert "contester" in " ".join(compose(decision, TODAY, "fr")["closing"]), (
        "the rights of a natural person"
    )
    with pytest.raises(ApplicationError) as refused:
        decide_application(
            corrected, answer(decision), by=cast.controller, on=TODAY, seen=str(decision.public_id)
        )
    assert refused.value.code == "same_person"
    settled = decide_application(
        corrected, answer(decision), by=cast.approver, on=TODAY, seen=str(decision.public_id)
    )
    assert settled.is_natural_person
    granted = decided(cast, asked(cast, language="de"), "guarantees", guarantee=eur(4000), kinds=["deposit"])
    said = compose(granted, TODAY, "en")
    assert ("Credit limit", "8,000.00 EUR") in said["terms"]
    assert ("To be guaranteed", "4,000.00 EUR (50% of the limit)") in said["terms"]
    assert letter_for(granted, by=cast.controller, on=TODAY).language == "en", "German is not spoken here yet"


def test_the_pages_from_the_form_to_the_letter(cast, settings):
    settings.BUSINESS_DATE = TODAY
    desk = client_of(cast.controller)
    assert desk.get(reverse("applications:list")).status_code == 200
    segment = cast.company.segments.get(code="main")
    form = {"name": "Nuova Srl", "kind": "company", "language": "it", "segment": segment.pk}
    form |= {"requested": "12000", "vat_number": "IT123", "country": "it"}
    refused = desk.post(reverse("applications:new"), form)
    assert refused.status_code == 422 and "check digits are wrong" in refused.content.decode()
    form |= {"vat_number": "IT00743110157", "stands_alone": "on", "sector": "46.73"}
    page = desk.post(reverse("applications:new"), form).url
    application = CreditApplication.objects.get()
    assert page == reverse("applications:page", args=[application.pk])
    assert application.account.customer.vat_number == "IT00743110157"

    statement = b":20:X\r\n:25:IT60X0542811101000000123456\r\n:28C:1/1\r\n:60F:C261001EUR1000,00\r\n"
    statement += b":61:2610021002C500,00NTRFX//1\r\n:86:incasso\r\n:62F:C261002EUR1500,00\r\n-\r\n"
    file = SimpleUploadedFile("conto.sta", statement)
    add = reverse("applications:add_document", args=[application.pk])
    assert desk.post(add, {"kind": "bank_statement", "file": file}).url == page
    document = application.documents.get()
    lines = reverse("applications:bank_lines", args=[application.pk, document.pk])
    assert "No consent" in desk.post(lines, follow=True).content.decode()
    record_consent(
        application.account.customer,
        purpose="credit",
        effective_on=TODAY - timedelta(days=1),
        expires_on=TODAY + timedelta(days=90),
        actor=ACTOR,
    )
    assert "1 new bank lines" in desk.post(lines, follow=True).content.decode()
    assert BankTransaction.objects.count() == 1

    got = desk.get(reverse("applications:document", args=[application.pk, document.pk]))
    assert got.content == statement and got["Content-Disposition"].startswith("attachment")
    assert got["X-Content-Type-Options"] == "nosniff"
    for who, status in (
        (cast.manager, 403),
        (cast.collector, 403),
        (cast.approver, 200),
        (cast.stranger, 404),
    ):
        url = reverse("applications:document", args=[application.pk, document.pk])
        assert client_of(who).get(url).status_code == status, who
    for who, status in (
        (cast.manager, 200),
        (cast.auditor, 200),
        (cast.stranger, 404),
        (cast.collector, 403),
    ):
        assert client_of(who).get(page).status_code == status, who

    assert (
        "Assessed"
        in desk.post(reverse("applications:assess", args=[application.pk]), follow=True).content.decode()
    )
    with CaptureQueriesContext(connection) as queries:
        shown = desk.get(page)
    assert shown.status_code == 200 and len(queries) <= 48
    made = latest_decision(application)
    given = {"seen": made.public_id, "outcome": "approved", "limit": "", "terms_days": "30", "note": "fine"}
    missing = desk.post(page, given)
    assert missing.status_code == 422 and "needs a limit above zero" in missing.content.decode()
    assert desk.post(page, given | {"limit": "9000", "told": "bene"}).url == page
    decision = latest_decision(application)
    letter = reverse("applications:letter", args=[application.pk, decision.public_id])
    assert desk.get(letter).status_code == 404, "not written yet"
    assert desk.post(letter).url == page
    assert desk.get(letter).content.startswith(b"%PDF-")
    Customer.objects.filter(pk=application.account.customer_id).update(language="fr")
    assert desk.post(letter).url == page
    assert desk.get(letter)["Content-Disposition"].endswith('-fr.pdf"'), "the newest of two languages"
    told = desk.post(reverse("applications:propose", args=[application.pk]), follow=True).content.decode()
    assert "before the approvers" in told
    application.refresh_from_db()
    assert application.limit_change.new_amount == eur(9000)
    for show in ("?show=all", "?q=nuova", "?q=nobody"):
        assert desk.get(reverse("applications:list") + show).status_code == 200
