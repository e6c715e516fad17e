"""How good would the estimates have been? History replayed with only the facts known at each date."""

from __future__ import annotations

import csv
import json
import os
from argparse import ArgumentParser
from math import isfinite
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from creditdesk.core.arguments import day
from customers.rates import MissingRate
from scoring.fitting.account_backtest import account_report
from scoring.fitting.account_backtest import lines as account_lines
from scoring.fitting.logistic import FitError
from scoring.invoices.backtest import Period, replay
from scoring.invoices.load import load_ledger
from scoring.invoices.tested import Predictions

COLUMNS = ("customer", "invoice", "as_of", "p_late", "p_late_15", "p_late_30", "expected_days_late")
DIGITS = 12


class Command(BaseCommand):
    help = "Fit on one period, test on a later one, knowing on each day only what was known that day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--train-until", type=day, required=True, metavar="D1", help="train on invoices issued before D1"
        )
        parser.add_argument(
            "--test-from", type=day, required=True, metavar="D2", help="test invoices issued from D2 ..."
        )
        parser.add_argument(
            "--test-to", type=day, required=True, metavar="D3", help="... to D3, both included"
        )
        parser.add_argument(
            "--predictions", type=Path, metavar="FILE.csv", help="write a row per test invoice here"
        )
        parser.add_argument("--format", choices=["json", "table"], default="table")
        parser.add_argument(
            "--draws", type=int, default=500, help="times customers are drawn again for the intervals (500)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        period = Period(options["train_until"], options["test_from"], options["test_to"])
        if problem := period.problem():
            raise CommandError(problem)
        if options["draws"] < 1:
            raise CommandError(_("--draws must be at least 1."))
        if options["predictions"]:
            self._may_be_written(options["predictions"])
        report: dict[str, Any] = {
            "train_until": period.train_until.isoformat(),
            "test_from": period.test_from.isoformat(),
            "test_to": period.test_to.isoformat(),
        }
        ledger = load_ledger()
        if not len(ledger):
            raise CommandError(_("The ledger holds no invoice. Import one first: manage.py import_ledger."))
        predictions: Predictions | None = None
        try:
            found = replay(period, ledger, draws=options["draws"])
            report["invoices"], predictions = found.report, found.predictions
        except FitError as error:
            report["invoices"] = {"refused": str(error)}
        report["accounts"] = accounts_part(period)
        if options["predictions"]:
            report["predictions"] = self._write(options["predictions"], predictions)
        if options["format"] == "json":
            self.stdout.write(
                json.dumps(_plain(report), indent=1, ensure_ascii=False, default=str, allow_nan=False)
            )
        else:
            self._table(report)

    def _may_be_written(self, path: Path) -> None:
        """Raises CommandError before the long work, not after it."""
        problem = None
        if path.is_dir():
            problem = _("it is a folder; name a file in it")
        elif not path.absolute().parent.is_dir():
            problem = _("there is no such folder")
        elif not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            problem = _("it may not be written by this user")
        if problem:
            raise CommandError(_("%(path)s cannot be written: %(error)s") % {"path": path, "error": problem})

    def _write(self, path: Path, predictions: Predictions | None) -> dict[str, Any]:
        """The whole file or none of it: it is written beside its place and then put there."""
        count, aside = 0, path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with aside.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                for row in predictions.rows() if predictions else ():
                    writer.writerow(row)
                    count += 1
            if path.exists() and not path.is_file():
                path.write_bytes(aside.read_bytes())  # /dev/stdout and the like
            else:
                aside.replace(path)
        except OSError as error:
            raise CommandError(
                _("%(path)s cannot be written: %(error)s") % {"path": path, "error": error}
            ) from error
        finally:
            aside.unlink(missing_ok=True)
        return {"file": str(path), "rows": count}

    def _table(self, report: dict[str, Any]) -> None:
        out, invoices = self.stdout.write, report["invoices"]
        out(
            f"Trained on invoices issued before {report['train_until']}, "
            f"tested on those issued {report['test_from']} to {report['test_to']}."
        )
        if "refused" in invoices:
            out(f"Invoices: {invoices['refused']}")
        for stage, targets in invoices.get("trained", {}).items():
            if isinstance(targets, dict):
                for name, target in targets.items():
                    note = target["note"] or f"fitted on {target['rows']} invoices, {target['events']} events"
                    out(f"  {stage:<17}{name:<8} {note}")
        for name, target in invoices.get("targets", {}).items():
            out(
                f"\n{name}: {target['rows']} invoices, {target['events']} events, {target['undecided']} not decided yet"
            )
            out(f"  {'':16}{'AUC':>24}{'Gini':>24}{'KS':>24}{'Brier':>24}")
            for model, figures in target["models"].items():
                cells = "".join(f"{_cell(figures.get(m)):>24}" for m in ("auc", "gini", "ks", "brier"))
                out(f"  {model:16}{cells}")
            for row in target.get("calibration", []):
                low, high = row["interval"]
                mark = "" if row["agrees"] else "  <- outside"
                out(
                    f"    {row['count']:>6} predicted {row['predicted']:.3f} observed {row['observed']:.3f} "
                    f"({low:.3f} to {high:.3f}){mark}"
                )
            if "calibration" in target:
                out(f"    {_agreement(target)}")
        for name, target in invoices.get("overdue", {}).items():
            if isinstance(target, dict):
                out(
                    f"\n{name} amount held by the riskiest fifth of the invoices overdue on the day after due:"
                )
                for model, value in target["share_of_loss_in_top_fifth"].items():
                    out(f"  {model:16}{_cell(value):>24}")
        if invoices.get("psi", {}).get("value") is not None:
            out(
                f"\nPSI of the chance of being late: {invoices['psi']['value']:.4f} ({invoices['psi']['reading']})"
            )
        if "refused" in report["accounts"]:
            out(f"\nAccounts (default within 12 months): {report['accounts']['refused']}")
        else:
            out("\nAccounts (default within 12 months):")
            out("\n".join(account_lines(report["accounts"])))
        if "predictions" in report:
            out(f"{report['predictions']['rows']} predictions in {report['predictions']['file']}")


def _plain(value: Any) -> Any:
    """What JSON can say: figures to DIGITS digits (what lies beyond hangs on the order of adding up), no NaN."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if isfinite(value) else None
    return value


def _cell(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    interval = figure["interval"]
    return f"{figure['value']:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _agreement(target: dict[str, Any]) -> str:
    """How many parts of the calibration table agree, and all of them as one test."""
    text = f"{target['calibration_agrees']} of {len(target['calibration'])} agree"
    together = target.get("calibration_together")
    if together is None:
        return f"{text}; too few customers to test them together"
    return f"{text}; all together: p = {together['p_value']:.3f}" + (
        "" if together["agrees"] else "  <- refused"
    )


def accounts_part(period: Period) -> dict[str, Any]:
    """Default within 12 months, per account: figures, or why there are none."""
    try:
        return account_report(period.train_until, period.test_from, period.test_to)
    except (ValueError, MissingRate) as error:  # CardError, NotEnoughEvents and FitError are ValueErrors
        return {"refused": str(error)}
