"""manage.py import_ledger FILE --mapping M [--commit]: preview a ledger file, or take it in.

Exit codes: 0 done (refused rows are told and kept), 1 refused as a whole or not one row could be taken in, 2 wrong
arguments, 3 with --fail-on-refused where some rows were refused.
"""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.clock import business_date
from customers.imports import run as imports
from customers.imports.problems import ImportRefused, reason
from customers.imports.problems import cure as cure_of
from customers.imports.report import LABELS, Report
from customers.imports.setup import find_mapping

SHOWN = 20
SOME_REFUSED = 3
"""Exit code of --fail-on-refused."""


def day(text: str) -> date:
    return date.fromisoformat(text)


class Command(BaseCommand):
    help = "Import a ledger file (CSV or XLSX) with a saved or shipped mapping. Without --commit nothing is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--mapping", required=True, help="name of a saved or shipped mapping")
        parser.add_argument(
            "--commit", action="store_true", help="store the good rows (default: preview only)"
        )
        parser.add_argument(
            "--all-or-nothing", action="store_true", help="with --commit: store nothing if any row is refused"
        )
        parser.add_argument(
            "--complete-through", type=day, help="day up to which the file completes the ledger"
        )
        parser.add_argument("--company", default="", help="code of the company, instead of the mapping's")
        parser.add_argument("--snapshot-on", type=day, help="day a snapshot of open items was taken")
        parser.add_argument(
            "--known-on", type=day, help="day the file's corrections were known (default: today)"
        )
        parser.add_argument(
            "--fail-on-refused",
            action="store_true",
            help=f"end with exit code {SOME_REFUSED} if any row was refused; the good ones are taken in all the same",
        )
        parser.add_argument(
            "--report", help="write every refused row, with reason and cure, to this CSV file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        today = business_date()
        self.started = self.last_shown = time.monotonic()
        self.report_path = options["report"]
        try:
            mapping = find_mapping(options["mapping"])
            report = imports.run_import(
                options["file"],
                mapping,
                imports.Options(
                    today=today,
                    # A desk pinned to a past business date still takes in what has really been paid since.
                    latest_day=max(today, date.today()),  # noqa: DTZ011
                    commit=options["commit"],
                    all_or_nothing=options["all_or_nothing"],
                    company=options["company"],
                    complete_through=options["complete_through"],
                    snapshot_on=options["snapshot_on"],
                    known_on=options["known_on"],
                    progress=self.show_progress,
                    report_to=self.report_path or "",
                ),
            )
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.show(report)
        rows, refused = report.counts.get("rows", 0), report.counts.get("refused", 0)
        if 0 < rows == refused:
            raise CommandError(
                ngettext(
                    "The only row was refused: nothing was taken in. Mend it, or the mapping, as told above, and "
                    "import again.",
                    "Every one of the %(rows)s rows was refused: nothing was taken in. Mend the file, or the mapping, as "
                    "told above (--report FILE writes every reason and cure), and import again.",
                    rows,
                )
                % {"rows": f"{rows:,}"}
            )
        if refused and options["fail_on_refused"]:
            raise CommandError(
                ngettext(
                    "%(refused)s of %(rows)s rows was refused.",
                    "%(refused)s of %(rows)s rows were refused.",
                    refused,
                )
                % {"refused": f"{refused:,}", "rows": f"{rows:,}"},
                returncode=SOME_REFUSED,
            )

    def show_progress(self, rows: int) -> None:
        now = time.monotonic()
        if now - self.started > 2 and now - self.last_shown > 1:
            self.last_shown = now
            self.stderr.write(_("%(rows)s rows read") % {"rows": f"{rows:,}"})

    def show(self, report: Report) -> None:
        out = self.stdout.write
        for name, label in LABELS.items():
            if report.counts.get(name) or name in ("rows", "refused"):
                out(f"{report.counts.get(name, 0):>10,}  {label}")
        for problem in report.problems[:SHOWN]:
            where = _("row %(row)s") % {"row": problem.row} + (
                f", {problem.column}" if problem.column else ""
            )
            text = f"{reason(problem.code, problem.params)} {cure_of(problem.code, problem.params)}"
            out(f"  {where}: {problem.value!r}: {text}")
        total = sum(report.by_code.values())
        if total > SHOWN:
            out(
                _("  ... and %(more)s more findings; --report FILE writes them all.")
                % {"more": total - SHOWN}
            )
        if self.report_path:
            out(_("Report: %(path)s") % {"path": self.report_path})
        if 0 < report.counts.get("rows", 0) == report.counts.get("refused", 0):
            return
        if report.changes_nothing:
            out(_("The ledger has all of this already: nothing changes."))
        if report.committed and report.changes_nothing and report.batch:
            out(_("This is import %(pk)s again.") % {"pk": report.batch.pk})
        elif report.committed and report.batch:
            out(
                self.style.SUCCESS(
                    _("Stored as import %(pk)s; the ledger is complete through %(day)s.")
                    % {"pk": report.batch.pk, "day": report.complete_through}
                )
            )
        elif not report.committed:
            out(_("Preview only: nothing was stored. Add --commit to take the good rows in."))
