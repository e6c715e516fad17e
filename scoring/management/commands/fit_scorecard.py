"""manage.py fit_scorecard: learn a challenger from the firm's own ledger and keep it as a draft."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.arguments import day
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.rates import MissingRate
from scoring import rationale
from scoring.card import CardError
from scoring.fitting.account_fit import NotEnoughEvents, Options
from scoring.fitting.drafting import Challenger, keep_draft, learn
from scoring.models import Scorecard

NAME = "Fitted to our ledger"


class Command(BaseCommand):
    help = (
        "Learn a scorecard for the 12-month probability of default from the ledger, and keep it as a draft beside "
        "the card in use. Refused, with the counts, where the ledger holds too few defaults."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--until",
            type=day,
            help="use only what was known on this day, YYYY-MM-DD (default: all the ledger knows)",
        )
        parser.add_argument("--name", default=NAME, help=f"name of the draft ({NAME})")
        parser.add_argument(
            "--signals", metavar="A,B,..", help="choose among these signals only (default: all)"
        )
        parser.add_argument(
            "--min-events",
            type=int,
            default=Options.min_events,
            help=f"customers that must have defaulted, and not defaulted, at least ({Options.min_events})",
        )
        parser.add_argument("--dry-run", action="store_true", help="report only; keep no draft")
        parser.add_argument("--format", choices=["json", "table"], default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["min_events"] < 2:
            raise CommandError("--min-events must be 2 at least: nothing can be learned from fewer.")
        names = [part.strip() for part in (options["signals"] or "").split(",") if part.strip()]
        try:
            found = learn(options["until"], names or None, Options(min_events=options["min_events"]))
            row = None
            if not options["dry_run"]:
                actor = Actor.job("manage.py fit_scorecard")
                row = keep_draft(found, name=options["name"], actor=actor, as_of=business_date())
        except NotEnoughEvents as error:
            if options["format"] == "json":
                self.stdout.write(json.dumps({"refused": str(error), **error.counts}, ensure_ascii=False))
            raise CommandError(f"Refused: {str(error).rstrip('.')}. No card was made.") from error
        except MissingRate as error:
            raise CommandError(
                f"{error}, or name the currency in the setting DEFAULT_MATERIALITY."
            ) from error
        except (CardError, ValueError) as error:
            raise CommandError(str(error)) from error
        if options["format"] == "json":
            card = {"code": row.code, "version": row.version, "id": row.pk} if row else None
            self.stdout.write(
                json.dumps({"card": card, **found.figures, "bins": _bins(found)}, ensure_ascii=False)
            )
        else:
            self._table(found, row)

    def _table(self, found: Challenger, row: Scorecard | None) -> None:
        f, say = found.figures, self.stdout.write
        say(
            f"{f['observations']} observations of {f['customers']} customers on {len(f['dates'])} dates, "
            f"{f['events']} customers defaulted ({_percent(f['rate'])} of observations); "
            + ", ".join(f"{cause} {count}" for cause, count in f["causes"].items())
        )
        say(f"Gini {_number(f['gini'])} {_range(f['gini_interval'])}, cross-validated by customer")
        current = f["current_card"]
        say(f"card in use, same rows: Gini {_number(current['gini'])} {_range(current['gini_interval'])}")
        say("\npredicted  observed  interval by customer  observations")
        for part in f["calibration"]:
            say(
                f"{_percent(part['predicted']):>9} {_percent(part['observed']):>9}  "
                f"{_range(part['interval'], percent=True):<21} {part['count']:>12}"
            )
        say("")
        for signal in found.card.rows:
            say(f"{signal.signal}  (information value {found.fit.learned.binnings[signal.signal].iv:.2f})")
            for b in (*signal.bins, signal.missing):
                where = "missing" if b is signal.missing else f"[{_bound(b.lower)}, {_bound(b.upper)})"
                reason = found.card.reason(b, b is signal.missing and signal.shares_thin)
                say(f"  {where:<22}{b.points:>+4}  {rationale.shown(reason)}")
        left = [f"{x['signal']} ({x['reason'].replace('_', ' ')})" for x in f["left_out"]]
        say(f"\nnot used: {', '.join(left) or '-'}")
        grades = ", ".join(f"{grade} from {least}" for grade, least in f["grades"].items())
        say(f"base {found.card.base} points; {grades}")
        if row:
            say(
                f"kept as draft: {row.name}, {row.code} version {row.version}. It changes nothing until published."
            )


def _bins(found: Challenger) -> dict[str, Any]:
    def plain(b: Any) -> dict[str, Any]:
        return {"lower": b.lower, "upper": b.upper, "points": b.points, "observations": b.rows, "bad": b.bad}

    return {
        row.signal: {"bins": [plain(b) for b in row.bins], "missing": plain(row.missing)}
        for row in found.card.rows
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _range(pair: list[float] | None, *, percent: bool = False) -> str:
    if pair is None:
        return ""
    low, high = (f"{100 * x:.1f} %" if percent else f"{x:.3f}" for x in pair)
    return f"({low} to {high})" if not percent else f"{low} to {high}"
