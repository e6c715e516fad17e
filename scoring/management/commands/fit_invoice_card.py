"""Fit an invoice card to the firm's own ledger and keep it as a draft; or take a draft into use."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from creditdesk.core.arguments import day
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.sentences import told
from scoring.fitting.logistic import FitError
from scoring.invoices.cards import InvoiceCardError, fit_draft, take_into_use
from scoring.models import InvoiceCard


class Command(BaseCommand):
    help = "Fit the estimates of late payment to the ledger (a draft), or take a draft into use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--until", type=day, metavar="D", help="use only what was known on D (today)")
        parser.add_argument("--use", type=int, metavar="VERSION", help="take this draft into use")
        parser.add_argument("--by", metavar="USER", help="who takes it into use")
        parser.add_argument("--format", choices=["json", "table"], default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["use"] is not None:
            return self._use(options["use"], options["by"])
        until = options["until"] or business_date()
        try:
            card = fit_draft(until, actor=Actor.job("manage.py fit_invoice_card"))
        except FitError as error:
            raise CommandError(_("No card was fitted: %(reason)s") % {"reason": error}) from error
        if options["format"] == "json":
            self.stdout.write(
                json.dumps({"version": card.version, "trained": card.trained}, indent=1, ensure_ascii=False)
            )
            return
        self.stdout.write(f"Invoice card {card.version}, a draft; trained until {card.trained_until}.")
        for stage in ("at_issue", "unpaid_after_due"):
            for name, target in card.trained[stage].items():
                said = (
                    told(target["note"]) or f"fitted on {target['rows']} invoices, {target['events']} events"
                )
                self.stdout.write(f"  {stage:<17}{name:<8} {said}")
        self.stdout.write(f"To use it: manage.py fit_invoice_card --use {card.version} --by USER")

    def _use(self, version: int, name: str | None) -> None:
        card = InvoiceCard.objects.filter(version=version).first()
        if card is None:
            raise CommandError(_("There is no invoice card %(version)s.") % {"version": version})
        by = User.objects.filter(username=name or "").first()
        if by is None:
            raise CommandError(_("Say who takes it into use: --by USER."))
        try:
            take_into_use(card, by=by)
        except InvoiceCardError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Invoice card {version} is in use.")
