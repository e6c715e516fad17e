"""The authority matrix: one approver or two, deputies, small rises together, and how long a change may wait."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core import roles
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval import (
    amend_limit_change,
    approve_limit_change,
    propose_limit_change,
    reject_limit_change,
)
from customers.approval_clock import clock_of, run_clock, terms_of
from customers.approval_rules import authorities
from customers.bulk_approval import approve_small_rises
from customers.delegations import DelegationError, delegate_approval, end_delegation
from customers.holds import place_hold
from customers.limit_moves import fingerprint, moves
from customers.limits import limit_at
from customers.mandates import mandates
from customers.models import (
    Access,
    ApprovalAuthority,
    ApprovalTerms,
    LimitChange,
    LimitDecision,
    LimitReminder,
)
from tests.factories import make_account
from tests.people import give_authority, make_user

from .conftest import set_limit
from .test_approval import refused

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)  # a Monday
POLICY = Actor.policy("limit policy")


def eur(amount):
    return Money.of(amount, "EUR")


def propose(cast, amount, *, account=None, by=None, on=DAY, grade="A", **extra):
    why = {"reason_code": "customer_request", "evidence": {"grade": grade}} | extra
    return propose_limit_change(
        account or cast.account, eur(amount), actor=by or Actor.person(cast.controller), as_of=on, **why
    )


def approve(change, by, **extra):
    return approve_limit_change(change, approver=by, **{"reason": "agreed", "on": DAY} | extra)


def in_force(cast):
    return limit_at(cast.account, DAY).in_force


@pytest.fixture
def pia(cast):
    return make_user("pia", roles.APPROVER, company=cast.company)


@pytest.fixture
def matrix(cast):
    """Approvers alone up to 10,000 down to C, by two up to 100,000 down to D."""
    give_authority(cast.company, rise=10_000, cut=None, grade="C")
    ApprovalAuthority.objects.filter(direction="cut").update(worst_grade="E")
    ApprovalAuthority.objects.create(
        group=ApprovalAuthority.objects.first().group,
        company=cast.company,
        direction="rise",
        currency="EUR",
        max_amount=eur(100_000),
        worst_grade="D",
        approvers_needed=2,
    )


def test_a_large_rise_takes_two_people_and_a_small_one_one(cast, pia, matrix):
    small = approve(propose(cast, 10_000), cast.approver)
    assert small.status == "applied" and small.decisions.get().approvers_needed == 1
    large = propose(cast, 60_000)
    first = approve(large, cast.approver, reason="good payer", evidence={"grade": "A", "score": 88})
    assert first.is_waiting and in_force(cast) == eur(10_000)
    with refused("decided_before"):
        approve(large, cast.approver)
    with refused("decided_before"):
        reject_limit_change(large, approver=cast.approver, reason="no", on=DAY)
    with refused("not_allowed"):
        approve(large, cast.manager)
    applied = approve(large, pia, reason="agreed too")
    assert (applied.status, applied.decided_by, in_force(cast)) == ("applied", pia, eur(60_000))
    kept = list(LimitDecision.objects.filter(change=large).order_by("pk"))
    assert [(row.decided_by, row.verdict, row.authority_group, row.grade) for row in kept] == [
        (cast.approver, "approve", roles.APPROVER, "A"),
        (pia, "approve", roles.APPROVER, "A"),
    ]
    assert kept[0].evidence["score"] == 88
    acts = AuditEntry.objects.filter(subject_pk=str(large.pk), subject_type="customers.limitchange")
    assert list(acts.order_by("pk").values_list("act", flat=True)) == [
        "limit.propose",
        "limit.approve_first",
        "limit.approve",
    ]
    # Cuts are one person's; so is a rejection, also after a first approval.
    assert approve(propose(cast, 50_000, grade="E"), pia).status == "applied"
    again = propose(cast, 90_000)
    approve(again, pia)
    assert reject_limit_change(again, approver=cast.approver, reason="too much", on=DAY).status == "rejected"
    assert in_force(cast) == eur(50_000)
    with refused("no_authority"):
        approve(propose(cast, 100_001), pia)


def test_a_committee_of_its_own_group_decides_alone(cast, pia, matrix):
    give_authority(cast.company, group=roles.MANAGER, rise=None)
    # A manager has authority by the matrix, but not the role that decides: nothing comes of it.
    with refused("not_allowed"):
        approve(propose(cast, 60_000), cast.manager)
    pia.groups.add(*cast.manager.groups.all())
    waiting = LimitChange.objects.get(status="proposed")
    assert approve(waiting, pia).status == "applied"
    assert LimitDecision.objects.get().authority_group == roles.MANAGER


def test_a_first_approval_counts_while_its_authority_still_covers(cast, pia, matrix):
    tea = make_user("tea", roles.APPROVER, company=cast.company)
    change = propose(cast, 60_000)
    approve(change, cast.approver)
    with refused("no_authority"):
        approve(change, pia, grade_now="E")
    cast.approver.is_active = False
    cast.approver.save()
    assert approve(change, pia, grade_now="D").is_waiting, "who left does not count as one of two"
    assert approve(change, tea, grade_now="D").status == "applied"


def test_who_approved_first_is_not_pushed_aside_and_starts_over_when_amended(cast, pia, matrix):
    change = propose(cast, 60_000, by=POLICY)
    approve(change, pia)
    with refused("already_waiting"):
        propose(cast, 65_000, by=POLICY)
    amended = amend_limit_change(
        change,
        eur(55_000),
        actor=Actor.person(cast.approver),
        as_of=DAY,
        reason_code="other",
        evidence={"grade": "A"},
    )
    assert not amended.decisions.exists()
    assert approve(amended, pia).is_waiting
    with refused("own_proposal"):
        approve(amended, cast.approver)


def lend(cast, delegator, delegate, first=DAY, last=DAY + timedelta(days=6), **extra):
    return delegate_approval(
        delegator,
        delegate,
        **{"company": cast.company, "starts_on": first, "ends_on": last, "reason": "leave", "by": delegator,
           "today": DAY} | extra,
    )  # fmt: skip


@pytest.fixture
def deputy(cast):
    """An approver by role without authority of their own: decides only for others."""
    return make_user("dan", roles.APPROVER, company=cast.company)


def only(cast, user):
    """Authority for a group that only this user has."""
    from django.contrib.auth.models import Group

    group = Group.objects.create(name=f"only {user.username}")
    user.groups.add(group)
    return group.name


def test_a_deputy_decides_with_the_authority_lent_and_never_twice(cast, deputy, pia):
    ApprovalAuthority.objects.filter(company=cast.company).delete()
    give_authority(cast.company, group=only(cast, cast.approver), rise=50_000, cut=None, needed=2)
    give_authority(cast.company, group=only(cast, pia), rise=50_000, cut=None, needed=2)
    change = propose(cast, 40_000)
    with refused("no_authority"):
        approve(change, deputy)
    lent = lend(cast, cast.approver, deputy)
    way = mandates([change], deputy, on=DAY)[change.pk]
    assert [one.on_behalf_of for one in way] == [cast.approver]
    assert mandates([change], deputy, on=DAY + timedelta(days=7))[change.pk] == []
    half = approve(change, deputy)
    row = LimitDecision.objects.get()
    assert half.is_waiting and (row.on_behalf_of, row.delegation) == (cast.approver, lent)
    assert AuditEntry.objects.get(act="limit.approve_first").data["on_behalf_of"] == cast.approver.pk
    # Neither the two of them again, nor one who stands in for either.
    for person in (cast.approver, deputy):
        with refused("decided_before"):
            approve(change, person)
    lend(cast, pia, deputy)
    with refused("decided_before"):
        approve(change, deputy, on_behalf_of=pia)
    assert approve(change, pia).status == "applied"
    # Nor for who proposed; nor when the person named is not one they stand in for.
    own = propose(cast, 45_000, by=Actor.person(cast.approver))
    with refused("no_authority"):
        approve(own, deputy, on_behalf_of=cast.approver)
    assert [one.on_behalf_of for one in mandates([own], deputy, on=DAY)[own.pk]] == [pia]
    end_delegation(lent, by=cast.approver, today=DAY)
    change = propose_limit_change(
        make_account(cast.company, portfolio=cast.portfolio), eur(1), actor=POLICY, as_of=DAY, reason_code="x"
    )
    assert [one.on_behalf_of for one in mandates([change], deputy, on=DAY)[change.pk]] == [pia]
    # What is lent is worth nothing outside the lender's own portfolio.
    Access.objects.filter(user=pia).update(portfolio=cast.portfolio)
    assert mandates([change], deputy, on=DAY)[change.pk]
    Access.objects.filter(user=pia).update(company=cast.elsewhere.company, portfolio=None)
    assert mandates([change], deputy, on=DAY)[change.pk] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"by": "deputy"}, "delegate"),
        ({"by": "controller"}, "delegator"),
        ({"delegate": "controller"}, "delegate"),
        ({"delegate": "stranger"}, "delegate"),
        ({"delegate": "approver"}, "delegate"),
        ({"delegator": "controller", "by": "controller"}, "company"),
        ({"first": DAY - timedelta(days=1)}, "starts_on"),
        ({"last": DAY - timedelta(days=1)}, "ends_on"),
        ({"last": DAY + timedelta(days=400)}, "ends_on"),
        ({"reason": " "}, "reason"),
    ],
)
def test_delegations_that_are_refused(cast, deputy, change, field):
    people = {"deputy": deputy, **{n: getattr(cast, n) for n in ("controller", "approver", "stranger")}}
    wanted = {
        name: people.get(value, value) if isinstance(value, str) else value for name, value in change.items()
    }
    with pytest.raises(DelegationError) as error:
        lend(
            cast,
            wanted.pop("delegator", cast.approver),
            wanted.pop("delegate", deputy),
            **wanted,
        )
    assert error.value.field == field


def test_overlapping_delegations_and_ends(cast, deputy, pia):
    row = lend(cast, cast.approver, deputy)
    with pytest.raises(DelegationError, match="stands in already"):
        lend(cast, cast.approver, deputy, first=DAY + timedelta(days=3), last=DAY + timedelta(days=30))
    with pytest.raises(DelegationError, match="two people concerned"):
        end_delegation(row, by=pia, today=DAY)
    end_delegation(row, by=deputy, today=DAY)
    with pytest.raises(DelegationError, match="over already"):
        end_delegation(row, by=deputy, today=DAY)
    lend(cast, cast.approver, deputy, first=DAY + timedelta(days=3))
    acts = list(
        AuditEntry.objects.filter(subject_type="customers.approvaldelegation").values_list("act", flat=True)
    )
    assert sorted(acts) == ["limit.delegate", "limit.delegate", "limit.delegation_ended"]


def test_small_rises_go_through_together_and_the_others_are_named(cast, pia):
    good = {"grade": "A", "score": 90, "overdue": {"minor": 0, "currency": "EUR"}}
    accounts = [make_account(cast.company, f"Co {n}", portfolio=cast.portfolio) for n in range(7)]
    for account in accounts:
        set_limit(cast, account, 10_000)
    amounts = [10_500, 13_000, 10_500, 9_000, 10_500, 10_500, 10_500]
    changes = [
        propose(cast, amount, account=account, evidence=good)
        for amount, account in zip(amounts, accounts, strict=True)
    ]
    own = changes[4]
    own = amend_limit_change(
        own, eur(10_600), actor=Actor.person(pia), as_of=DAY, reason_code="other", evidence=good
    )
    changes[4] = own
    place_hold(accounts[5], reason_code="person", actor=POLICY, on=DAY)
    now = {account.pk: dict(good) for account in accounts}
    now[accounts[2].pk] |= {"overdue": {"minor": 777_700, "currency": "EUR"}}
    now[accounts[6].pk] |= {"grade": "C"}
    outcome = approve_small_rises(
        changes,
        approver=pia,
        reason="small step",
        on=DAY,
        terms=terms_of([cast.company]),
        evidence=now,
    )
    assert [change.pk for change in outcome.applied] == [changes[0].pk]
    why = {change.pk: str(error) for change, error in outcome.refused}
    words = [
        "",
        "more than 25",
        "grew worse",
        "Only rises",
        "proposed this yourself",
        "hold waits",
        "grade is worse",
    ]
    assert all(words[n] in why[changes[n].pk] for n in range(1, 7)), why
    assert limit_at(accounts[0], DAY).in_force == eur(10_500)
    assert LimitDecision.objects.filter(decided_by=pia).get().evidence["score"] == 90
    assert LimitChange.objects.filter(status="proposed").count() == 6
    # The same list again: what is decided is named as such, nothing moves twice.
    again = approve_small_rises(
        LimitChange.objects.filter(pk=changes[0].pk).select_related("account__company"),
        approver=pia, reason="again", on=DAY, terms=terms_of([cast.company]), evidence=now,
    )  # fmt: skip
    assert [error.code for _change, error in again.refused] == ["decided"]


def test_what_waits_is_reminded_of_goes_overdue_and_expires(cast, django_assert_max_num_queries):
    rise, cut = propose(cast, 10_000), None
    other = make_account(cast.company, portfolio=cast.portfolio)
    set_limit(cast, other, 5_000)
    cut = propose(cast, 1_000, account=other)
    event = propose(
        cast,
        500,
        account=make_account(cast.company, portfolio=cast.portfolio),
        proposer_kind="event",
        by=POLICY,
    )
    season = propose(cast, 20_000, kind="temporary", valid_from=DAY, valid_until=DAY + timedelta(days=9))
    terms = terms_of([cast.company])[cast.company.pk]
    rise.account = cast.account
    assert clock_of(rise, terms, DAY).days_left(DAY) == 30
    assert run_clock(cast.company, DAY + timedelta(days=1)).reminded == 0
    wednesday, monday, friday = (DAY + timedelta(days=n) for n in (2, 7, 11))
    run = run_clock(cast.company, wednesday)
    assert (run.waiting, run.reminded, run.overdue, run.expired) == (4, 4, 0, 0)
    assert run_clock(cast.company, wednesday).reminded == 0, "the same night twice"
    with django_assert_max_num_queries(12):
        run = run_clock(cast.company, monday)  # five business days on: the second reminder, and overdue
    assert (run.reminded, run.overdue, run.expired) == (4, 4, 0)
    run = run_clock(cast.company, friday)
    assert (run.expired, run.reminded, run.overdue) == (1, 3, 0), "the season is over"
    season.refresh_from_db()
    assert (season.status, season.decided_by) == ("expired", None)
    run = run_clock(cast.company, DAY + timedelta(days=40))
    assert run.expired == 1 and run.reminded == 2, "missed nights are made up with one reminder"
    states = {c.pk: c.status for c in LimitChange.objects.filter(status__in=["proposed", "expired"])}
    assert states == {rise.pk: "expired", cut.pk: "proposed", event.pk: "proposed", season.pk: "expired"}
    entry = AuditEntry.objects.get(act="limit.expire", subject_pk=str(rise.pk))
    assert (entry.reason_code, entry.actor_name) == ("not_decided_in_time", "approval clock")
    with refused("decided"):
        approve(rise, cast.approver)
    ApprovalTerms.objects.create(company=cast.company, expire_cut_after_days=20, remind_after_days=None)
    before = LimitReminder.objects.count()
    assert run_clock(cast.company, DAY + timedelta(days=41)).expired == 1
    assert LimitReminder.objects.count() == before
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        LimitReminder.objects.all().delete()
    propose(cast, 10_000, on=DAY + timedelta(days=41))  # another one may be proposed


def test_what_moved_between_two_looks():
    def money(minor):
        return {"minor": minor, "currency": "EUR"}

    then = {
        "grade": "B", "score": 70, "exposure": {"total": money(100_00), "cover": money(0)}, "overdue": money(0),
        "oldest_days_past_due": 0, "customer_status": "active", "history": {}, "limit": {"in_force": money(50_00)},
    }  # fmt: skip
    assert moves(then, then) == [] and fingerprint(then) == fingerprint(dict(then))

    def found(**now):
        return {m.code: (m.tells, m.is_material) for m in moves(then, then | now, eur(150))}

    assert found(score=67) == {"score": ("worse", False)}
    assert found(score=64, grade="C") == {"score": ("worse", True), "grade": ("worse", True)}
    assert found(score=90, grade="A") == {"score": ("better", False), "grade": ("better", False)}
    assert found(overdue=money(1), oldest_days_past_due=3) == {
        "overdue": ("worse", True),
        "oldest_days_past_due": ("worse", True),
    }
    assert found(exposure={"total": money(105_00), "cover": money(0)}) == {"exposure": ("neutral", False)}
    assert found(exposure={"total": money(151_00), "cover": money(0)}) == {
        "exposure": ("neutral", True),
        "exposure_above_limit": ("worse", True),
    }
    assert found(customer_status="on_hold")["customer_status"] == ("worse", True)
    assert found(history={"broken_promises": 1})["broken_promises"] == ("worse", True)
    assert found(limit={"in_force": money(40_00)})["limit"] == ("neutral", True)
    assert found(grade="", score=None) == {"grade": ("worse", True), "score": ("worse", True)}
    assert fingerprint(then | {"overdue": money(1)}) != fingerprint(then)
    aged = then | {"oldest_days_past_due": 31}
    assert moves(aged, aged | {"oldest_days_past_due": 35})[0].is_material is False
    assert moves(aged, aged | {"oldest_days_past_due": 61})[0].is_material is True


def test_who_may_names_the_groups(cast, matrix):
    from scoring.limit_inbox import who_may

    small, large = propose(cast, 5_000), propose(cast, 50_000, kind="temporary", valid_until=DAY)
    covering = authorities([small, large], on=DAY)
    assert who_may(covering[small.pk]) == [roles.APPROVER]
    assert who_may(covering[large.pk]) == [f"{roles.APPROVER} ×2"]
