"""manage.py undo_import ID --reason WHY: take an import back, unless later facts rest on it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.imports.problems import ImportRefused
from customers.imports.undo import undo_batch
from customers.models import ImportBatch


class Command(BaseCommand):
    help = "Undo an import: its facts are closed, what it corrected stands again. Refused while later facts rest on it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("batch", type=int, help="number of the import, as import_ledger printed it")
        parser.add_argument("--reason", required=True, help="why, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        batch = ImportBatch.objects.filter(pk=options["batch"]).select_related("source__company").first()
        if batch is None:
            raise CommandError(_("There is no import %(pk)s.") % {"pk": options["batch"]})
        try:
            undo_batch(
                batch,
                actor=Actor.job("undo_import"),
                reason=options["reason"],
                on=business_date(batch.source.company.time_zone),
            )
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(self.style.SUCCESS(_("Import %(pk)s is undone.") % {"pk": batch.pk}))
