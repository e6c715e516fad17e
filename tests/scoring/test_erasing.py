"""What people wrote about a score is erased for good; what was decided, by whom and when, stays."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, models, transaction
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.audit import Actor, seal_entries, verify_seals
from creditdesk.core.models import AuditEntry, AuditNote
from creditdesk.core.money import Money
from customers.applications import Wish, receive_application, withdraw_application
from customers.approval import reject_limit_change
from customers.bank.consents import record_consent, revoke_consent
from customers.bureau.bases import record_basis, revoke_basis
from customers.documents import remove_document
from customers.holds import release_hold
from customers.limit_comments import comment_on
from customers.models import (
    ApplicationDocument,
    CreditApplication,
    CreditHold,
    Customer,
    ImportBatch,
    LimitBinding,
    LimitChange,
    LimitChangeComment,
    LimitDecision,
    OrderHold,
    Promise,
)
from scoring.decision_reasons import reasons_of
from scoring.decisions import decide as decide_credit
from scoring.engine import rescore
from scoring.erasing import Because, ErasureError, erase, words_of
from scoring.models import AccountScore, Decision, ScoreOverride, ScoreReview
from scoring.onboarding.letters import may_be_told
from scoring.overrides import end_override
from scoring.reviews_of_scores import contest, decide
from scoring.written import PLACES, WRITTEN
from tests.desk_world import TODAY, client_of, fill
from tests.factories import ACTOR
from tests.people import make_cast
from worklists.models import FollowUp

pytestmark = pytest.mark.django_db
UNTIL = TODAY + timedelta(days=90)


@pytest.fixture(scope="module")
def kept_desk(module_database):
    """A sole trader's thin score: the approver set another grade, the customer contests it."""
    cast = make_cast()
    Customer.objects.filter(pk=cast.account.customer_id).update(kind=Customer.Kind.SOLE_TRADER)
    fill(cast.account, cast.collector)
    ImportBatch.objects.create(source=cast.company.sources.get(code="erp"), complete_through=TODAY)
    rescore(TODAY)
    cast.account.refresh_from_db()
    row = AccountScore.objects.get(account=cast.account)
    decide(
        cast.account,
        by=cast.approver,
        note="Her husband is ill; she told Anna.",
        valid_until=UNTIL,
        as_of=TODAY,
        seen_grade=row.grade,
        grade="B" if row.grade != "B" else "C",
        reason_code="new_information",
    )
    contest(cast.account, by=cast.collector, said="I am not ill at all.", said_on=TODAY, as_of=TODAY)
    return cast


@pytest.fixture
def desk(kept_desk, db, settings):
    settings.BUSINESS_DATE = TODAY
    cache.clear()
    return deepcopy(kept_desk)


def keys(desk, *outcomes):
    rows = ScoreReview.objects.filter(account=desk.account, outcome__in=outcomes)
    return [f"review-{pk}" for pk in rows.values_list("pk", flat=True)]


def test_the_words_go_everywhere_and_the_rest_of_the_row_stays(desk):
    (override,) = ScoreOverride.objects.filter(account=desk.account)
    (review,) = ScoreReview.objects.filter(outcome="overridden")
    assert AuditNote.objects.filter(text__contains="husband").count() == 2
    seal_entries(older_than=timedelta(0))
    chosen = [f"review-{review.pk}", f"override-{override.pk}"]
    gone = erase(desk.account, chosen, by=desk.manager, because=Because.REQUEST, as_of=TODAY)
    assert len(gone) == 2
    before = {n: getattr(review, n) for n in ("grade", "score", "by_id", "on", "valid_until", "kept_id")}
    review.refresh_from_db()
    override.refresh_from_db()
    assert review.note == override.note == "" and review.erased_at and override.erased_at
    assert before == {name: getattr(review, name) for name in before}
    assert override.reason_code == "new_information" and override.made_by == desk.approver
    assert not AuditNote.objects.filter(text__contains="husband").exists()
    entry = AuditEntry.objects.get(act="score.words_erased")
    assert (entry.actor, entry.reason_code, entry.data["audit_notes"]) == (desk.manager, "request", 2)
    assert {c.table for c in entry.changes.all()} == {"scoring.scorereview", "scoring.scoreoverride"}
    assert "husband" not in str([entry.data, *entry.changes.values()])
    assert verify_seals() == [], "the sealed trail is whole: free text never was part of it"
    # An override without words still ends, and what is then written can be erased as well.
    end_override(override, by=desk.controller, reason="She is well.", as_of=TODAY)
    erase(desk.account, chosen[1:], by=desk.manager, because=Because.MISTAKE, as_of=TODAY)
    override.refresh_from_db()
    assert override.end_reason == "" and override.ended_by == desk.controller


