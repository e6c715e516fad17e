"""Two people, or a person and a rule, at the same moment: the limit moves once. Real threads, real commits.

On SQLite writers queue up at the file (IMMEDIATE transactions); on PostgreSQL the row locks have to hold.
"""

import threading
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, connections

from creditdesk.core import roles
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval import (
    ApprovalError,
    amend_limit_change,
    approve_limit_change,
    propose_limit_change,
    reject_limit_change,
)
from customers.approval_clock import run_clock
from customers.legal import record_legal_event
from customers.limits import limit_at
from customers.models import (
    ApprovalDelegation,
    CreditHold,
    CreditLimit,
    LegalEvent,
    LimitChange,
    LimitDecision,
)
from tests.factories import ACTOR, make_account
from tests.people import give_authority, make_cast, make_user

pytestmark = pytest.mark.django_db(transaction=True)
DAY = date(2026, 3, 2)


def together(*acts):
    """Run the acts at the same moment, each on its own connection; their results or exceptions, in order."""
    start = threading.Barrier(len(acts))
    results = [None] * len(acts)

    def run(number, act):
        try:
            start.wait(timeout=20)
            results[number] = act()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    return results


@pytest.fixture
def people():
    return make_cast()


def waiting(people, amount=10_000, account=None):
    return propose_limit_change(
        account or people.account,
        Money.of(amount, "EUR"),
        actor=Actor.person(people.controller),
        as_of=DAY,
        reason_code="other",
    )


def approve(change, user):
    return lambda: approve_limit_change(
        LimitChange.objects.get(pk=change.pk), approver=user, reason="agreed", on=DAY
    )


def split(results):
    errors = [r for r in results if isinstance(r, Exception)]
    assert all(isinstance(error, ApprovalError) for error in errors), errors
    return [r for r in results if not isinstance(r, Exception)], errors


def test_many_deciders_at_once_apply_it_once(people):
    change = waiting(people)
    deciders = [people.approver] + [
        make_user(f"approver{n}", roles.APPROVER, company=people.company) for n in range(3)
    ]
    done, errors = split(together(*(approve(change, user) for user in deciders)))
    assert (len(done), [e.code for e in errors]) == (1, ["decided"] * 3)
    assert CreditLimit.objects.count() == 1
    assert AuditEntry.objects.filter(act="limit.approve").count() == 1
    assert limit_at(people.account, DAY).in_force == Money.of(10_000, "EUR")


def test_approving_and_rejecting_at_once_leaves_one_decision(people):
    second = make_user("pia", roles.APPROVER, company=people.company)
    change = waiting(people)

    def reject():
        return reject_limit_change(
            LimitChange.objects.get(pk=change.pk), approver=second, reason="no", on=DAY
        )

    done, errors = split(together(approve(change, people.approver), reject))
    assert (len(done), errors[0].code) == (1, "decided")
    change.refresh_from_db()
    assert CreditLimit.objects.count() == (1 if change.status == "applied" else 0)


def test_amending_and_approving_at_once(people):
    change = waiting(people)

    def amend():
        return amend_limit_change(
            LimitChange.objects.get(pk=change.pk),
            Money.of(9_000, "EUR"),
            actor=Actor.person(people.controller),
            as_of=DAY,
            reason_code="other",
        )

    done, errors = split(together(approve(change, people.approver), amend))
    assert (len(done), errors[0].code) == (1, "decided")
    assert LimitChange.objects.filter(status="proposed").count() + CreditLimit.objects.count() == 1


def test_two_proposers_at_once_leave_one_change_waiting(people):
    second = make_user("cora", roles.CONTROLLER, company=people.company)

    def propose(user, amount):
        return lambda: propose_limit_change(
            people.account,
            Money.of(amount, "EUR"),
            actor=Actor.person(user),
            as_of=DAY,
            reason_code="other",
        )

    done, errors = split(together(propose(people.controller, 10_000), propose(second, 20_000)))
    assert (len(done), errors[0].code) == (1, "already_waiting")


def test_an_insolvency_during_an_approval_ends_at_zero_whoever_comes_first(people):
    first = waiting(people)
    approve_limit_change(first, approver=people.approver, reason="agreed", on=DAY)
    for number in range(3):
        account = make_account(people.company, f"Co {number}", portfolio=people.portfolio)
        change = waiting(people, 50_000, account)

        def insolvency(account=account):
            return record_legal_event(
                account.customer, "insolvency", effective_on=DAY, known_on=DAY, source="register", actor=ACTOR
            )

        results = together(approve(change, people.approver), insolvency)
        assert isinstance(results[1], LegalEvent), results
        assert limit_at(account, DAY).in_force == Money.of(0, "EUR")


