"""Moving a limit: propose, approve, reject, withdraw, amend; and the cut that waits for nobody.

One verb, one function, one transaction: lock the account, check state and authority, save, audit, announce
`limit_applied`. Every verb locks the credit account first, so that two people who decide at once, or a decision
and an automatic cut, come one after the other; the second finds the change decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import AuditEntry, User
from creditdesk.core.money import Money
from creditdesk.core.wording import day
from customers.approval_rules import ApprovalError, check_may_propose
from customers.events import limit_applied
from customers.holds import pass_holds_on, release_holds_of
from customers.limits import limit_at
from customers.mandates import Mandate, check_may_decide, standing_approvals
from customers.models import CreditAccount, CreditLimit, Customer, LimitChange, LimitDecision, LimitKind

__all__ = [
    "ApprovalError",
    "amend_limit_change",
    "apply_automatic_cut",
    "approve_limit_change",
    "expire_limit_change",
    "propose_limit_change",
    "reject_limit_change",
    "supersede_waiting",
    "waiting_change",
    "withdraw_limit_change",
]

Status = LimitChange.Status
ProposerKind = LimitChange.ProposerKind
Verdict = LimitDecision.Verdict

_KINDS = {
    AuditEntry.ActorKind.PERSON: ProposerKind.PERSON,
    AuditEntry.ActorKind.IMPORT: ProposerKind.IMPORT,
    AuditEntry.ActorKind.POLICY: ProposerKind.POLICY,
    AuditEntry.ActorKind.JOB: ProposerKind.POLICY,
}


def lock_account(account_id: int) -> CreditAccount:
    """The account, locked against other decisions; posting to its ledger goes on meanwhile."""
    return (
        CreditAccount.objects.select_for_update(of=("self",), no_key=True)
        .select_related("customer", "company")
        .get(pk=account_id)
    )


def waiting_change(account: CreditAccount, kind: str = LimitKind.BASE) -> LimitChange | None:
    return LimitChange.objects.filter(account=account, kind=kind, status=Status.PROPOSED).first()


@transaction.atomic
def propose_limit_change(
    account: CreditAccount,
    new_amount: Money,
    *,
    actor: Actor,
    as_of: date,
    reason_code: str,
    params: Mapping[str, Any] | None = None,
    comment: str = "",
    evidence: Mapping[str, Any] | None = None,
    kind: str = LimitKind.BASE,
    valid_from: date | None = None,
    valid_until: date | None = None,
    proposer_kind: str | None = None,
) -> LimitChange:
    """Put a new limit before the approvers. At most one change of a kind waits per account.

    valid_from, valid_until: only for a temporary limit (both inclusive). A machine's proposal replaces the one
    a machine made before; what a person proposed, or approved as the first of two, is never pushed aside
    (ApprovalError "already_waiting").
    """
    locked = lock_account(account.pk)
    if actor.user is not None and actor.kind == AuditEntry.ActorKind.PERSON:
        check_may_propose(actor.user, locked)
    proposer_kind = proposer_kind or _KINDS[AuditEntry.ActorKind(actor.kind)]
    waiting = waiting_change(locked, kind)
    if waiting is not None:
        if ProposerKind.PERSON in (waiting.proposer_kind, proposer_kind) or waiting.decisions.exists():
            raise ApprovalError(
                "already_waiting",
                _("A change to %(amount)s is waiting already: amend that one.")
                % {"amount": waiting.new_amount},
                waiting,
            )
        _close(waiting, Status.SUPERSEDED, actor=actor, on=as_of, reason_code="newer_proposal")
    change = _new_change(
        locked,
        new_amount,
        kind=kind,
        as_of=as_of,
        valid_from=valid_from,
        valid_until=valid_until,
        reason_code=reason_code,
        reason_params=dict(params or {}),
        comment=comment,
        evidence=dict(evidence or {}),
        actor=actor,
        proposer_kind=proposer_kind,
    )
    if waiting is not None:
        pass_holds_on(waiting, change)
    return change


@transaction.atomic
def amend_limit_change(
    change: LimitChange,
    new_amount: Money,
    *,
    actor: Actor,
    as_of: date,
    reason_code: str,
    comment: str = "",
    params: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Any] | None = None,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> LimitChange:
    """Replace a waiting change by another amount: who amends becomes its proposer and cannot decide it."""
    account, waiting = _lock(change)
    if actor.user is None:
        raise ApprovalError("not_allowed", _("Only a named person amends a limit change."), waiting)
    check_may_propose(actor.user, account, also_deciders=True)
    _close(waiting, Status.SUPERSEDED, actor=actor, on=as_of, reason_code="amended")
    amended = _new_change(
        account,
        new_amount,
        kind=waiting.kind,
        as_of=as_of,
        valid_from=valid_from or (waiting.valid_from if waiting.kind == LimitKind.TEMPORARY else None),
        valid_until=valid_until or waiting.valid_until,
        reason_code=reason_code,
        reason_params=dict(params or {}),
        comment=comment,
        evidence=dict(evidence or {}),
        actor=actor,
        proposer_kind=ProposerKind.PERSON,
    )
    pass_holds_on(waiting, amended)
    return amended


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
    account, waiting = _lock(change)
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
            data=_about(waiting, decision),
            changes=[Change.of(decision, None, _decided(decision))],
        )
        return waiting
    _close(
        *(waiting, Status.APPLIED),
        actor=actor,
        on=on,
        reason_code=waiting.reason_code,
        reason=reason,
        decision=decision,
    )
    _put_in_force(waiting, on)
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
    _account, waiting = _lock(change)
    mandate = _check_decision(waiting, approver, reason, grade_now, on, on_behalf_of)
    decision = _record_decision(waiting, mandate, Verdict.REJECT, approver, reason, on, evidence)
    actor = Actor.person(approver)
    _close(
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
    _account, waiting = _lock(change)
    _close(waiting, Status.EXPIRED, actor=actor, on=on, reason_code=reason_code)
    return waiting


@transaction.atomic
def withdraw_limit_change(change: LimitChange, *, actor: Actor, reason: str, on: date) -> LimitChange:
    """Take back one's own proposal. A person takes back what they proposed, the policy what it did."""
    _account, waiting = _lock(change)
    own = (
        waiting.proposer_id == actor.user.pk
        if actor.user
        else _KINDS.get(AuditEntry.ActorKind(actor.kind)) == waiting.proposer_kind
    )
    if not own:
        raise ApprovalError(
            "not_allowed", _("Only who proposed a change takes it back; others reject it."), waiting
        )
    _close(waiting, Status.WITHDRAWN, actor=actor, on=on, reason_code="withdrawn", reason=reason)
    return waiting


