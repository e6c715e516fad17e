"""The limit policy the product ships: cautious ceilings, to be replaced by a version of one's own."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from scoring.models import CauseKind, LimitPolicy, LimitPolicyCause, LimitPolicyGrade

# Grade: (ceiling in cents of EUR, share of the needed credit in percent, months between reviews).
GRADES = {
    "A": (300_000_000, 200, 12),
    "B": (150_000_000, 150, 12),
    "C": (25_000_000, 100, 6),
    "D": (5_000_000, 50, 3),
    "E": (0, 0, 3),
}
# Cause: (counts from, within days, at least cents overdue, share of the limit that stays in percent, cuts at once).
CAUSES = {
    CauseKind.LATE_PAYMENT: (90, 30, 50_000, 0, True),
    CauseKind.CASH_SHOCK: (4, 30, 0, 50, True),
    CauseKind.SCORE_DROP: (25, 30, 0, 50, False),
}


@transaction.atomic
def ensure_default_policy() -> LimitPolicy:
    """Version 1 for every segment, created when no policy for every segment exists. Idempotent."""
    existing = LimitPolicy.objects.filter(segment__isnull=True).order_by("version").first()
    if existing is not None:
        return existing
    # A draft first: what a policy in use says can no longer be written (triggers).
    policy = LimitPolicy.objects.create(
        version=1,
        valid_from=date(2000, 1, 1),
        # A fifth off is worth a person's time; a tenth would fill the inbox with rounding.
        material_percent=20,
        bank_percent=50,
        year_rise_percent=100,
        year_rises=4,
        gate_promise_days=90,
        gate_event_days=365,
        gate_score_fall=15,
        is_shipped=True,
    )
    LimitPolicyGrade.objects.bulk_create(
        LimitPolicyGrade(
            policy=policy, grade=grade, ceiling=ceiling, need_percent=percent, review_months=months
        )
        for grade, (ceiling, percent, months) in GRADES.items()
    )
    LimitPolicyCause.objects.bulk_create(
        LimitPolicyCause(
            policy=policy,
            kind=kind,
            threshold=threshold,
            window_days=days,
            least_amount=amount,
            keep_percent=kept,
            is_immediate=at_once,
        )
        for kind, (threshold, days, amount, kept, at_once) in CAUSES.items()
    )
    policy.status = LimitPolicy.Status.ACTIVE
    policy.save(update_fields=["status"])
    return policy
