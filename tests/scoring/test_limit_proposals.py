from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command

from creditdesk.core.audit import Actor
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import Job
from creditdesk.core.money import Money
from customers.approval import approve_limit_change, propose_limit_change, reject_limit_change
from customers.limits import limit_at
from customers.models import CreditAccount, CreditLimit, FinancialStatement, ImportBatch, LimitChange
from scoring.engine import rescore
from scoring.explain import explain
from scoring.limit_inputs import recommendations_of_book
from scoring.limit_tasks import plan_nightly, propose_range
from scoring.models import AccountScore, LimitPolicy, ScoreHistory
from scoring.proposals import evidence_of, propose_limits
from tests.factories import history, invoice, make_account
from tests.people import make_cast

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


def trade(account, months=12, amount="10000", late=0, pays=True):
    """An invoice a month, due after 30 days, each paid `late` days after it is due."""
    issued = [DAY - timedelta(days=30 * month + 5) for month in range(months, 0, -1)]
    paid_on = [day + timedelta(days=30 + late) for day in issued]
    history(
        account,
        [
            (amount, day, 30, paid if pays and paid <= DAY else None)
            for day, paid in zip(issued, paid_on, strict=True)
        ],
    )


def give_limit(account, amount, on=DAY - timedelta(days=200)):
    """An opening limit, as an import takes it over."""
    money = Money.of(amount, "EUR")
    change = LimitChange.objects.create(
        account=account, kind="base", currency="EUR", new_amount=money, valid_from=on, as_of=on,
        proposer_kind="import", proposer_name="erp", status="applied", is_automatic=True,
        decided_at="2025-01-01T10:00Z", reason_code="opening_limit", reason_params={"source": "ERP"},
    )  # fmt: skip
    CreditLimit.objects.create(
        account=account, kind="base", currency="EUR", amount=money, valid_from=on, change=change
    )


@pytest.fixture(scope="module")
def kept_book(module_database):
    cast = make_cast()
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
    trade(cast.account)
    give_limit(cast.account, 100_000)
    rescore(DAY)
    return cast


@pytest.fixture
def book(kept_book, db):
    return deepcopy(kept_book)


def waiting():
    return list(LimitChange.objects.filter(status="proposed").order_by("pk"))


def test_a_limit_that_no_longer_fits_is_proposed_with_its_evidence(book):
    outcome = propose_limits(DAY)
    assert (outcome.seen, outcome.proposed) == (CreditAccount.objects.count(), 1)
    (change,) = waiting()
    assert (change.proposer_kind, change.proposer_name, change.reason_code) == (
        "policy",
        "limit policy",
        "policy_cut",
    )
    assert change.new_amount < change.old_amount == Money.of(100_000, "EUR")
    score = AccountScore.objects.get(account=book.account)
    evidence = change.evidence
    assert (evidence["score"], evidence["grade"], evidence["as_of"]) == (
        score.score,
        score.grade,
        "2026-03-02",
    )
    assert evidence["base_points"] + sum(s["points"] for s in evidence["signals"]) == score.score
    assert {"exposure", "overdue", "oldest_days_past_due", "history", "pd", "reasons"} <= evidence.keys()
    recommended = evidence["recommended"]
    assert {"behaviour", "policy", "capacity", "group"} < {cap["code"] for cap in recommended["caps"]}
    assert recommended["amount"]["minor"] == change.new_amount.minor
    # Soft reasons propose only.
    assert limit_at(book.account, DAY).in_force == Money.of(100_000, "EUR")


def test_running_it_twice_changes_nothing(book):
    propose_limits(DAY)
    before = list(LimitChange.objects.order_by("pk").values())
    again = propose_limits(DAY)
    assert (again.proposed, again.replaced, again.unchanged) == (0, 0, 1)
    assert list(LimitChange.objects.order_by("pk").values()) == before
    assert propose_limits(DAY + timedelta(days=1)).unchanged == 1


def test_a_proposal_that_moved_materially_is_replaced_and_one_without_reason_withdrawn(book):
    propose_limits(DAY)
    (first,) = waiting()
    invoice(book.account, "40000", DAY)
    propose_limits(DAY)
    (second,) = waiting()
    first.refresh_from_db()
    assert (first.status, second.new_amount > first.new_amount) == ("superseded", True)
    # As much more business as the current limit of 100,000 serves.
    inputs = second.evidence["recommended"]["caps"][0]["params"]
    billed = Decimal(inputs["peak_quarter"]["minor"]) / 100
    served = Decimal(100_000) * 91 * 100 / (45 * inputs["percent"])
    invoice(book.account, str(round(served - billed, 2)), DAY)
    outcome = propose_limits(DAY)
    assert outcome.withdrawn == 1
    second.refresh_from_db()
    assert (second.status, waiting()) == ("withdrawn", [])


