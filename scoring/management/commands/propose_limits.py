"""manage.py propose_limits [--as-of D]"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from creditdesk.core.arguments import day
from creditdesk.core.clock import business_date
from scoring.proposals import propose_limits


class Command(BaseCommand):
    help = "Compare every limit with what the policy recommends, and propose the changes to the approvers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=day, help="business date, YYYY-MM-DD (default: today)")

    def handle(self, *args: Any, **options: Any) -> None:
        as_of = options["as_of"] or business_date()
        done = propose_limits(as_of)
        self.stdout.write(
            f"{as_of}: {done.seen} accounts, {done.raised} raised at once, {done.proposed} proposed, {done.replaced} replaced, "
            f"{done.withdrawn} withdrawn, {done.unchanged} still waiting, {done.left_to_people} left to people"
        )
