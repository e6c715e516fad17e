"""The payment terms and guarantees the product ships, to be replaced by a version of one's own."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from scoring.models import TermsPolicy, TermsPolicyGrade

# Grade: (longest terms in days, share of the limit to be guaranteed where guarantees are asked, in percent).
# 60 days are what the Late Payment Directive (2011/7/EU art. 3) lets businesses agree on without more.
GRADES = {"A": (60, 25), "B": (60, 30), "C": (30, 50), "D": (14, 75), "E": (0, 100)}


@transaction.atomic
def ensure_default_terms() -> TermsPolicy:
    """Version 1 for every segment, created when there is none. Idempotent."""
    existing = TermsPolicy.objects.filter(segment__isnull=True).order_by("version").first()
    if existing is not None:
        return existing
    # A draft first: what a policy in use says can no longer be written (triggers).
    policy = TermsPolicy.objects.create(
        version=1,
        valid_from=date(2000, 1, 1),
        is_shipped=True,
        # A cautious start: 10,000 EUR, grade B, and the zone in which Altman saw hardly a failure.
        prospect_amount=1_000_000,
    )
    TermsPolicyGrade.objects.bulk_create(
        TermsPolicyGrade(policy=policy, grade=grade, longest_days=days, guarantee_percent=percent)
        for grade, (days, percent) in GRADES.items()
    )
    policy.status = TermsPolicy.Status.ACTIVE
    policy.save(update_fields=["status"])
    return policy
