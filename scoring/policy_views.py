"""The limit policy pages: read a version, work on a draft, simulate it on the book, propose it, publish it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from scoring import policy_pages
from scoring.policy_forms import PolicyForms
from scoring.policy_publishing import LIFE
from scoring.segment_policy_views import SegmentPolicyPages


class LimitPolicyPages(SegmentPolicyPages):
    prefetched = ("grades", "causes", "reports")
    published = _("Published. The whole book is being compared with it.")
    list_template = "policies/list.html"
    page_template = "policies/policy.html"
    edit_template = "policies/edit.html"
    report_template = "policies/simulation.html"
    title = _("Limit policies")
    intro = _(
        "A limit policy says how far limits may go, how fast they rise, what cuts them at once and how often they are "
        "reviewed. A version in use never changes: copy it, simulate the draft on the whole book, and have a second person "
        "publish it."
    )
    in_use = _("In use. Limits are compared with it every night.")

    def forms(self, policy: Any, data: Any) -> PolicyForms:
        return PolicyForms(policy, data)

    def figures(self, request: HttpRequest, report: Any) -> Any:
        return policy_pages.simulation(request.user, report)

    def more(self, request: HttpRequest, policy: Any) -> dict[str, Any]:
        return super().more(request, policy) | {
            "terms": policy_pages.terms(policy),
            "grades": list(policy.grades.all()),
            "causes": list(policy.causes.all()),
        }


pages = LimitPolicyPages(LIFE, "policies")
