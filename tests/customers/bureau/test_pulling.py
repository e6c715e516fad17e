"""The walk from agency to agency: order, age rule, budget, legal basis, cost, and what happens when it breaks off."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from creditdesk.core.models import AuditEntry
from customers.bureau import pulling
from customers.bureau.adapters import adapter_named
from customers.bureau.adapters.json_http import JsonHttp
from customers.bureau.bases import in_force, lacks_basis, record_basis, revoke_basis
from customers.bureau.budget import budgets
from customers.bureau.nightly import settle_lost
from customers.bureau.pulling import ReasonMissing, pull
from customers.bureau.shown import with_tones
from customers.bureau.storing import store_answer
from customers.bureau.waterfall import Refusal, Verdict, plan_pull
from customers.merging import merge_customers
from customers.models import BureauAnswer, BureauProvider, BureauPull, BureauReport, Customer
from scoring.models import DirtyAccount
from tests import words
from tests.customers.bureau.agency import FIRST
from tests.factories import make_account

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 15)
JOB = Actor.job("test")


def ask(customer, on=TODAY, **how):
    return pull(customer.pk, on, **{"actor": JOB, "cause": "person", **how})


def plan(customer, on=TODAY, **how):
    return plan_pull(customer, on, "person", now=timezone.now(), **how)


def test_a_rated_answer_ends_the_walk_and_is_a_fact_with_its_cost(world, agency):
    with CaptureQueriesContext(connection) as queries:
        planned = plan(world.customer)
    assert len(queries) <= 6
    assert [step.provider.slug for step in planned.askable] == ["alfa", "beta"]
    assert str(planned.first_price) == "5.00 EUR" and str(planned.most["EUR"]) == "14.00 EUR"
    assert agency.asked == []
    DirtyAccount.objects.all().delete()

    result = ask(world.customer, reason="new order")
    report, (question,) = result.report, result.pulls
    assert len(agency.asked) == 1
    assert (report.standing, report.raw_score, report.effective_on, report.known_on) == (
        80,
        "2",
        date(2026, 3, 1),
        TODAY,
    )
    assert str(report.recommended_limit) == "25,000.00 EUR"
    assert (question.outcome, question.report, str(question.charged)) == ("rated", report, "5.00 EUR")
    assert '"R-77"' in BureauAnswer.objects.get(pull=question).payload
    assert DirtyAccount.objects.filter(account__customer=world.customer).exists()
    entry = AuditEntry.objects.get(act="bureau.pull")
    assert entry.data["agency"] == "alfa" and entry.data["charged"] == "5.00 EUR"

    # The same day, and until the report is old enough, nobody is asked again, and the log says why.
    again = ask(world.customer)
    assert again.plan.refusal == Refusal.USABLE and [one.outcome for one in again.pulls] == ["too_young"]
    assert ask(world.customer).pulls == [] and len(agency.asked) == 1
    later = plan(world.customer, date(2026, 9, 14))
    assert later.refusal == Refusal.USABLE
    assert plan(world.customer, date(2026, 9, 15)).askable
    with pytest.raises(ReasonMissing):
        ask(world.customer, TODAY + timedelta(days=1), in_spite_of_age=True)

    # In spite of it: the agency says the same of the same day, which is no new fact but a new cost.
    DirtyAccount.objects.all().delete()
    forced = ask(world.customer, TODAY + timedelta(days=1), in_spite_of_age=True, reason="rumours")
    assert forced.report == report and forced.pulls[0].in_spite_of_age
    assert not DirtyAccount.objects.filter(account__customer=world.customer).exists()
    assert str(budgets([world.first], TODAY)[world.first.pk].left) == "2.00 EUR"
    # The budget is used: the next one is asked instead.
    third = ask(world.customer, TODAY + timedelta(days=2), in_spite_of_age=True, reason="more rumours")
    assert [step.verdict for step in third.plan.steps] == [Verdict.NO_BUDGET, Verdict.ASK]
    assert third.report.provider == "beta"


def test_who_does_not_know_or_does_not_answer_hands_on(world, agency):
    agency.play("unavailable")
    with words.watched():
        nobody = ask(world.customer)
    assert nobody.report is None and [one.outcome for one in nobody.pulls] == ["unavailable", "unavailable"]
    assert nobody.pulls[0].detail["retry_after"] == 60 and not BureauReport.objects.exists()
    agency.play("unknown")
    unknown = ask(world.customer)
    assert [one.outcome for one in unknown.pulls] == ["not_found", "not_found"]
    assert [str(one.charged) for one in unknown.pulls] == ["0.00 EUR", "0.00 EUR"]
    assert BureauReport.objects.filter(outcome="not_found", standing=None, effective_on=TODAY).count() == 2
    assert [step.verdict for step in plan(world.customer).steps] == [Verdict.TODAY, Verdict.TODAY]
    assert [step.verdict for step in plan(world.customer, TODAY + timedelta(9)).steps] == [
        Verdict.TOO_YOUNG
    ] * 2
    # What cannot be read is paid, kept for a person to look at, and leaves no fact behind.
    agency.play("nonsense")
    other = make_account(world.cast.company, **FIRST).customer
    bad = ask(other).pulls[0]
    assert (
        bad.outcome == "bad_answer" and bad.charged == bad.price and "rating/value" in str(bad.detail["text"])
    )
    # Whoever asked, each reads it in their own language; rows of before keep the words they have.
    english = with_tones([bad], world.cast.manager, TODAY)[0].said
    with translation.override("it"):
        italian = with_tones([bad], world.cast.manager, TODAY)[0].said
    assert italian.startswith("rating/value: ") and english.startswith("rating/value: ")
    assert italian != english
    bad.detail = {"text": "Said in English then."}
    assert with_tones([bad], world.cast.manager, TODAY)[0].said == "Said in English then."
    assert BureauAnswer.objects.filter(pull=bad).exists() and not other.bureau_reports.exists()
    # Nor is it paid again for a while, unless a person says why.
    asked = len(agency.asked)
    assert ask(other).pulls == [] and ask(other, TODAY + timedelta(days=29)).pulls == []
    assert [step.verdict for step in plan(other).steps] == [Verdict.DOUBT] * 2 and plan(other).may_override
    assert len(agency.asked) == asked
    assert plan(other, TODAY + timedelta(days=30)).askable
    assert ask(other, in_spite_of_age=True, reason="corrected").pulls[0].outcome == "bad_answer"
    BureauProvider.objects.update(monthly_budget=None)
    # Some agencies answer for some only.
    german = make_account(world.cast.company, country="DE").customer
    assert [step.verdict for step in plan(german).steps] == [Verdict.ASK, Verdict.NO_COUNTRY]
    BureauProvider.objects.update(is_on=False)
    assert plan(german).refusal == Refusal.NO_AGENCY


def test_a_person_is_asked_about_only_on_a_recorded_basis(world, agency):
    person = make_account(world.cast.company, kind="sole_trader", **FIRST).customer
    assert [step.verdict for step in plan(person).steps] == [Verdict.NO_KIND] * 2
    BureauProvider.objects.update(answers_sole_traders=True)
    assert plan(person).refusal == Refusal.NO_BASIS
    assert ask(person).pulls[0].outcome == "no_basis" and agency.asked == []
    basis = record_basis(
        person, "interest", reference="LIA 7", effective_on=TODAY, expires_on=TODAY, actor=JOB, known_on=TODAY
    )
    assert plan(person, TODAY + timedelta(days=1)).refusal == Refusal.NO_BASIS
    assert (planned := plan(person)).askable
    assert DirtyAccount.objects.filter(account__customer=person).exists()
    DirtyAccount.objects.all().delete()
    revoke_basis(basis, actor=JOB, on=TODAY, reason="objection")
    assert plan(person).refusal == Refusal.NO_BASIS
    assert pulling._open(planned, planned.askable[0], actor=JOB, reason="").outcome == "no_basis"
    assert DirtyAccount.objects.filter(account__customer=person).exists()  # scores let go of its reports
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        type(basis).objects.update(revoked_on=None)


@pytest.fixture
def lost(world, monkeypatch):
    """A question whose process was killed between the answer and storing it, and whose lease is over."""

    def killed(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pulling, "store_answer", killed)
        with pytest.raises(KeyboardInterrupt):
            ask(world.customer)
    lost = BureauPull.objects.get()
    assert lost.outcome == "asked" and not BureauReport.objects.exists()
    assert plan(world.customer).steps[0].verdict == Verdict.UNDER_WAY
    assert str(budgets([world.first], TODAY)[world.first.pk].spent) == "5.00 EUR"
    BureauPull.objects.update(claimed_until=timezone.now() - timedelta(minutes=1))
    return lost


def test_a_lost_question_is_repeated_with_its_own_key(world, agency, lost):
    BureauProvider.objects.update(settings={**world.first.settings, "repeats_safely": True})
    again = ask(world.customer)
    assert again.pulls[0].pk == lost.pk and again.pulls[0].attempts == 2 and again.report.standing == 80
    sent = [one["headers"]["Idempotency-Key"] for one in agency.asked]
    assert sent == [str(lost.idempotency_key)] * 2


def test_a_lost_question_is_repeated_with_its_own_key_on_the_next_day_too(world, agency, lost):
    BureauProvider.objects.update(settings={**world.first.settings, "repeats_safely": True})
    later = TODAY + timedelta(days=1)
    assert settle_lost(later, timezone.now()) == 0
    again = ask(world.customer, later)
    assert again.pulls[0].pk == lost.pk and BureauPull.objects.count() == 1
    assert again.report.known_on == later  # when we knew, not when we asked first
    # Who planned the same meanwhile finds it answered, and asks no new one.
    assert pulling._open(again.plan, again.plan.askable[0], actor=JOB, reason="") is None
    assert BureauPull.objects.count() == 1


def test_where_an_agency_knows_no_keys_the_doubt_is_shown_and_counts_as_paid(world, agency, lost):
    assert plan(world.customer).steps[0].verdict == Verdict.DOUBT
    forced = ask(world.customer, in_spite_of_age=True, reason="it matters")
    lost.refresh_from_db()
    assert lost.outcome == "doubt" and lost.charged == lost.price
    assert AuditEntry.objects.filter(act="bureau.doubt").count() == 1
    assert forced.pulls[0].pk != lost.pk and forced.report is not None
    assert str(budgets([world.first], TODAY)[world.first.pk].spent) == "10.00 EUR"
    # Broken off on the way is the same doubt.
    agency.play("broken_off")
    other = make_account(world.cast.company, **FIRST).customer
    BureauProvider.objects.update(monthly_budget=None)
    assert [one.outcome for one in ask(other).pulls] == ["doubt", "doubt"]
    agency.play("good")
    assert ask(other).pulls == ask(other, TODAY + timedelta(days=1)).pulls == [] and agency.asked == []


def test_of_two_who_planned_the_same_question_one_asks(world, agency):
    """The second finds it taken, whether it is under way or answered by then."""
    planned = plan(world.customer)
    taken = pulling._open(planned, planned.askable[0], actor=JOB, reason="")
    assert taken is not None
    assert pulling._open(planned, planned.askable[0], actor=JOB, reason="") is None
    pulling._ask(taken, world.customer, on=TODAY, actor=JOB, seconds=5)
    assert pulling._open(planned, planned.askable[0], actor=JOB, reason="") is None
    # One who took longer than the lease, and was overtaken, stores nothing.
    assert pulling._ask(taken, world.customer, on=TODAY, actor=JOB, seconds=5) is None
    assert BureauReport.objects.count() == BureauPull.objects.count() == 1


def test_what_was_answered_stays_as_it_was(world):
    question = ask(world.customer).pulls[0]
    for changes in (
        {"charged": 0},
        {"outcome": "doubt"},
        {"reason": "another"},
        {"price": 1},
        {"detail": {"a": 1}},
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            BureauPull.objects.filter(pk=question.pk).update(**changes)
    for rows in (BureauPull.objects, BureauReport.objects):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.all()._raw_delete(rows.db)
    with pytest.raises(DatabaseError), transaction.atomic():
        BureauReport.objects.update(standing=99)
    with pytest.raises(DatabaseError), transaction.atomic():
        BureauReport.objects.create(
            customer=world.customer, provider="x", effective_on=TODAY, known_on=TODAY, outcome="rated"
        )
    BureauPull.objects.update(reason="")  # words may be erased
    BureauAnswer.objects.all().delete()


def test_a_later_answer_about_the_same_day_corrects_the_earlier_one(world, agency):
    ask(world.customer)
    agency.recorded[0]["body"] = {
        **agency.recorded[0]["body"],
        "rating": {"value": "5", "date": "2026-03-01"},
    }
    ask(world.customer, TODAY + timedelta(days=3), in_spite_of_age=True, reason="rumours")
    old, new = BureauReport.objects.order_by("pk")
    assert (old.known_until, new.known_on, new.standing) == (new.known_on, TODAY + timedelta(days=3), 20)
    assert [one.standing for one in BureauReport.objects.at(TODAY, View(known_at=TODAY))] == [80]


def test_reports_follow_a_merge(world):
    world.customer.refresh_from_db()
    into = make_account(world.cast.company, **FIRST).customer
    ask(world.customer)
    merge_customers(into, world.customer, by=world.cast.controller, reason="twice", on=TODAY)
    carried = BureauReport.objects.get(superseded_at__isnull=True)
    assert (carried.customer, carried.standing, carried.effective_on) == (into, 80, date(2026, 3, 1))
    into.refresh_from_db()
    assert plan(into).refusal == Refusal.USABLE  # what was paid for the duplicate is not paid again
    assert plan(Customer.objects.get(pk=world.customer.pk)).refusal == Refusal.CLOSED


def test_an_objection_survives_a_merge_and_reaches_what_was_asked_of_the_duplicate(world):
    BureauProvider.objects.update(answers_sole_traders=True)
    stays, gone, third = (
        make_account(world.cast.company, kind="sole_trader", **FIRST).customer for _n in range(3)
    )

    def basis_of(person, reference="LIA 7"):
        values = {"reference": reference, "effective_on": TODAY, "expires_on": None, "known_on": TODAY}
        return record_basis(person, "interest", actor=JOB, **values)

    kept, objected, _third = basis_of(stays), basis_of(gone), basis_of(third, "LIA 8")
    revoke_basis(objected, actor=JOB, on=TODAY, reason="objection")
    ask(third)
    merge_customers(stays, gone, by=world.cast.controller, reason="twice", on=TODAY)
    kept.refresh_from_db()
    assert kept.revoked_on == TODAY and BureauAnswer.objects.exists()
    for row in (stays, third):
        row.refresh_from_db()
    merge_customers(stays, third, by=world.cast.controller, reason="thrice", on=TODAY)
    (carried,) = in_force(TODAY).filter(customer=stays)
    revoke_basis(carried, actor=JOB, on=TODAY, reason="objection")
    assert lacks_basis(stays, TODAY) and not BureauAnswer.objects.exists()


def test_an_adapter_that_fails_leaves_nothing_half_done(world, monkeypatch):
    monkeypatch.setattr(JsonHttp, "ask", lambda *_: 1 / 0)
    assert [one.outcome for one in ask(world.customer).pulls] == ["bad_answer", "bad_answer"]
    wrong = adapter_named("json_http").read('{"rating": {"value": 2}}', world.first.settings, TODAY)
    object.__setattr__(wrong, "standing", 700)
    monkeypatch.setattr(JsonHttp, "ask", lambda *_: wrong)
    other = make_account(world.cast.company, **FIRST).customer
    assert ask(other).pulls[-1].outcome == "bad_answer" and not BureauReport.objects.exists()


def test_a_file_that_brings_the_same_report_at_the_same_moment_costs_nobody_the_answer(world, monkeypatch):
    def overtaken(*args, **how):
        monkeypatch.setattr(pulling, "store_answer", store_answer)
        raise IntegrityError

    monkeypatch.setattr(pulling, "store_answer", overtaken)
    assert ask(world.customer).pulls[0].outcome == "rated"
