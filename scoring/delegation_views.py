"""Who stands in for whom: read by all who work with limits, recorded and ended by approvers."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from creditdesk.core.clock import business_date
from creditdesk.core.pages import paged
from customers.approval_rules import DECIDE
from customers.delegations import (
    DelegationError,
    companies_of_authority,
    delegate_approval,
    end_delegation,
    possible_deputies,
)
from customers.models import Access, ApprovalDelegation
from scoring.limit_forms import DelegationForm
from scoring.limit_views import page, staff_page


@staff_page("customers.view_approvaldelegation")
@require_http_methods(["GET", "POST"])
def delegations(request: HttpRequest) -> HttpResponse:
    today = business_date()
    may = request.user.has_perm(DECIDE)
    form = _form(request, today) if may else None
    status = 200
    if request.method == "POST":
        status = 403 if form is None else 400
        if form is not None and form.is_valid() and _record(request, form, today):
            return redirect("limits:delegations")
    context = {"form": form, "today": today, "page_obj": paged(request, _seen_by(request.user), 50)}
    return page(request, "limits/delegations.html", _("Deputies for approvals"), context, status)


@staff_page(DECIDE)
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(_seen_by(request.user), pk=pk)
    try:
        end_delegation(row, by=request.user, today=business_date())
    except DelegationError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Ended: %(who)s decides for themselves again.") % {"who": row.delegator})
    return redirect("limits:delegations")


def _seen_by(user: Any) -> Any:
    rows = ApprovalDelegation.objects.select_related("delegator", "delegate", "company", "revoked_by")
    if not user.is_superuser:
        rows = rows.filter(company__in=Access.objects.filter(user=user).values("company_id"))
    return rows.order_by("-ends_on", "-pk")


def _form(request: HttpRequest, today: date) -> DelegationForm:
    companies = companies_of_authority(request.user)
    return DelegationForm(
        request.POST or None,
        deputies=possible_deputies(request.user, [company.pk for company in companies]),
        companies=companies,
        initial={"starts_on": today},
    )


def _record(request: HttpRequest, form: DelegationForm, today: date) -> bool:
    data = form.cleaned_data
    try:
        made = delegate_approval(
            request.user,
            form.deputies[data["delegate"]],
            form.companies[data["company"]],
            starts_on=data["starts_on"],
            ends_on=data["ends_on"],
            reason=data["reason"],
            by=request.user,
            today=today,
        )
    except DelegationError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return False
    text = _("%(who)s decides with your authority in %(company)s as long as it is in force.")
    messages.success(request, text % {"who": made.delegate, "company": made.company})
    return True
