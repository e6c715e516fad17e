"""Deciding a limit change: approving it alone or as one of two, rejecting it; and closing one nobody decided in time.

One verb, one function, one transaction under the lock of the account. What the database guarantees about decisions:
customers/migrations/0011_approval_guards.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from creditdesk.core.wording import day
from customers.approval_rules import ApprovalError
from customers.approval_steps import about, close_change, decided, lock_change, put_in_force
from customers.events import limit_applied
from customers.holds import release_holds_of
from customers.limits import limit_at
from customers.mandates import Mandate, check_may_decide, standing_approvals
from customers.models import CreditAccount, CreditLimit, Customer, LimitChange, LimitDecision, LimitKind

Status = LimitChange.Status
Verdict = LimitDecision.Verdict


@transaction.atomic
def approve_limit_change(
    change: LimitChange,
    *,
    approver: User,
    reason: str,
    on: date,
    grade_now: str = "",
    on_behalf_of: User | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> LimitChange:
    """Apply a waiting change from `on` (business date) on, or be the first of the two people it takes.

    The change returned is applied, or still waiting for a second person. grade_now: the account's grade today, if
    scored. on_behalf_of: whom the approver stands in for; evidence: the facts as the approver saw them, kept with
    the decision. Raises ApprovalError: decided, decided_before, own_proposal, no_authority, out_of_scope,
    not_allowed, no_reason, limit_moved (the limit is no longer the one the change started from), period_over, dates
    (another temporary limit runs then), customer_insolvent.
    """
    account, waiting = lock_change(change)
    mandate = _check_decision(waiting, approver, reason, grade_now, on, on_behalf_of)
    _check_still_fits(account, waiting, on)
    # An approval counts while the authority it was given under still covers the change.
    earlier = standing_approvals(waiting, grade_now=grade_now, on=on)
    decision = _record_decision(waiting, mandate, Verdict.APPROVE, approver, reason, on, evidence)
    actor = Actor.person(approver)
    if not (mandate.decides_alone or earlier):
        record_act(
            "limit.approve_first",
            actor=actor,
            subject=waiting,
            reason_code=waiting.reason_code,
            note=reason.strip(),
            business_date=on,
            data=about(waiting, decision),
            changes=[Change.of(decision, None, decided(decision))],
        )
        return waiting
    close_change(
        *(waiting, Status.APPLIED),
        actor=actor,
        on=on,
        reason_code=waiting.reason_code,
        reason=reason,
        decision=decision,
    )
    put_in_force(waiting, on)
    release_holds_of(waiting, by=approver, on=on, reason=reason)
    limit_applied.send(sender=LimitChange, change=waiting)
    return waiting


def _check_still_fits(account: CreditAccount, waiting: LimitChange, on: date) -> None:
    """What must hold for a change to be applied on a day, whoever approves it."""
    before = limit_at(account, on).base
    if before != waiting.old_amount:
        raise ApprovalError(
            "limit_moved",
            _("The limit is %(now)s meanwhile, not %(then)s: amend the change or reject it.")
            % {"now": _amount(before), "then": _amount(waiting.old_amount)},
            waiting,
        )
    if waiting.is_rise and account.customer.status in (Customer.Status.INSOLVENT, Customer.Status.CLOSED):
        raise ApprovalError(
            "customer_insolvent",
            _("The customer is %(status)s: reject the rise, or correct the status first.")
            % {"status": account.customer.get_status_display()},
            waiting,
        )
    if waiting.valid_until is not None and waiting.valid_until < on:
        raise ApprovalError(
            "period_over", _("The temporary limit would have ended already: amend its dates."), waiting
        )
    if waiting.kind == LimitKind.TEMPORARY:
        _check_period(waiting, max(on, waiting.valid_from))


@transaction.atomic
def reject_limit_change(
    change: LimitChange,
    *,
    approver: User,
    reason: str,
    on: date,
    grade_now: str = "",
    on_behalf_of: User | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> LimitChange:
    """Decide that the limit stays as it is. Needs authority over the change as approving does, but of one person."""
    _account, waiting = lock_change(change)
    mandate = _check_decision(waiting, approver, reason, grade_now, on, on_behalf_of)
    decision = _record_decision(waiting, mandate, Verdict.REJECT, approver, reason, on, evidence)
    actor = Actor.person(approver)
    close_change(
        *(waiting, Status.REJECTED),
        actor=actor,
        on=on,
        reason_code=waiting.reason_code,
        reason=reason,
        decision=decision,
    )
    release_holds_of(waiting, by=approver, on=on, reason=reason)
    return waiting


@transaction.atomic
def expire_limit_change(change: LimitChange, *, actor: Actor, on: date, reason_code: str) -> LimitChange:
    """Close a change nobody decided in time; the limit stays as it is (customers/approval_clock.py says which)."""
    _account, waiting = lock_change(change)
    close_change(waiting, Status.EXPIRED, actor=actor, on=on, reason_code=reason_code)
    return waiting


def _check_period(change: LimitChange, starts: date) -> None:
    """The database refuses overlapping temporary limits (trigger); here the reader learns which one is in the way."""
    there = CreditLimit.objects.filter(
        account_id=change.account_id,
        kind=LimitKind.TEMPORARY,
        valid_from__lte=change.valid_until,
        valid_until__gte=starts,
    ).first()
    if there is not None:
        raise ApprovalError(
            "dates",
            _("A temporary limit of %(amount)s runs until %(day)s: amend the dates.")
            % {"amount": there.amount, "day": day(there.valid_until)},
            change,
        )


def _check_decision(
    change: LimitChange, approver: User, reason: str, grade_now: str, on: date, on_behalf_of: User | None
) -> Mandate:
    mandate = check_may_decide(approver, change, grade_now=grade_now, on=on, on_behalf_of=on_behalf_of)
    if not reason.strip():
        raise ApprovalError("no_reason", _("Write down why: the reason stays with the decision."), change)
    return mandate


def _record_decision(
    change: LimitChange,
    mandate: Mandate,
    verdict: str,
    approver: User,
    reason: str,
    on: date,
    evidence: Mapping[str, Any] | None,
) -> LimitDecision:
    """Store who decided, with which authority and on which facts; the database checks all of it again."""
    return LimitDecision.objects.create(
        change=change,
        verdict=verdict,
        decided_by=approver,
        on_behalf_of=mandate.on_behalf_of,
        delegation=mandate.delegation,
        decided_on=on,
        reason=reason.strip(),
        direction=mandate.need.direction,
        currency=change.currency,
        amount=mandate.need.amount,
        grade=mandate.need.grade,
        authority_group=mandate.authority.group.name,
        approvers_needed=mandate.authority.approvers_needed,
        evidence=dict(evidence or {}),
    )


def _amount(money: Money | None) -> str:
    return _("not set") if money is None else str(money)
