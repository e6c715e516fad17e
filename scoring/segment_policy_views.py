"""The pages of the policies of a segment: list, version, comparison, edit, simulate. Thin: rules are elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.pages import desk_page, render_page
from creditdesk.core.wording import day
from customers.models import CreditSegment
from scoring import policy_sections, simulations
from scoring.card_forms import PlanForm
from scoring.models import SegmentVersion
from scoring.segment_policies import SIMULATED_WITHIN, SegmentPolicies, replaced_by, stages
from scoring.version_views import VersionPages
from scoring.versions import VersionError, mark_again

ORDER = {"active": 0, "proposed": 1, "draft": 2, "retired": 3}


class SegmentPolicyPages(VersionPages[Any]):
    """The pages of one kind of policy; subclasses say with which words, forms and figures."""

    life: SegmentPolicies[Any]
    related = ("segment__company", "created_by", "proposed_by", "decided_by", "based_on__segment")
    sent_back = gettext_lazy("The policy is a draft again.")
    copied = gettext_lazy("This is a draft: change it, simulate it, then propose it.")
    published = gettext_lazy("Published. It counts from now on.")
    refusals = (VersionError, ValidationError)
    list_template = "versions/policies.html"
    page_template = "versions/policy.html"
    edit_template = "versions/edit.html"
    report_template: str
    title: str | Promise
    intro: str | Promise
    in_use: str | Promise = gettext_lazy("In use.")
    edit_title: str | Promise = gettext_lazy("Edit the policy")

    def __init__(self, life: SegmentPolicies[Any], namespace: str) -> None:
        super().__init__(life, namespace, "policy")
        viewing = desk_page(self.view_permission)
        self.list = viewing(require_http_methods(["GET"])(self._list))
        self.page = viewing(require_http_methods(["GET"])(self._page))
        self.compare = viewing(require_http_methods(["GET"])(self._compare))
        self.edit = viewing(require_http_methods(["GET", "POST"])(self._edit))
        self.simulate = self.acting(self._simulate)

    # What each kind says for itself.

    def forms(self, policy: Any, data: Any) -> Any:
        """The forms of the edit page as one: `is_valid()`, and `said` as `change` takes it."""
        raise NotImplementedError

    def figures(self, request: HttpRequest, report: Any) -> Any:
        """A simulation as the page shows it."""
        raise NotImplementedError

    def more(self, request: HttpRequest, policy: Any) -> dict[str, Any]:
        """What the page of a version shows besides."""
        return {"sections": policy_sections.sections(self.life, policy)}

    # The pages.

    @property
    def urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {
            "edit": self.edit,
            "compare": self.compare,
            "copy": self.copy,
            "delete": self.delete,
            "simulate": self.simulate,
            "propose": self.propose,
            "publish": self.publish,
        }
        return [
            path("", self.list, name="list"),
            path("<int:pk>/", self.page, name="policy"),
            *(path(f"<int:pk>/{name}/", view, name=name) for name, view in views.items()),
            path("<int:pk>/send-back/", self.send_back, name="send_back"),
        ]

    def standing(self, request: HttpRequest, version: Any) -> dict[str, Any]:
        return super().standing(request, version) | {"publish_form": PlanForm(prefix="publish")}

    def told_of(self, published: Any) -> str | Promise:
        if published.valid_from > business_date():
            return _("Published. It counts from %(day)s; the version in force stays until then.") % {
                "day": day(published.valid_from)
            }
        return self.published

    def words(self) -> dict[str, Any]:
        return {"kind_title": self.title, "namespace": self.namespace, "in_use_note": self.in_use}

    def _list(self, request: HttpRequest) -> HttpResponse:
        rows = list(self.life.model._default_manager.select_related(*self.related))
        standing = stages(rows, business_date())
        for row in rows:
            row.stage = standing.get(row.pk)
        context = {
            **self.words(),
            "title": self.title,
            "intro": self.intro,
            "policies": sorted(rows, key=lambda row: (ORDER[row.status], row.segment_id or 0, -row.version)),
            "may_propose": request.user.has_perm(self.life.propose_permission),
        }
        return render_page(request, self.list_template, context)

    def _page(self, request: HttpRequest, pk: int) -> HttpResponse:
        policy, as_of = self.load(pk), business_date()
        of_segment = self.life.model._default_manager.filter(segment=policy.segment)
        policy.stage = stages(of_segment, as_of).get(policy.pk)
        report = self.life.simulation_of(policy)
        standing = self.standing(request, policy)
        against = replaced_by(policy, as_of)
        compared = policy_sections.compared(self.life, against, policy) if against else []
        context = {
            **self.words(),
            **standing,
            **self.more(request, policy),
            "title": str(policy),
            "policy": policy,
            "report": report,
            "figures": self.figures(request, report) if report else None,
            "report_template": self.report_template,
            "is_recent": self.life.simulation_of(policy, as_of) is not None,
            "run": simulations.running(policy, as_of),
            "reports": list(policy.reports.all())[:12],
            "days": SIMULATED_WITHIN.days,
            "against": against,
            "differences": policy_sections.differences(compared),
            "segments": CreditSegment.objects.select_related("company").order_by("company__name", "name")
            if standing["may_propose"] and policy.segment_id is None
            else (),
        }
        return render_page(request, self.page_template, context)

    def _compare(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every setting of this version beside another one's: `with`, else what it takes the place of."""
        policy = self.load(pk)
        other = request.GET.get("with", "")
        if other.isdecimal():
            against: SegmentVersion | None = self.load(int(other))
        else:
            against = replaced_by(policy, business_date()) or policy.based_on
        compared = policy_sections.compared(self.life, against or policy, policy)
        rows = self.life.model._default_manager.select_related("segment").exclude(pk=policy.pk)
        context = {
            **self.words(),
            "title": _("Comparison"),
            "policy": policy,
            "against": against,
            "compared": compared,
            "count": sum(len(settings) for _title, settings in policy_sections.differences(compared)),
            "others": sorted(rows, key=lambda row: (ORDER[row.status], row.segment_id or 0, -row.version)),
        }
        return render_page(request, "versions/compare.html", context)

    def _edit(self, request: HttpRequest, pk: int) -> HttpResponse:
        policy = self.editable(request, pk)
        forms = self.forms(policy, request.POST or None)
        problem, read = "", request.POST.get("read")
        refused: Exception | None = None
        if request.method == "POST" and forms.is_valid():
            try:
                self.life.change(policy, by=request.user, as_of=business_date(), read=read, **forms.said)
            except (VersionError, ValidationError) as error:
                refused = error
                problem = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            else:
                messages.success(request, _("Saved. Simulate it on the whole book before you propose it."))
                return redirect(f"{self.namespace}:policy", pk)
        context = {
            **self.words(),
            "title": self.edit_title,
            "policy": policy,
            "forms": forms,
            "problem": problem,
            "read": mark_again(read, self.life.fingerprint(self.load(pk)), refused),
        }
        response = render_page(request, self.edit_template, context)
        response.status_code = 422 if request.method == "POST" else 200
        return response

    def _copy(self, request: HttpRequest, version: Any) -> tuple[str | Promise, int | None]:
        """A draft of the same segment, or with `segment` a policy of that segment's own."""
        given = {}
        if request.POST.get("segment", "").isdigit():
            given["segment"] = get_object_or_404(CreditSegment, pk=request.POST["segment"])
        made = self.life.copy(version, by=request.user, as_of=business_date(), **given)
        return self.copied, made.pk

    def _simulate(self, request: HttpRequest, version: Any) -> tuple[str | Promise, int | None]:
        self.life.check_permission(request.user, self.life.propose_permission, self.life.publish_permission)
        run = simulations.simulate(version, business_date(), actor=Actor.person(request.user))
        if run is None:
            return _("Simulated: the figures are below."), version.pk
        return _(
            "The book is large: the simulation goes on in the background. You may leave this page."
        ), version.pk
