"""Limits a machine moves without waiting for anybody: a gated rise of the policy, a cut or a hold for a cause.

A cut of a company's limit applies at once. For a natural person (GDPR art. 22) no machine decides anything adverse: a
hold stops new business until a named person has decided the change that waits beside it. Either way accepted orders
go to the hold queue: `business_stopped` is announced in the same transaction, with the legal basis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.approval import (
    ApprovalError,
    _close,
    apply_automatic_cut,
    lock_account,
    propose_limit_change,
    supersede_waiting,
    waiting_change,
)
from customers.approval_steps import apply_at_once
from customers.events import business_stopped
from customers.exposure import exposures
from customers.holds import is_stopped, pass_holds_on, place_hold
from customers.legal_bases import basis_of
from customers.limits import has_temporary, limit_at
from customers.models import CreditAccount, CreditHold, LegalBasis, LimitChange

ProposerKind = LimitChange.ProposerKind
Status = LimitChange.Status


@dataclass(frozen=True, slots=True)
class Stop:
    """Why new business with accounts stops. code, params: as of a limit's reason (customers/limit_reasons.py).

    basis: what the law lets us hold back accepted orders on; None where none is on record for the country.
    """

    code: str
    on: date
    params: Mapping[str, Any]
    basis: LegalBasis | None
    actor: Actor


@dataclass(frozen=True, slots=True)
class Reaction:
    """What was done for a cause. Nothing at all: there was nothing to cut."""

    change: LimitChange | None = None
    hold: CreditHold | None = None
    basis: LegalBasis | None = None
    stops_business: bool = False


@transaction.atomic
def apply_policy_rise(
    account: CreditAccount,
    new_amount: Money,
    *,
    actor: Actor,
    on: date,
    old_amount: Money,
    policy_ref: int,
    automatic_up_to: Money,
    reason_code: str,
    params: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> LimitChange:
    """Raise a base limit at once: the policy's gates hold and `new_amount` is within `automatic_up_to`.

    old_amount: the limit the recommendation started from. Raises ApprovalError: limit_moved, stopped (on hold, insolvent,
    closed), already_waiting (somebody else's change). The database holds the bounds by itself (CHECK and trigger).
    """
    locked = lock_account(account.pk)
    waiting = waiting_change(locked)
    if waiting is not None and (waiting.proposer_kind != ProposerKind.POLICY or waiting.decisions.exists()):
        raise ApprovalError("already_waiting", _("Somebody else's change is waiting already."), waiting)
    if limit_at(locked, on).base != old_amount:
        raise ApprovalError("limit_moved", _("The limit moved meanwhile."))
    if is_stopped(locked, on):
        raise ApprovalError("stopped", _("New business is stopped meanwhile."))
    if waiting is not None:
        _close(waiting, Status.SUPERSEDED, actor=actor, on=on, reason_code="newer_proposal")
    return apply_at_once(
        locked,
        new_amount,
        on=on,
        actor=actor,
        proposer_kind=ProposerKind.POLICY,
        reason_code=reason_code,
        params=params,
        evidence=evidence,
        policy_ref=policy_ref,
        gates_failed=0,
        automatic_up_to=automatic_up_to,
    )


@transaction.atomic
def cut_or_hold(
    account: CreditAccount,
    new_amount: Money,
    *,
    actor: Actor,
    on: date,
    reason_code: str,
    params: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Reaction:
    """Cut a company's limit at once, or hold a natural person's business until a named person decides the cut.

    Business stops when it is held, or what is owed already is no longer below the limit; then accepted orders are
    announced for the hold queue.
    """
    why: dict[str, Any] = {"reason_code": reason_code, "params": params, "evidence": evidence}
    locked = lock_account(account.pk)
    limit = limit_at(locked, on)
    # Only a cut to zero says something where no limit was decided, and ends nothing that is lower already.
    if new_amount.minor and (limit.base is None or limit.base <= new_amount):
        return Reaction()
    if locked.customer.is_natural_person:
        change, hold = _hold_until_decided(locked, new_amount, actor, on, why)
    else:
        change, hold = apply_automatic_cut(locked, new_amount, actor=actor, on=on, **why), None
    stops = hold is not None or not new_amount.minor or _nothing_left(locked, on)
    basis = basis_of(locked) if stops else None
    if stops:
        stop = Stop(reason_code, on, dict(params or {}), basis, actor)
        business_stopped.send(sender=CreditAccount, account_ids=[locked.pk], cause=stop)
    return Reaction(change, hold, basis, stops)


def _hold_until_decided(
    locked: CreditAccount, new_amount: Money, actor: Actor, on: date, why: dict[str, Any]
) -> tuple[LimitChange | None, CreditHold | None]:
    """(the change that waits, the hold)."""
    base = limit_at(locked, on).base
    superseded = supersede_waiting(locked, actor=actor, on=on)
    change = None
    ends_temporary = not new_amount.minor and has_temporary(locked, on)
    if base is None or base > new_amount or ends_temporary:
        change = propose_limit_change(
            locked, new_amount, actor=actor, as_of=on, proposer_kind=ProposerKind.EVENT, **why
        )
        for old in superseded:
            pass_holds_on(old, change)
    hold = place_hold(locked, reason_code=why["reason_code"], actor=actor, on=on, change=change)
    return change, hold


def _nothing_left(account: CreditAccount, on: date) -> bool:
    limit = limit_at(account, on).in_force
    return limit is not None and exposures([account], on)[account.pk].total >= limit
