"""Keeping the score a decision used, so that it can be explained years later."""

from __future__ import annotations

from creditdesk.core.models import AuditEntry
from scoring.models import AccountScore, ScoreHistory
from scoring.signals import SIGNALS


def keep_for_decision(row: AccountScore, entry: AuditEntry) -> ScoreHistory:
    """Keep an account's score as it is, tied to the audit entry of the decision; in the decision's transaction."""
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
        signals={s.name: getattr(row, s.name) for s in SIGNALS},
        points={s.name: getattr(row, s.points_column) for s in SIGNALS},
        entry=entry,
    )
