from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from creditdesk.core.arguments import day
from creditdesk.core.clock import business_date
from creditdesk.demo.loader import SEED, DemoRefused, is_demo, load_story, reset_demo
from creditdesk.demo.preparing import bring_up_to_date
from creditdesk.demo.progress import Console


class Command(BaseCommand):
    help = "Load the made-up story of a credit desk into an empty database. Running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of", type=day, help="business date of the story, YYYY-MM-DD (default: today)"
        )
        parser.add_argument(
            "--customers", type=int, default=600, help="how many (default: %(default)s; any size)"
        )
        parser.add_argument("--seed", type=int, default=SEED, help="another seed makes another book")
        parser.add_argument(
            "--reset", action="store_true", help="empty the database first; only ever a demo database"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(self.stdout.write)
        as_of = options["as_of"] or business_date()
        try:
            if options["reset"] and is_demo():
                self.stdout.write("emptying the demo database")
                reset_demo()
            loaded = load_story(as_of, options["customers"], seed=options["seed"], progress=console)
        except DemoRefused as error:
            raise CommandError(str(error)) from error
        bring_up_to_date(as_of, console)
        load = loaded.load
        if not loaded.created:
            self.stdout.write(
                f"the demo of {load.customers:,} customers as of {load.as_of} is there already: nothing changed"
            )
            return
        counts = load.counts
        self.stdout.write(
            f"loaded {counts['customer']:,} customers, {counts['invoice']:,} documents, "
            f"{counts['payment']:,} payments as of {as_of} in {time.monotonic() - console.started:.1f} s"
        )
