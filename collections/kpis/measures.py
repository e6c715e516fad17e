"""Every measure of a report with its name, unit, formula and inputs: one list for the page and the export."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.money import Money, format_money
from creditdesk.core.wording import number
from kpis.dso import PERIOD_DAYS, CountBack
from kpis.report import KpiReport

MONEY, SHARE, DAYS, COUNT = "money", "share", "days", "count"


@dataclass(frozen=True)
class Measure:
    """`kind` says how to read the value. formula: in words, with the amounts it was made of. drill: page behind it."""

    key: str
    label: str
    kind: str
    value: Any
    formula: str
    drill: str = ""
    note: str = ""

    @property
    def shown(self) -> Any:
        """The value as plain Python: Money, float or int; None where there is nothing to measure."""
        return float(self.value) if isinstance(self.value, Fraction) else self.value


def count_back_note(result: CountBack) -> str:
    """What to say when history runs out: the DSO is more than so many days, never an extrapolation."""
    if result.exceeds is None:
        return ""
    return _("more than %(days)s days: the history of sales ends before the receivables do") % {
        "days": result.exceeds
    }


def measures(report: KpiReport) -> list[Measure]:
    now, ageing = report.now, report.ageing

    def text(money: Money) -> str:
        return format_money(money)

    def of(first: Any, second: Any, tail: str = "") -> str:
        parts = [text(part) if isinstance(part, Money) else str(part) for part in (first, second)]
        return f"{parts[0]} / {parts[1]}{tail}"

    period = {"days": PERIOD_DAYS}
    return [
        Measure("open_amount", _("Open invoices"), MONEY, ageing.open_amount,
                _("open parts of %(items)s instalments of %(documents)s invoices")
                % {"items": number(ageing.items), "documents": number(ageing.documents)}, "open"),
        Measure("overdue_amount", _("Overdue"), MONEY, ageing.overdue,
                _("open and due before the as-of date"), "overdue"),
        Measure("past_due_share", _("Past-due share"), SHARE, ageing.past_due_share,
                _("overdue / open invoices: %s") % of(ageing.overdue, ageing.open_amount), "overdue"),
        Measure("over_90_share", _("More than 90 days past due"), SHARE, ageing.over_90_share,
                _("90+ / open invoices: %s") % of(ageing.buckets["90+"].amount, ageing.open_amount), "90+"),
        Measure("open_credit_notes", _("Open credit notes"), MONEY, ageing.credits,
                _("issued and not applied to an invoice yet"), "credits"),
        Measure("unapplied_cash", _("Unapplied cash"), MONEY, ageing.unapplied,
                _("received and not applied to an invoice yet"), "payments"),
        Measure("receivables", _("Receivables"), MONEY, ageing.receivables,
                _("open invoices less open credit notes; unapplied cash is not netted"), "open"),
        Measure("sales", _("Sales of %(days)s days") % period, MONEY, report.sales,
                _("invoices less credit notes issued in the %(days)s days up to the as-of date") % period, "documents"),
        Measure("dso_simple", _("DSO, simple"), DAYS, now.dso_simple,
                _("receivables / sales × %(days)s: %(inputs)s")
                % {**period, "inputs": of(ageing.receivables, report.sales, f" × {PERIOD_DAYS}")}, "documents"),
        Measure("dso_count_back", _("DSO, count-back"), DAYS, now.dso_count_back.days,
                _("whole months of sales taken off the receivables, last month first; the last one pro rata"),
                "documents", count_back_note(now.dso_count_back)),
        Measure("best_possible_dso", _("Best possible DSO"), DAYS, now.best_possible_dso,
                _("receivables not due / sales × %(days)s: %(inputs)s")
                % {**period, "inputs": of(ageing.receivables_not_due, report.sales, f" × {PERIOD_DAYS}")}, "not_due"),
        Measure("average_days_delinquent", _("Average days delinquent"), DAYS, report.average_days_delinquent,
                _("DSO less best possible DSO"), "overdue"),
        Measure("collection_effectiveness", _("Collection effectiveness (CEI, period form)"), SHARE,
                report.collection_effectiveness,
                _("(opening + sales - closing) / (opening + sales - closing not due); opening %(opening)s")
                % {"opening": text(report.opening.ageing.receivables)}, "documents"),
        Measure("days_beyond_terms", _("Days beyond terms (weighted, signed)"), DAYS, report.delay.signed,
                _("cash of %(days)s days: amount × (paid - due) / amount; early payments count negative") % period),
        Measure("days_late", _("Days late (weighted, early counts 0)"), DAYS, report.delay.floored,
                _("cash of %(days)s days: amount × days late / amount") % period),
        Measure("paid_in_time_share", _("Paid in time, by value"), SHARE, report.delay.in_time,
                _("cash of %(days)s days that came by the due date / all of it") % period),
        Measure("promise_kept_rate", _("Promises kept"), SHARE, now.promises.rate,
                _("kept / judged: %s; withdrawn, replaced and not yet judged ones left out")
                % of(now.promises.kept, now.promises.judged), "promises"),
        Measure("promise_kept_rate_by_value", _("Promises kept, by value"), SHARE, now.promises.rate_by_value,
                _("arrived / promised: %s") % of(Money(now.promises.came_minor, report.currency),
                                                 Money(now.promises.promised_minor, report.currency)), "promises"),
        Measure("dispute_rate", _("Dispute rate"), SHARE, report.dispute_rate,
                _("disputed / issued invoices of %(days)s days: %(inputs)s")
                % {**period, "inputs": of(report.disputed_documents, report.issued_documents)}, "documents"),
        Measure("dispute_rate_by_value", _("Dispute rate, by value"), SHARE, report.dispute_rate_by_value,
                _("disputed amount / sales of %(days)s days: %(inputs)s")
                % {**period, "inputs": of(Money(round(report.disputed_sales), report.currency), report.sales)},
                "documents"),
        Measure("open_disputed_share", _("In dispute now"), SHARE, ageing.disputed_share,
                _("disputed / open invoices: %s") % of(ageing.disputed, ageing.open_amount), "disputed"),
        Measure("dispute_days_mean", _("Days to close a dispute"), DAYS, report.dispute_days_mean,
                _("mean of %(count)s disputes closed in %(days)s days; median %(median)s")
                % {**period, "count": len(report.dispute_days),
                   "median": number(float(report.dispute_days_median)) if report.dispute_days else "-"}),
    ]  # fmt: skip
