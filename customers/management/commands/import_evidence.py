"""manage.py import_evidence FILE --mapping M [--commit]: accounts, legal events, orders, deliveries, cover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.clock import business_date
from customers.bank.feeds import Options
from customers.evidence.imports import run_evidence_import
from customers.evidence.mapping import find_evidence_mapping
from customers.imports.problems import ImportRefused, cure, reason

LABELS = {
    "rows": gettext_lazy("rows read"),
    "customers": gettext_lazy("customers"),
    "new": gettext_lazy("new facts"),
    "corrected": gettext_lazy("corrected facts"),
    "unchanged": gettext_lazy("already there, unchanged"),
    "refused": gettext_lazy("rows refused"),
}
SHOWN = 20


class Command(BaseCommand):
    help = "Import evidence about customers (CSV or XLSX). Without --commit nothing is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--mapping",
            required=True,
            help="accounts, legal-events, supplier-days, orders, open-orders, deliveries, billed-parts, cover, "
            "agency-ratings, or a saved one",
        )
        parser.add_argument("--company", default="", help="code of the company, instead of the mapping's")
        parser.add_argument(
            "--commit", action="store_true", help="store the good rows (default: preview only)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = run_evidence_import(
                options["file"],
                find_evidence_mapping(options["mapping"]),
                Options(today=business_date(), commit=options["commit"], company=options["company"]),
            )
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        for name, label in LABELS.items():
            if report.counts.get(name) or name in ("rows", "refused"):
                self.stdout.write(f"{report.counts.get(name, 0):>10,}  {label}")
        for problem in report.problems[:SHOWN]:
            where = _("row %(row)s") % {"row": problem.row} + (
                f", {problem.column}" if problem.column else ""
            )
            text = f"{reason(problem.code, problem.params)} {cure(problem.code, problem.params)}"
            self.stdout.write(f"  {where}: {problem.value!r}: {text}")
        if report.changes_nothing:
            self.stdout.write(_("There is nothing new in this file."))
        elif report.batch:
            self.stdout.write(self.style.SUCCESS(_("Stored as import %(pk)s.") % {"pk": report.batch.pk}))
        if not report.committed:
            self.stdout.write(_("Preview only: nothing was stored. Add --commit to take the good rows in."))
