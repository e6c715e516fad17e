"""Which limit policy is in force at a date, as plain terms; and a draft's terms, to be tried in its place."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import date
from typing import Any

from scoring.limit_terms import CauseTerms, GradeTerms, PolicyTerms
from scoring.models import LimitPolicy
from scoring.segment_policies import in_force

PLAIN = (
    *("version", "currency", "buffer_days", "capacity_percent", "bank_percent", "agency_percent"),
    "concentration_percent",
    *("concentration_from_customers", "step", "max_rise_percent", "cool_down_days", "year_rise_percent"),
    *("year_rises", "rise_max_days_past_due", "gate_promise_days", "gate_event_days", "gate_score_fall"),
    *("gate_use_percent", "material_percent", "loss_percent", "review_months_unscored", "warn_days"),
)
AMOUNTS = ("material_amount", "group_ceiling", "auto_rise_amount", "auto_limit_amount")


def policies_at(as_of: date, *, causes: bool = True) -> dict[int | None, PolicyTerms]:
    """The version in force per segment; under None the one for every other segment. Three queries, two without causes."""
    latest = in_force(LimitPolicy, as_of, "grades", *(["causes"] if causes else []))
    return {segment_id: terms_of(row, causes=causes) for segment_id, row in latest.items()}


def terms_of(row: LimitPolicy, *, causes: bool = True) -> PolicyTerms:
    """Everything a version says, a draft too; without its causes where nobody asks."""
    amounts = {name: getattr(row, name) for name in AMOUNTS}
    return PolicyTerms(
        policy_id=row.pk,
        grades={
            grade.grade: GradeTerms(
                grade.ceiling.minor,
                grade.need_percent,
                None if grade.own_risk is None else grade.own_risk.minor,
                grade.review_months,
            )
            for grade in row.grades.all()
        },
        causes={
            cause.kind: CauseTerms(
                cause.threshold,
                cause.window_days,
                cause.least_amount.minor,
                cause.keep_percent,
                cause.is_immediate,
            )
            for cause in (row.causes.all() if causes else ())
        },
        **{name: getattr(row, name) for name in PLAIN},
        **{name: None if value is None else value.minor for name, value in amounts.items()},
    )


def fingerprint(terms: PolicyTerms) -> str:
    """A hash of what a version says, whatever it is called: the same terms, the same fingerprint."""
    said: dict[str, Any] = asdict(terms)
    del said["policy_id"], said["version"]
    if not said["agency_percent"]:  # a term of later versions: simulations made before it still say the same
        del said["agency_percent"]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
