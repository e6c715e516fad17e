"""manage.py add_user NAME --role ROLE --company CODE [--portfolio COMPANY/CODE]"""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from creditdesk.people import UnknownName, give_access


class Command(BaseCommand):
    help = (
        "Create a user (or extend an existing one) with roles, and the companies or portfolios they may see."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="login name")
        parser.add_argument("--role", action="append", default=[], help="a role, e.g. collector; repeatable")
        parser.add_argument("--company", action="append", default=[], help="company code; repeatable")
        parser.add_argument(
            "--portfolio",
            action="append",
            default=[],
            help="only this portfolio: its code, or COMPANY/CODE where two companies use the code; repeatable",
        )
        parser.add_argument("--email", default="")
        parser.add_argument("--language", default="")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from the first line of stdin"
        )
        parser.add_argument(
            "--no-password", action="store_true", help="set none: somebody else logs this user in"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        with transaction.atomic():
            user, created = User.objects.select_for_update().get_or_create(username=name)
            for field in ("email", "language"):
                if options[field]:
                    setattr(user, field, options[field])
            try:
                given = give_access(
                    user,
                    roles=options["role"],
                    companies=options["company"],
                    portfolios=options["portfolio"],
                    actor=Actor.job("add_user"),
                )
            except UnknownName as error:
                raise CommandError(str(error)) from error
            if created or options["password_stdin"]:
                self._set_password(user, options)
            user.save()
        self.stdout.write(f"{'Created' if created else 'Extended'} {name}: {given}")

    def _set_password(self, user: User, options: dict[str, Any]) -> None:
        if options["no_password"]:
            user.set_unusable_password()
            return
        if options["password_stdin"]:
            password = sys.stdin.readline().rstrip("\n")
        elif sys.stdin.isatty():
            password = getpass.getpass(f"Password for {user.username}: ")
        else:
            raise CommandError(
                "No terminal to ask for a password: use --password-stdin or --no-password (nothing was created)."
            )
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        user.set_password(password)
