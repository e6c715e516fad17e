"""What an account may owe, answered from stored data: outcomes, limits, terms, guarantees, reasons and the record."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval import approve_limit_change, propose_limit_change
from customers.attributes import set_status
from customers.exposure import exposures
from customers.limits import limits_at
from customers.models import Cover, CreditAccount, Customer, ImportBatch
from scoring.automation import files_decided, scores_of_now
from scoring.book_figures import figures_for, store_book_figures
from scoring.decision_reasons import reasons_of
from scoring.decisions import DecisionError, Request, decide, decide_many
from scoring.engine import rescore
from scoring.models import AccountScore, BookFigure, Decision, ScoreHistory, TermsPolicy
from tests.desk_world import client_of
from tests.factories import ACTOR, history, invoice, make_account, receive
from tests.people import Cast
from tests.scoring.versions_in_use import agreed

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


def eur(amount: int) -> Money:
    return Money.of(amount, "EUR")


def regular(account, months: int = 8) -> None:
    issued = [TODAY - timedelta(days=40 + 30 * month) for month in range(months)]
    history(account, [("9000", day, 30, day + timedelta(days=25)) for day in issued])


def put_score(account, score: int, grade: str, recommendation: str, **columns) -> None:
    """The stored row as a pass would have left it with other points: base points carry the difference."""
    AccountScore.objects.filter(account=account).update(grade=grade, recommendation=recommendation, **columns)


@pytest.fixture
def book(cast: Cast) -> Cast:
    """account: nothing known; good: a year of invoices paid early; sole: the same as a natural person."""
    ImportBatch.objects.create(source=cast.company.sources.get(code="erp"), complete_through=TODAY)
    cast.good = make_account(cast.company, "Good", portfolio=cast.portfolio)
    cast.sole = make_account(cast.company, "Sole", portfolio=cast.portfolio, kind=Customer.Kind.SOLE_TRADER)
    for account in (cast.good, cast.sole):
        regular(account)
    rescore(TODAY)
    return cast


def codes(decision: Decision) -> list[str]:
    return [reason["code"] for reason in decision.reasons]


def test_a_good_payer_is_approved_with_limit_terms_and_reasons_and_it_is_kept(book):
    row = AccountScore.objects.get(account=book.good)
    assert row.recommendation == "approved", "the world's good payer"
    made = decide(book.good, TODAY, asked_by=ACTOR, requested=eur(5000), terms_days=90)
    made.refresh_from_db()
    assert (made.outcome, made.advised, made.by_kind) == ("approved", "approved", "rules")
    assert (made.score, made.grade, made.pd, made.card_id) == (row.score, row.grade, row.pd, row.card_id)
    assert made.limit == eur(5000)
    assert made.terms_days == 60, "asked for 90, grade A or B gets 60 at most"
    assert made.kept.because == ScoreHistory.Because.DECISION
    assert made.limit_policy.version == made.terms_policy.version == 1
    assert codes(made)[:2] == ["score", "shorter_terms"]
    texts = [reason.text for reason in reasons_of(made)]
    assert "60 days to pay instead of 90: the longest for grade A." in texts
    assert sum(reason.is_signal for reason in reasons_of(made)) >= 3

    again = decide(book.good, TODAY, asked_by=ACTOR)
    assert again.kept_id == made.kept_id, "the same score is kept once"
    assert again.limit > eur(5000), "without a request the policy's own limit"
    more = decide(book.good, TODAY, asked_by=ACTOR, requested=eur(10_000_000))
    assert more.limit == again.limit and "less_than_asked" in codes(more)
    assert "instead of 10,000,000.00 EUR" in " ".join(reason.text for reason in reasons_of(more))

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Decision.objects.filter(pk=made.pk).update(outcome="declined")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Decision.objects.filter(pk=made.pk).delete()


def test_nothing_adverse_about_a_natural_person_without_a_named_human(book):
    assert decide(book.sole, TODAY, asked_by=ACTOR, requested=eur(5000)).outcome == "approved"
    put_score(book.sole, 10, "E", "declined")
    put_score(book.good, 10, "E", "declined")
    sole = decide(book.sole, TODAY, asked_by=ACTOR, requested=eur(5000))
    assert (sole.outcome, sole.advised, sole.limit) == ("review", "declined", None)
    assert codes(sole)[0] == "natural_person" and sole.is_open
    company = decide(book.good, TODAY, asked_by=ACTOR, requested=eur(5000))
    assert (company.outcome, company.limit) == ("declined", eur(0))
    with pytest.raises(DatabaseError), transaction.atomic():
        Decision.objects.create(
            account=book.sole,
            as_of=TODAY,
            outcome="declined",
            advised="declined",
            limit=0,
            currency="EUR",
            is_natural_person=True,
            asked_by="x",
            by_kind="rules",
        )
    put_score(book.sole, 90, "A", "approved")
    less = decide(book.sole, TODAY, asked_by=ACTOR, requested=eur(10_000_000))
    assert less.outcome == "review", "less than asked is adverse too"
    assert Money(less.advice["limit"]["minor"], "EUR") > eur(0), "the person is told what the rules say"
    for account in (book.sole, book.good):
        Customer.objects.filter(pk=account.customer_id).update(terms_days=90)
    shorter = decide(book.sole, TODAY, asked_by=ACTOR, requested=eur(5000))
    assert (shorter.outcome, codes(shorter)[0]) == ("review", "natural_person"), (
        "shorter than the terms they have"
    )
    assert (shorter.advised, shorter.terms_days, shorter.advice["terms_days"]) == ("approved", None, 60)
    wanted = decide(book.sole, TODAY, asked_by=ACTOR, requested=eur(5000), terms_days=60)
    assert wanted.outcome == "approved", "shorter terms that they ask for themselves"
    put_score(book.good, 90, "A", "approved")
    assert decide(book.good, TODAY, asked_by=ACTOR, requested=eur(5000)).outcome == "approved"


def test_guarantees_are_asked_by_grade_and_count_what_is_on_file(book):
    put_score(book.good, 65, "B", "guarantees")
    made = decide(book.good, TODAY, asked_by=ACTOR, requested=eur(10_000))
    assert made.outcome == "guarantees"
    assert made.guarantees["percent"] == 30
    assert made.guarantees["amount"] == {"minor": 300_000, "currency": "EUR"}
    Cover.objects.create(
        account=book.good,
        kind="deposit",
        currency="EUR",
        amount=200_000,
        haircut_percent=10,
        effective_on=TODAY,
        known_on=TODAY,
    )
    made = decide(book.good, TODAY, asked_by=ACTOR, requested=eur(10_000))
    assert made.guarantees["held"] == {"minor": 180_000, "currency": "EUR"}


def test_the_share_of_files_without_a_person_is_measured(book, client):
    everyone = CreditAccount.objects.all()
    assert files_decided(everyone, TODAY)[0].share is None
    for account, amount in ((book.good, 5000), (book.good, 4000), (book.account, 1000)):
        made = decide(account, TODAY, asked_by=ACTOR, requested=eur(amount))
    assert made.outcome == "review"
    Decision.objects.create(
        account=book.account,
        as_of=TODAY,
        outcome="declined",
        advised="review",
        limit=0,
        currency="EUR",
        is_natural_person=False,
        asked_by="x",
        by_kind="person",
        decided_by=book.approver,
        note="No accounts shown.",
        answers=made,
    )
    old = decide(book.good, TODAY - timedelta(days=400), asked_by=ACTOR, requested=eur(4000))
    assert old.by_kind == "rules"
    files, months = files_decided(everyone, TODAY)
    assert (files.files, files.alone, files.is_met) == (3, 2, False), "an answer is no file of its own"
    assert [(one.month, one.files, one.alone) for one in months] == [(date(2026, 11, 1), 3, 2)]
    scores = scores_of_now(everyone)
    review = AccountScore.objects.filter(recommendation="review").count()
    assert scores.clear == AccountScore.objects.count() - review and scores.no_history >= 1
    client.force_login(book.manager)
    page = client.get(reverse("scorecards:monitoring"))
    assert page.context["files"].files == 3 and "below the target" in page.content.decode()


def test_without_history_a_person_decides_and_is_told_what_the_caps_leave(book):
    made = decide(book.account, TODAY, asked_by=ACTOR, requested=eur(12_300))
    assert (made.outcome, made.limit) == ("review", None)
    assert "no_history" in codes(made)
    assert made.advice["limit"] == {"minor": 1_230_000, "currency": "EUR"}
    assert made.advice["terms_days"] is not None and made.advice["guarantees"]["percent"]
    assert "need_unknown" in codes(decide(book.account, TODAY, asked_by=ACTOR))


def test_what_stops_a_decision_or_hands_it_to_a_person(book):
    fresh = make_account(book.company, "Fresh")
    assert codes(decide(fresh, TODAY, asked_by=ACTOR)) == ["no_score"]
    later = TODAY + timedelta(days=40)
    assert "score_of_another_day" in codes(decide(book.good, later, asked_by=ACTOR))
    set_status(book.good.customer, "on_hold", on=TODAY, actor=ACTOR)
    held = decide(book.good, TODAY, asked_by=ACTOR)
    assert (held.outcome, codes(held)[0]) == ("review", "on_hold")
    set_status(book.good.customer, "insolvent", on=TODAY, actor=ACTOR)
    over = decide(book.good, TODAY, asked_by=ACTOR)
    assert (over.outcome, codes(over)[0]) == ("declined", "insolvent")
    for bad, code in (("GBP", "currency"), ("EUR", "amount")):
        with pytest.raises(DecisionError) as refused:
            decide(book.good, TODAY, asked_by=ACTOR, requested=Money(0, bad))
        assert refused.value.code == code
    with pytest.raises(DecisionError) as refused:
        decide(987_654, TODAY, asked_by=ACTOR)
    assert refused.value.code == "unknown_account"
    AccountScore.objects.filter(account=book.sole).update(score=3)
    assert "score_does_not_add_up" in codes(decide(book.sole, TODAY, asked_by=ACTOR))


def test_a_rise_keeps_to_the_steps_of_the_policy(book):
    change = propose_limit_change(
        book.good, eur(8000), actor=Actor.person(book.controller), as_of=TODAY, reason_code="other"
    )
    approve_limit_change(change, approver=book.approver, reason="first", on=TODAY)
    made = decide(book.good, TODAY, asked_by=ACTOR, requested=eur(20_000))
    assert made.current == eur(8000)
    assert eur(8000) < made.limit <= eur(10_000)


def test_a_statement_asked_again_for_another_row_says_what_the_queryset_says(book):
    """PostgreSQL: one account's facts come from statements compiled once (creditdesk.core.compiled)."""
    invoice(book.good, "700", TODAY - timedelta(days=50))
    receive(book.sole, "40", TODAY - timedelta(days=9))
    everybody = [book.good, book.sole, book.account]
    for on in (TODAY, TODAY - timedelta(days=60), TODAY + timedelta(days=30)):
        together, limits = exposures(everybody, on), limits_at([row.pk for row in everybody], on)
        for account in everybody:
            assert exposures([account], on)[account.pk] == together[account.pk]
            assert limits_at([account.pk], on)[account.pk] == limits[account.pk]
    assert together[book.good.pk].overdue == eur(700) and together[book.sole.pk].unapplied_cash == eur(40)


