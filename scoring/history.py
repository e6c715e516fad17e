"""Keeping the score a decision used, so that it can be explained years later."""

from __future__ import annotations

from creditdesk.core.models import AuditEntry
from scoring.models import AccountScore, ScoreHistory
from scoring.stored import points_of, values_of


def keep_for_decision(row: AccountScore, entry: AuditEntry | None = None) -> ScoreHistory:
    """Keep an account's score in the transaction of the decision, tied to its audit entry where it has one."""
    return ScoreHistory.objects.create(
        account_id=row.account_id,
        as_of=row.as_of,
        judged_on=row.judged_on,
        card_id=row.card_id,
        score=row.score,
        grade=row.grade,
        pd=row.pd,
        recommendation=row.recommendation,
        depth=row.depth,
        because=ScoreHistory.Because.DECISION,
        signals=values_of(row),
        points=points_of(row),
        entry=entry,
    )
