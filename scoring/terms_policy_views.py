"""The terms policy pages, and whom one would change as it is read."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scoring.segment_policy_views import SegmentPolicyPages
from scoring.terms_policy_forms import TermsPolicyForms
from scoring.terms_publishing import LIFE

COUNTS = ("accounts", "shorter", "longer", "more_guarantees", "less_guarantees", "persons")


class TermsPolicyPages(SegmentPolicyPages):
    prefetched = ("grades", "reports")
    report_template = "versions/terms_effect.html"
    title = gettext_lazy("Terms policies")
    intro = gettext_lazy(
        "What a decision offers by grade: the longest payment terms, and the share of the limit to be guaranteed where "
        "guarantees are asked. A version in use never changes: copy it, see whose terms the draft would change, and have a "
        "second person publish it."
    )

    def forms(self, policy: Any, data: Any) -> TermsPolicyForms:
        return TermsPolicyForms(policy, data)

    def figures(self, request: HttpRequest, report: Any) -> dict[str, Any]:
        figures = report.figures
        grades = [
            {"grade": grade, **{name: counts.get(name, 0) for name in COUNTS}}
            for grade, counts in sorted(figures["grades"].items())
        ]
        total = {name: sum(row[name] for row in grades) for name in COUNTS}
        return {
            "accounts": figures["accounts"],
            "unscored": figures["unscored"],
            "grades": grades,
            "total": total,
            "headline": _(
                "accounts with shorter terms: %(shorter)s; with longer ones: %(longer)s; with other guarantees: %(other)s"
            )
            % {
                "shorter": total["shorter"],
                "longer": total["longer"],
                "other": total["more_guarantees"] + total["less_guarantees"],
            },
        }


pages = TermsPolicyPages(LIFE, "termspolicies")