def test_the_same_event_told_twice_at_once(people):
    def insolvency():
        return record_legal_event(
            people.account.customer,
            "insolvency",
            effective_on=DAY,
            known_on=DAY,
            source="register",
            actor=ACTOR,
        )

    first, second = together(insolvency, insolvency)
    assert first == second
    assert LegalEvent.objects.count() == 1
    assert CreditLimit.objects.count() == 1
    assert not CreditHold.objects.exists()


def test_two_people_who_approve_at_once_apply_it_once_between_them(people):
    """First and second of two at the same instant, with a third: nobody counts twice, nothing is left half-done."""
    give_authority(people.company, rise=None, needed=2)
    others = [make_user(f"approver{n}", roles.APPROVER, company=people.company) for n in range(2)]
    for number in range(3):
        change = waiting(
            people, account=make_account(people.company, f"Two {number}", portfolio=people.portfolio)
        )
        done, errors = split(together(*(approve(change, user) for user in (people.approver, *others))))
        assert (len(done), [e.code for e in errors]) == (2, ["decided"])
        assert sorted(row.status for row in done) == ["applied", "proposed"]
        assert CreditLimit.objects.filter(change=change).count() == 1
        assert change.decisions.count() == 2
    # The same person pressing twice is the first of two once.
    change = waiting(people)
    done, errors = split(together(*[approve(change, people.approver)] * 2))
    assert (len(done), errors[0].code) == (1, "decided_before")
    change.refresh_from_db()
    assert change.is_waiting and not CreditLimit.objects.filter(account=people.account).exists()


def test_delegator_and_deputy_at_once_are_one_pair_of_eyes(people):
    """Through the application, and straight in the database behind its back."""
    give_authority(people.company, rise=None, needed=2)
    deputy = make_user("dan", roles.APPROVER, company=people.company)
    lent = ApprovalDelegation.objects.create(
        delegator=people.approver, delegate=deputy, company=people.company, starts_on=DAY, ends_on=DAY,
        reason="leave", created_by=people.approver,
    )  # fmt: skip
    change = waiting(people)

    def for_the_approver():
        return approve_limit_change(
            LimitChange.objects.get(pk=change.pk),
            approver=deputy,
            reason="agreed",
            on=DAY,
            on_behalf_of=people.approver,
        )

    done, errors = split(together(approve(change, people.approver), for_the_approver))
    assert len(done) == 1 and errors[0].code in ("decided_before", "no_authority")
    assert change.decisions.count() == 1

    raw = waiting(people, account=make_account(people.company, "Raw", portfolio=people.portfolio))
    values = {
        "change": raw, "verdict": "approve", "decided_on": DAY, "reason": "x", "direction": "rise",
        "currency": "EUR", "amount": raw.new_amount, "grade": "E", "approvers_needed": 2,
    }  # fmt: skip
    results = together(
        lambda: LimitDecision.objects.create(**values, decided_by=people.approver),
        lambda: LimitDecision.objects.create(
            **values, decided_by=deputy, on_behalf_of=people.approver, delegation=lent
        ),
    )
    assert sum(isinstance(result, DatabaseError) for result in results) == 1, results
    assert raw.decisions.count() == 1


def test_the_clock_runs_twice_while_somebody_decides(people):
    changes = [
        waiting(people, account=make_account(people.company, f"Late {n}", portfolio=people.portfolio))
        for n in range(3)
    ]
    day = DAY + timedelta(days=30)
    company = people.company
    first, second, decided = together(
        lambda: run_clock(company, day),
        lambda: run_clock(company, day),
        lambda: reject_limit_change(
            LimitChange.objects.get(pk=changes[0].pk), approver=people.approver, reason="late", on=day
        ),
    )
    assert not isinstance(first, Exception) and not isinstance(second, Exception), (first, second)
    states = {change.pk: LimitChange.objects.get(pk=change.pk).status for change in changes}
    assert set(list(states.values())[1:]) == {"expired"}
    was_first = isinstance(decided, LimitChange)
    assert states[changes[0].pk] == ("rejected" if was_first else "expired")
    assert first.expired + second.expired == (2 if was_first else 3)
    assert AuditEntry.objects.filter(act="limit.expire").count() == first.expired + second.expired


def test_threads_had_connections_of_their_own():
    def backend():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return connection.connection  # the object, not its id: an id is free again once it is closed

    first, second = together(backend, backend)
    assert first is not second
