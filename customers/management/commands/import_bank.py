"""manage.py import_bank FILE --customer CODE | --mapping M [--commit]: preview bank lines, or take them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from creditdesk.core.clock import business_date
from customers.bank.feeds import LABELS, BankReport, Options, guess_mapping, run_bank_import
from customers.bank.mapping import find_bank_mapping
from customers.imports.problems import ImportRefused, cure, reason
from customers.models import Customer

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Import bank lines of customers who consented: CAMT.053, MT940, or CSV/XLSX with a mapping (also .gz). "
        "Without --commit nothing is stored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--customer", default="", help="number of the customer whose lines these all are")
        parser.add_argument("--mapping", default="", help="name of a saved or shipped mapping; CSV needs one")
        parser.add_argument("--company", default="", help="code of the company, instead of the mapping's")
        parser.add_argument(
            "--commit", action="store_true", help="store the good rows (default: preview only)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        customer = None
        if options["customer"]:
            customer = Customer.objects.filter(code=options["customer"]).first()
            if customer is None:
                raise CommandError(_("There is no customer with number %s.") % options["customer"])
        try:
            path = options["file"]
            mapping = find_bank_mapping(options["mapping"]) if options["mapping"] else guess_mapping(path)
            report = run_bank_import(
                path,
                mapping,
                Options(
                    today=business_date(),
                    commit=options["commit"],
                    customer=customer,
                    company=options["company"],
                ),
            )
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.show(report)

    def show(self, report: BankReport) -> None:
        out = self.stdout.write
        for name, label in LABELS.items():
            if report.counts.get(name) or name in ("rows", "refused"):
                out(f"{report.counts.get(name, 0):>10,}  {label}")
        for problem in report.problems[:SHOWN]:
            where = _("row %(row)s") % {"row": problem.row} + (
                f", {problem.column}" if problem.column else ""
            )
            text = f"{reason(problem.code, problem.params)} {cure(problem.code, problem.params)}"
            out(f"  {where}: {problem.value!r}: {text}")
        more = report.counts["refused"] + report.counts["warnings"] - SHOWN
        if more > 0:
            out(_("  ... and %(more)s more findings.") % {"more": more})
        if report.changes_nothing:
            out(_("There is nothing new in this file."))
        if report.committed and report.batch and not report.changes_nothing:
            out(self.style.SUCCESS(_("Stored as import %(pk)s.") % {"pk": report.batch.pk}))
        elif not report.committed:
            out(_("Preview only: nothing was stored. Add --commit to take the good rows in."))
