"""The KPI pages: an overview at any past day, and the rows behind each of its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from creditdesk.core.exports import FORMATS, export_response
from creditdesk.core.money import Money
from customers.models import DocumentKind, Promise
from customers.rates import MissingRate, RateTable
from kpis import drill, sheets
from kpis.ageing import ageing_at
from kpis.dashboard import dashboard
from kpis.dso import PERIOD_DAYS
from kpis.filters import Filters
from kpis.measures import measures
from kpis.promises import judged_promises
from kpis.report import home_currency, kpi_report
from kpis.trend import comparison_day, month_ends
from kpis.unapplied import unapplied_payments

PERMISSION = "kpis.view_kpis"
PAGE_ROWS = 50
WORST_ACCOUNTS = 10
View = Callable[..., Any]


def kpi_page(view: View) -> View:
    """Signed in, with the permission, reading only."""

    @require_safe
    @login_required
    @permission_required(PERMISSION, raise_exception=True)
    @wraps(view)
    def wrapped(request: HttpRequest) -> Any:
        return view(request, Filters.read(request.user, request.GET))

    return wrapped


def _format(request: HttpRequest) -> str | None:
    wanted = request.GET.get("export")
    if wanted and wanted not in FORMATS:
        raise Http404
    return wanted


def _context(request: HttpRequest, filters: Filters, **more: Any) -> dict[str, Any]:
    return {
        **admin.site.each_context(request),
        "filters": filters,
        "form": filters.form,
        "base_query": filters.params(),
        "as_of": filters.as_of,
        **more,
    }


@kpi_page
def overview(request: HttpRequest, filters: Filters) -> Any:
    file_format = _format(request)
    days = [*month_ends(filters.as_of), comparison_day(filters.as_of)]
    try:
        report = kpi_report(
            filters.as_of,
            scope=filters.scope,
            view=filters.view,
            currency=filters.currency,
            other_days=days,
        )
    except MissingRate as error:
        if file_format:
            return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
        apart = ageing_at(filters.as_of, scope=filters.scope, view=filters.view)
        context = _context(request, filters, title=_("KPIs"), missing_rate=error, by_currency=apart)
        return render(request, "kpis/overview.html", context)
    comparison = report.others.pop()
    rows = measures(report)
    if file_format:
        return export_response(_overview_export(request, filters, report, rows), file_format)
    worst = drill.account_ageing(
        filters.as_of, scope=filters.scope, view=filters.view, limit=WORST_ACCOUNTS, per_currency=True
    )
    context = _context(
        request,
        filters,
        title=_("KPIs"),
        report=report,
        by_currency=report.by_currency,
        stamp_query=filters.params(recorded_by=report.stamp.isoformat(), known_at=None),
        **dashboard(report, comparison, rows, worst, filters),
    )
    return render(request, "kpis/overview.html", context)


def _overview_export(request: HttpRequest, filters: Filters, report: Any, rows: Any) -> Any:
    table = request.GET.get("table", "figures")
    if table == "figures":
        return sheets.figures_export(filters, report, rows)
    if table == "ageing":
        return sheets.ageing_export(filters, report)
    if table == "trend":
        return sheets.series_export(filters, report)
    raise Http404


def _drill(
    request: HttpRequest,
    filters: Filters,
    *,
    name: str,
    title: str,
    template: str,
    totals: Sequence[drill.Total],
    page_of: Callable[[int | None, int], Iterable[Any]],
    header: Sequence[str],
    line: Callable[[Any], Sequence[Any]],
    count: int | None = None,
    rounded_once: bool = False,
    **more: Any,
) -> Any:
    """One list behind a figure: a page of it with its sums, or the whole of it as a file."""
    file_format = _format(request)
    if file_format:
        stamp = filters.view.recorded_by or timezone.now()
        lines = (line(row) for row in page_of(None, 0))
        return export_response(
            sheets.drill_export(name, title, filters, stamp, totals, header, lines), file_format
        )
    rows = sum(total.rows for total in totals) if count is None else count
    stated, rate_rows = _stated(filters, totals, rounded_once)
    page: Page = Paginator(range(rows), PAGE_ROWS).get_page(request.GET.get("page"))
    start = (page.number - 1) * PAGE_ROWS
    context = _context(
        request,
        filters,
        title=title,
        page=page,
        rows=list(page_of(PAGE_ROWS, start)),
        totals=totals,
        row_count=rows,
        stated=stated,
        rate_rows=rate_rows,
        overview_query=filters.params(customer=None),
        **more,
    )
    return render(request, template, context)


def _stated(
    filters: Filters, totals: Sequence[drill.Total], rounded_once: bool
) -> tuple[Money | None, list[Any]]:
    """The sum in one currency, as the overview shows it, with the rates behind it; None where nothing converts."""
    currencies = {total.currency for total in totals}
    if not currencies or (len(currencies) == 1 and not filters.currency):
        return None, []
    currency = filters.currency or home_currency(filters.scope)
    if currencies == {currency}:
        return None, []
    rates = RateTable.at(filters.as_of, recorded_by=filters.view.recorded_by)
    try:
        return drill.stated_total(totals, currency, rates, rounded_once=rounded_once), rates.rows_used(
            currencies, currency
        )
    except MissingRate:
        return None, []


def _figure_titles() -> dict[str, str]:
    buckets = {bucket: sheets.bucket_label(bucket) for bucket in sheets.BUCKETS}
    return {
        "open": _("Open instalments"),
        "overdue": _("Overdue instalments"),
        "disputed": _("Disputed instalments"),
        "credits": _("Open credit notes"),
        **{
            bucket: _("Open instalments, %(bucket)s") % {"bucket": label} for bucket, label in buckets.items()
        },
    }


def _figure_tabs() -> dict[str, str]:
    return {
        "open": _("All open"),
        "overdue": _("Overdue"),
        **{bucket: sheets.bucket_label(bucket) for bucket in sheets.BUCKETS},
        "disputed": _("Disputed"),
        "credits": _("Credit notes"),
    }


@kpi_page
def instalments(request: HttpRequest, filters: Filters) -> Any:
    figure = request.GET.get("bucket", "open")
    titles = _figure_titles()
    if figure not in titles:
        raise Http404
    only = (request.GET.get("only") or "").upper() or None
    where: dict[str, Any] = {"scope": filters.scope, "view": filters.view, "currency": only}

    def page_of(limit: int | None, offset: int) -> Iterable[drill.OpenItem]:
        return drill.open_items(figure, filters.as_of, limit=limit, offset=offset, **where)

    return _drill(
        request,
        filters,
        name=f"instalments-{figure.replace('+', '-plus')}",
        title=titles[figure],
        template="kpis/instalments.html",
        totals=drill.open_items_totals(figure, filters.as_of, **where),
        page_of=page_of,
        header=sheets.instalment_header(),
        line=sheets.instalment_row,
        figure=figure,
        tabs=_figure_tabs(),
    )


@kpi_page
def accounts(request: HttpRequest, filters: Filters) -> Any:
    where: dict[str, Any] = {"scope": filters.scope, "view": filters.view}

    def page_of(limit: int | None, offset: int) -> Iterable[drill.AccountAgeing]:
        return drill.account_ageing(filters.as_of, limit=limit, offset=offset, **where)

    return _drill(
        request,
        filters,
        name="ageing-by-customer",
        title=_("Ageing by customer"),
        template="kpis/accounts.html",
        totals=drill.open_items_totals("open", filters.as_of, **where),
        count=drill.count_accounts(filters.as_of, **where),
        page_of=page_of,
        header=sheets.account_header(),
        line=lambda row: sheets.account_row(row, filters.as_of),
        bucket_labels=[sheets.bucket_label(bucket) for bucket in sheets.BUCKETS],
    )


@kpi_page
def payments(request: HttpRequest, filters: Filters) -> Any:
    rows = unapplied_payments(filters.as_of, scope=filters.scope, view=filters.view)
    return _drill(
        request,
        filters,
        name="unapplied-cash",
        title=_("Unapplied cash"),
        template="kpis/payments.html",
        totals=drill.grouped_totals(rows, "unapplied"),
        page_of=lambda limit, offset: _slice(rows, limit, offset),
        header=[
            *(_("customer number"), _("customer"), _("company"), _("payment"), _("received on")),
            *(_("currency"), _("amount"), _("unapplied")),
        ],
        line=lambda row: [
            *(row.account.customer.code, row.account.customer.name, row.company.name, row.key),
            *(row.effective_on, row.currency, row.amount, Money(row.unapplied, row.currency)),
        ],
    )


@kpi_page
def documents(request: HttpRequest, filters: Filters) -> Any:
    rows = drill.documents_sold(filters.as_of, PERIOD_DAYS, scope=filters.scope, view=filters.view)
    return _drill(
        request,
        filters,
        name="documents-sold",
        title=_("Sales of %(days)s days") % {"days": PERIOD_DAYS},
        template="kpis/documents.html",
        totals=drill.documents_totals(rows),
        rounded_once=True,
        page_of=lambda limit, offset: _slice(rows, limit, offset),
        header=[
            *(_("customer number"), _("customer"), _("company"), _("document"), _("kind"), _("issued on")),
            *(_("currency"), _("amount"), _("how it was sent")),
        ],
        line=lambda row: [
            *(row.account.customer.code, row.account.customer.name, row.company.name, row.number),
            *(row.get_kind_display(), row.effective_on, row.currency),
            sheets.signed(row.amount, row.kind == DocumentKind.CREDIT_NOTE),
            sheets.sent_label(row.delivery),
        ],
    )


@kpi_page
def promises(request: HttpRequest, filters: Filters) -> Any:
    rows = (
        judged_promises(filters.as_of, scope=filters.scope, view=filters.view)
        .select_related("account__customer", "account__company", "taken_by")
        .order_by("-judged_on", "-pk")
    )
    return _drill(
        request,
        filters,
        name="promises",
        title=_("Promises judged"),
        template="kpis/promises.html",
        totals=drill.grouped_totals(rows, "amount", "came"),
        page_of=lambda limit, offset: _slice(rows, limit, offset),
        header=[
            *(_("customer number"), _("customer"), _("company"), _("given on"), _("promised for")),
            *(_("judged on"), _("state"), _("currency"), _("promised"), _("arrived"), _("taken by")),
        ],
        line=lambda row: [
            *(row.account.customer.code, row.account.customer.name, row.account.company.name),
            *(row.effective_on, row.due_on, row.judged_on, state_label(row.state), row.currency),
            *(row.amount, Money(row.came, row.currency), str(row.taken_by or "")),
        ],
    )


def state_label(state: str) -> str:
    return str(Promise.Status(state).label)


def _slice(rows: Any, limit: int | None, offset: int) -> Iterable[Any]:
    return rows.iterator(chunk_size=2000) if limit is None else rows[offset : offset + limit]
