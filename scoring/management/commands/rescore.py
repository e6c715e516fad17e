"""The nightly pass in the foreground."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.arguments import day
from creditdesk.core.audit import Actor
from scoring.card import CardError
from scoring.engine import Outcome
from scoring.ranges import account_ranges, dates_asked
from scoring.tasks import score_accounts


class Command(BaseCommand):
    help = "Score every account now, as the nightly pass does. Running it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=day, help="business date, YYYY-MM-DD (each company's today)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            dates = dates_asked(options["as_of"])
        except ValueError as error:
            raise CommandError(
                f"{error}: its scores would stand in the way of every payment until then. `manage.py score --as-of` "
                "shows a later day without storing it."
            ) from error
        ranges, actor = account_ranges(), Actor.job("manage.py rescore")
        outcome, started, told = Outcome(), time.monotonic(), time.monotonic()
        try:
            for number, (low, high) in enumerate(ranges, start=1):
                for as_of, companies in dates:
                    outcome += score_accounts(
                        as_of, low, high, actor=actor, go_back=True, companies=companies
                    )
                if time.monotonic() - told > 2:
                    told = time.monotonic()
                    self.stderr.write(f"{number} of {len(ranges)} ranges, {outcome.scored} accounts scored")
        except CardError as error:
            raise CommandError(str(error)) from error
        named = " and ".join(str(as_of) for as_of, _companies in dates)
        self.stdout.write(
            f"{outcome.scored} accounts scored as of {named}, {outcome.kept} kept in the history, "
            f"{time.monotonic() - started:.1f} s"
        )
