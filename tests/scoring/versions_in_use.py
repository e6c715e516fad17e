"""Policies put into use without the way there, as an installation does, for tests of what they say."""

from __future__ import annotations

from datetime import date
from typing import Any

from scoring.models import CheckPolicy, CheckRule, TermsPolicy, TermsPolicyGrade


def agreed(version: Any) -> dict[str, str]:
    """What the form of a version's page posts to publish it as it stands now."""
    version.refresh_from_db()
    return {"publish-reason": "Agreed.", "publish-proposal": version.proposal}


def put_in_use(row: Any) -> Any:
    """A draft in use in place of the one of its segment."""
    in_use = type(row).objects.filter(status="active", segment=row.segment)
    in_use.update(status="retired")
    row.status = "active"
    row.save(update_fields=["status"])
    return row


def check_policy(segment: Any, *rules: dict[str, Any], **fields: Any) -> CheckPolicy:
    """A new version with these rules only."""
    last = CheckPolicy.objects.filter(segment=segment).count()
    day = fields.pop("valid_from", date(2026, 1, 1))
    row = CheckPolicy.objects.create(
        segment=segment, version=last + 1, valid_from=day, is_shipped=True, **fields
    )
    CheckRule.objects.bulk_create(CheckRule(policy=row, **rule) for rule in rules)
    return put_in_use(row)


def with_rule(**rule: Any) -> CheckPolicy:
    """A new version for every segment: the rules in use and one more."""
    rows = CheckRule.objects.filter(policy__status="active", policy__segment=None).values()
    kept = [{name: value for name, value in row.items() if name not in ("id", "policy_id")} for row in rows]
    return check_policy(None, *kept, rule)


def terms_policy(segment: Any, grades: dict[str, tuple[int, int]], **fields: Any) -> TermsPolicy:
    """A new version: {grade: (longest days, guaranteed per cent)}."""
    last = TermsPolicy.objects.filter(segment=segment).count()
    row = TermsPolicy.objects.create(
        segment=segment, version=last + 1, valid_from=date(2026, 1, 1), is_shipped=True, **fields
    )
    TermsPolicyGrade.objects.bulk_create(
        TermsPolicyGrade(policy=row, grade=grade, longest_days=days, guarantee_percent=percent)
        for grade, (days, percent) in grades.items()
    )
    return put_in_use(row)
