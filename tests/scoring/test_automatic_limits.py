"""What moves a limit without waiting for anybody: small rises of the policy, and causes that cut or hold."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval import approve_limit_change
from customers.disputes import open_dispute
from customers.events import business_stopped
from customers.holds import is_stopped
from customers.legal import record_legal_event
from customers.limits import limit_at
from customers.models import Company, CreditHold, CreditLimit, ImportBatch, LimitChange, OpenOrder, OrderHold
from scoring.causes import react_to_causes
from scoring.engine import rescore
from scoring.models import AccountScore, CreditCause, DirtyAccount, LimitPolicy, ScoreHistory
from scoring.proposals import propose_limits
from scoring.tasks import rescore_dirty
from tests.factories import ACTOR, invoice, make_account, pay
from tests.scoring.test_limit_proposals import give_limit, trade

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


def eur(amount):
    return Money.of(amount, "EUR")


def own_policy(segment, *causes, **terms):
    """A policy of the segment, in use: the shipped grades, these terms and causes."""
    policy = LimitPolicy.objects.create(
        segment=segment, version=1, valid_from=DAY, is_shipped=True, **({"material_percent": 5} | terms)
    )
    for grade in LimitPolicy.objects.get(segment=None).grades.all():
        policy.grades.create(grade=grade.grade, ceiling=grade.ceiling, need_percent=grade.need_percent)
    for cause in causes:
        policy.causes.create(**cause)
    LimitPolicy.objects.filter(pk=policy.pk).update(status="active")
    return policy


@pytest.fixture
def book(cast):
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
    trade(cast.account)
    return cast


@pytest.fixture
def stops():
    """What was announced: (account ids, cause)."""
    heard = []

    def hear(account_ids, cause, **_kwargs):
        heard.append((list(account_ids), cause))

    business_stopped.connect(hear, weak=False)
    yield heard
    business_stopped.disconnect(hear)


def test_a_small_rise_is_applied_at_once_and_a_larger_one_waits(book):
    other = make_account(book.company, portfolio=book.portfolio)
    trade(other)
    for account in (book.account, other):
        give_limit(account, 8_000)
    policy = own_policy(
        book.account.segment, auto_rise_amount=200_000, auto_limit_amount=1_500_000, max_rise_percent=25
    )
    rescore(DAY)
    AccountScore.objects.update(grade="A", recommendation="approved")
    AccountScore.objects.filter(account=other).update(recommendation="guarantees")
    outcome = propose_limits(DAY)
    assert (outcome.raised, outcome.proposed) == (1, 1)
    raised, waiting = LimitChange.objects.exclude(proposer_kind="import").order_by("status")
    assert (raised.account, raised.status, raised.new_amount) == (book.account, "applied", eur(10_000))
    assert (raised.policy_ref, raised.gates_failed, raised.proposer_name) == (policy.pk, 0, "limit policy")
    assert all(gate["passed"] for gate in raised.evidence["recommended"]["gates"])
    assert limit_at(book.account, DAY).base == eur(10_000)
    assert (waiting.account, waiting.status) == (other, "proposed")
    assert AuditEntry.objects.filter(act="limit.rise_at_once").count() == 1
    # Once: the cool-down holds, the next night changes nothing.
    assert propose_limits(DAY + timedelta(days=1)).raised == 0
    with pytest.raises(DatabaseError), transaction.atomic():
        LimitChange.objects.filter(pk=waiting.pk).update(gates_failed=0)


LATE = {"kind": "late_payment", "threshold": 30, "least_amount": 100_000, "keep_percent": 0}


def test_late_payment_cuts_in_the_transaction_that_found_it(book, stops):
    give_limit(book.account, 50_000)
    own_policy(book.account.segment, LATE)
    late = invoice(book.account, "1500", DAY - timedelta(days=61), number="F-LATE")  # due 31 days ago
    rescore(DAY - timedelta(days=2))
    assert (
        react_to_causes(DAY - timedelta(days=2), [book.account.pk]) == []
    )  # 29 days, and no such policy yet
    OpenOrder.objects.create(
        account=book.account, number="O-1", expected_on=DAY + timedelta(days=9), currency="EUR", amount=9_900,
        effective_on=DAY, known_on=DAY,
    )  # fmt: skip
    rescore(DAY)
    (cause,) = react_to_causes(DAY, [book.account.pk])
    change = cause.change
    assert (cause.kind, cause.reaction, cause.stops_business) == ("late_payment", "cut", True)
    assert cause.evidence == {"amount": {"minor": 150_000, "currency": "EUR"}, "days": 31}
    assert (change.status, change.new_amount, change.reason_code) == ("applied", eur(0), "late_payment")
    assert limit_at(book.account, DAY).in_force == eur(0) and is_stopped(book.account, DAY)
    # The company sells from Italy; the customer's country is not known.
    assert cause.provision == "art. 1461 c.c."
    held = OrderHold.objects.get(account=book.account, status="waiting")
    assert (held.order_number, held.details["code"]) == ("O-1", "late_payment")
    assert held.details["provision"] == "art. 1461 c.c."
    ((ids, stop),) = stops
    assert (ids, stop.code, stop.on, stop.basis) == ([book.account.pk], "late_payment", DAY, cause.basis)
    assert AuditEntry.objects.filter(act="credit_cause.record", subject_pk=str(cause.pk)).exists()
    # The same item never cuts twice, not even a limit somebody gave again.
    give_limit(book.account, 20_000, on=DAY)
    assert react_to_causes(DAY + timedelta(days=5), [book.account.pk]) == []
    with pytest.raises(DatabaseError), transaction.atomic():
        CreditCause.objects.filter(pk=cause.pk).update(reaction="nothing")
    assert late.due_on == DAY - timedelta(days=31)


@pytest.mark.parametrize(("amount", "disputed"), [("999.99", None), ("1500", "501")])
def test_a_small_or_disputed_item_cuts_nothing(book, amount, disputed):
    give_limit(book.account, 50_000)
    own_policy(book.account.segment, LATE)
    late = invoice(book.account, amount, DAY - timedelta(days=61))
    if disputed:
        open_dispute(book.account, [(late, disputed)], reason="price", opened_on=DAY, actor=ACTOR)
    rescore(DAY)
    assert react_to_causes(DAY, [book.account.pk]) == []
    assert limit_at(book.account, DAY).base == eur(50_000)


def test_a_natural_person_is_held_until_a_named_person_decides(book, stops):
    account = make_account(
        book.company, "Rosa Blu", portfolio=book.portfolio, kind="sole_trader", country="DE"
    )
    trade(account)
    invoice(account, "1500", DAY - timedelta(days=61))
    give_limit(account, 50_000)
    own_policy(book.account.segment, LATE)
    rescore(DAY)
    (cause,) = react_to_causes(DAY, [account.pk])
    assert (cause.reaction, cause.hold.reason_code) == ("held", "late_payment")
    assert limit_at(account, DAY).base == eur(50_000)  # nothing adverse without a person
    assert is_stopped(account, DAY) and cause.hold.reason_text
    # Italy sells to Germany, both in the convention: it is the convention's provision.
    assert cause.provision == "art. 71 CISG" and stops[0][0] == [account.pk]
    approve_limit_change(cause.change, approver=book.approver, reason="Seen.", on=DAY, grade_now="A")
    assert CreditHold.objects.get(pk=cause.hold_id).released_by == book.approver
    assert limit_at(account, DAY).base == eur(0)


def test_a_cash_shock_cuts_part_and_a_score_drop_proposes(book, stops):
    shocked, fallen = book.account, make_account(book.company, portfolio=book.portfolio)
    trade(fallen, late=40)
    for account in (shocked, fallen):
        give_limit(account, 50_000)
    own_policy(
        shocked.segment,
        {"kind": "cash_shock", "threshold": 4, "keep_percent": 50},
        {"kind": "score_drop", "threshold": 20, "keep_percent": 30, "is_immediate": False},
    )
    rescore(DAY)
    now = AccountScore.objects.get(account=fallen)
    ScoreHistory.objects.create(
        account=fallen, as_of=DAY - timedelta(days=30), card=now.card, score=now.score + 20, grade="A",
        pd=now.pd, recommendation="approved", depth="full", because="changed",
    )  # fmt: skip
    AccountScore.objects.filter(account=shocked).update(bank_sudden_change=-5.04)
    causes = {cause.account: cause for cause in react_to_causes(DAY, [shocked.pk, fallen.pk])}
    cut, proposed = causes[shocked], causes[fallen]
    assert (cut.reaction, cut.change.new_amount, cut.stops_business) == ("cut", eur(25_000), False)
    assert (proposed.reaction, proposed.change.status) == ("proposed", "proposed")
    assert proposed.change.new_amount == eur(15_000) and limit_at(fallen, DAY).base == eur(50_000)
    assert stops == []  # there is room left
    # Within its window it is the same cause; after it, a new one.
    assert react_to_causes(DAY + timedelta(days=27), [shocked.pk]) == []
    (again,) = react_to_causes(DAY + timedelta(days=28), [shocked.pk])
    assert again.change.new_amount == eur(12_500)


def test_causes_lock_accounts_in_order_and_one_business_date_at_a_time(book, monkeypatch):
    # The later account has the weightier cause.
    other = make_account(book.company, portfolio=book.portfolio)
    trade(other)
    invoice(other, "1500", DAY - timedelta(days=61))
    for account in (book.account, other):
        give_limit(account, 50_000)
    own_policy(book.account.segment, LATE, {"kind": "cash_shock", "threshold": 4, "keep_percent": 50})
    rescore(DAY)
    AccountScore.objects.update(bank_sudden_change=-5)
    with transaction.atomic():
        causes = react_to_causes(DAY, [other.pk, book.account.pk])
        cuts = [cause for cause in causes if cause.change_id]
        assert [cause.account for cause in cuts] == [book.account, other]
        assert cuts[1].kind == "late_payment"  # of one account the weightiest first
        # What else was seen of it found nothing left to cut, and is known from now on.
        assert [(cause.account, cause.reaction) for cause in causes[2:]] == [(other, "nothing")]
        transaction.set_rollback(True)
    # A worker that dies on the accounts of one date keeps what it did for those of another.
    DirtyAccount.objects.all().delete()
    DirtyAccount.objects.bulk_create(DirtyAccount(account=one) for one in (book.account, book.elsewhere))
    Company.objects.filter(pk=book.elsewhere.company_id).update(time_zone="Asia/Tokyo")

    def day(zone):
        return DAY + timedelta(days=zone == "Asia/Tokyo")

    def react(as_of, ids):
        if book.elsewhere.pk in ids:
            raise RuntimeError("power cut")
        return react_to_causes(as_of, ids)

    monkeypatch.setattr("scoring.tasks.business_date", day)
    monkeypatch.setattr("scoring.tasks.react_to_causes", react)
    with pytest.raises(RuntimeError):
        rescore_dirty()
    assert list(DirtyAccount.objects.values_list("account", flat=True)) == [book.elsewhere.pk]


def test_insolvency_writes_its_cause_and_a_payment_leads_to_a_new_look(book, stops):
    give_limit(book.account, 50_000)
    own_policy(book.account.segment, LATE)
    event = record_legal_event(
        book.account.customer, "insolvency", effective_on=DAY, source="register", actor=ACTOR, known_on=DAY
    )
    cause = CreditCause.objects.get()
    assert (cause.kind, cause.reaction, cause.key) == ("insolvency", "cut", f"event:{event.pk}")
    assert cause.change.new_amount == eur(0) and stops[0][1].code == "insolvency"


def test_what_changes_is_rescored_and_cut_within_one_task(book, settings):
    settings.BUSINESS_DATE = DAY
    give_limit(book.account, 50_000)
    own_policy(book.account.segment, LATE)
    paid = invoice(book.account, "1500", DAY - timedelta(days=61))
    pay(paid, DAY - timedelta(days=1))
    rescore_dirty()
    assert CreditCause.objects.count() == 0
    invoice(book.account, "1500", DAY - timedelta(days=61))
    rescore_dirty()
    assert CreditCause.objects.get().reaction == "cut"
    assert limit_at(book.account, DAY).base == eur(0)


def temporary(account, amount, first, last, on=DAY):
    """A temporary limit granted on a day, as an approved change leaves it."""
    change = LimitChange.objects.create(
        account=account, kind="temporary", currency="EUR", new_amount=amount * 100,
        valid_from=first, valid_until=last, as_of=on, reason_code="season", proposer_kind="import",
        proposer_name="ERP", status="applied", is_automatic=True, decided_at=timezone.now(),
    )  # fmt: skip
    return CreditLimit.objects.create(
        account=account, kind="temporary", currency="EUR", amount=amount * 100, valid_from=first,
        valid_until=last, change=change,
    )  # fmt: skip


def insolvent(account, on=DAY):
    return record_legal_event(
        account.customer, "insolvency", effective_on=on, source="register", actor=ACTOR, known_on=on
    )


@pytest.mark.parametrize("base", [0, 5_000])
def test_an_insolvency_ends_a_temporary_limit_that_starts_later(book, base):
    give_limit(book.account, base)
    season = DAY + timedelta(days=10)
    temporary(book.account, 20_000, season, season + timedelta(days=30))
    assert limit_at(book.account, season).in_force == eur(20_000)
    insolvent(book.account)
    assert limit_at(book.account, season).in_force == eur(0)
    assert CreditCause.objects.get().reaction == "cut"


def test_a_person_decides_whether_a_natural_persons_later_temporary_limit_ends(book):
    account = make_account(book.company, "Rosa Blu", portfolio=book.portfolio, kind="sole_trader")
    give_limit(account, 0)
    season = DAY + timedelta(days=10)
    temporary(account, 20_000, season, season + timedelta(days=30))
    insolvent(account)
    cause = CreditCause.objects.get()
    assert (cause.reaction, cause.change.status) == ("held", "proposed")
    assert limit_at(account, season).in_force == eur(20_000) and is_stopped(account, season)
    approve_limit_change(cause.change, approver=book.approver, reason="Seen.", on=DAY, grade_now="A")
    assert limit_at(account, season).in_force == eur(0)


def test_an_insolvency_cuts_after_any_other_cause(book):
    give_limit(book.account, 50_000)
    own_policy(book.account.segment, LATE | {"keep_percent": 50})
    invoice(book.account, "1500", DAY - timedelta(days=61))
    rescore(DAY)
    react_to_causes(DAY, [book.account.pk])
    assert limit_at(book.account, DAY).base == eur(25_000)
    insolvent(book.account, DAY + timedelta(days=1))
    assert limit_at(book.account, DAY + timedelta(days=1)).base == eur(0)
    kinds = CreditCause.objects.order_by("pk").values_list("kind", "reaction")
    assert list(kinds) == [("late_payment", "cut"), ("insolvency", "cut")]


def test_another_late_payment_within_the_window_does_not_cut_again(book):
    give_limit(book.account, 50_000)
    own_policy(book.account.segment, LATE | {"keep_percent": 50, "window_days": 30})
    first = invoice(book.account, "1500", DAY - timedelta(days=62), number="F-1")
    invoice(book.account, "1600", DAY - timedelta(days=61), number="F-2")
    rescore(DAY)
    react_to_causes(DAY, [book.account.pk])
    # The oldest is paid; the next one is late as well, and part of the same trouble.
    pay(first, DAY + timedelta(days=1))
    for days, base in ((1, 25_000), (29, 25_000), (30, 12_500)):
        day = DAY + timedelta(days=days)
        ImportBatch.objects.update(complete_through=day)
        rescore(day)
        react_to_causes(day, [book.account.pk])
        assert limit_at(book.account, day).base == eur(base), days


def test_causes_of_one_window_do_not_multiply_and_never_overrule_a_person(book):
    """Late payment lowers the score too: the deepest cut counts, of the limit there was before the first."""
    give_limit(book.account, 50_000)
    own_policy(
        book.account.segment,
        LATE | {"keep_percent": 50},
        {"kind": "cash_shock", "threshold": 4, "keep_percent": 30},
        {"kind": "score_drop", "threshold": 5, "keep_percent": 60, "window_days": 30},
    )
    invoice(book.account, "1500", DAY - timedelta(days=61))
    rescore(DAY)
    react_to_causes(DAY, [book.account.pk])
    assert limit_at(book.account, DAY).base == eur(25_000)
    AccountScore.objects.filter(account=book.account).update(bank_sudden_change=-5)
    shock = DAY + timedelta(days=3)
    (deeper,) = react_to_causes(shock, [book.account.pk])
    assert deeper.change.new_amount == eur(15_000), "30 % of 50,000, not of what the late payment left"
    now = AccountScore.objects.get(account=book.account)
    ScoreHistory.objects.create(
        account=book.account, as_of=DAY - timedelta(days=1), card=now.card, score=now.score + 5, grade="A",
        pd=now.pd, recommendation="approved", depth="full", because="changed",
    )  # fmt: skip
    (softer,) = react_to_causes(shock, [book.account.pk])
    assert (softer.kind, softer.reaction, softer.change) == ("score_drop", "nothing", None)
    # A named person raises the limit: none of the causes seen before cuts it again, not even the one that found nothing.
    give_limit(book.account, 40_000, on=shock)
    assert react_to_causes(shock + timedelta(days=2), [book.account.pk]) == []
    assert limit_at(book.account, shock + timedelta(days=2)).base == eur(40_000)