def test_the_number_of_queries_is_fixed_and_the_book_is_not_added_up(book):
    assert store_book_figures(TODAY) == 2  # both companies: nobody owes the one anything
    figures = figures_for([book.company.pk], TODAY + timedelta(days=7))
    assert figures.on == {book.company.pk: TODAY}
    BookFigure.objects.filter(company=book.company).update(receivables=50_000_000, owing=25)
    requests = {book.good.pk: Request(eur(30_000_000))}

    def measured(ids):
        decide_many(ids, TODAY, asked_by=ACTOR)
        with CaptureQueriesContext(connection) as queries:
            made = decide_many(ids, TODAY, asked_by=ACTOR, requests=requests)
        return made, len(queries)

    made, one = measured([book.good.pk])
    cap = next(cap for cap in made[0].inputs["limit"]["caps"] if cap["code"] == "concentration")
    assert cap["amount"] == {"minor": 10_000_000, "currency": "EUR"}, "a fifth of the kept figure"
    _two, few = measured([book.good.pk, book.sole.pk])
    many, more = measured([book.good.pk, book.sole.pk, book.account.pk])
    assert [row.account_id for row in many] == [book.good.pk, book.sole.pk, book.account.pk]
    assert one == few == more <= 30


def test_new_terms_take_two_persons_and_a_look_at_the_book(book, settings):
    settings.BUSINESS_DATE = TODAY
    carla, paolo = client_of(book.controller), client_of(book.approver)
    carla.post(reverse("termspolicies:copy", args=[TermsPolicy.objects.get().pk]))
    draft = TermsPolicy.objects.get(status="draft")
    edit = reverse("termspolicies:edit", args=[draft.pk])
    forms = carla.get(edit).context["forms"]
    data = {field.html_name: field.value() for form in (forms.terms, *forms.rows) for field in form}
    assert carla.post(edit, data | {"grade-A-guarantee_percent": "0"}).status_code == 422
    shorter = {f"grade-{grade}-longest_days": "10" for grade in "ABCDE"} | {"grade-A-guarantee_percent": "40"}
    assert carla.post(edit, data | shorter).status_code == 302
    put_score(book.good, 90, "A", "guarantees")
    carla.post(reverse("termspolicies:simulate", args=[draft.pk]))
    page = carla.get(reverse("termspolicies:policy", args=[draft.pk]))
    figures = page.context["report"].figures
    # Two who pay early, of them one natural person; the cast's own two have no history but a grade, and 30 days.
    assert (figures["accounts"], figures["unscored"]) == (4, 0)
    total = page.context["figures"]["total"]
    assert (total["shorter"], total["persons"], total["longer"]) == (4, 1, 0)
    assert (total["more_guarantees"], total["less_guarantees"]) == (1, 0)
    assert "accounts with shorter terms: 4" in page.content.decode()
    carla.post(reverse("termspolicies:propose", args=[draft.pk]), {"propose-reason": "Cash."})
    assert decide(book.sole, TODAY, asked_by=ACTOR, terms_days=60).terms_policy.version == 1
    paolo.post(reverse("termspolicies:publish", args=[draft.pk]), agreed(draft))
    put_score(book.good, 90, "A", "approved")
    made = decide(book.good, TODAY, asked_by=ACTOR, terms_days=60)
    assert (made.terms_days, made.terms_policy.version) == (10, 2)
    acts = AuditEntry.objects.filter(act__startswith="terms_policy.").order_by("pk")
    assert list(acts.values_list("act", "actor__username")) == [
        *(("terms_policy.copied", "carla"), ("terms_policy.edited", "carla")),
        *(("terms_policy.simulated", "carla"), ("terms_policy.proposed", "carla")),
        *(("terms_policy.retired", "paolo"), ("terms_policy.published", "paolo")),
    ]
