"""Pages that keep watch over limits: reviews due, temporary limits that end, causes that cut. Thin: rules elsewhere."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from creditdesk.core.clock import business_date
from customers.access import account_scope, visible_accounts
from customers.approval_rules import DECIDE, PROPOSE
from customers.days import last_date
from customers.legal_bases import rule_text
from customers.limit_reasons import render_reason
from customers.shown import Shown, shown_fields
from scoring.limit_views import PAGE, VIEW, page, staff_page, today_of
from scoring.limit_warnings import ending_limits
from scoring.models import CauseKind, CreditCause
from scoring.reviews import ReviewError, confirm_limit, next_reviews, overdue_reviews

SOON = timedelta(days=30)


class ConfirmForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("what you saw"),
        max_length=2000,
        error_messages={"required": gettext_lazy("Write down what you saw: the note stays with the review.")},
    )


@staff_page(VIEW)
@require_http_methods(["GET"])
def reviews(request: HttpRequest) -> HttpResponse:
    """The task list of periodic reviews; ?soon also shows those of the next thirty days."""
    today, user = business_date(), request.user
    soon = "soon" in request.GET
    rows = overdue_reviews(visible_accounts(user), today, until=today + SOON if soon else None)
    found = Paginator(rows.select_related("customer", "company", "score_row"), PAGE).get_page(
        request.GET.get("page")
    )
    due = next_reviews(found.object_list, today)
    for row in found.object_list:
        row.due_on = due[row.pk]
        row.late_days = (today - row.due_on).days
    context = {
        "page_obj": found,
        "soon": soon,
        "may_review": user.has_perm(PROPOSE) or user.has_perm(DECIDE),
        "may_propose": user.has_perm(PROPOSE),
    }
    return page(request, "limits/reviews.html", _("Limit reviews due"), context)


@staff_page(VIEW)
@require_POST
def confirm(request: HttpRequest, account_id: int) -> HttpResponse:
    """The limit stays as it is: that is the review."""
    if not (request.user.has_perm(PROPOSE) or request.user.has_perm(DECIDE)):
        raise PermissionDenied
    account = get_object_or_404(
        visible_accounts(request.user).select_related("customer", "company"), pk=account_id
    )
    form = ConfirmForm(request.POST)
    try:
        if not form.is_valid():
            raise ReviewError(form.errors["note"][0])
        confirm_limit(account, by=request.user, note=form.cleaned_data["note"], on=today_of(account))
    except ReviewError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, _("Reviewed: the limit of %(customer)s stays.") % {"customer": account.customer.name}
        )
    return redirect("limits:reviews")


@staff_page(VIEW)
@require_http_methods(["GET"])
def ending(request: HttpRequest) -> HttpResponse:
    today = business_date()
    context = {
        "rows": ending_limits(visible_accounts(request.user), today),
        "may_propose": request.user.has_perm(PROPOSE),
    }
    return page(request, "limits/ending.html", _("Temporary limits ending"), context)


@staff_page("scoring.view_creditcause")
@require_http_methods(["GET"])
def causes(request: HttpRequest) -> HttpResponse:
    """What cut limits, newest first, with the evidence and the legal basis."""
    rows = (
        CreditCause.objects.filter(account_scope(request.user, "account__"))
        .select_related("account__customer", "account__company", "change", "hold", "basis")
        .annotate(**shown_fields(request.user, "account__customer", last_date()))
        .order_by("-pk")
    )
    kind = request.GET.get("kind", "")
    if kind in CauseKind.values:
        rows = rows.filter(kind=kind)
    found = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    for row in found.object_list:
        row.sentence = render_reason(row.kind, row.evidence, shown=Shown.of(row))
        row.rule = rule_text(row.basis) if row.basis else ""
    context = {"page_obj": found, "kinds": CauseKind.choices, "kind": kind}
    return page(request, "limits/causes.html", _("Causes of cuts"), context)