def test_not_ones_own_not_an_open_contest_and_only_by_right(desk):
    def refused(user, chosen):
        with pytest.raises(ErasureError) as caught:
            erase(desk.account, chosen, by=user, because=Because.REQUEST, as_of=TODAY)
        return caught.value.code

    (contested,), (decided,) = keys(desk, "contested"), keys(desk, "overridden")
    assert refused(desk.manager, [contested]) == "open"
    assert refused(desk.approver, [decided]) == "not_allowed"
    assert refused(desk.manager, []) == refused(desk.manager, [decided, "review-0"]) == "nothing"
    desk.approver.groups.set(desk.manager.groups.all())
    approver = type(desk.approver).objects.get(pk=desk.approver.pk)
    assert refused(approver, [decided]) == "own"
    assert ScoreReview.objects.exclude(note="").count() == 2
    # Answered: the contest's words may go.
    row = AccountScore.objects.get(account=desk.account)
    values = {"valid_until": UNTIL, "as_of": TODAY, "seen_grade": row.grade}
    decide(desk.account, by=desk.controller, note="Looked again.", **values)
    erase(desk.account, [contested], by=desk.manager, because=Because.REQUEST, as_of=TODAY)
    assert {words.text for words in words_of(desk.account, desk.manager, TODAY)} >= {"Looked again."}


