"""manage.py add_api_key USER NAME --scope SCOPE... [--company CODE] [--days N] [--per-minute N]"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from creditdesk.api.keys import LIFETIME, PER_MINUTE, KeyRefused, make_key
from creditdesk.api.scopes import SCOPES
from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from customers.models import Company


class Command(BaseCommand):
    help = "Make an API key that acts for a user, and print it: it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="login name of the user the key acts for (see add_user)")
        parser.add_argument("name", help="what uses the key, for the log")
        parser.add_argument(
            "--scope", action="append", default=[], choices=[*SCOPES, "all"], help="repeatable"
        )
        parser.add_argument("--company", default="", help="only this company (code)")
        parser.add_argument("--days", type=int, default=LIFETIME.days, help="how long it works")
        parser.add_argument("--per-minute", type=int, default=PER_MINUTE, help="requests a minute")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(
                f"There is no user {options['user']}: make one with add_user --role integration."
            )
        company = Company.objects.filter(code=options["company"]).first()
        if options["company"] and company is None:
            raise CommandError(f"There is no company {options['company']}.")
        scopes = list(SCOPES) if "all" in options["scope"] else options["scope"]
        now = timezone.now()
        try:
            _key, token = make_key(
                user,
                options["name"],
                scopes,
                now=now,
                actor=Actor.job("add_api_key"),
                company=company,
                expires_at=now + timedelta(days=options["days"]),
                per_minute=options["per_minute"],
            )
        except KeyRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)