@transaction.atomic
def apply_automatic_cut(
    account: CreditAccount,
    new_amount: Money,
    *,
    actor: Actor,
    on: date,
    reason_code: str,
    params: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> LimitChange | None:
    """Cut the base limit at once, without waiting for anybody; for hard causes. None: there is nothing to cut.

    The cut ends temporary limits too. Where no limit was ever decided only a cut to zero says something: any
    other amount would grant credit. Whatever was waiting for the account is replaced. Never for natural
    persons (ValueError): place a hold.
    """
    locked = lock_account(account.pk)
    if locked.customer.is_natural_person:
        raise ValueError("An automatic cut of a natural person's limit needs a named person: place a hold")
    supersede_waiting(locked, actor=actor, on=on)
    limit = limit_at(locked, on)
    if limit.in_force is not None and limit.in_force <= new_amount:
        return None
    if new_amount.minor and (limit.base is None or limit.base <= new_amount):
        return None
    change = _new_change(
        locked,
        new_amount,
        kind=LimitKind.BASE,
        as_of=on,
        reason_code=reason_code,
        reason_params=dict(params or {}),
        evidence=dict(evidence or {}),
        actor=actor,
        proposer_kind=ProposerKind.EVENT,
        status=Status.APPLIED,
        is_automatic=True,
        decided_at=timezone.now(),
    )
    _put_in_force(change, on)
    limit_applied.send(sender=LimitChange, change=change)
    return change


def supersede_waiting(
    account: CreditAccount, *, actor: Actor, on: date, reason_code: str = "hard_cause"
) -> list[LimitChange]:
    """Close every change that waits for an account because something stronger came. The account is locked."""
    waiting = list(LimitChange.objects.filter(account=account, status=Status.PROPOSED))
    for change in waiting:
        _close(change, Status.SUPERSEDED, actor=actor, on=on, reason_code=reason_code)
    return waiting


def _lock(change: LimitChange) -> tuple[CreditAccount, LimitChange]:
    """Lock account, then change (always in this order), and make sure that nobody decided it meanwhile."""
    account = lock_account(change.account_id)
    waiting = (
        LimitChange.objects.select_for_update(of=("self",)).select_related("decided_by").get(pk=change.pk)
    )
    waiting.account = account
    if not waiting.is_waiting:
        by = waiting.decided_by.get_username() if waiting.decided_by else ""
        text = _("%(who)s was faster: this change is %(status)s.") if by else _("This change is %(status)s.")
        raise ApprovalError("decided", text % {"who": by, "status": waiting.get_status_display()}, waiting)
    return account, waiting


def _amount(money: Money | None) -> str:
    return _("not set") if money is None else str(money)


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


def _new_change(
    account: CreditAccount,
    new_amount: Money,
    *,
    kind: str,
    as_of: date,
    actor: Actor,
    proposer_kind: str,
    valid_from: date | None = None,
    valid_until: date | None = None,
    **fields: Any,
) -> LimitChange:
    base = limit_at(account, as_of).base
    _check_amount(account, new_amount, base, kind)
    if kind == LimitKind.BASE:
        valid_from, valid_until = as_of, None
    elif valid_until is None or valid_until < max(valid_from or as_of, as_of):
        raise ApprovalError("dates", _("A temporary limit needs a last day, not before its first or today."))
    change = LimitChange.objects.create(
        account=account,
        kind=kind,
        currency=account.currency,
        old_amount=base,
        new_amount=new_amount,
        valid_from=max(valid_from or as_of, as_of),
        valid_until=valid_until,
        as_of=as_of,
        proposer_kind=proposer_kind,
        proposer=actor.user,
        proposer_name=actor.name[:80],
        **fields,
    )
    record_act(
        "limit.propose"
        if not change.is_automatic
        else "limit.rise_at_once"
        if change.is_rise
        else "limit.cut_at_once",
        actor=actor,
        subject=change,
        reason_code=change.reason_code,
        business_date=as_of,
        data={"account": account.pk, "kind": kind},
        changes=[Change.of(change, None, _facts(change))],
    )
    return change


def _check_amount(account: CreditAccount, new_amount: Money, base: Money | None, kind: str) -> None:
    if new_amount.currency != account.currency:
        raise ApprovalError(
            "wrong_currency",
            _("Limits of this account are in %(currency)s.") % {"currency": account.currency},
        )
    if new_amount.minor < 0:
        raise ApprovalError("negative", _("A limit is zero or more."))
    if new_amount == base:
        raise ApprovalError("same_amount", _("The limit is %(amount)s already.") % {"amount": base})
    if kind == LimitKind.TEMPORARY and base is not None and new_amount < base:
        raise ApprovalError(
            "dates", _("A temporary limit is higher than the base limit: propose a cut instead.")
        )


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


def _put_in_force(change: LimitChange, on: date) -> None:
    """Write the limit row: in force from the day of the decision (or the later first day of a temporary one)."""
    latest = (
        CreditLimit.objects.filter(account_id=change.account_id, kind=LimitKind.BASE)
        .order_by("-valid_from")
        .values_list("valid_from", flat=True)
        .first()
    )
    # An installation whose business date was set back must not decide into its own past.
    starts = (
        max(on, change.valid_from, latest or on)
        if change.kind == LimitKind.BASE
        else max(on, change.valid_from)
    )
    CreditLimit.objects.create(
        account_id=change.account_id,
        kind=change.kind,
        currency=change.currency,
        amount=change.new_amount,
        valid_from=starts,
        valid_until=change.valid_until,
        change=change,
    )


def _facts(change: LimitChange) -> dict[str, Any]:
    return {
        "status": change.status,
        "kind": change.kind,
        "old_amount": change.old_amount.minor if change.old_amount is not None else None,
        "new_amount": change.new_amount.minor,
        "currency": change.currency,
        "valid_until": change.valid_until,
    }


def _decided(decision: LimitDecision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "decided_by": decision.decided_by_id,
        "on_behalf_of": decision.on_behalf_of_id,
        "authority": decision.authority_group,
        "approvers_needed": decision.approvers_needed,
        "grade": decision.grade,
    }


def _about(change: LimitChange, decision: LimitDecision | None) -> dict[str, Any]:
    data: dict[str, Any] = {"account": change.account_id}
    if decision is not None and decision.on_behalf_of_id:
        data["on_behalf_of"] = decision.on_behalf_of_id
    return data


def _close(
    change: LimitChange,
    to: str,
    *,
    actor: Actor,
    on: date,
    reason_code: str,
    reason: str = "",
    decision: LimitDecision | None = None,
) -> None:
    """End a waiting change. Four eyes: `decided_by` names who applied or rejected it, never who took it back."""
    before = {"status": change.status}
    change.status, change.decided_at = to, timezone.now()
    change.decision_reason = reason.strip()
    if to in (Status.APPLIED, Status.REJECTED):
        change.decided_by = actor.user
    change.save(update_fields=["status", "decided_at", "decided_by", "decision_reason"])
    changes = [Change.of(change, before, _facts(change))]
    if decision is not None:
        changes.append(Change.of(decision, None, _decided(decision)))
    record_act(
        f"limit.{_VERBS[Status(to)]}",
        actor=actor,
        subject=change,
        reason_code=reason_code,
        note=reason.strip(),
        business_date=on,
        data=_about(change, decision),
        changes=changes,
    )


_VERBS = {
    Status.APPLIED: "approve",
    Status.REJECTED: "reject",
    Status.WITHDRAWN: "withdraw",
    Status.SUPERSEDED: "supersede",
    Status.EXPIRED: "expire",
}
