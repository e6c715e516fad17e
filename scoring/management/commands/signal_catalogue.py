"""Writes docs/signals.md from the signals, or checks that it is up to date."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from scoring.catalogue import page


class Command(BaseCommand):
    help = "Write docs/signals.md from the definitions of the signals."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail when the page is stale, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.BASE_DIR / "docs" / "signals.md"
        wanted = page()
        if options["check"]:
            if not path.exists() or path.read_text() != wanted:
                raise CommandError("docs/signals.md is stale: run manage.py signal_catalogue")
            return
        path.write_text(wanted)
        self.stdout.write(f"{path.name}: {wanted.count('### ')} signals")
