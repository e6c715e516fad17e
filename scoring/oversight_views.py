"""For the auditor: the trail of limit approvals to read and to export, and the report of conflicting duties."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from creditdesk.core.clock import business_date
from creditdesk.core.exports import FORMATS, Export, export_response
from creditdesk.core.pages import paged
from customers import duties
from customers.admin.audit import visible_entries
from customers.approval_trail import (
    acts_between,
    acts_export,
    changes_between,
    changes_export,
    export_facts,
)
from customers.days import last_date
from customers.limit_reasons import render_reason
from customers.mandates import decisions_shown
from customers.models import Access, Company
from customers.shown import Shown, shown_fields
from scoring.limit_forms import PeriodForm
from scoring.limit_views import page, staff_page
from scoring.version_duties import version_guarantees

READ = "core.view_auditentry"
USUAL_DAYS = 90


def _period(request: HttpRequest) -> tuple[PeriodForm, date, date]:
    today = business_date()
    form = PeriodForm(request.GET or None)
    data = form.cleaned_data if form.is_bound and form.is_valid() else {}
    last = data.get("last") or today
    return form, data.get("first") or last - timedelta(days=USUAL_DAYS), last


@staff_page(READ)
@require_http_methods(["GET"])
def trail(request: HttpRequest) -> HttpResponseBase:
    form, first, last = _period(request)
    entries = acts_between(visible_entries(request.user), first, last)
    changes = changes_between(request.user, first, last).annotate(
        **shown_fields(request.user, "account__customer", last_date())
    )
    wanted = request.GET.get("export", "")
    if wanted:
        table, _dot, file_format = wanted.partition(".")
        if table not in ("acts", "changes") or file_format not in FORMATS:
            raise Http404
        facts = export_facts(request.user, timezone.now())
        made = (
            acts_export(entries, first, last, facts)
            if table == "acts"
            else changes_export(changes, first, last, facts)
        )
        return export_response(made, file_format)
    current = paged(
        request,
        changes.select_related("account__customer")
        .prefetch_related(decisions_shown())
        .order_by("-as_of", "-pk"),
        50,
    )
    context = {
        "period_form": form,
        "first": first,
        "last": last,
        "page_obj": current,
        "rows": [
            (row, render_reason(row.reason_code, row.reason_params, shown=Shown.of(row))) for row in current
        ],
        "acts": entries.count(),
        "query": f"first={first.isoformat()}&last={last.isoformat()}",
    }
    return page(request, "limits/trail.html", _("Trail of limit approvals"), context)


@staff_page(READ)
@require_http_methods(["GET"])
def duties_report(request: HttpRequest) -> HttpResponseBase:
    form, first, last = _period(request)
    companies = list(_companies(request.user))
    held, found = [*duties.guarantees(), *version_guarantees()], duties.conflicts(companies, first, last)
    file_format = request.GET.get("export", "")
    if file_format:
        if file_format not in FORMATS:
            raise Http404
        return export_response(_duties_export(request, first, last, held, found), file_format)
    context = {
        "period_form": form,
        "first": first,
        "last": last,
        "guarantees": held,
        "all_hold": all(one.holds for one in held),
        "conflicts": [(one, _tone(one.severity), _severity(one.severity)) for one in found],
        "companies": companies,
        "query": f"first={first.isoformat()}&last={last.isoformat()}",
    }
    return page(request, "limits/duties.html", _("Segregation of duties"), context)


def _companies(user: Any) -> Any:
    rows = Company.objects.order_by("name")
    if user.is_superuser:
        return rows
    return rows.filter(pk__in=Access.objects.filter(user=user).values("company_id"))


def _tone(severity: str) -> str:
    return {duties.HIGH: "bad", duties.MEDIUM: "warn"}.get(severity, "mute")


def _severity(severity: str) -> str:
    words = {duties.HIGH: _("high"), duties.MEDIUM: _("medium")}
    return words.get(severity, _("guarded"))


def _duties_export(
    request: HttpRequest,
    first: date,
    last: date,
    held: list[duties.Guarantee],
    found: list[duties.Conflict],
) -> Export:
    rows: list[list[Any]] = [
        [
            _("guarantee"),
            _("holds") if one.holds else _("broken"),
            "",
            "",
            one.rule,
            one.guard,
            one.checked,
            one.violations,
        ]
        for one in held
    ]
    rows += [
        [_("conflict"), _severity(one.severity), one.who, one.company, one.what, one.cure, None, None]
        for one in found
    ]
    return Export(
        name="segregation-of-duties",
        title=_("Segregation of duties"),
        as_of=last,
        header=[
            *(_("kind"), _("severity"), _("who"), _("company"), _("finding"), _("guard or cure")),
            *(_("rows checked"), _("violations")),
        ],
        rows=rows,
        facts=[
            (_("first day"), first),
            (_("last day"), last),
            *export_facts(request.user, timezone.now()),
            (_("control: guarantees"), len(held)),
            (_("control: violations"), sum(one.violations for one in held)),
            (_("control: conflicts"), len(found)),
        ],
    )
