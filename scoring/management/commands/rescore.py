"""The nightly pass in the foreground."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.arguments import day
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from scoring.card import CardError
from scoring.engine import Outcome
from scoring.ranges import account_ranges
from scoring.tasks import score_accounts


class Command(BaseCommand):
    help = "Score every account now, as the nightly pass does. Running it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=day, help="business date, YYYY-MM-DD (today)")

    def handle(self, *args: Any, **options: Any) -> None:
        today = business_date()
        as_of = options["as_of"] or today
        if as_of > today:
            raise CommandError(
                f"{as_of} has not come yet (today is {today}): its scores would stand in the way of every payment "
                "until then. `manage.py score --as-of` shows a later day without storing it."
            )
        ranges = account_ranges()
        outcome, started, told = Outcome(), time.monotonic(), time.monotonic()
        try:
            for number, (low, high) in enumerate(ranges, start=1):
                outcome += score_accounts(
                    as_of, low, high, actor=Actor.job("manage.py rescore"), go_back=True
                )
                if time.monotonic() - told > 2:
                    told = time.monotonic()
                    self.stderr.write(f"{number} of {len(ranges)} ranges, {outcome.scored} accounts scored")
        except CardError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{outcome.scored} accounts scored as of {as_of}, {outcome.kept} kept in the history, "
            f"{time.monotonic() - started:.1f} s"
        )
