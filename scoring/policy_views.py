"""The limit policy pages: read a version, work on a draft, simulate it on the book, propose it, publish it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.pages import desk_page, render_page
from customers.models import CreditAccount, CreditSegment
from scoring import policy_pages, policy_publishing
from scoring.card_forms import ReasonForm
from scoring.models import LimitPolicy
from scoring.policy_forms import PolicyForms
from scoring.policy_publishing import PROPOSE, PUBLISH, PolicyError
from scoring.policy_simulation import keep_simulation

VIEW = "scoring.view_limitpolicy"
AT_ONCE = 3000
"""Accounts up to which a policy is simulated while the person waits; larger books are simulated in the background."""
Status = LimitPolicy.Status


@desk_page(VIEW)
@require_http_methods(["GET"])
def policy_list(request: HttpRequest) -> HttpResponse:
    context = {
        "title": _("Limit policies"),
        "policies": policy_pages.policies(),
        "may_propose": request.user.has_perm(PROPOSE),
    }
    return render_page(request, "policies/list.html", context)


@desk_page(VIEW)
@require_http_methods(["GET"])
def policy_page(request: HttpRequest, pk: int) -> HttpResponse:
    policy, user, as_of = _policy(pk), request.user, business_date()
    refusal = ""
    waits = policy.status == Status.PROPOSED
    if waits and user.has_perm(PUBLISH):
        try:
            policy_publishing.check_may_publish(policy, user)
        except PolicyError as error:
            refusal = str(error)
    may_propose = user.has_perm(PROPOSE)
    is_draft = policy.status == Status.DRAFT
    simulation = policy_publishing.simulation_of(policy)
    context = {
        "title": str(policy),
        "policy": policy,
        "sections": policy_pages.sections(policy),
        "grades": list(policy.grades.all()),
        "causes": list(policy.causes.all()),
        "simulation": policy_pages.simulation(user, simulation),
        "is_recent": policy_publishing.simulation_of(policy, as_of) is not None,
        "reports": list(policy.reports.all())[:12],
        "may_edit": is_draft and may_propose,
        "may_propose": may_propose,
        "may_simulate": policy.status != Status.RETIRED and (may_propose or user.has_perm(PUBLISH)),
        "may_publish": waits and user.has_perm(PUBLISH) and not refusal,
        "may_send_back": waits and (user.has_perm(PUBLISH) or policy.proposed_by_id == user.pk),
        "refusal": refusal,
        "days": policy_publishing.SIMULATED_WITHIN.days,
        "segments": CreditSegment.objects.select_related("company").order_by("company__name", "name")
        if may_propose
        else (),
        "propose_form": ReasonForm(prefix="propose"),
        "publish_form": ReasonForm(prefix="publish"),
        "back_form": ReasonForm(prefix="back"),
    }
    return render_page(request, "policies/policy.html", context)


@desk_page(VIEW)
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    policy = _policy(pk)
    if not request.user.has_perm(PROPOSE) or policy.status != Status.DRAFT:
        raise PermissionDenied
    forms = PolicyForms(policy, request.POST or None)
    problem = ""
    if request.method == "POST" and forms.is_valid():
        try:
            policy_publishing.change_policy(policy, by=request.user, as_of=business_date(), **forms.said)
        except (PolicyError, ValidationError) as error:
            problem = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        else:
            messages.success(request, _("Saved. Simulate it on the whole book before you propose it."))
            return redirect("policies:policy", pk)
    context = {"title": _("Edit the policy"), "policy": policy, "forms": forms, "problem": problem}
    response = render_page(request, "policies/edit.html", context)
    response.status_code = 422 if request.method == "POST" else 200
    return response


def _policy(pk: int) -> LimitPolicy:
    related = ("segment__company", "created_by", "proposed_by", "decided_by", "based_on__segment")
    rows = LimitPolicy.objects.select_related(*related).prefetch_related("grades", "causes", "reports")
    return get_object_or_404(rows, pk=pk)


def _acting(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """A POST that does one thing to a policy: success says what happened, a refusal says why."""

    @desk_page(VIEW)
    @require_POST
    def act(request: HttpRequest, pk: int) -> HttpResponse:
        policy = _policy(pk)
        try:
            told, target = view(request, policy)
        except PolicyError as error:
            if error.code == "not_allowed":
                raise PermissionDenied(str(error)) from error
            messages.error(request, str(error))
            return redirect("policies:policy", pk)
        messages.success(request, told)
        return redirect("policies:policy", target) if target else redirect("policies:list")

    return act


@_acting
def copy(request: HttpRequest, policy: LimitPolicy) -> Any:
    """A draft of the same segment, or with `segment` a policy of that segment's own."""
    segment = None
    if request.POST.get("segment", "").isdigit():
        segment = get_object_or_404(CreditSegment, pk=request.POST["segment"])
    made = policy_publishing.copy_policy(
        policy, by=request.user, as_of=business_date(), segment=segment, own=segment is not None
    )
    return _("This is a draft: change it, simulate it, then propose it."), made.pk


@_acting
def delete(request: HttpRequest, policy: LimitPolicy) -> Any:
    policy_publishing.delete_draft(policy, by=request.user, as_of=business_date())
    return _("The draft is deleted."), None


@_acting
def propose(request: HttpRequest, policy: LimitPolicy) -> Any:
    reason = request.POST.get("propose-reason", "")
    policy_publishing.propose_policy(policy, by=request.user, reason=reason, as_of=business_date())
    return _("Proposed: a second person publishes it or sends it back."), policy.pk


@_acting
def send_back(request: HttpRequest, policy: LimitPolicy) -> Any:
    reason = request.POST.get("back-reason", "")
    policy_publishing.send_back_policy(policy, by=request.user, reason=reason, as_of=business_date())
    return _("The policy is a draft again."), policy.pk


@_acting
def publish(request: HttpRequest, policy: LimitPolicy) -> Any:
    reason = request.POST.get("publish-reason", "")
    policy_publishing.publish_policy(policy, approver=request.user, reason=reason, as_of=business_date())
    return _("Published. The whole book is being compared with it."), policy.pk


@_acting
def simulate(request: HttpRequest, policy: LimitPolicy) -> Any:
    policy_publishing.check_permission(request.user, PROPOSE, PUBLISH)
    as_of = business_date()
    if CreditAccount.objects.count() <= AT_ONCE:
        keep_simulation(policy, as_of, actor=Actor.person(request.user))
        return _("Simulated: the figures are below."), policy.pk
    key = f"{policy.pk}-{policy.reports.count()}-{request.user.get_username()}"[:60]
    plan_jobs("simulate-policy", [key], as_of, "scoring.policy_simulation.simulate_planned", cluster="bulk")
    return _("The book is large: the simulation goes on in the background. Come back in a few minutes."), (
        policy.pk
    )
