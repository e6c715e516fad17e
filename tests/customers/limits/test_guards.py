"""What the database itself refuses, whoever asks it: raw SQL behind the application's back."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from creditdesk.core import roles
from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.approval import ApprovalError, apply_automatic_cut, approve_limit_change, propose_limit_change
from customers.holds import place_hold, release_hold
from customers.models import ApprovalDelegation, CreditLimit, LimitChange, LimitDecision
from scoring.models import LimitPolicy
from tests.people import give_authority, make_user

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)
SOON, LATER = DAY + timedelta(days=10), DAY + timedelta(days=20)


def eur(amount):
    return Money.of(amount, "EUR")


@pytest.fixture
def waiting(cast):
    return propose(cast, 10_000)


@pytest.fixture
def applied(cast, waiting):
    return approve_limit_change(waiting, approver=cast.approver, reason="agreed", on=DAY)


def propose(cast, amount, **extra):
    return propose_limit_change(
        cast.account,
        eur(amount),
        actor=Actor.person(extra.pop("by", cast.controller)),
        as_of=DAY,
        reason_code="other",
        **extra,
    )


def refuse(sql, params=(), words=""):
    with pytest.raises(DatabaseError, match=words or None), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql, params)


def copy_limit(**values):
    """SQL that inserts a copy of the first limit row with other values (all SQL literals)."""
    columns = [
        "account_id",
        "kind",
        "currency",
        "amount",
        "valid_from",
        "valid_until",
        "change_id",
        "recorded_at",
    ]
    picked = ", ".join(str(values.get(column, column)) for column in columns)
    return (
        f"INSERT INTO customers_creditlimit ({', '.join(columns)}) "
        f"SELECT {picked} FROM customers_creditlimit ORDER BY id LIMIT 1"
    )


DECISION = (
    "INSERT INTO customers_limitdecision (change_id, verdict, decided_by_id, on_behalf_of_id, delegation_id, "
    "decided_on, decided_at, reason, direction, currency, amount, grade, authority_group, approvers_needed, evidence) "
    "VALUES (%s, %s, %s, %s, %s, '2026-03-02', '2026-03-02 10:00', 'x', %s, 'EUR', %s, %s, 'approver', %s, '{}')"
)
CLOSE = (
    "UPDATE customers_limitchange SET status = %s, decided_at = proposed_at, decided_by_id = %s WHERE id = %s"
)


def decision(change, by, *, verdict="approve", of=None, delegation=None, direction="rise", amount=1_000_000,
             grade="E", needed=1):  # fmt: skip
    return [
        change.pk,
        verdict,
        by.pk,
        of and of.pk,
        delegation and delegation.pk,
        direction,
        amount,
        grade,
        needed,
    ]


def execute(sql, params):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)


def test_the_proposer_as_decider(cast, waiting):
    both = make_user("bea", roles.APPROVER, roles.CONTROLLER, company=cast.company)
    own = propose(cast, 20_000, kind="temporary", valid_until=LATER, by=both)
    refuse(DECISION, decision(own, both, amount=2_000_000), "their own proposal")
    execute(DECISION, decision(own, cast.approver, amount=2_000_000))
    refuse(CLOSE, ["applied", both.pk, own.pk], "only by the decisions")
    # Without the trigger on decisions, the change itself still refuses its proposer.
    names = {constraint.name for constraint in LimitChange._meta.constraints}
    assert "limit_change_four_eyes" in names


def test_a_change_moves_only_with_the_decisions_its_authority_asks_for(cast, waiting):
    refuse(CLOSE, ["applied", None, waiting.pk], "only by the decisions")
    refuse(CLOSE, ["applied", cast.approver.pk, waiting.pk], "only by the decisions")
    refuse(CLOSE, ["rejected", cast.approver.pk, waiting.pk], "only by the decisions")
    give_authority(cast.company, needed=2)
    second = make_user("pia", roles.APPROVER, company=cast.company)
    # Who has no authority, or claims another one than is there: another direction, amount, grade, or "alone".
    refuse(DECISION, decision(waiting, cast.manager), "no authority covers")
    for claim in ({"needed": 1}, {"direction": "cut"}, {"amount": 1}, {"grade": ""}):
        refuse(DECISION, decision(waiting, cast.approver, **{"needed": 2} | claim), "no authority covers")
    execute(DECISION, decision(waiting, cast.approver, needed=2))
    refuse(CLOSE, ["applied", cast.approver.pk, waiting.pk], "only by the decisions")
    refuse(DECISION, decision(waiting, cast.approver, needed=2))
    execute(DECISION, decision(waiting, second, needed=2))
    with transaction.atomic(), pytest.raises(DatabaseError, match="append-only"):
        LimitDecision.objects.update(verdict="reject")
    execute(CLOSE, ["applied", second.pk, waiting.pk])
    third = make_user("tea", roles.APPROVER, company=cast.company)
    refuse(DECISION, decision(waiting, third, needed=2), "only a waiting change")
    refuse("DELETE FROM customers_limitdecision", words="append-only")


def test_a_rejection_stands_in_the_way_of_applying(cast, waiting):
    second = make_user("pia", roles.APPROVER, company=cast.company)
    execute(DECISION, decision(waiting, cast.approver, verdict="reject"))
    execute(DECISION, decision(waiting, second))
    refuse(CLOSE, ["applied", second.pk, waiting.pk], "only by the decisions")


def test_deputies_in_the_database(cast, waiting):
    """Under a delegation in force only, never for the proposer, and no authority twice whoever uses it."""
    pia, tea = (make_user(name, roles.APPROVER, company=cast.company) for name in ("pia", "tea"))

    def delegated(delegator, delegate, **extra):
        return ApprovalDelegation.objects.create(
            **{"delegator": delegator, "delegate": delegate, "company": cast.company, "starts_on": DAY,
               "ends_on": LATER, "reason": "leave", "created_by": delegator} | extra
        )  # fmt: skip

    good = delegated(cast.approver, pia)
    over = delegated(cast.approver, pia, starts_on=DAY - timedelta(9), ends_on=DAY - timedelta(1))
    other = delegated(cast.approver, pia, company=cast.elsewhere.company)
    ended = delegated(cast.approver, pia, revoked_at="2026-03-01T10:00Z", revoked_by=cast.approver)
    from_proposer = delegated(cast.controller, pia)
    for wrong in (over, other, ended, from_proposer):
        refuse(DECISION, decision(waiting, pia, of=cast.approver, delegation=wrong), "delegation in force")
    refuse(DECISION, decision(waiting, pia, of=cast.approver), "limit_decision_deputy")
    refuse(DECISION, decision(waiting, tea, of=cast.approver, delegation=good), "delegation in force")
    own = propose(cast, 20_000, kind="temporary", valid_until=LATER, by=tea)
    standing_in = decision(own, pia, of=tea, delegation=delegated(tea, pia), amount=2_000_000)
    refuse(DECISION, standing_in, "for its proposer")
    execute(DECISION, decision(waiting, pia, of=cast.approver, delegation=good))
    refuse(DECISION, decision(waiting, cast.approver), "nobody decides twice")
    to_tea = delegated(pia, tea)
    refuse(DECISION, decision(waiting, tea, of=pia, delegation=to_tea), "nobody decides twice")
    for columns in ("ends_on = '2030-01-01'", "delegate_id = delegator_id", "reason = 'x'"):
        refuse(f"UPDATE customers_approvaldelegation SET {columns} WHERE id = {good.pk}", words="append-only")
    refuse(f"UPDATE customers_approvaldelegation SET revoked_at = NULL WHERE id = {ended.pk}")
    for wrong in ({"delegate": cast.approver}, {"created_by": pia}, {"ends_on": DAY - timedelta(1)}):
        with pytest.raises(DatabaseError), transaction.atomic():
            delegated(cast.approver, **{"delegate": pia} | wrong)


def test_a_change_without_proposer(waiting):
    refuse("UPDATE customers_limitchange SET proposer_id = NULL WHERE id = %s", [waiting.pk])
    refuse("UPDATE customers_limitchange SET proposer_name = '' WHERE id = %s", [waiting.pk])


@pytest.mark.parametrize(
    "change",
    ["new_amount = 999", "old_amount = 1", "as_of = '2020-01-01'", "proposer_name = 'x'", "evidence = '{}'"],
)
def test_a_waiting_change_keeps_its_subject(cast, change):
    waiting = propose(cast, 10_000, evidence={"score": 50})
    refuse(f"UPDATE customers_limitchange SET {change} WHERE id = {waiting.pk}", words="amend it")


def test_a_decided_change_is_closed(applied):
    for change in ("decision_reason = 'other'", "status = 'rejected'", "new_amount = 1", "comment = 'x'"):
        refuse(
            f"UPDATE customers_limitchange SET {change} WHERE id = {applied.pk}",
            words="customers_limitchange: ",
        )
    refuse(f"DELETE FROM customers_limitchange WHERE id = {applied.pk}")


def test_a_waiting_change_is_not_deleted(waiting):
    refuse(f"DELETE FROM customers_limitchange WHERE id = {waiting.pk}", words="never deleted")


def test_a_change_that_starts_decided(applied):
    columns = (
        "account_id, kind, currency, old_amount, new_amount, valid_from, reason_code, reason_params, comment, "
        "evidence, as_of, proposer_kind, proposer_id, proposer_name, proposed_at, status, is_automatic, "
        "decided_by_id, decided_at, decision_reason"
    )
    refuse(
        f"INSERT INTO customers_limitchange ({columns}) SELECT {columns} FROM customers_limitchange "
        f"WHERE id = {applied.pk}",
        words="starts as proposed",
    )


def test_an_automatic_change_never_rises(cast, applied):
    cut = apply_automatic_cut(
        cast.account, eur(1_000), actor=Actor.policy("x"), on=DAY, reason_code="insolvency"
    )
    columns = (
        "account_id, kind, currency, valid_from, reason_code, reason_params, comment, evidence, as_of, "
        "proposer_kind, proposer_name, proposed_at, status, is_automatic, decided_at, decision_reason"
    )
    gates = ", policy_ref, gates_failed, automatic_up_to"
    for kind, old, gated, words in (
        ("event", "100000", "1, 0, 100001", "rise_gated"),
        ("import", "100000", "1, 0, 100001", "rise_gated"),
        ("event", "NULL", "1, 0, 100001", "rise_gated"),
        ("policy", "NULL", "1, 0, 100001", "rise_gated"),
        # The policy itself is asked: the shipped one lets no rise through by itself.
        ("policy", "100000", "1, 0, 100001", "waits for nobody"),
    ):
        picked = columns.replace("proposer_kind", f"'{kind}'")
        refuse(
            f"INSERT INTO customers_limitchange ({columns}{gates}, old_amount, new_amount) "
            f"SELECT {picked}, {gated}, {old}, 100001 FROM customers_limitchange WHERE id = {cut.pk}",
            words=words,
        )


def test_a_rise_of_the_policy_is_held_to_the_policy_in_use(cast, applied):
    """Amounts, percentage and cool-down are asked of the active policy; a failed gate or no figure is refused."""
    policy = LimitPolicy.objects.get(status="active")
    own = LimitPolicy.objects.create(
        segment=cast.account.segment,
        version=1,
        valid_from=DAY,
        is_shipped=True,
        auto_rise_amount=200_000,
        auto_limit_amount=1_150_000,
        max_rise_percent=20,
    )
    columns = (
        "account_id, kind, currency, valid_from, reason_code, reason_params, comment, evidence, as_of, "
        "proposer_name, proposed_at, status, decision_reason"
    )

    def rise(to, ref=own.pk, failed="0", up_to="9999999", on=DAY + timedelta(days=90)):
        picked = columns.replace("valid_from", f"'{on}'", 1).replace("proposer_name", "'limit policy'")
        return (
            f"INSERT INTO customers_limitchange ({columns}, proposer_kind, is_automatic, decided_at, old_amount, "
            "new_amount, policy_ref, gates_failed, automatic_up_to) "
            f"SELECT {picked}, 'policy', TRUE, decided_at, 1000000, {to}, {ref}, {failed}, {up_to} "
            f"FROM customers_limitchange WHERE id = {applied.pk}"
        )

    refuse(rise(1_100_000), words="waits for nobody")  # a draft gives nothing away
    LimitPolicy.objects.filter(pk=own.pk).update(status="active")
    refuse(rise(1_150_001), words="waits for nobody")  # beyond the limit for rises at once
    refuse(rise(1_200_001), words="waits for nobody")
    refuse(rise(1_100_000, ref=policy.pk), words="waits for nobody")
    refuse(rise(1_100_000, ref=0), words="waits for nobody")
    refuse(rise(1_100_000, failed="1"), words="rise_gated")
    refuse(rise(1_100_000, failed="NULL"), words="rise_gated")
    refuse(rise(1_100_000, up_to="1099999"), words="rise_gated")
    refuse(rise(1_100_000, up_to="NULL"), words="rise_gated")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(rise(1_100_000))
        made = LimitChange.objects.order_by("pk").last()
        cursor.execute(copy_limit(amount=1_100_000, change_id=made.pk, valid_from=f"'{made.valid_from}'"))
    refuse(rise(1_150_000, on=DAY + timedelta(days=179)), words="waits for nobody")  # 89 days after the last
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(rise(1_150_000, on=DAY + timedelta(days=180)))


def test_a_limit_without_an_applied_change(cast, applied):
    waiting = propose(cast, 20_000)
    refuse(copy_limit(amount=2_000_000, change_id=waiting.pk), words="only through an applied")
    refuse(copy_limit(amount=999, change_id=waiting.pk), words="only through an applied")
    # The same change twice: one limit per change.
    refuse(copy_limit())
    refuse(copy_limit(change_id="NULL"))


def test_a_limit_of_another_account_amount_or_earlier_day(cast, applied):
    change = propose(cast, 20_000)
    execute(DECISION, decision(change, cast.approver, amount=2_000_000))
    execute(CLOSE, ["applied", cast.approver.pk, change.pk])
    right = {"amount": 2_000_000, "change_id": change.pk}
    for wrong in (
        {"account_id": cast.elsewhere.pk},
        {"amount": 2_000_001},
        {"valid_from": "'2026-03-01'"},
        {"currency": "'USD'"},
    ):
        refuse(copy_limit(**right | wrong), words="only through an applied")
    with connection.cursor() as cursor:
        cursor.execute(copy_limit(**right))
    assert CreditLimit.objects.count() == 2


def test_limits_are_never_edited_or_deleted(applied):
    refuse("UPDATE customers_creditlimit SET amount = 999", words="append-only")
    refuse("UPDATE customers_creditlimit SET valid_from = '2020-01-01'", words="append-only")
    refuse("DELETE FROM customers_creditlimit", words="append-only")


def test_overlapping_temporary_limits(cast, applied, monkeypatch):
    first = propose(cast, 15_000, kind="temporary", valid_from=DAY, valid_until=LATER)
    approve_limit_change(first, approver=cast.approver, reason="season", on=DAY)
    second = propose(cast, 16_000, kind="temporary", valid_from=LATER, valid_until=LATER)
    with pytest.raises(ApprovalError, match="EUR runs until"):
        approve_limit_change(second, approver=cast.approver, reason="season", on=DAY)
    # Without the rule that says so, the database still refuses.
    monkeypatch.setattr("customers.deciding._check_period", lambda *_args: None)
    with pytest.raises(DatabaseError, match="one temporary limit"), transaction.atomic():
        approve_limit_change(second, approver=cast.approver, reason="season", on=DAY)


def test_two_waiting_changes_of_a_kind(waiting):
    columns = (
        "account_id, kind, currency, new_amount, valid_from, reason_code, reason_params, comment, evidence, "
        "as_of, proposer_kind, proposer_id, proposer_name, proposed_at, status, is_automatic, decision_reason"
    )
    refuse(
        f"INSERT INTO customers_limitchange ({columns}) SELECT {columns} FROM customers_limitchange "
        f"WHERE id = {waiting.pk}"
    )


def test_holds_are_released_once_by_a_person(cast):
    hold = place_hold(cast.account, reason_code="person", actor=Actor.person(cast.controller), on=DAY)
    refuse("UPDATE customers_credithold SET released_on = '2026-03-03'", words="released_by_a_person")
    refuse("UPDATE customers_credithold SET reason_code = 'x'", words="append-only")
    refuse("DELETE FROM customers_credithold")
    release_hold(hold, by=cast.approver, reason="checked", on=DAY)
    refuse("UPDATE customers_credithold SET released_on = NULL, released_by_id = NULL")
    refuse("UPDATE customers_credithold SET release_reason = 'x'", words="never edited")


def test_a_temporary_limit_without_an_end(cast):
    columns = (
        "account_id, currency, new_amount, valid_from, reason_code, reason_params, comment, evidence, "
        "as_of, proposer_kind, proposer_id, proposer_name, proposed_at, status, is_automatic, decision_reason"
    )
    waiting = propose(cast, 10_000)
    refuse(
        f"INSERT INTO customers_limitchange ({columns}, kind) SELECT {columns}, 'temporary' "
        f"FROM customers_limitchange WHERE id = {waiting.pk}",
        words="limit_change_dates",
    )
