"""A report as plain values: what `manage.py kpis` prints and what machines read."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from creditdesk.core.money import Money
from kpis.ageing import BUCKETS, Ageing
from kpis.report import KpiReport


def amount(money: Money) -> str:
    """Decimals of the currency, no grouping: "1234.50" EUR, "1234" JPY."""
    return format(money.amount, "f")


def number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def ageing_figures(row: Ageing) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "open_amount": amount(row.open_amount),
        "overdue_amount": amount(row.overdue),
        "past_due_share": number(row.past_due_share),
        "over_90_share": number(row.over_90_share),
        "open_invoices": row.documents,
        "open_instalments": row.items,
        "ageing": {name: amount(row.buckets[name].amount) for name in BUCKETS},
        "disputed": {name: amount(row.buckets[name].disputed) for name in BUCKETS},
        "disputed_amount": amount(row.disputed),
        "open_credit_notes": amount(row.credits),
        "unapplied_cash": amount(row.unapplied),
        "receivables": amount(row.receivables),
    }
    if row.control is not None:
        figures["control"] = {
            "documents": amount(row.control.documents),
            "allocations": amount(row.control.allocations),
            "invoices": amount(row.control.invoices),
            "credits": amount(row.control.credits),
            "unapplied": amount(row.control.unapplied),
            "difference": {name: amount(money) for name, money in row.differences.items()},
            "ties": row.ties,
        }
    return figures


def report_figures(report: KpiReport) -> dict[str, Any]:
    """JSON-ready. Amounts are strings in major units, shares fractions of 1, days numbers, missing ones None."""
    now = report.now
    return {
        "as_of": report.as_of.isoformat(),
        "known_at": report.view.known_at.isoformat() if report.view.known_at else None,
        "recorded_at": report.stamp.isoformat(),
        "currency": report.currency,
        **ageing_figures(report.ageing),
        "ties_to_ledger": report.ties,
        "sales_90_days": amount(report.sales),
        "dso_simple": number(now.dso_simple),
        "dso_count_back": number(now.dso_count_back.days),
        "dso_count_back_exceeds": now.dso_count_back.exceeds,
        "best_possible_dso": number(now.best_possible_dso),
        "average_days_delinquent": number(report.average_days_delinquent),
        "collection_effectiveness": number(report.collection_effectiveness),
        "days_beyond_terms": number(report.delay.signed),
        "days_late": number(report.delay.floored),
        "paid_in_time_share": number(report.delay.in_time),
        "promise_kept_rate": number(now.promises.rate),
        "promise_kept_rate_by_value": number(now.promises.rate_by_value),
        "promises_judged": now.promises.judged,
        "dispute_rate": number(report.dispute_rate),
        "dispute_rate_by_value": number(report.dispute_rate_by_value),
        "open_disputed_share": number(report.ageing.disputed_share),
        "dispute_days_mean": number(report.dispute_days_mean),
        "dispute_days_median": number(report.dispute_days_median),
        "by_currency": {currency: ageing_figures(row) for currency, row in report.by_currency.items()},
        "rates": [
            {
                "base": row.base,
                "quote": row.quote,
                "rate": format(row.rate, "f"),
                "on": row.on.isoformat(),
                "source": row.source,
            }
            for row in report.rate_rows
        ],
    }
