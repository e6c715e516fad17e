from __future__ import annotations

import os
import sys
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from creditdesk.core.arguments import day
from creditdesk.core.clock import business_date
from creditdesk.demo.loader import DemoRefused, is_demo, load_story, reset_demo
from creditdesk.demo.models import DemoLoad
from creditdesk.demo.preparing import bring_up_to_date, prepare
from creditdesk.demo.progress import Console, Quiet
from creditdesk.demo.serving import CannotServe, Site, free_port
from creditdesk.demo.summary import summary
from customers.calendars import is_business_day


class Command(BaseCommand):
    help = "A desk at work in one command: load the story, score, propose, build worklists, serve. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end after the summary")
        parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
        parser.add_argument(
            "--as-of",
            type=day,
            help="business date of the story, YYYY-MM-DD (default: the loaded story's, else today)",
        )
        parser.add_argument(
            "--customers", type=int, help="how many (default: the loaded story's, else 600; any size)"
        )
        parser.add_argument(
            "--reset", action="store_true", help="empty the database first; only ever a demo database"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(self.stdout.write)
        if settings.PRODUCTION:
            raise CommandError("The demo has logins with a known password: it does not run in production.")
        console.step(f"preparing the database ({_database_name()})")
        call_command("migrate", verbosity=1, stdout=Quiet(console))
        try:
            as_of = self._load(console, options)
            # From here on this process, too, lives on the story's day.
            settings.BUSINESS_DATE = as_of
        except DemoRefused as error:
            raise CommandError(str(error)) from error
        bring_up_to_date(as_of, console)
        prepare(as_of, console)
        console.step("ready")
        self.stdout.write("")
        for line in summary(as_of):
            self.stdout.write(line)
        if options["no_serve"]:
            return
        self._serve(options["port"], as_of)

    def _load(self, console: Console, options: dict[str, Any]) -> date:
        if options["reset"] and is_demo():
            console.step("emptying the demo database")
            reset_demo()
        there = DemoLoad.objects.order_by("-pk").first()
        as_of = options["as_of"] or (there.as_of if there else last_business_day())
        customers = options["customers"] or (there.customers if there else 600)
        console.step(f"loading the story of {customers:,} customers as of {as_of}")
        loaded = load_story(as_of, customers, progress=console)
        if not loaded.created:
            console.step("the story is there already: kept as it is (--reset makes it anew)")
        return as_of

    def _serve(self, wanted: int, as_of: date) -> None:
        try:
            port = free_port(wanted)
            if port != wanted:
                self.stdout.write(f"\nPort {wanted} is in use: serving on {port} instead.")
            connection.close()
            site = Site(port, {"CREDITDESK_BUSINESS_DATE": as_of.isoformat(), "PYTHONUNBUFFERED": "1"})
            code = site.run(lambda text: self.stdout.write(text, ending="\n") or self.stdout.flush())
        except CannotServe as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)


def _database_name() -> str:
    if connection.vendor == "sqlite":
        return os.path.relpath(str(connection.settings_dict["NAME"]))
    return f"{connection.display_name} {connection.settings_dict['NAME']}"


def last_business_day() -> date:
    """Today, or the business day before: a desk opened on a Sunday shows Friday's work."""
    day = business_date()
    while not is_business_day(day, "IT"):
        day -= timedelta(days=1)
    return day
