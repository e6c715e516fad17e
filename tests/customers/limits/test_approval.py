from datetime import date, timedelta

import pytest

from creditdesk.core import roles
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers import deciding
from customers.approval import (
    ApprovalError,
    amend_limit_change,
    apply_automatic_cut,
    approve_limit_change,
    propose_limit_change,
    reject_limit_change,
    withdraw_limit_change,
)
from customers.events import limit_applied
from customers.limits import limit_at, limits_at
from customers.models import CreditAccount, CreditLimit, Customer, ExchangeRate, LimitChange
from tests.factories import make_account
from tests.people import give_authority, make_user

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)
POLICY = Actor.policy("limit policy")


def eur(amount):
    return Money.of(amount, "EUR")


def propose(cast, amount, *, by=None, on=DAY, **extra):
    actor = Actor.person(by or cast.controller)
    account = extra.pop("account", cast.account)
    why = {"reason_code": "customer_request"} | extra
    return propose_limit_change(account, eur(amount), actor=extra.pop("actor", actor), as_of=on, **why)


def policy_proposes(cast, amount, on=DAY):
    return propose_limit_change(
        cast.account, eur(amount), actor=POLICY, as_of=on, reason_code="policy_rise", evidence={"grade": "A"}
    )


def approve(cast, change, *, by=None, on=DAY, reason="agreed", **extra):
    return approve_limit_change(change, approver=by or cast.approver, reason=reason, on=on, **extra)


def in_force(cast, on=DAY):
    return limit_at(cast.account, on).in_force


class refused:
    """pytest.raises for an ApprovalError of one code."""

    def __init__(self, code):
        self.code = code

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert kind is not None and issubclass(kind, ApprovalError), f"expected ApprovalError {self.code}"
        assert error.code == self.code, f"{error.code}: {error}"
        assert str(error)
        return True


def test_a_limit_is_proposed_then_applied_by_somebody_else(cast):
    assert in_force(cast) is None
    change = propose(cast, 10_000, comment="spring season")
    assert in_force(cast) is None
    heard = []

    def listener(sender, change, **kwargs):
        heard.append(change.pk)

    limit_applied.connect(listener)
    try:
        applied = approve(cast, change, on=DAY + timedelta(days=1))
    finally:
        limit_applied.disconnect(listener)
    assert (applied.status, applied.decided_by, heard) == ("applied", cast.approver, [change.pk])
    # A decision counts from the day it is taken: yesterday's limit stays what it was.
    assert in_force(cast) is None
    assert in_force(cast, DAY + timedelta(days=1)) == eur(10_000)
    acts = AuditEntry.objects.filter(subject_type="customers.limitchange").order_by("pk")
    assert [(a.act, a.actor.username) for a in acts] == [
        ("limit.propose", "carla"),
        ("limit.approve", "paolo"),
    ]
    assert [
        (c.before["status"], c.after["status"]) for c in acts[1].changes.filter(table="customers.limitchange")
    ] == [("proposed", "applied")]
    assert acts[1].note.text == "agreed"


def test_the_proposer_never_decides(cast):
    both = make_user("bea", roles.CONTROLLER, roles.APPROVER, company=cast.company)
    change = propose(cast, 10_000, by=both)
    with refused("own_proposal"):
        approve(cast, change, by=both)
    with refused("own_proposal"):
        reject_limit_change(change, approver=both, reason="no", on=DAY)
    approve(cast, change)


def test_who_amends_becomes_the_proposer(cast):
    change = policy_proposes(cast, 10_000)
    amended = amend_limit_change(
        change, eur(8_000), actor=Actor.person(cast.approver), as_of=DAY, reason_code="other", comment="less"
    )
    change.refresh_from_db()
    assert (change.status, amended.proposer, amended.proposer_kind) == ("superseded", cast.approver, "person")
    with refused("own_proposal"):
        approve(cast, amended)
    second = make_user("pia", roles.APPROVER, company=cast.company)
    approve(cast, amended, by=second)
    assert in_force(cast) == eur(8_000)


