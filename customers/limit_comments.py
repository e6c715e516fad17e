"""Asking about a waiting limit change: questions and answers that stay with it, while it goes on waiting."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from customers.access import visible_accounts
from customers.approval_rules import DECIDE, PROPOSE, ApprovalError
from customers.models import LimitChange, LimitChangeComment


def may_comment(user: User) -> bool:
    """Those who propose and those who decide talk about a change; others only read."""
    return user.has_perm(PROPOSE) or user.has_perm(DECIDE)


@transaction.atomic
def comment_on(change: LimitChange, *, author: User, text: str, on: date) -> LimitChangeComment:
    """Add a question or an answer. Raises ApprovalError: not_allowed, out_of_scope, decided, no_reason."""
    waiting = LimitChange.objects.select_for_update().get(pk=change.pk)
    if not may_comment(author):
        raise ApprovalError("not_allowed", _("Your role does not comment on limit changes."), waiting)
    if not visible_accounts(author).filter(pk=waiting.account_id).exists():
        raise ApprovalError("out_of_scope", _("This customer is not in your portfolio."), waiting)
    if not waiting.is_waiting:
        raise ApprovalError(
            "decided",
            _("This change is %(status)s: there is nothing left to ask.")
            % {"status": waiting.get_status_display()},
            waiting,
        )
    if not text.strip():
        raise ApprovalError("no_reason", _("Write the question or the answer."), waiting)
    comment = LimitChangeComment.objects.create(change=waiting, author=author, text=text.strip())
    record_act(
        "limit.comment",
        actor=Actor.person(author),
        subject=waiting,
        note=comment.text,
        business_date=on,
        data={"account": waiting.account_id},
        changes=[Change.of(comment, None, {"change": waiting.pk})],
    )
    return comment
