"""Moving a limit: propose, withdraw, amend, and the cut that waits for nobody; deciding is in deciding.py.

One verb, one function, one transaction: lock the account, check state and authority, save, audit, announce
`limit_applied`. Every verb locks the credit account first, so that two people who decide at once, or a decision
and an automatic cut, come one after the other; the second finds the change decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval_rules import ApprovalError, check_may_propose
from customers.approval_steps import apply_at_once, lock_account
from customers.approval_steps import close_change as _close
from customers.approval_steps import lock_change as _lock
from customers.approval_steps import new_change as _new_change
from customers.deciding import approve_limit_change, expire_limit_change, reject_limit_change
from customers.holds import pass_holds_on
from customers.limits import has_temporary, limit_at
from customers.models import CreditAccount, LimitChange, LimitKind

__all__ = [
    "ApprovalError",
    "amend_limit_change",
    "apply_automatic_cut",
    "approve_limit_change",
    "expire_limit_change",
    "lock_account",
    "propose_limit_change",
    "reject_limit_change",
    "supersede_waiting",
    "waiting_change",
    "withdraw_limit_change",
]

Status = LimitChange.Status
ProposerKind = LimitChange.ProposerKind

_KINDS = {
    AuditEntry.ActorKind.PERSON: ProposerKind.PERSON,
    AuditEntry.ActorKind.IMPORT: ProposerKind.IMPORT,
    AuditEntry.ActorKind.POLICY: ProposerKind.POLICY,
    AuditEntry.ActorKind.JOB: ProposerKind.POLICY,
}


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

    The cut ends temporary limits too, those to start later as well. Where no limit was ever decided only a cut to zero says something: any
    other amount would grant credit. Whatever was waiting for the account is replaced. Never for natural
    persons (ValueError): place a hold.
    """
    locked = lock_account(account.pk)
    if locked.customer.is_natural_person:
        raise ValueError("An automatic cut of a natural person's limit needs a named person: place a hold")
    supersede_waiting(locked, actor=actor, on=on)
    limit = limit_at(locked, on)
    nothing_left = limit.in_force is not None and limit.in_force <= new_amount
    if nothing_left and (new_amount.minor or not has_temporary(locked, on)):
        return None
    if new_amount.minor and (limit.base is None or limit.base <= new_amount):
        return None
    return apply_at_once(
        locked,
        new_amount,
        on=on,
        actor=actor,
        proposer_kind=ProposerKind.EVENT,
        reason_code=reason_code,
        params=params,
        evidence=evidence,
    )


def supersede_waiting(
    account: CreditAccount, *, actor: Actor, on: date, reason_code: str = "hard_cause"
) -> list[LimitChange]:
    """Close every change that waits for an account because something stronger came. The account is locked."""
    waiting = list(LimitChange.objects.filter(account=account, status=Status.PROPOSED))
    for change in waiting:
        _close(change, Status.SUPERSEDED, actor=actor, on=on, reason_code=reason_code)
    return waiting
