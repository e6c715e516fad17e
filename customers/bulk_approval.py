"""Approving small rises together: each change is checked as if alone, and is a transaction of its own.

What counts as small is data (ApprovalTerms of the company): a rise of the base limit by at most an amount and a share
of the limit, at a good grade then and now. A change whose facts grew materially worse since it was proposed, that an
event proposed, or whose account is on hold is looked at alone. What is refused is named with its reason; the others
go through. Rejecting, and anything else, is decided one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.models import User
from customers.approval import approve_limit_change
from customers.approval_rules import ApprovalError, need_of
from customers.holds import open_holds
from customers.limit_moves import WORSE, Move, moves
from customers.models import ApprovalTerms, LimitChange, LimitKind
from customers.rates import MissingRate, RateTable

AT_MOST = 100
Evidence = Mapping[str, Any]


@dataclass(slots=True)
class BulkOutcome:
    """Which changes were applied, which wait for their second person, which were refused and why."""

    applied: list[LimitChange] = field(default_factory=list)
    first_of_two: list[LimitChange] = field(default_factory=list)
    refused: list[tuple[LimitChange, ApprovalError]] = field(default_factory=list)


def why_not_small(
    change: LimitChange,
    terms: ApprovalTerms,
    grade_now: str,
    rates: RateTable,
    *,
    moved: Sequence[Move] = (),
    is_held: bool = False,
) -> str:
    """Why a waiting change is not a small rise ("" when it is one). Needs `account` loaded, and no query."""
    if change.kind != LimitKind.BASE or not change.is_rise or not change.old_amount:
        return _("Only rises of a base limit that is there are approved together.")
    if change.proposer_kind == LimitChange.ProposerKind.EVENT or is_held:
        return _("An event or a hold waits for this decision.")
    step = change.new_amount - change.old_amount
    if step.minor * 100 > change.old_amount.minor * terms.small_rise_percent:
        return _("The rise is more than %(percent)s %% of the limit.") % {"percent": terms.small_rise_percent}
    try:
        if rates.convert(step, terms.currency) > terms.small_rise_amount:
            return _("The rise is more than %(amount)s.") % {"amount": terms.small_rise_amount}
    except MissingRate as error:
        return str(error)
    if need_of(change, grade_now).grade > terms.small_rise_worst_grade:
        return _("The grade is worse than %(grade)s.") % {"grade": terms.small_rise_worst_grade}
    return grew_worse(moved)


def grew_worse(moved: Sequence[Move]) -> str:
    """Why what moved while a change waited keeps it out of a bulk approval ("" when it does not)."""
    if any(move.is_material and move.tells == WORSE for move in moved):
        return _("Facts grew worse since it was proposed: look at it alone.")
    return ""


def approve_small_rises(
    changes: Sequence[LimitChange],
    *,
    approver: User,
    reason: str,
    on: date,
    terms: Mapping[int, ApprovalTerms],
    evidence: Mapping[int, Evidence],
) -> BulkOutcome:
    """Approve each change that is small and whose facts did not grow worse; the others are refused by name.

    changes: with `account` loaded; terms: {company id}, evidence: the facts now, {account id}.
    """
    outcome = BulkOutcome()
    rates = RateTable.at(on)
    held = set(
        open_holds(on)
        .filter(account__in=[change.account_id for change in changes])
        .values_list("account_id", flat=True)
    )
    for change in changes:
        now = evidence[change.account_id]
        grade = now.get("grade") or ""
        try:
            if not change.is_waiting:
                raise ApprovalError("decided", _("This change is decided already."), change)
            why = why_not_small(
                change,
                terms[change.account.company_id],
                grade,
                rates,
                moved=moves(change.evidence or {}, now, change.new_amount),
                is_held=change.account_id in held,
            )
            if why:
                raise ApprovalError("not_small", why, change)
            with transaction.atomic():
                done = approve_limit_change(
                    change, approver=approver, reason=reason, on=on, grade_now=grade, evidence=now
                )
        except ApprovalError as error:
            outcome.refused.append((change, error))
        else:
            (outcome.first_of_two if done.is_waiting else outcome.applied).append(done)
    return outcome
