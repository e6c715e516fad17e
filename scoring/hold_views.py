"""The page of customers on hold: placing a hold by hand and releasing one. Rules are in customers/holds.py."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from customers.access import account_scope, visible_accounts
from customers.holds import HoldError, open_holds, place_hold_by_hand, release_hold
from customers.models import CreditHold
from scoring.limit_forms import HoldForm, ReleaseForm
from scoring.limit_views import PAGE, page, staff_page, today_of


@staff_page("customers.view_credithold")
@require_http_methods(["GET"])
def holds(request: HttpRequest) -> HttpResponse:
    rows = (
        CreditHold.objects.filter(account_scope(request.user, "account__"), released_on__isnull=True)
        .select_related("account__customer", "change")
        .order_by("placed_on", "pk")
    )
    context = {
        "page_obj": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "may_release": request.user.has_perm("customers.change_credithold"),
        "may_place": request.user.has_perm("customers.add_credithold"),
    }
    return page(request, "limits/holds.html", _("Customers on hold"), context)


@staff_page("customers.change_credithold")
@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    hold = get_object_or_404(
        CreditHold.objects.filter(account_scope(request.user, "account__")).select_related(
            "account__company"
        ),
        pk=pk,
    )
    form = ReleaseForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.errors["reason"][0])
        return redirect("limits:holds")
    try:
        release_hold(hold, by=request.user, reason=form.cleaned_data["reason"], on=today_of(hold.account))
    except HoldError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Released: %(customer)s.") % {"customer": hold.account.customer.name})
    return redirect("limits:holds")


@staff_page("customers.add_credithold")
@require_http_methods(["GET", "POST"])
def place(request: HttpRequest, account_id: int) -> HttpResponse:
    account = get_object_or_404(
        visible_accounts(request.user).select_related("customer", "company"), pk=account_id
    )
    today = today_of(account)
    form = HoldForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            place_hold_by_hand(account, by=request.user, on=today, **form.cleaned_data)
        except HoldError as error:
            form.add_error(None, str(error))
        else:
            text = _("On hold: %(customer)s. New business is stopped until an approver releases it.")
            messages.success(request, text % {"customer": account.customer.name})
            return redirect("limits:holds")
    context = {
        "account": account,
        "customer": account.customer,
        "form": form,
        "holds": open_holds(today).filter(account=account).order_by("placed_on", "pk"),
    }
    title = _("Place on hold: %(customer)s") % {"customer": account.customer.name}
    return page(request, "limits/place_hold.html", title, context, 400 if form.errors else 200)
