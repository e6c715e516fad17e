"""Approving the ticked small rises of the inbox. Rules are in customers/bulk_approval.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from creditdesk.core.models import User
from customers.approval_clock import terms_of
from customers.approval_rules import DECIDE
from customers.bulk_approval import AT_MOST, BulkOutcome, approve_small_rises
from customers.limit_evidence import gather_evidence
from customers.models import LimitChange
from scoring.limit_forms import BulkForm
from scoring.limit_inbox import visible_changes
from scoring.limit_views import show_inbox, staff_page, today_of


@staff_page(DECIDE)
@require_POST
def bulk_approve(request: HttpRequest) -> HttpResponse:
    """What goes through is applied, what does not is named with its reason; nothing is left half-done."""
    picked = [pk for pk in request.POST.getlist("changes") if pk.isdecimal()][:AT_MOST]
    changes = list(
        visible_changes(request.user)
        .filter(pk__in=picked)
        .select_related("account__customer", "account__company", "account__segment")
        .order_by("account_id", "pk")
    )
    form = BulkForm(request.POST, ids=[change.pk for change in changes])
    if not form.is_valid():
        return show_inbox(request, form, 400)
    days: dict[date, list[LimitChange]] = defaultdict(list)
    for change in changes:
        days[today_of(change.account)].append(change)
    refused = 0
    for on, group in days.items():
        outcome = _approve(request.user, group, form.cleaned_data["reason"], on)
        refused += len(outcome.refused)
        _tell(request, outcome)
    return redirect(f"{reverse('limits:inbox')}?show=small" if refused else "limits:inbox")


def _approve(user: User, changes: Sequence[LimitChange], reason: str, on: date) -> BulkOutcome:
    accounts = list({change.account_id: change.account for change in changes}.values())
    return approve_small_rises(
        changes,
        approver=user,
        reason=reason,
        on=on,
        terms=terms_of({account.company_id: account.company for account in accounts}.values()),
        evidence=gather_evidence(accounts, on),
    )


def _tell(request: HttpRequest, outcome: BulkOutcome) -> None:
    if outcome.applied:
        done = ngettext("Approved %(n)s rise.", "Approved %(n)s rises.", len(outcome.applied))
        messages.success(request, done % {"n": len(outcome.applied)})
    if outcome.first_of_two:
        half = ngettext(
            "%(n)s rise now waits for a second person.",
            "%(n)s rises now wait for a second person.",
            len(outcome.first_of_two),
        )
        messages.info(request, half % {"n": len(outcome.first_of_two)})
    for change, error in outcome.refused:
        name = change.account.customer.name
        messages.error(request, _("Not approved: %(customer)s. %(why)s") % {"customer": name, "why": error})
