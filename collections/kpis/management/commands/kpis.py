import json
from argparse import ArgumentParser
from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from creditdesk.core.clock import business_date
from creditdesk.core.facts import View
from customers.models import Company, Portfolio
from customers.rates import MissingRate
from kpis.figures import report_figures
from kpis.report import kpi_report
from kpis.scope import Scope


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"{text!r} is not a date: write it as YYYY-MM-DD, for example 2026-03-31."
        ) from error


def _instant(text: str) -> datetime:
    try:
        stamp = parse_datetime(text)
    except ValueError:
        stamp = None
    if stamp is None:
        raise CommandError(
            f"{text!r} is not an instant: copy the recorded-at stamp of an export, "
            "for example 2026-03-31T18:00:00.000000+00:00."
        )
    return stamp if timezone.is_aware(stamp) else timezone.make_aware(stamp)


class Command(BaseCommand):
    help = (
        "Prints the KPIs of the ledger at a date: ageing, DSO, past-due share, promises kept. "
        "Amounts are strings in major units, shares fractions of 1, days calendar days."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", help="the day measured, inclusive (default: today's business date)")
        parser.add_argument("--known-at", help="only what could be known on this day")
        parser.add_argument(
            "--recorded-by", help="only what was recorded by this instant: reprints an export"
        )
        parser.add_argument("--company", help="code of one of our companies (default: all)")
        parser.add_argument("--portfolio", help="code of a portfolio (with --company where it is not unique)")
        parser.add_argument("--currency", help="ISO code to state totals in")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["known_at"] and options["recorded_by"]:
            raise CommandError("Give --known-at or --recorded-by, not both: they are two different views.")
        scope, time_zone = self._scope(options)
        as_of = _day(options["as_of"]) if options["as_of"] else business_date(time_zone)
        view = View(
            known_at=_day(options["known_at"]) if options["known_at"] else None,
            recorded_by=_instant(options["recorded_by"]) if options["recorded_by"] else None,
        )
        currency = (options["currency"] or "").upper() or None
        try:
            report = kpi_report(as_of, scope=scope, view=view, currency=currency)
        except MissingRate as error:
            raise CommandError(str(error)) from error
        figures = report_figures(report)
        if options["format"] == "json":
            self.stdout.write(json.dumps(figures, indent=2))
        else:
            self._table(figures)

    def _scope(self, options: dict[str, Any]) -> tuple[Scope, str | None]:
        company = None
        if options["company"]:
            company = Company.objects.filter(code=options["company"]).first()
            if company is None:
                known = ", ".join(Company.objects.order_by("code").values_list("code", flat=True)) or "none"
                raise CommandError(f"No company {options['company']!r}. Known: {known}.")
        portfolio = None
        if options["portfolio"]:
            found = Portfolio.objects.filter(code=options["portfolio"])
            if company is not None:
                found = found.filter(company=company)
            if len(found) != 1:
                raise CommandError(
                    f"{len(found)} portfolios have the code {options['portfolio']!r}; add --company."
                )
            portfolio = found[0]
        scope = Scope(
            company_id=company.pk if company else None, portfolio_id=portfolio.pk if portfolio else None
        )
        return scope, company.time_zone if company else None

    def _table(self, figures: dict[str, Any]) -> None:
        def line(label: str, value: Any) -> None:
            if isinstance(value, float):
                value = f"{value:.4f}"
            self.stdout.write(f"{label:<32}{'-' if value is None else value!s:>20}")

        nested = ("ageing", "disputed", "by_currency", "rates", "control")
        for key, value in figures.items():
            if key == "ageing":
                for bucket, part in value.items():
                    line(f"ageing {bucket}", part)
            elif key not in nested:
                line(key, value)
        for rate in figures["rates"]:
            line(f"rate {rate['base']}/{rate['quote']} {rate['on']}", f"{rate['rate']} ({rate['source']})")
        if not figures["ties_to_ledger"]:
            self.stderr.write(
                self.style.ERROR("The ageing does not tie to the ledger: run manage.py check_ledger.")
            )