@pytest.mark.parametrize(
    ("authority", "amount", "grade", "covered"),
    [
        ({"rise": 10_000}, 10_000, "A", True),
        ({"rise": 10_000}, 10_001, "A", False),
        ({"rise": None, "grade": "C"}, 500_000, "C", True),
        ({"rise": None, "grade": "C"}, 1_000, "D", False),
        ({"rise": None, "grade": "D"}, 1_000, "", False),  # no score at all: the worst grade
    ],
)
def test_authority_covers_amount_and_grade(cast, authority, amount, grade, covered):
    give_authority(cast.company, **authority)
    change = propose(cast, amount, evidence={"grade": grade} if grade else {})
    if covered:
        approve(cast, change)
        return
    with refused("no_authority"):
        approve(cast, change)
    with refused("no_authority"):
        reject_limit_change(change, approver=cast.approver, reason="no", on=DAY)
    assert in_force(cast) is None


def test_the_worse_of_the_grades_then_and_now_counts(cast):
    give_authority(cast.company, grade="B")
    change = propose(cast, 1_000, evidence={"grade": "A"})
    with refused("no_authority"):
        approve(cast, change, grade_now="C")
    approve(cast, change, grade_now="B")


def test_undoing_a_cut_is_a_rise_under_rise_authority(cast):
    approve(cast, propose(cast, 50_000))
    give_authority(cast.company, rise=20_000, cut=None)
    cut = propose(cast, 0, reason_code="new_information")
    approve(cast, cut)
    assert in_force(cast) == eur(0)
    undo = propose(cast, 50_000, reason_code="undo_cut")
    assert undo.is_rise
    with refused("no_authority"):
        approve(cast, undo)
    give_authority(cast.company, rise=50_000)
    approve(cast, undo)
    assert in_force(cast) == eur(50_000)


def test_a_cut_needs_cut_authority_for_the_higher_amount(cast):
    approve(cast, propose(cast, 50_000))
    give_authority(cast.company, rise=None, cut=40_000)
    with refused("no_authority"):
        approve(cast, propose(cast, 1_000))


def test_authority_in_another_currency_is_converted_and_needs_a_rate(cast):
    account = make_account(cast.company, currency="USD", portfolio=cast.portfolio)
    give_authority(cast.company, rise=1_000)
    change = propose_limit_change(
        account,
        Money.of(1_100, "USD"),
        actor=Actor.person(cast.controller),
        as_of=DAY,
        reason_code="other",
    )
    with refused("no_authority"):
        approve(cast, change)
    ExchangeRate.objects.create(base="EUR", quote="USD", on=DAY, rate="1.10", source="ECB")
    approve(cast, change)
    assert limit_at(account, DAY).base == Money.of(1_100, "USD")


def test_a_strangers_portfolio_is_closed(cast):
    change = propose(cast, 10_000)
    with refused("out_of_scope"):
        approve(cast, change, by=cast.stranger)
    with refused("out_of_scope"):
        propose(cast, 10_000, by=cast.stranger)
    with refused("out_of_scope"):
        propose(cast, 10_000, account=cast.elsewhere)


def test_roles_that_may_not(cast):
    change = propose(cast, 10_000)
    for person in (cast.controller, cast.collector, cast.manager, cast.auditor):
        with refused("not_allowed"):
            approve(cast, change, by=person)
    for person in (cast.collector, cast.manager, cast.auditor):
        with refused("not_allowed"):
            propose(cast, 5_000, by=person)


def test_a_decision_needs_a_reason_and_happens_once(cast):
    change = propose(cast, 10_000)
    with refused("no_reason"):
        approve(cast, change, reason="  ")
    approve(cast, change)
    with refused("decided"):
        approve(cast, change)
    with refused("decided"):
        reject_limit_change(change, approver=cast.approver, reason="late", on=DAY)
    with refused("decided"):
        withdraw_limit_change(change, actor=Actor.person(cast.controller), reason="late", on=DAY)
    assert CreditLimit.objects.count() == 1