def test_what_a_person_proposed_or_rejected_is_respected(book):
    propose_limits(DAY)
    (change,) = waiting()
    reject_limit_change(change, approver=book.approver, reason="seasonal", on=DAY)
    assert propose_limits(DAY).left_to_people == 1
    assert waiting() == []
    assert propose_limits(DAY + timedelta(days=20)).left_to_people == 1
    mine = propose_limit_change(
        book.account,
        Money.of(90_000, "EUR"),
        actor=Actor.person(book.controller),
        as_of=DAY,
        reason_code="other",
    )
    propose_limits(DAY)
    assert waiting() == [mine]


def test_a_declined_score_proposes_zero(book):
    bad = make_account(book.company, "Bad payer", portfolio=book.portfolio)
    trade(bad, late=80)
    give_limit(bad, 5_000)
    rescore(DAY)
    assert AccountScore.objects.get(account=bad).recommendation == "declined"
    propose_limits(DAY, [bad.pk])
    (change,) = waiting()
    assert (change.new_amount.minor, change.reason_code) == (0, "declined")


def test_inputs_come_from_the_ledger(book):
    FinancialStatement.objects.create(
        customer=book.account.customer, currency="EUR", equity=Decimal(250_000), source="register",
        effective_on=date(2025, 12, 31), known_on=DAY,
    )  # fmt: skip
    (found,) = recommendations_of_book(DAY, [book.account.pk])
    inputs = found[book.account.pk].inputs
    assert inputs.current == Money.of(100_000, "EUR")
    # The 91 days up to a quarter's end hold at most four of the monthly invoices of 10,000.
    assert inputs.peak_quarter == Money.of(30_000, "EUR") or inputs.peak_quarter == Money.of(40_000, "EUR")
    assert inputs.terms_days == 30
    assert inputs.equity == Money.of(250_000, "EUR")
    (earlier,) = recommendations_of_book(DAY - timedelta(days=1), [book.account.pk])
    assert earlier[book.account.pk].inputs.equity is None


def test_a_segments_own_policy_goes_before_the_general_one(book):
    general = LimitPolicy.objects.get(segment=None)
    own = LimitPolicy.objects.create(
        segment=book.account.segment, version=1, valid_from=DAY, max_rise_percent=5, is_shipped=True
    )
    for grade in general.grades.all():
        own.grades.create(grade=grade.grade, ceiling=grade.ceiling.minor, need_percent=10)
    (draft,) = recommendations_of_book(DAY, [book.account.pk])
    assert draft[book.account.pk].policy.policy_id == general.pk
    LimitPolicy.objects.filter(pk=own.pk).update(status="active")
    (found,) = recommendations_of_book(DAY, [book.account.pk])
    assert found[book.account.pk].policy.policy_id == own.pk
    (before,) = recommendations_of_book(DAY - timedelta(days=1), [book.account.pk])
    assert before[book.account.pk].policy.policy_id == general.pk


def test_recommending_for_many_takes_as_many_queries_as_for_few(book, django_assert_max_num_queries):
    for _n in range(5):
        account = make_account(book.company, portfolio=book.portfolio)
        trade(account, months=3)
        give_limit(account, 90_000)
    rescore(DAY)
    with django_assert_max_num_queries(28):
        list(recommendations_of_book(DAY))


def test_the_command_and_the_nightly_job_do_the_same(book):
    out = StringIO()
    call_command("propose_limits", as_of=DAY, stdout=out)
    assert "1 proposed" in out.getvalue()
    assert plan_nightly(due=f"{DAY}T04:30:00+01:00") == 1
    job = Job.objects.get(kind="limits")
    assert propose_range(job)["unchanged"] == 1
    assert plan_jobs("limits", [job.key], DAY, "scoring.limit_tasks.propose_range") == 1


def test_evidence_without_a_score_still_tells_the_ledger(book):
    fresh = make_account(book.company, portfolio=book.portfolio)
    evidence = evidence_of(fresh, DAY)
    assert "score" not in evidence
    assert evidence["recommended"]["keep"] == "no_score"


def test_the_score_a_decision_was_taken_on_is_kept(book):
    propose_limits(DAY)
    (change,) = waiting()
    approve_limit_change(change, approver=book.approver, reason="agreed", on=DAY)
    kept = ScoreHistory.objects.get(because="decision")
    now = AccountScore.objects.get(account=book.account)
    assert (kept.account, kept.score, kept.as_of) == (book.account, now.score, DAY)
    assert explain(kept).items == explain(now).items
