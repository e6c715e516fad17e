"""The steps that every verb on a limit change is made of: lock, check, store, close, put in force; each leaves its trail.

Verbs are in approval.py (proposing, cutting) and deciding.py. All of it runs in the verb's own transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.approval_rules import ApprovalError
from customers.events import limit_applied
from customers.limits import has_temporary, limit_at
from customers.models import CreditAccount, CreditLimit, LimitChange, LimitDecision, LimitKind

Status = LimitChange.Status


def lock_account(account_id: int) -> CreditAccount:
    """The account, locked against other decisions; posting to its ledger goes on meanwhile."""
    return (
        CreditAccount.objects.select_for_update(of=("self",), no_key=True)
        .select_related("customer", "company")
        .get(pk=account_id)
    )


def lock_change(change: LimitChange) -> tuple[CreditAccount, LimitChange]:
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


def new_change(
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
    # A base limit of zero beside a temporary one, now or to come: cutting to zero once more is what ends that.
    of_a_cause = fields.get("is_automatic") or proposer_kind == LimitChange.ProposerKind.EVENT
    ends_temporary = bool(
        of_a_cause and new_amount == base and not new_amount.minor and has_temporary(account, as_of)
    )
    _check_amount(account, new_amount, base, kind, may_stay=ends_temporary)
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
        changes=[Change.of(change, None, facts(change))],
    )
    return change


def _check_amount(
    account: CreditAccount, new_amount: Money, base: Money | None, kind: str, *, may_stay: bool
) -> None:
    if new_amount.currency != account.currency:
        raise ApprovalError(
            "wrong_currency",
            _("Limits of this account are in %(currency)s.") % {"currency": account.currency},
        )
    if new_amount.minor < 0:
        raise ApprovalError("negative", _("A limit is zero or more."))
    if new_amount == base and not may_stay:
        raise ApprovalError("same_amount", _("The limit is %(amount)s already.") % {"amount": base})
    if kind == LimitKind.TEMPORARY and base is not None and new_amount < base:
        raise ApprovalError(
            "dates", _("A temporary limit is higher than the base limit: propose a cut instead.")
        )


def put_in_force(change: LimitChange, on: date) -> None:
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


def apply_at_once(
    account: CreditAccount,
    new_amount: Money,
    *,
    on: date,
    params: Mapping[str, Any] | None,
    evidence: Mapping[str, Any] | None,
    **fields: Any,
) -> LimitChange:
    """A base limit that waits for nobody: recorded, in force from `on` and announced. The account is locked.

    fields: actor, proposer_kind, reason_code, and for a rise what let it through.
    """
    change = new_change(
        account,
        new_amount,
        kind=LimitKind.BASE,
        as_of=on,
        reason_params=dict(params or {}),
        evidence=dict(evidence or {}),
        status=LimitChange.Status.APPLIED,
        is_automatic=True,
        decided_at=timezone.now(),
        **fields,
    )
    put_in_force(change, on)
    limit_applied.send(sender=LimitChange, change=change)
    return change


def facts(change: LimitChange) -> dict[str, Any]:
    return {
        "status": change.status,
        "kind": change.kind,
        "old_amount": change.old_amount.minor if change.old_amount is not None else None,
        "new_amount": change.new_amount.minor,
        "currency": change.currency,
        "valid_until": change.valid_until,
    }


def decided(decision: LimitDecision) -> dict[str, Any]:
    return {
        "verdict": decision.verdict,
        "decided_by": decision.decided_by_id,
        "on_behalf_of": decision.on_behalf_of_id,
        "authority": decision.authority_group,
        "approvers_needed": decision.approvers_needed,
        "grade": decision.grade,
    }


def about(change: LimitChange, decision: LimitDecision | None) -> dict[str, Any]:
    data: dict[str, Any] = {"account": change.account_id}
    if decision is not None and decision.on_behalf_of_id:
        data["on_behalf_of"] = decision.on_behalf_of_id
    return data


def close_change(
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
    changes = [Change.of(change, before, facts(change))]
    if decision is not None:
        changes.append(Change.of(decision, None, decided(decision)))
    record_act(
        f"limit.{VERBS[Status(to)]}",
        actor=actor,
        subject=change,
        reason_code=reason_code,
        note=reason.strip(),
        business_date=on,
        data=about(change, decision),
        changes=changes,
    )


VERBS = {
    Status.APPLIED: "approve",
    Status.REJECTED: "reject",
    Status.WITHDRAWN: "withdraw",
    Status.SUPERSEDED: "supersede",
    Status.EXPIRED: "expire",
}