def test_rejected_and_withdrawn_changes_move_nothing(cast):
    first = reject_limit_change(propose(cast, 10_000), approver=cast.approver, reason="too much", on=DAY)
    assert (first.status, first.decided_by, first.decision_reason) == ("rejected", cast.approver, "too much")
    second = propose(cast, 9_000)
    with refused("not_allowed"):
        withdraw_limit_change(second, actor=Actor.person(cast.approver), reason="", on=DAY)
    second = withdraw_limit_change(second, actor=Actor.person(cast.controller), reason="mistake", on=DAY)
    assert (second.status, second.decided_by) == ("withdrawn", None)
    assert not CreditLimit.objects.exists()


def test_one_change_waits_and_machines_do_not_push_people_aside(cast):
    first = policy_proposes(cast, 10_000)
    newer = policy_proposes(cast, 12_000)
    first.refresh_from_db()
    assert (first.status, newer.status) == ("superseded", "proposed")
    with refused("already_waiting"):
        propose(cast, 15_000)
    withdraw_limit_change(newer, actor=POLICY, reason="figures moved back", on=DAY)
    mine = propose(cast, 15_000)
    with refused("already_waiting"):
        policy_proposes(cast, 12_000)
    mine.refresh_from_db()
    assert mine.status == "proposed"


def test_a_change_that_started_from_another_limit_is_not_applied(cast):
    approve(cast, propose(cast, 10_000))
    rise = propose(cast, 20_000)
    # Behind its back (as a restored backup or another system would), the limit moves.
    moved = LimitChange.objects.create(
        account=cast.account, kind="base", currency="EUR", old_amount=eur(10_000), new_amount=eur(5_000),
        valid_from=DAY, as_of=DAY, proposer_kind="event", proposer_name="test", status="applied",
        is_automatic=True, decided_at="2026-03-02T10:00Z", reason_code="insolvency",
    )  # fmt: skip
    CreditLimit.objects.create(
        account=cast.account, kind="base", currency="EUR", amount=eur(5_000), valid_from=DAY, change=moved
    )
    with refused("limit_moved"):
        approve(cast, rise)
    assert in_force(cast) == eur(5_000)


@pytest.mark.parametrize(
    ("amount", "extra", "code"),
    [
        (-1, {}, "negative"),
        (10_000, {"kind": "temporary"}, "dates"),
        (10_000, {"kind": "temporary", "valid_until": DAY - timedelta(days=1)}, "dates"),
    ],
)
def test_impossible_proposals(cast, amount, extra, code):
    with refused(code):
        propose(cast, amount, **extra)
    assert not LimitChange.objects.exists()


def test_the_same_limit_or_another_currency_is_refused(cast):
    approve(cast, propose(cast, 10_000))
    with refused("same_amount"):
        propose(cast, 10_000)
    with refused("wrong_currency"):
        propose_limit_change(
            cast.account,
            Money.of(1, "USD"),
            actor=Actor.person(cast.controller),
            as_of=DAY,
            reason_code="other",
        )


def test_no_rise_for_an_insolvent_customer(cast):
    change = propose(cast, 10_000)
    Customer.objects.filter(pk=cast.account.customer_id).update(status="insolvent")
    with refused("customer_insolvent"):
        approve(cast, change)


def temporary(cast, amount, first, last, on=DAY):
    return propose(cast, amount, on=on, kind="temporary", valid_from=first, valid_until=last)


