"""The limit policy the product ships: cautious ceilings, to be replaced by a version of one's own."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from scoring.models import LimitPolicy, LimitPolicyGrade

# Grade: (ceiling in cents of EUR, share of the needed credit in percent).
GRADES = {
    "A": (300_000_000, 200),
    "B": (150_000_000, 150),
    "C": (25_000_000, 100),
    "D": (5_000_000, 50),
    "E": (0, 0),
}


@transaction.atomic
def ensure_default_policy() -> LimitPolicy:
    """Version 1 for every segment, created when no policy for every segment exists. Idempotent."""
    existing = LimitPolicy.objects.filter(segment__isnull=True).order_by("version").first()
    if existing is not None:
        return existing
    policy = LimitPolicy.objects.create(
        version=1,
        valid_from=date(2000, 1, 1),
        # A fifth off is worth a person's time; a tenth would fill the inbox with rounding.
        material_percent=20,
    )
    LimitPolicyGrade.objects.bulk_create(
        LimitPolicyGrade(policy=policy, grade=grade, ceiling=ceiling, need_percent=percent)
        for grade, (ceiling, percent) in GRADES.items()
    )
    return policy
