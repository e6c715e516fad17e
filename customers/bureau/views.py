"""Pages about agencies: getting a report, what was asked and what it cost, revoking the basis of a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from creditdesk.core.acts import actor_label
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.exports import FORMATS, Export, export_response
from creditdesk.core.money import Money
from creditdesk.core.pages import desk_page, paged, render_page
from creditdesk.core.sentences import told
from creditdesk.core.wording import day
from customers.access import visible_accounts, visible_customers
from customers.bureau.bases import revoke_basis
from customers.bureau.budget import budgets, month_of
from customers.bureau.forms import AskForm, RevokeForm
from customers.bureau.pulling import PullResult, pull
from customers.bureau.shown import with_tones
from customers.bureau.waterfall import PullPlan, Refusal, plan_pull
from customers.days import last_date
from customers.models import BureauBasis, BureauProvider, BureauPull, CreditAccount

READ = "customers.view_bureaureport"
PAY = "customers.add_bureaupull"
COSTS = "customers.view_bureaupull"


def _tab(account: CreditAccount) -> str:
    return f"{reverse('desk:customer', args=[account.customer_id])}?account={account.pk}&tab=agencies#details"


@desk_page(READ, PAY)
@require_http_methods(["GET", "POST"])
def get_report(request: HttpRequest, account_id: int) -> HttpResponse:
    """What would be asked, in which order and at what price; a POST asks."""
    account = get_object_or_404(
        visible_accounts(request.user).select_related("customer", "company"), pk=account_id
    )
    as_of = business_date(account.company.time_zone)
    plan = plan_pull(account.customer, as_of, BureauPull.Cause.PERSON, now=timezone.now())
    form = AskForm(request.POST if request.method == "POST" else None, may_override=plan.may_override)
    if request.method == "POST" and form.is_valid():
        result = pull(
            account.customer_id,
            as_of,
            actor=Actor.person(request.user),
            cause=BureauPull.Cause.PERSON,
            reason=form.cleaned_data["reason"],
            in_spite_of_age=form.cleaned_data.get("in_spite_of_age", False),
        )
        _tell(request, result)
        return redirect(_tab(account))
    forced = None
    if plan.may_override:
        forced = plan_pull(
            account.customer, as_of, BureauPull.Cause.PERSON, now=timezone.now(), in_spite_of_age=True
        )
    context: dict[str, Any] = {
        "title": _("Get an agency report"),
        "account": account,
        "as_of": as_of,
        "plan": plan,
        "forced": forced,
        "form": form,
        "may_ask": bool(plan.askable) or plan.may_override,
        "refusal": _why_not(plan),
        "needs_basis": plan.refusal == Refusal.NO_BASIS,
        "back": _tab(account),
    }
    return render_page(request, "bureau/get.html", context, status=422 if form.errors else 200)


def _why_not(plan: PullPlan) -> str:
    if plan.refusal == Refusal.USABLE and plan.usable is not None:
        provider, answer = plan.usable
        return _("%(agency)s rated the customer on %(day)s: no new report within %(months)s months.") % {
            "agency": provider.label,
            "day": day(answer.on) if answer.on else "—",
            "months": provider.max_age_months,
        }
    return str(plan.refusal.label)


def _tell(request: HttpRequest, result: PullResult) -> None:
    for question in result.pulls:
        text = f"{question.provider.label}: {question.get_outcome_display()}"
        if question.detail.get("text"):
            text += f" · {told(question.detail['text'])}"
        if question.charged:
            text += f" · {question.charged}"
        good = question.outcome in (BureauPull.Outcome.RATED, BureauPull.Outcome.UNRATED)
        (messages.success if good else messages.warning)(request, text)
    if not result.pulls:
        messages.info(request, _("Nobody was asked: %(why)s.") % {"why": _why_not(result.plan) or "—"})


@desk_page(COSTS)
@require_http_methods(["GET"])
def costs(request: HttpRequest) -> HttpResponseBase:
    """What was asked in a month and what it cost against the budgets; the questions about customers one may see."""
    as_of = last_date()
    month = _month(request.GET.get("month"), as_of)
    first, last = month_of(month)
    providers = list(BureauProvider.objects.order_by("position", "slug"))
    months = budgets(providers, month)
    rows = (
        BureauPull.objects.filter(asked_on__range=(first, last), customer__in=visible_customers(request.user))
        .select_related("provider", "customer", "asked_by")
        .order_by("-asked_on", "-asked_at", "-pk")
    )
    if request.GET.get("outcome") == "paid":
        rows = rows.exclude(charged=0)
    wanted = request.GET.get("export", "")
    if wanted in FORMATS:
        # Of the month that runs, what is known until today.
        return export_response(_export(rows, first, min(last, as_of), as_of, request), wanted)
    page = paged(request, rows)
    page.object_list = with_tones(page.object_list, request.user, as_of)
    context = {
        "title": _("Agency reports and their cost"),
        "first": first,
        "last": last,
        "earlier": date.fromordinal(first.toordinal() - 1).strftime("%Y-%m"),
        "later": date.fromordinal(last.toordinal() + 1).strftime("%Y-%m") if last < as_of else "",
        "agencies": [
            (one, months[one.pk], _share(months[one.pk].spent, one.monthly_budget)) for one in providers
        ],
        "page": page,
        "only_paid": request.GET.get("outcome") == "paid",
        "may_configure": request.user.has_perm("customers.change_bureauprovider"),
    }
    return render_page(request, "bureau/costs.html", context)


def _share(spent: Money, budget: Money | None) -> float | None:
    return min(spent.minor / budget.minor, 1.0) if budget and budget.minor else None


def _month(text: str | None, as_of: date) -> date:
    try:
        return max(date(1990, 1, 1), min(date.fromisoformat(f"{text}-01"), as_of))
    except ValueError:
        return as_of


def _parts(rows: Iterator[BureauPull], size: int = 1000) -> Iterator[list[BureauPull]]:
    while part := list(islice(rows, size)):
        yield part


def _export(rows: Any, first: date, last: date, as_of: date, request: HttpRequest) -> Export:
    lines = (
        [
            *(
                row.asked_on,
                row.customer.code,
                row.customer.name,
                row.provider.label,
                row.get_cause_display(),
            ),
            *(
                row.reason,
                actor_label(row.actor_name),
                row.outcome_label,
                row.currency,
                row.price,
                row.charged,
            ),
        ]
        for part in _parts(rows.iterator(chunk_size=1000))
        for row in with_tones(part, request.user, as_of)
    )
    header = [
        *(_("day"), _("customer number"), _("customer"), _("agency"), _("cause"), _("reason"), _("asked by")),
        *(_("outcome"), _("currency"), _("price"), _("charged")),
    ]
    facts = [(_("first day"), first), (_("last day"), last), (_("made by"), request.user.get_username())]
    return Export("agency-reports", _("Agency reports and their cost"), last, header, lines, facts)


@desk_page("customers.change_bureaubasis")
@require_http_methods(["GET", "POST"])
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """A person objects, or takes a consent back: nobody is asked about it any more."""
    basis = get_object_or_404(
        BureauBasis.objects.filter(customer__in=visible_customers(request.user)).select_related("customer"),
        pk=pk,
    )
    form = RevokeForm(request.POST if request.method == "POST" else None)
    back = reverse("admin:customers_bureaubasis_change", args=[basis.pk])
    if request.method == "POST" and form.is_valid():
        revoke_basis(
            basis, actor=Actor.person(request.user), on=business_date(), reason=form.cleaned_data["reason"]
        )
        messages.success(
            request, _("The legal basis is revoked: no agency is asked about this person any more.")
        )
        return redirect(back)
    context = {"title": _("Revoke the legal basis"), "basis": basis, "form": form, "back": back}
    return render_page(request, "bureau/revoke.html", context, status=422 if form.errors else 200)
