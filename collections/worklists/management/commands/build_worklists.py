from argparse import ArgumentParser
from datetime import date
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.arguments import day
from creditdesk.core.clock import business_date
from customers.models import Company
from worklists.causes import say_cause
from worklists.models import WorklistRow
from worklists.runs import build_worklists
from worklists.steps import say_step


class Command(BaseCommand):
    help = "Build the worklists of a business day, per company and collector. Safe to run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=day, help="business date (YYYY-MM-DD); default: today")
        parser.add_argument("--company", help="code of one company; default: all")
        parser.add_argument("--top", type=int, default=0, help="print the first rows of each list")

    def handle(self, *args: Any, **options: Any) -> None:
        companies = Company.objects.order_by("pk")
        if options["company"]:
            companies = companies.filter(code=options["company"])
            if not companies:
                raise CommandError(f"No company has the code {options['company']!r}.")
        for company in companies:
            as_of = options["as_of"] or business_date(company.time_zone)
            started = monotonic()
            (built,) = build_worklists(as_of, company)
            if built.judged_on is None:
                self.stdout.write(
                    f"{company}: no list, because no import says up to which day the ledger is complete."
                )
                continue
            self.stdout.write(
                f"{company} {as_of}: {built.rows} rows, {built.held} accounts held back, {built.left} left "
                f"({monotonic() - started:.1f} s; lateness judged on {built.judged_on})"
            )
            self._print_top(company, as_of, options["top"])

    def _print_top(self, company: Company, as_of: date, top: int) -> None:
        rows = (
            WorklistRow.objects.filter(run__company=company, run__as_of=as_of, rank__lte=top, state="open")
            .select_related("account__customer", "collector")
            .order_by("collector__username", "lane", "rank")
        )
        for row in rows if top else ():
            who = row.collector.get_username() if row.collector else "-"
            self.stdout.write(
                f"  {who} {row.lane} {row.rank}. {row.account.customer.name}: {row.overdue} overdue, "
                f"{row.at_risk} at risk · {say_cause(row.cause_code, row.cause_params)} · "
                f"{say_step(row.step_code, row.step_params)}"
            )
