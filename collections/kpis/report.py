"""All measures of one date, computed together in a constant number of queries and stated in one currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction

from django.db.models import Count
from django.utils import timezone

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money, exponent
from customers.models import Company, CreditAccount, ExchangeRate
from customers.rates import RateTable
from kpis import dso
from kpis.ageing import Ageing, ageing_series, complete, total_in
from kpis.delay import DelaySums
from kpis.disputed import closing_days, disputed_sales, mean_days, median_days
from kpis.dso import PERIOD_DAYS, CountBack, ratio
from kpis.payments import cash_delay
from kpis.promises import JudgedPromises, promises_by_day, promises_total
from kpis.sales import DaySales, Sales, issued_by, sales_by_day
from kpis.scope import EVERYTHING, Scope


@dataclass(frozen=True)
class Point:
    """The measures that are shown over time, at one day, in the report's currency."""

    day: date
    ageing: Ageing
    sales: Fraction
    dso_simple: Fraction | None
    dso_count_back: CountBack
    promises: JudgedPromises

    @property
    def best_possible_dso(self) -> Fraction | None:
        return dso.best_possible_dso(self.ageing.receivables_not_due.minor, self.sales)


@dataclass
class KpiReport:
    """Every figure with what it was made of. Shares are fractions of 1, days are calendar days."""

    as_of: date
    view: View
    currency: str
    stamp: datetime
    by_currency: dict[str, Ageing]
    now: Point
    opening: Point
    others: list[Point]
    delay: DelaySums
    disputed_documents: int
    disputed_sales: Fraction
    issued_documents: int
    dispute_days: list[int]
    promise_rows: list[tuple[date, str, JudgedPromises]] = field(default_factory=list)
    rates: RateTable | None = None

    @property
    def ageing(self) -> Ageing:
        return self.now.ageing

    @property
    def ties(self) -> bool:
        return all(row.ties for row in self.by_currency.values())

    @property
    def rate_rows(self) -> list[ExchangeRate]:
        return self.rates.rows_used(set(self.by_currency), self.currency) if self.rates else []

    @property
    def sales(self) -> Money:
        return Money(round(self.now.sales), self.currency)

    @property
    def average_days_delinquent(self) -> Fraction | None:
        return dso.average_days_delinquent(self.now.dso_simple, self.now.best_possible_dso)

    @property
    def collection_effectiveness(self) -> Fraction | None:
        return dso.collection_effectiveness(
            self.opening.ageing.receivables.minor,
            self.now.sales,
            self.ageing.receivables.minor,
            self.ageing.receivables_not_due.minor,
        )

    @property
    def dispute_rate(self) -> Fraction | None:
        return ratio(self.disputed_documents, self.issued_documents)

    @property
    def dispute_rate_by_value(self) -> Fraction | None:
        return ratio(self.disputed_sales, self.now.sales)

    @property
    def dispute_days_mean(self) -> Fraction | None:
        return mean_days(self.dispute_days)

    @property
    def dispute_days_median(self) -> Fraction | None:
        return median_days(self.dispute_days)


class _Converter:
    """Exact conversion of sums; rates are read only when a second currency turns up."""

    def __init__(self, currency: str, rates: RateTable) -> None:
        self.currency, self.rates = currency, rates

    def factor(self, currency: str) -> Fraction:
        """Minor units of the report's currency for one minor unit of `currency`."""
        places = exponent(self.currency) - exponent(currency)
        return Fraction(self.rates.rate(currency, self.currency)) * Fraction(10) ** places

    def sales(self, rows: Sequence[DaySales]) -> Sales:
        return Sales.of(
            rows, {currency: self.factor(currency) for currency in {row.currency for row in rows}}
        )


def home_currency(scope: Scope) -> str:
    """The currency to state mixed ledgers in: of the company asked for, or of most accounts' companies."""
    if scope.company_id is not None:
        return Company.objects.values_list("currency", flat=True).get(pk=scope.company_id)
    rows = (
        CreditAccount.objects.filter(scope.q(CURRENT, ""))
        .order_by()
        .values("company__currency")
        .annotate(accounts=Count("pk"))
        .order_by("-accounts", "company__currency")
    )
    first = rows.first()
    return first["company__currency"] if first else "EUR"


def kpi_report(
    as_of: date,
    *,
    scope: Scope = EVERYTHING,
    view: View = CURRENT,
    currency: str | None = None,
    other_days: Sequence[date] = (),
) -> KpiReport:
    """The measures at `as_of`, and those over time at `other_days` (all with the rates of `as_of`).

    currency: None means the ledger's only currency, else the company's. Raises MissingRate when several
    currencies cannot be stated in it.
    """
    stamp = view.recorded_by or timezone.now()
    days = [as_of, as_of - timedelta(days=PERIOD_DAYS), *other_days]
    series = ageing_series(days, scope=scope, view=view)
    sold = sales_by_day(max(days), scope=scope, view=view)
    by_currency = complete(series[0], as_of, scope=scope, view=view, documents=issued_by(sold, as_of))
    promise_rows = promises_by_day(as_of, scope=scope, view=view)
    delays = cash_delay(as_of, PERIOD_DAYS, scope=scope, view=view)
    disputes = disputed_sales(as_of, PERIOD_DAYS, scope=scope, view=view)

    used = {*by_currency, *(row.currency for row in sold), *(c for _d, c, _p in promise_rows)}
    if currency is None:
        currency = next(iter(used)) if len(used) == 1 else home_currency(scope)
    foreign = bool(used - {currency})
    rates = RateTable.at(as_of, recorded_by=view.recorded_by) if foreign else RateTable(as_of, {})
    converter = _Converter(currency, rates)
    sales = converter.sales(sold)

    def point(day: date, rows: dict[str, Ageing]) -> Point:
        total = total_in(currency, rows, day, rates)
        last_days = sales.last_days(day, PERIOD_DAYS)
        receivables = total.receivables.minor
        return Point(
            day,
            total,
            last_days,
            dso.dso_simple(receivables, last_days),
            dso.dso_count_back(receivables, sales.months(day)),
            promises_total(promise_rows, currency, rates, last=day),
        )

    delay = sum((sums.times(converter.factor(own)) for own, sums in delays.items()), DelaySums())
    return KpiReport(
        as_of=as_of,
        view=view,
        currency=currency,
        stamp=stamp,
        by_currency=by_currency,
        now=point(as_of, by_currency),
        opening=point(days[1], series[1]),
        others=[point(day, rows) for day, rows in zip(other_days, series[2:], strict=True)],
        delay=delay,
        disputed_documents=sum(documents for documents, _minor in disputes.values()),
        disputed_sales=sum(
            (minor * converter.factor(own) for own, (_documents, minor) in disputes.items()), Fraction(0)
        ),
        issued_documents=sales.documents_between(as_of - timedelta(days=PERIOD_DAYS - 1), as_of),
        dispute_days=closing_days(as_of, PERIOD_DAYS, scope=scope, view=view),
        promise_rows=promise_rows,
        rates=rates if foreign else None,
    )
