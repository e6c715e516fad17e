"""manage.py calibrate_card: fit the odds of a card to the firm's own outcomes and keep them as a draft."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.arguments import day
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.rates import MissingRate
from scoring.calibrated import sentence
from scoring.card import CardError
from scoring.fitting.account_fit import NotEnoughEvents
from scoring.models import Scorecard
from scoring.recalibrating import Calibrated, calibrate, keep_calibrated


class Command(BaseCommand):
    help = (
        "Fit the odds of a scorecard to the defaults of the ledger, its points and grades unchanged, and keep it as a "
        "draft. With few defaults only the level moves; with too few it is refused, with the counts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--card", type=int, help="id of the card (default: the card in use)")
        parser.add_argument(
            "--kind", choices=Scorecard.Kind.values, default="full", help="of the card in use (full)"
        )
        parser.add_argument(
            "--until",
            type=day,
            help="use only what was known on this day, YYYY-MM-DD (default: all the ledger knows)",
        )
        parser.add_argument("--dry-run", action="store_true", help="report only; keep no draft")
        parser.add_argument("--format", choices=["json", "table"], default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        card = _card(options)
        actor = Actor.job("manage.py calibrate_card")
        try:
            found = calibrate(card, options["until"], actor)
        except NotEnoughEvents as error:
            if options["format"] == "json":
                self.stdout.write(json.dumps({"refused": str(error), **error.counts}, ensure_ascii=False))
            raise CommandError(f"Refused: {str(error).rstrip('.')}. No draft was made.") from error
        except MissingRate as error:
            raise CommandError(
                f"{error}, or name the currency in the setting DEFAULT_MATERIALITY."
            ) from error
        except CardError as error:
            raise CommandError(str(error)) from error
        row = None
        if not options["dry_run"]:
            row = keep_calibrated(card, found, as_of=business_date(), actor=actor)
        if options["format"] == "json":
            kept = {"code": row.code, "version": row.version, "id": row.pk} if row else None
            self.stdout.write(json.dumps({"card": kept, **found.figures}, ensure_ascii=False))
        else:
            self._table(found, row)

    def _table(self, found: Calibrated, row: Scorecard | None) -> None:
        f, say = found.figures, self.stdout.write
        say(
            f"{f['observations']} observations of {f['customers']} customers on {len(f['dates'])} dates, "
            f"{found.events} customers defaulted in {found.years} customer-years"
        )
        before, after = f["odds_before"], f["odds_after"]
        say(
            f"odds at {after['anchor']}: {before['odds']:g} before, {after['odds']:g} now; "
            f"doubling every {before['doubling']:g} points before, {after['doubling']:g} now"
        )
        if found.state == "level":
            say(
                f"Too few for the slope: only the level moved, {f['shift_from_data']:.0%} of it from the data, the "
                f"rest held by the expert's word ({f['prior_defaults']:g} defaults)"
            )
        say("\nscore       expected before  expected now  observed  interval by customer  observations")
        _tenths(f["tenths"], say)
        later = f["out_of_time"]
        if "refused" in later:
            say(f"\nout of time: {later['refused']}")
        else:
            say(f"\nout of time: fitted to what was known on {later['learned_until']}, tested after")
            _tenths(later["tenths"], say)
        if row:
            say(f"\nkept as draft: {row.name}, {row.code} version {row.version}. {sentence(row)}")
            say("It changes nothing until it is published by two persons.")


def _card(options: dict[str, Any]) -> Scorecard:
    rows = Scorecard.objects.prefetch_related("bins").select_related("based_on")
    if options["card"] is not None:
        card = rows.filter(pk=options["card"]).first()
    else:
        card = rows.filter(status=Scorecard.Status.ACTIVE, kind=options["kind"]).first()
    if card is None:
        raise CommandError("There is no such card. The page Scorecards lists them with their ids.")
    return card


def _tenths(rows: list[dict[str, Any]], say: Any) -> None:
    for row in rows:
        low, high = row["interval"]
        say(
            f"{row['low']:>3} to {row['high']:<4} {row['before']:>15.2%} {row['after']:>13.2%} {row['observed']:>9.2%}"
            f"  {low:.2%} to {high:.2%}{'' if row['agrees'] else ' (outside)':<4} {row['count']:>10}"
        )
