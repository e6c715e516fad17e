"""Whatever people and rules do to the limits of an account, in any order, the rules of DESIGN.md 2, 3 and 7 hold."""

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from creditdesk.core import roles
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval import (
    ApprovalError,
    amend_limit_change,
    apply_automatic_cut,
    approve_limit_change,
    propose_limit_change,
    reject_limit_change,
    withdraw_limit_change,
)
from customers.limits import limit_at
from customers.models import ApprovalDelegation, CreditLimit, LimitChange
from tests.factories import make_account
from tests.people import give_authority, make_user
from tests.properties import examples

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)
AMOUNTS = st.sampled_from([0, 1_000, 5_000, 10_000, 20_000])
PEOPLE = st.sampled_from(["bea", "pia", "dan for bea", "policy"])
VERBS = st.sampled_from(["propose", "temporary", "amend", "approve", "reject", "withdraw", "cut", "wait"])
STEPS = st.lists(st.tuples(VERBS, PEOPLE, AMOUNTS), min_size=1, max_size=14)


class World:
    """An account and what has been done to it, with the model the database is compared with."""

    def __init__(self, cast, users):
        self.account = make_account(cast.company, portfolio=cast.portfolio)
        self.users, self.day = users, DAY
        self.base = None  # the model: the base limit in force

    def actor(self, name):
        return Actor.person(self.users[name]) if name in self.users else Actor.policy("limit policy")

    def waiting(self):
        return LimitChange.objects.filter(account=self.account, status="proposed").order_by("?").first()

    def do(self, verb, name, amount):
        money, actor = Money.of(amount, "EUR"), self.actor(name)
        change = LimitChange.objects.filter(account=self.account).order_by("pk").last()
        if verb == "wait":
            self.day += timedelta(days=1)
        elif verb in ("propose", "temporary"):
            extra = {"kind": "temporary", "valid_until": self.day} if verb == "temporary" else {}
            propose_limit_change(
                self.account, money, actor=actor, as_of=self.day, reason_code="other", **extra
            )
        elif verb == "cut":
            if apply_automatic_cut(
                self.account, money, actor=Actor.policy("x"), on=self.day, reason_code="insolvency"
            ):
                self.base = money
        elif change is None:
            return
        elif verb == "amend":
            amend_limit_change(change, money, actor=actor, as_of=self.day, reason_code="other")
        elif verb == "withdraw":
            withdraw_limit_change(change, actor=actor, reason="mistake", on=self.day)
        elif name in self.users:
            verb_function = approve_limit_change if verb == "approve" else reject_limit_change
            done = verb_function(
                change,
                approver=self.users[name],
                reason="because",
                on=self.day,
                on_behalf_of=self.users["bea"] if name == "dan for bea" else None,
            )
            if done.status == "applied" and done.kind == "base":
                self.base = done.new_amount


def people(cast):
    """Two who propose and decide, and one who decides for the first of them."""
    users = {
        name: type(cast.approver).objects.filter(username=name).first()
        or make_user(name, roles.CONTROLLER, roles.APPROVER, company=cast.company)
        for name in ("bea", "pia", "dan")
    }
    users["dan for bea"] = users.pop("dan")
    ApprovalDelegation.objects.get_or_create(
        delegator=users["bea"], delegate=users["dan for bea"], company=cast.company, starts_on=DAY,
        defaults={"ends_on": DAY + timedelta(days=99), "reason": "leave", "created_by": users["bea"]},
    )  # fmt: skip
    return users


@settings(
    max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, needed=st.sampled_from([1, 2]))
@example(steps=[("temporary", "bea", 0), ("approve", "pia", 0)] * 2, needed=1)
@example(steps=[("propose", "policy", 1_000), ("approve", "dan for bea", 0), ("approve", "bea", 0)], needed=2)
@example(steps=[("propose", "pia", 1_000), ("approve", "bea", 0), ("approve", "dan for bea", 0)], needed=2)
def test_any_sequence_of_acts_keeps_the_rules(cast, steps, needed):
    users = people(cast)
    give_authority(cast.company, needed=needed)
    world = World(cast, users)
    for verb, name, amount in steps:
        before = limit_at(world.account, world.day).base
        try:
            world.do(verb, name, amount)
        except ApprovalError:
            assert limit_at(world.account, world.day).base == before, "a refusal moves nothing"
        assert limit_at(world.account, world.day).base == world.base
    changes = list(LimitChange.objects.filter(account=world.account).prefetch_related("decisions"))
    limits = CreditLimit.objects.filter(account=world.account).select_related("change")
    assert {limit.change_id for limit in limits} == {c.pk for c in changes if c.status == "applied"}
    for limit in limits:
        assert (limit.amount, limit.kind) == (limit.change.new_amount, limit.change.kind)
    for change in changes:
        assert change.proposer_name
        assert change.proposer_id is None or change.proposer_id != change.decided_by_id
        if change.status in ("applied", "rejected"):
            assert change.decided_by_id or (change.is_automatic and not change.is_rise)
        acts = AuditEntry.objects.filter(subject_type="customers.limitchange", subject_pk=str(change.pk))
        decisions = list(change.decisions.all())
        first = sum(row.verdict == "approve" for row in decisions) - (
            change.status == "applied" and not change.is_automatic
        )
        assert acts.count() == (1 if change.is_automatic or change.is_waiting else 2) + first
        # Nobody decides twice, in person or by deputy, and nobody what they or whom they stand in for proposed.
        people_used = [pk for row in decisions for pk in row.people]
        assert len(people_used) == len(set(people_used))
        assert change.proposer_id not in people_used
        if change.status == "applied" and not change.is_automatic:
            assert [row.verdict for row in decisions] == ["approve"] * needed
    assert sum(change.is_waiting and change.kind == "base" for change in changes) <= 1
