"""What the overview draws: six figures with trend and comparison, the charts, the worst accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from babel.dates import format_date
from django.urls import reverse
from django.utils.translation import gettext as _

from creditdesk.core import charts, wording
from creditdesk.core.charts import AGEING_CSS, Chart, Series
from creditdesk.core.money import Money
from customers.rates import RateTable
from kpis.ageing import BUCKETS
from kpis.drill import AccountAgeing
from kpis.filters import Filters
from kpis.measures import DAYS, MONEY, SHARE, Measure, count_back_note
from kpis.promises import promises_total
from kpis.report import KpiReport, Point
from kpis.sheets import bucket_label

ADDRESSES = {"payments": "kpis:payments", "documents": "kpis:documents", "promises": "kpis:promises"}


def drill_address(drill: str, filters: Filters, **changes: Any) -> str:
    """The page with the rows behind a figure."""
    if not drill:
        return ""
    if drill in ADDRESSES:
        return f"{reverse(ADDRESSES[drill])}?{filters.params(**changes)}"
    return f"{reverse('kpis:instalments')}?{filters.params(bucket=drill, **changes)}"


@dataclass(frozen=True)
class Tile:
    """One of the six figures. change: now less then, in the unit of the figure; tone says whether that is good."""

    label: str
    kind: str
    value: Any
    then: Any
    change: Any
    tone: str
    trend: Chart
    address: str
    note: str = ""

    @property
    def points(self) -> float | None:
        """The change of a share in percentage points."""
        return None if self.change is None or self.kind != SHARE else self.change * 100


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Fraction) else value


def _figure(value: Any) -> float | None:
    if value is None:
        return None
    return float(value.amount) if isinstance(value, Money) else float(value)


def _tile(
    label: str, kind: str, values: Sequence[Any], then: Any, address: str, more_is: str = "", note: str = ""
) -> Tile:
    """values: over time, the last one is now. more_is: "good" or "bad" when it grows."""
    now = values[-1]
    change = None if now is None or then is None else now - then
    tone = ""
    if more_is and change:
        grows = _figure(change) > 0  # type: ignore[operator]
        tone = more_is if grows else {"good": "bad", "bad": "good"}[more_is]
    trend = charts.sparkline([_figure(value) for value in values], title=label)
    return Tile(label, kind, _plain(now), _plain(then), _plain(change), tone, trend, address, note)


def tiles(report: KpiReport, comparison: Point, filters: Filters) -> list[Tile]:
    points = [*report.others, report.now]

    def address(drill: str) -> str:
        return drill_address(drill, filters)

    return [
        _tile(_("Open invoices"), MONEY, [p.ageing.open_amount for p in points],
              comparison.ageing.open_amount, address("open")),
        _tile(_("Overdue"), MONEY, [p.ageing.overdue for p in points],
              comparison.ageing.overdue, address("overdue"), "bad"),
        _tile(_("Past-due share"), SHARE, [p.ageing.past_due_share for p in points],
              comparison.ageing.past_due_share, address("overdue"), "bad"),
        _tile(_("DSO, simple"), DAYS, [p.dso_simple for p in points],
              comparison.dso_simple, address("documents"), "bad"),
        _tile(_("DSO, count-back"), DAYS, [p.dso_count_back.days for p in points],
              comparison.dso_count_back.days, address("documents"), "bad",
              count_back_note(report.now.dso_count_back)),
        _tile(_("Promises kept"), SHARE, [p.promises.rate for p in points],
              comparison.promises.rate, address("promises"), "good"),
    ]  # fmt: skip


def _short(day: date) -> str:
    """Fits under a column: 'Mar 26' for a month-end, the day itself otherwise."""
    next_day = date.fromordinal(day.toordinal() + 1)
    return format_date(day, "MMM yy" if next_day.day == 1 else "d MMM", locale=wording.locale())


def ageing_chart(points: Sequence[Point], filters: Filters) -> Chart:
    """Open money by age at each month-end; a column opens its day."""
    series = [
        Series(bucket_label(bucket), [p.ageing.buckets[bucket].amount.amount for p in points], css)
        for bucket, css in zip(BUCKETS, AGEING_CSS, strict=True)
    ]
    address = reverse("kpis:overview")
    return charts.stacked_bars(
        [_short(p.day) for p in points],
        series,
        title=_("Ageing at month-ends, %(currency)s") % {"currency": points[-1].ageing.currency},
        links=[f"{address}?{filters.params(as_of=p.day.isoformat())}" for p in points],
    )


def dso_chart(points: Sequence[Point]) -> Chart:
    def over_time(read: Any) -> list[tuple[date, Any]]:
        return [(p.day, _plain(read(p))) for p in points]

    return charts.line_chart(
        [
            Series(_("DSO, simple"), over_time(lambda p: p.dso_simple)),
            Series(_("DSO, count-back"), over_time(lambda p: p.dso_count_back.days)),
            Series(_("best possible DSO"), over_time(lambda p: p.best_possible_dso)),
        ],
        title=_("DSO at month-ends, days"),
        fmt=lambda value: charts.number(round(float(value), 1)),
    )


def promises_chart(report: KpiReport) -> Chart:
    """Promises by the month they were judged in: kept, in part, broken, as counts."""
    days = [p.day for p in report.others] + [report.as_of]
    rates = report.rates or RateTable(report.as_of, {})
    kept, missed = [], []
    first = date.min
    for day in days:
        part = promises_total(report.promise_rows, report.currency, rates, first=first, last=day)
        kept.append(part.kept)
        missed.append(part.judged - part.kept)
        first = date.fromordinal(day.toordinal() + 1)
    # What was judged before the first month-end shown is no month of its own.
    return charts.stacked_bars(
        [_short(day) for day in days[1:]],
        [Series(_("kept"), kept[1:], "good"), Series(_("kept in part or broken"), missed[1:], "bad")],
        title=_("Promises judged, by month"),
        fmt=lambda value: charts.number(int(value)),
    )


def rank(
    rows: Sequence[AccountAgeing], currency: str, rates: RateTable | None, top: int
) -> list[AccountAgeing]:
    """The most overdue of all currencies, compared in the report's; amounts stay in their own."""
    table = rates or RateTable(date.max, {})
    return sorted(rows, key=lambda row: -table.convert(row.overdue, currency).minor)[:top]


def dashboard(
    report: KpiReport,
    comparison: Point,
    rows: Sequence[Measure],
    worst: Sequence[AccountAgeing],
    filters: Filters,
) -> dict[str, Any]:
    points = [*report.others, report.now]
    late = [row for row in worst if row.overdue]
    return {
        "tiles": tiles(report, comparison, filters),
        "compared_with": comparison.day,
        "measures": [(row, drill_address(row.drill, filters)) for row in rows],
        "ageing_chart": ageing_chart(points, filters),
        "dso_chart": dso_chart(points),
        "promises_chart": promises_chart(report) if report.promise_rows else None,
        "buckets": [
            (
                bucket_label(name),
                report.ageing.buckets[name],
                _plain(_share(report, name)),
                drill_address(name, filters),
            )
            for name in BUCKETS
        ],
        "worst": [
            (
                row,
                row.days_past_due(report.as_of),
                drill_address("overdue", filters, customer=row.customer_id),
            )
            for row in rank(late, report.currency, report.rates, 10)
        ],
    }


def _share(report: KpiReport, bucket: str) -> Fraction | None:
    total = report.ageing.open_amount.minor
    return Fraction(report.ageing.buckets[bucket].amount.minor, total) if total else None
