"""The exports: each table of the KPI pages as CSV or XLSX, with its day, stamp, filters, rates and control totals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.exports import Export
from creditdesk.core.money import Money
from customers.models import SentBy
from kpis.ageing import BUCKETS, Ageing
from kpis.drill import AccountAgeing, OpenItem, Total
from kpis.filters import Filters
from kpis.measures import MONEY, Measure
from kpis.report import KpiReport


def bucket_label(bucket: str) -> str:
    return _("not due") if bucket == "not_due" else _("%(bucket)s days") % {"bucket": bucket}


def control_facts(rows: dict[str, Ageing]) -> list[tuple[str, Any]]:
    """Ageing total, ledger control total and their difference, per currency."""
    facts: list[tuple[str, Any]] = []
    for currency, row in rows.items():
        if row.control is None:
            continue
        names = {
            "invoices": (_("open invoices"), row.open_amount, row.control.invoices),
            "credits": (_("open credit notes"), row.credits, row.control.credits),
            "unapplied": (_("unapplied cash"), row.unapplied, row.control.unapplied),
        }
        for label, shown, control in names.values():
            facts.append((_("%(what)s %(currency)s") % {"what": label, "currency": currency}, shown))
            facts.append(
                (
                    _("ledger control total of %(what)s %(currency)s")
                    % {"what": label, "currency": currency},
                    control,
                )
            )
        facts.append((_("ties to the ledger, %(currency)s") % {"currency": currency}, row.ties))
    return facts


def rate_facts(report: KpiReport) -> list[tuple[str, Any]]:
    return [
        (_("rate %(base)s/%(quote)s") % {"base": row.base, "quote": row.quote},
         f"{row.rate.normalize():f} ({row.on.isoformat()}, {row.source})")
        for row in report.rate_rows
    ]  # fmt: skip


def report_facts(filters: Filters, report: KpiReport) -> list[tuple[str, Any]]:
    return [
        *filters.facts(report.stamp),
        (_("stated in"), report.currency),
        *rate_facts(report),
        *control_facts(report.by_currency),
    ]


def figures_export(filters: Filters, report: KpiReport, rows: Sequence[Measure]) -> Export:
    """All measures, one a row; amounts in the report's currency, shares as fractions of 1."""
    units = {MONEY: report.currency, "share": _("share of 1"), "days": _("days"), "count": _("count")}
    return Export(
        name="kpis",
        title=_("KPIs"),
        as_of=report.as_of,
        header=[_("measure"), _("value"), _("unit"), _("formula"), _("note")],
        rows=[[row.label, row.shown, units[row.kind], row.formula, row.note] for row in rows],
        facts=report_facts(filters, report),
    )


def ageing_export(filters: Filters, report: KpiReport) -> Export:
    """Ageing per currency and, where there are several, in the stated one."""
    rows: list[tuple[str, Ageing]] = list(report.by_currency.items())
    if list(report.by_currency) != [report.currency]:
        rows.append((_("total in %(currency)s") % {"currency": report.currency}, report.ageing))
    return Export(
        name="ageing",
        title=_("Ageing"),
        as_of=report.as_of,
        header=[
            _("currency"),
            *(bucket_label(bucket) for bucket in BUCKETS),
            *(_("open invoices"), _("overdue"), _("of which disputed"), _("open credit notes")),
            *(_("unapplied cash"), _("net"), _("invoices (documents)")),
        ],
        rows=[
            [
                label,
                *(row.buckets[bucket].amount for bucket in BUCKETS),
                *(
                    row.open_amount,
                    row.overdue,
                    row.disputed,
                    row.credits,
                    row.unapplied,
                    row.net,
                    row.documents,
                ),
            ]
            for label, row in rows
        ],
        facts=report_facts(filters, report),
    )


def series_export(filters: Filters, report: KpiReport) -> Export:
    """The measures over time, as the charts show them."""
    points = [*report.others, report.now]
    return Export(
        name="kpi-trend",
        title=_("KPIs over time"),
        as_of=report.as_of,
        header=[
            _("day"),
            *(bucket_label(bucket) for bucket in BUCKETS),
            *(
                _("open invoices"),
                _("overdue"),
                _("DSO, simple"),
                _("DSO, count-back"),
                _("best possible DSO"),
            ),
            *(_("promises kept"), _("promises judged")),
        ],
        rows=[
            [
                point.day,
                *(point.ageing.buckets[bucket].amount for bucket in BUCKETS),
                *(point.ageing.open_amount, point.ageing.overdue),
                *(
                    _float(point.dso_simple),
                    _float(point.dso_count_back.days),
                    _float(point.best_possible_dso),
                ),
                *(point.promises.kept, point.promises.judged),
            ]
            for point in points
        ],
        facts=report_facts(filters, report),
    )


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def total_facts(totals: Sequence[Total]) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = []
    for total in totals:
        facts.append((_("rows, %(currency)s") % {"currency": total.currency}, total.rows))
        facts.append((_("control total %(currency)s") % {"currency": total.currency}, total.amount))
        if total.of_which is not None:
            facts.append((_("part of it %(currency)s") % {"currency": total.currency}, total.of_which))
    return facts


def drill_export(
    name: str,
    title: str,
    filters: Filters,
    stamp: datetime,
    totals: Sequence[Total],
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> Export:
    return Export(
        name=name,
        title=title,
        as_of=filters.as_of,
        header=header,
        rows=rows,
        facts=[*filters.facts(stamp), *total_facts(totals)],
    )


def instalment_header() -> list[str]:
    return [
        *(_("customer number"), _("customer"), _("company"), _("document"), _("instalment"), _("issued on")),
        *(_("due on"), _("days past due"), _("bucket"), _("currency"), _("amount"), _("open")),
        *(_("of which disputed"), _("collector"), _("how it was sent")),
    ]


def instalment_row(row: OpenItem) -> list[Any]:
    return [
        *(row.customer_code, row.customer, row.company, row.document, row.number, row.issued_on, row.due_on),
        *(
            row.days_past_due,
            row.bucket,
            row.open.currency,
            row.amount,
            row.open,
            row.disputed,
            row.collector,
            sent_label(row.delivery),
        ),
    ]


def sent_label(delivery: str) -> str:
    """How a document was sent; nothing where nobody said it."""
    return str(SentBy(delivery).label) if delivery else ""


def account_header() -> list[str]:
    return [
        *(_("customer number"), _("customer"), _("company"), _("collector"), _("currency")),
        *(bucket_label(bucket) for bucket in BUCKETS),
        *(_("open"), _("overdue"), _("oldest due on"), _("days past due")),
    ]


def account_row(row: AccountAgeing, as_of: date) -> list[Any]:
    return [
        *(row.customer_code, row.customer, row.company, row.collector, row.open.currency, *row.buckets),
        *(row.open, row.overdue, row.oldest_due_on, row.days_past_due(as_of)),
    ]


def signed(amount: Money, negative: bool) -> Money:
    return -amount if negative else amount
