"""Overriding a score, ending an override, and the monthly monitoring page."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from creditdesk.core import charts
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.jobs import key_anew, plan_jobs
from creditdesk.core.pages import desk_page, render_page
from creditdesk.core.wording import fixed, percent
from customers.access import visible_accounts
from customers.models import CreditAccount
from scoring.automation import TARGET, files_decided, scores_of_now
from scoring.card_forms import OverrideForm, ReasonForm
from scoring.card_views import AT_ONCE, VIEW, matrix_rows
from scoring.fitting.observations import horizon_of
from scoring.models import AccountScore, CardReport, ScoreOverride
from scoring.monitoring import monitor
from scoring.overrides import PERMISSION, OverrideError, end_override, override_score, overrides_at
from scoring.publishing import PROPOSE, PUBLISH
from scoring.signals import BY_NAME

USUAL = timedelta(days=90)
SHOWN = 12


@desk_page("scoring.view_accountscore", PERMISSION)
@require_http_methods(["GET", "POST"])
def override(request: HttpRequest, account_id: int) -> HttpResponse:
    account = get_object_or_404(
        visible_accounts(request.user).select_related("customer", "company"), pk=account_id
    )
    as_of = business_date(account.company.time_zone)
    form = OverrideForm(request.POST or None, initial={"valid_until": as_of + USUAL})
    if request.method == "POST" and form.is_valid():
        try:
            override_score(account, by=request.user, as_of=as_of, **form.cleaned_data)
        except OverrideError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Overridden. It ends by itself and is measured afterwards."))
            return redirect(_customer(account))
    context: dict[str, Any] = {
        "title": _("Override the score"),
        "account": account,
        "score": AccountScore.objects.filter(account=account).first(),
        "current": overrides_at([account.pk], as_of).get(account.pk),
        "past": ScoreOverride.objects.filter(account=account).select_related("made_by")[:20],
        "form": form,
        "end_form": ReasonForm(prefix="end"),
    }
    response = render_page(request, "scorecards/override.html", context)
    response.status_code = 422 if form.errors else 200
    return response


@desk_page("scoring.view_accountscore", PERMISSION)
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(
        ScoreOverride.objects.select_related("account__company"),
        pk=pk,
        account__in=visible_accounts(request.user),
    )
    as_of = business_date(found.account.company.time_zone)
    try:
        end_override(found, by=request.user, reason=request.POST.get("end-reason", ""), as_of=as_of)
        messages.success(request, _("The card's grade counts again."))
    except OverrideError as error:
        messages.error(request, str(error))
    return redirect("scorecards:override", found.account_id)


def _customer(account: Any) -> str:
    return f"{reverse('desk:customer', args=[account.customer_id])}?account={account.pk}"


@desk_page(VIEW)
@require_http_methods(["GET"])
def monitoring(request: HttpRequest) -> HttpResponse:
    kept = (
        CardReport.objects.filter(kind=CardReport.Kind.MONITORING)
        .select_related("card")
        .order_by("-as_of", "-pk")
    )
    months = list(kept[:24])
    wanted = request.GET.get("month", "")
    report = next((r for r in months if str(r.pk) == wanted), next(iter(months), None))
    figures = report.figures if report else {}
    points = _points(report, months)
    seen = visible_accounts(request.user)
    files, months_alone = files_decided(seen, business_date())
    context = {
        "title": _("Monitoring of the score"),
        "files": files,
        "months_alone": months_alone,
        "book": scores_of_now(seen),
        "target": TARGET,
        "months": months,
        "report": report,
        "figures": figures,
        "points": points,
        "newest": next((p for p in points if p["month"] == figures["month"]), None),
        "gini_chart": _gini_chart(points, figures),
        "pd_chart": _pd_chart(points),
        "matrix": matrix_rows(figures["migration"]["moves"]) if figures else [],
        "signals": [
            {**row, "label": BY_NAME[row["signal"]].label}
            for row in figures["drift"]["signals"][:SHOWN]
            if row["signal"] in BY_NAME
        ]
        if figures
        else [],
        "beside": [
            {
                **one,
                "points": [p | {"on": date.fromisoformat(p["scored_on"])} for p in reversed(one["points"])],
            }
            for one in figures.get("beside", [])
        ],
    }
    return render_page(request, "scorecards/monitoring.html", context)


def _points(report: CardReport | None, months: list[CardReport]) -> list[dict[str, Any]]:
    """The months of the report's card, with the drift each month's own report found."""
    if report is None:
        return []
    psi = {
        r.figures["month"]: r.figures["drift"]["psi"] for r in reversed(months) if r.card_id == report.card_id
    }
    return [
        point
        | {
            "on": horizon_of(date.fromisoformat(point["scored_on"])),
            "psi": psi.get(point["month"], point.get("psi")),
        }
        for point in report.figures.get("series", [])
    ]


def _gini_chart(points: list[dict[str, Any]], figures: dict[str, Any]) -> charts.Chart | None:
    told = [point for point in points if point.get("gini") is not None]
    if len(told) < 2:
        return None
    return charts.line_chart(
        [charts.Series(_("Gini"), [(point["on"], point.get("gini")) for point in points])],
        band=[(point["on"], *point["gini_interval"]) for point in told if point["gini_interval"]],
        target=float(figures["gate"]["min_gini"]),
        # xgettext:no-python-format
        title=_("Gini with its 95 % interval; dashed: the gate of publishing"),
        fmt=lambda value: fixed(value, 2),
        axis_fmt=lambda value: fixed(value, 2),  # steps of 0.25
    )


def _pd_chart(points: list[dict[str, Any]]) -> charts.Chart | None:
    told = [point for point in points if point["expected"] is not None]
    if len(told) < 2:
        return None
    return charts.line_chart(
        [
            charts.Series(_("observed"), [(point["on"], point["observed"]) for point in told]),
            charts.Series(_("expected"), [(point["on"], point["expected"]) for point in told]),
        ],
        band=[(point["on"], *point["observed_interval"]) for point in told],
        # xgettext:no-python-format
        title=_("Defaults within a year, expected and observed (95 % interval)"),
        fmt=percent,
        axis_fmt=percent,
    )


@desk_page(VIEW)
@require_POST
def measure_month(request: HttpRequest) -> HttpResponse:
    if not (request.user.has_perm(PROPOSE) or request.user.has_perm(PUBLISH)):
        raise PermissionDenied
    as_of = business_date()
    if CreditAccount.objects.count() <= AT_ONCE // 3:
        report = monitor(
            as_of,
            made_by=request.user.get_full_name() or request.user.get_username(),
            reader=Actor.person(request.user),
        )
        messages.success(request, _("Measured: %s.") % report.figures["month"])
    else:
        key = key_anew("monitor-month", str(request.user.pk))
        plan_jobs("monitor-month", [key], as_of, "scoring.tasks.monitor_planned_month", cluster="bulk")
        messages.success(
            request,
            _("The book is large: measuring goes on in the background. Come back in a few minutes."),
        )
    return redirect("scorecards:monitoring")
