"""manage.py propose_limits [--as-of D]"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.arguments import day
from customers.models import CreditAccount
from scoring.proposals import Outcome, propose_limits
from scoring.ranges import dates_asked


class Command(BaseCommand):
    help = "Compare every limit with what the policy recommends, and propose the changes to the approvers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--as-of", type=day, help="business date, YYYY-MM-DD (default: each company's today)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            dates = dates_asked(options["as_of"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        done = Outcome()
        for as_of, companies in dates:
            rows = CreditAccount.objects.filter(company__in=companies or []).order_by("pk")
            ids = None if companies is None else list(rows.values_list("pk", flat=True))
            done += propose_limits(as_of, ids)
        self.stdout.write(
            f"{' and '.join(str(as_of) for as_of, _companies in dates)}: {done.seen} accounts, {done.raised} raised at once, {done.proposed} proposed, {done.replaced} replaced, "
            f"{done.withdrawn} withdrawn, {done.unchanged} still waiting, {done.left_to_people} left to people"
        )