def test_the_database_lets_words_go_and_nothing_else(desk):
    review = ScoreReview.objects.filter(outcome="overridden")
    override = ScoreOverride.objects.all()
    moment = AuditEntry.objects.earliest("pk").at
    for rows, change in (
        (review, {"note": "another story"}),
        (review, {"note": ""}),
        (review, {"erased_at": moment}),
        (review, {"note": "", "erased_at": moment, "grade": "A"}),
        (override, {"note": "another story"}),
        (override, {"end_reason": "words without an end"}),
        (override, {"note": "", "erased_at": moment, "reason_code": "guarantee"}),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        review.delete()
    assert review.update(note="", erased_at=moment) == 1
    for change in ({"note": "written again"}, {"erased_at": None}):
        with pytest.raises(DatabaseError), transaction.atomic():
            review.update(**change)


def test_the_page_erases_what_is_ticked(desk):
    url = reverse("reviews:words", args=[desk.account.pk])
    client = client_of(desk.manager)
    history = reverse("desk:customer", args=[desk.account.customer_id]) + "?tab=history"
    assert url in client.get(history).content.decode()
    page = client.get(url).content.decode()
    assert "husband" in page and "waits for its answer" in page
    (chosen,) = keys(desk, "overridden")
    assert client.post(url, {"because": "request"}).status_code == 422
    assert client.post(url, {"keys": [chosen]}).status_code == 422
    assert client.post(url, {"keys": [chosen], "because": "request"}).url == url
    assert "erased on" in client.get(history).content.decode()
    assert url not in client_of(desk.controller).get(history).content.decode()
    assert client_of(desk.controller).get(url).status_code == 403
    assert Actor.person(desk.manager).user == AuditEntry.objects.latest("pk").actor


def decided_by_a_person(desk, note):
    """What the rules leave to a person, and the person's word on it."""
    asked = decide_credit(desk.account, TODAY, asked_by=ACTOR)
    same = {
        f.attname: getattr(asked, f.attname) for f in asked._meta.fields if f.name not in ("id", "public_id")
    }
    return Decision.objects.create(
        **same
        | {
            "outcome": "declined",
            "limit": 0,
            "by_kind": "person",
            "decided_by_id": desk.approver.pk,
            "note": note,
            "reasons": [{"code": "told", "params": {}}],
            "told": f"We told you: {note}.",
        }
        | {"answers_id": asked.pk if asked.outcome == "review" else None}
    )


def test_words_about_decisions_limits_and_holds_go_too(desk):
    """They had no way out: whoever asked for their erasure was told so."""
    word = "her husband is ill"
    decision = decided_by_a_person(desk, word)
    change = LimitChange.objects.get(account=desk.account, status="proposed")
    comment_on(change, author=desk.controller, text=word, on=TODAY)
    hold = CreditHold.objects.get(account=desk.account, released_on=None)

    def found(kind):
        return next(w for w in words_of(desk.account, desk.manager, TODAY) if w.key.startswith(kind))

    # While the change waits and the hold stands, their words are needed.
    assert found("change").why_not and not any(
        w.key == f"hold-{hold.pk}" for w in words_of(desk.account, desk.manager, TODAY)
    )
    with pytest.raises(ErasureError) as refused:
        erase(desk.account, [found("change").key], by=desk.manager, because=Because.REQUEST, as_of=TODAY)
    assert refused.value.code == "open"
    reject_limit_change(change, approver=desk.approver, reason=word, on=TODAY)
    release_hold(hold, by=desk.approver, reason=word, on=TODAY)
    keys = [f"decision-{decision.pk}", f"change-{change.pk}", f"hold-{hold.pk}"]
    assert set(keys) <= {w.key for w in words_of(desk.account, desk.manager, TODAY) if not w.why_not}
    (told,) = reasons_of(decision)
    assert told.text == f"We told you: {word}." == decision.told and may_be_told(told)
    assert found("decision").text.count(word) == 2
    assert found("change").text.count(word) >= 2 and found("change").who
    approver = type(desk.approver).objects.get(pk=desk.approver.pk)
    approver.groups.set(desk.manager.groups.all())
    with pytest.raises(ErasureError) as refused:
        erase(desk.account, keys, by=approver, because=Because.REQUEST, as_of=TODAY)
    assert refused.value.code == "own"
    assert AuditNote.objects.filter(text=word).exists()
    client = client_of(desk.manager)
    limits = reverse("desk:customer", args=[desk.account.customer_id]) + "?tab=limits"
    assert reverse("reviews:words", args=[desk.account.pk]) in client.get(limits).content.decode()
    erase(desk.account, keys, by=desk.manager, because=Because.REQUEST, as_of=TODAY)
    assert not AuditNote.objects.filter(text=word).exists()
    for row in (decision, change, hold):
        row.refresh_from_db()
        assert row.erased_at
    assert not set(keys) & {w.key for w in words_of(desk.account, desk.manager, TODAY)}
    assert word not in client.get(limits).content.decode()
    assert (decision.outcome, change.status, hold.released_by) == ("declined", "rejected", desk.approver)
    (told,) = reasons_of(decision)
    assert decision.told == "" and word not in str(decision.reasons) and not may_be_told(told)
    assert told.text.startswith("Words erased on")


def test_words_elsewhere_go_once_they_are_over(desk):
    """Grounds, consents, applications, documents, orders, settings, promises, follow-ups: each lets its words go, alone."""
    account, by = desk.account, Actor.person(desk.controller)
    customer, word, day = account.customer, "Anna of the bakery", {"on": TODAY}
    said = {"effective_on": TODAY, "expires_on": UNTIL, "actor": by, "known_on": TODAY}
    basis = record_basis(customer, "consent", reference=word, **said)
    consent = record_consent(customer, purpose="credit", reference=word, **said)
    wish = Wish(
        Money.of("10.00", account.currency), contact_name=word, contact_email="anna@example.org", note=word
    )
    application = receive_application(account, wish, actor=by, **day)
    kept = {"content_type": "application/pdf", "size": 1, "sha256": "0" * 64, "uploaded_by": desk.controller}
    document = ApplicationDocument.objects.create(application=application, kind="identity", name=word, **kept)
    order = OrderHold.objects.create(
        account=account, order_number="O-1", point="order", cause="check", currency=account.currency, amount=100,
        placed_on=TODAY, placed_by_name="shop", decide_by=TODAY, grace_reason=word,
    )  # fmt: skip
    binding = LimitBinding.objects.create(
        customer=customer, binds="company", wanted_from=TODAY, reason=word, proposed_by=desk.controller, proposed_on=TODAY
    )  # fmt: skip
    promise = Promise.objects.create(
        account=account, currency=account.currency, amount=100, due_on=TODAY, judged_on=TODAY, given_by=word,
        effective_on=TODAY, known_on=TODAY, taken_by=desk.collector,
    )  # fmt: skip
    noted = FollowUp.objects.create(
        account=account, kind="note", business_date=TODAY, by=desk.collector, text=word
    )
    named = {
        "basis": basis,
        "consent": consent,
        "application": application,
        "document": document,
        "order": order,
    }
    named |= {"binding": binding, "promise": promise, "followup": noted}

    def found():
        return {w.key: w for w in words_of(account, desk.manager, TODAY) if word in w.text}

    keys = {f"{name}-{row.pk}" for name, row in named.items()}
    assert set(found()) == keys
    waiting = {key for key, one in found().items() if one.needed}
    assert waiting == keys - {f"promise-{promise.pk}", f"followup-{noted.pk}"}
    for key in waiting:
        with pytest.raises(ErasureError) as refused:
            erase(account, [key], by=desk.manager, because=Because.REQUEST, as_of=TODAY)
        assert refused.value.code == "open"
    at = timezone.now()
    for row in (document, order, binding):
        with pytest.raises(DatabaseError), transaction.atomic():
            type(row).objects.filter(pk=row.pk).update(erased_at=at)
    with pytest.raises(DatabaseError), transaction.atomic():
        CreditApplication.objects.filter(pk=application.pk).update(note="", contact_name="", contact_email="")
    # Over, each of them.
    revoke_basis(basis, actor=by, reason=word, **day)
    revoke_consent(consent, by=by, reason=word, **day)
    remove_document(document, by=desk.controller, reason=word)
    withdraw_application(application, actor=by, reason=word, **day)
    ended = {"resolved_on": TODAY, "resolved_by": desk.approver, "resolved_at": at, "resolved_reason": word}
    OrderHold.objects.filter(pk=order.pk).update(status="rejected", **ended)
    LimitBinding.objects.filter(pk=binding.pk).update(
        status="rejected", decided_by=desk.approver, decided_on=TODAY, decision_reason=word
    )
    for name, row in named.items():
        place = next(one for one in PLACES if one.key == name)
        gone = dict.fromkeys(place.words, "") | ({"erased_at": at} if hasattr(row, "erased_at") else {})
        rows = type(row).objects.filter(pk=row.pk)
        others = [{place.words[0]: "another story"}, {**gone, place.words[-1]: "half a story"}]
        others += [gone | {"customer_id": 0}] if name in ("basis", "consent", "binding") else []
        others += [dict.fromkeys(place.words, "")] if "erased_at" in gone else []
        for change in others:
            with pytest.raises(DatabaseError), transaction.atomic():
                rows.update(**change)
    assert AuditNote.objects.filter(text=word).exists()
    erase(account, keys, by=desk.manager, because=Because.REQUEST, as_of=TODAY)
    assert found() == {} and not AuditNote.objects.filter(text=word).exists()
    for name, row in named.items():
        row.refresh_from_db()
        place = next(one for one in PLACES if one.key == name)
        assert [getattr(row, column) for column in place.words] == [""] * len(place.words)
    assert not any(word in str(e.data) + str(list(e.changes.values())) for e in AuditEntry.objects.all())


def test_every_free_text_about_a_customer_has_its_way_out_or_a_ground_to_stay():
    """A new text column of anything that hangs on a customer must be put into docs/erasure.md."""
    reached = {Customer}
    while found := [
        model
        for model in apps.get_models()
        if model not in reached
        and any(f.is_relation and f.related_model in reached for f in model._meta.fields)
    ]:
        reached.update(found)
    columns = {
        f"{model._meta.label_lower}.{column.name}"
        for model in reached
        for column in model._meta.fields
        if isinstance(column, models.CharField | models.TextField | models.JSONField)
        and not column.choices
        and (column.max_length or 99) > 5
    }
    page = (settings.BASE_DIR / "docs" / "erasure.md").read_text()
    told = dict(re.findall(r"^\| `([a-z.]+\.[a-z0-9_]+)` \| ([^|]+) \|", page, re.M))
    assert sorted(columns - set(told)) == [], "say in docs/erasure.md who erases it, or why it stays"
    for model, names in WRITTEN.items():
        for name in names:
            assert told[f"{model._meta.label_lower}.{name}"].startswith("*Erase words*"), name
    erased = {column for column, how in told.items() if how.startswith("*Erase words*")}
    assert erased == {
        f"{model._meta.label_lower}.{name}" for model, names in WRITTEN.items() for name in names
    }


def test_the_database_lets_only_the_words_of_decisions_and_limits_go(desk):
    word, at = "her husband is ill", timezone.now()
    decision = Decision.objects.filter(pk=decided_by_a_person(desk, word).pk)
    change = LimitChange.objects.filter(account=desk.account, status="proposed")
    talk = LimitChangeComment.objects.filter(
        pk=comment_on(change.get(), author=desk.controller, text=word, on=TODAY).pk
    )
    hold = CreditHold.objects.filter(account=desk.account, released_on=None)
    for rows in (change, hold):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(erased_at=at)  # under way
    change, hold = (type(r).objects.filter(pk=r.pk) for r in (change.get(), hold.get()))
    reject_limit_change(change.get(), approver=desk.approver, reason=word, on=TODAY)
    release_hold(hold.get(), by=desk.approver, reason=word, on=TODAY)
    said = LimitDecision.objects.filter(change=change.get())
    for rows, field, other in (
        (decision, "note", {"outcome": "approved"}),
        (change, "decision_reason", {"new_amount": 1}),
        (talk, "text", {"author": desk.approver}),
        (said, "reason", {"grade": "A"}),
        (hold, "release_reason", {"reason_code": "other"}),
    ):
        gone = {field: "", "erased_at": at} | ({"told": ""} if rows is decision else {})
        for refused in ({field: "another story"}, {field: ""}, {"erased_at": at}, {**gone, **other}):
            with pytest.raises(DatabaseError), transaction.atomic():
                rows.update(**refused)
        assert rows.update(**gone) == 1
        for refused in ({field: "again"}, {"erased_at": None}):
            with pytest.raises(DatabaseError), transaction.atomic():
                rows.update(**refused)
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()
