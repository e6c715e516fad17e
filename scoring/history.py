"""Keeping the score a decision used, so that it can be explained years later."""

from __future__ import annotations

from creditdesk.core.models import AuditEntry
from scoring.models import AccountScore, ScoreHistory
from scoring.statement import KEPT


def keep_for_decision(row: AccountScore, entry: AuditEntry | None = None) -> ScoreHistory:
    """Keep an account's score in the transaction of the decision, tied to its audit entry where it has one."""
    return ScoreHistory.objects.create(
        account_id=row.account_id,
        because=ScoreHistory.Because.DECISION,
        entry=entry,
        **{name: getattr(row, name) for name in KEPT},
    )