def test_a_temporary_limit_stands_in_while_valid_and_higher(cast):
    approve(cast, propose(cast, 10_000))
    first, last = DAY + timedelta(days=10), DAY + timedelta(days=20)
    approve(cast, temporary(cast, 15_000, first, last))
    days = [DAY, first - timedelta(days=1), first, last, last + timedelta(days=1)]
    assert [in_force(cast, d) for d in days] == [eur(a) for a in (10_000, 10_000, 15_000, 15_000, 10_000)]
    assert limit_at(cast.account, first).is_temporary
    # A base limit that rises above it takes over.
    approve(cast, propose(cast, 20_000, on=first), on=first)
    assert in_force(cast, first) == eur(20_000)
    with refused("dates"):
        temporary(cast, 12_000, first, last, on=first)


def test_a_later_cut_ends_temporary_limits_even_future_ones(cast):
    approve(cast, propose(cast, 10_000))
    approve(cast, temporary(cast, 15_000, DAY, DAY + timedelta(days=9)))
    approve(cast, temporary(cast, 16_000, DAY + timedelta(days=20), DAY + timedelta(days=30)))
    cut_on = DAY + timedelta(days=5)
    apply_automatic_cut(cast.account, eur(0), actor=POLICY, on=cut_on, reason_code="insolvency")
    assert in_force(cast, cut_on - timedelta(days=1)) == eur(15_000)
    assert [in_force(cast, DAY + timedelta(days=d)) for d in (5, 9, 25)] == [eur(0)] * 3
    # Business resumes: the temporary limits do not come back with the base.
    approve(cast, propose(cast, 3_000, on=cut_on, reason_code="undo_cut"), on=cut_on)
    assert in_force(cast, DAY + timedelta(days=25)) == eur(3_000)


def test_a_temporary_limit_granted_after_a_cut_counts(cast):
    approve(cast, propose(cast, 1_000))
    approve(cast, propose(cast, 0))
    approve(cast, temporary(cast, 5_000, DAY, DAY + timedelta(days=9)))
    assert in_force(cast) == eur(5_000)


def test_a_temporary_limit_whose_time_is_over_is_not_applied(cast):
    change = temporary(cast, 15_000, DAY, DAY + timedelta(days=2))
    with refused("period_over"):
        approve(cast, change, on=DAY + timedelta(days=3))


def test_an_automatic_cut_replaces_what_waits_and_cuts_once(cast):
    approve(cast, propose(cast, 10_000))
    waiting = propose(cast, 20_000)
    cut = apply_automatic_cut(cast.account, eur(0), actor=POLICY, on=DAY, reason_code="insolvency")
    waiting.refresh_from_db()
    assert (waiting.status, cut.status, cut.is_automatic, cut.decided_by) == (
        "superseded",
        "applied",
        True,
        None,
    )
    assert apply_automatic_cut(cast.account, eur(0), actor=POLICY, on=DAY, reason_code="insolvency") is None
    assert in_force(cast) == eur(0)


def test_an_automatic_cut_never_decides_on_a_natural_person(cast):
    trader = make_account(cast.company, kind="sole_trader")
    with pytest.raises(ValueError, match="named person"):
        apply_automatic_cut(trader, eur(0), actor=POLICY, on=DAY, reason_code="insolvency")


def test_limits_of_many_accounts_take_one_query(cast, django_assert_num_queries):
    for _n in range(5):
        account = make_account(cast.company, portfolio=cast.portfolio)
        approve(cast, propose(cast, 1_000, account=account))
    with django_assert_num_queries(1):
        found = limits_at(CreditAccount.objects.all(), DAY)
    assert len(found) == 7
    assert sorted(limit.base.minor for limit in found.values() if limit.base) == [100_000] * 5


def test_every_transaction_is_all_or_nothing(cast, monkeypatch):
    change = propose(cast, 10_000)

    def fail(*args, **kwargs):
        raise RuntimeError("power cut")

    monkeypatch.setattr(deciding, "put_in_force", fail)
    with pytest.raises(RuntimeError):
        approve(cast, change)
    change.refresh_from_db()
    assert change.status == "proposed"
    assert not AuditEntry.objects.filter(act="limit.approve").exists()
