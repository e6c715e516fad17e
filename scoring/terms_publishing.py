"""Terms policies: what they say, and what publishing one takes. Their life: scoring/segment_policies.py."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scoring.models import TermsPolicy
from scoring.policy_publishing import check_grades
from scoring.segment_policies import SegmentPolicies

PROSPECTS = ("prospect_amount", "currency", "prospect_grade", "prospect_z")
TERMS_OF_GRADE = ("longest_days", "guarantee_percent")


class TermsPolicies(SegmentPolicies[TermsPolicy]):
    model = TermsPolicy
    act = "terms_policy"
    sections = (
        (gettext_lazy("Without a wish of the customer"), ("usual_days",)),
        (gettext_lazy("Prospects without payment history"), PROSPECTS),
    )
    terms = ("usual_days", *PROSPECTS)
    rows = MappingProxyType({"grades": ("grade", *TERMS_OF_GRADE)})
    row_keys = frozenset({"grade"})

    def row_name(self, relation: str, row: Any) -> str:
        return str(row.grade)

    def row_title(self, relation: str, row: Any) -> Any:
        return _("Grade %s") % row.grade

    def is_quick(self, policy: TermsPolicy, as_of: date) -> bool:
        return True  # two statements, whatever the book's size

    def simulate_range(self, policy: TermsPolicy, as_of: date, low: int, high: int) -> dict[str, Any]:
        from scoring.terms_effect import effect  # which asks this module what a policy says

        return effect(policy, as_of)

    def check_complete(self, version: TermsPolicy) -> None:
        check_grades(version)


LIFE = TermsPolicies()
