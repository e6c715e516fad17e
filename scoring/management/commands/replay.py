"""`manage.py replay SCORE_ID`: an old score recomputed, bit for bit."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scoring.models import AccountScore, ScoreHistory
from scoring.replay import Difference, Replay, replay


class Command(BaseCommand):
    help = "Recompute a kept score from its stored inputs and from the facts recorded by then; fails if it differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("score", type=int, nargs="?", metavar="SCORE_ID", help="id in the score history")
        parser.add_argument(
            "--customer", metavar="CODE", help="the current score of a customer's accounts instead"
        )
        parser.add_argument("--all", action="store_true", help="every kept score")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = _rows(options)
        replays = [replay(row) for row in rows]
        if options["format"] == "json":
            self.stdout.write(json.dumps([_record(found) for found in replays], default=str, indent=1))
        else:
            for found in replays:
                if not (options["all"] and found.is_exact):
                    self.stdout.write(_text(found))
        different = sum(not found.is_exact for found in replays)
        if options["all"]:
            self.stdout.write(f"{len(replays)} scores replayed, {different} differ.")
        if different:
            raise CommandError(f"{different} of {len(replays)} scores could not be reproduced.")


def _rows(options: dict[str, Any]) -> Any:
    history = ScoreHistory.objects.select_related("account__customer", "card").order_by("pk")
    if options["all"]:
        return history.iterator(chunk_size=500)
    if options["customer"]:
        current = AccountScore.objects.select_related("account__customer", "card")
        found: list[Any] = list(current.filter(account__customer__code=options["customer"]).order_by("pk"))
    elif options["score"]:
        found = list(history.filter(pk=options["score"]))
    else:
        raise CommandError("Name a SCORE_ID, --customer CODE or --all.")
    if not found:
        raise CommandError("There is no such score. The score history in the admin shows the ids.")
    return found


def _record(found: Replay) -> dict[str, Any]:
    row = found.row
    return {
        "id": row.pk if isinstance(row, ScoreHistory) else None,
        "customer": row.account.customer.code,
        "as_of": row.as_of,
        "card": f"{found.card.code} {found.card.version}",
        "score": row.score,
        "grade": row.grade,
        "exact": found.is_exact,
        "inputs": [_difference(d) for d in found.inputs],
        "facts": [_difference(d) for d in found.facts],
        "defined_anew": dict(found.defined_anew),
    }


def _difference(d: Difference) -> dict[str, Any]:
    return {"name": d.name, "stored": d.stored, "replayed": d.replayed}


def _text(found: Replay) -> str:
    row = found.row
    head = (
        f"{row.account.customer.code} on {row.as_of}: {row.score} {row.grade}, "
        f"card {found.card.code} {found.card.version}: "
    )
    if found.is_exact:
        return head + "the same again, from its inputs and from the facts."
    lines = [f"  from its {kind}: {d.name} was {d.stored}, is {d.replayed}" for kind, d in _all(found)]
    for name, day in found.defined_anew.items():
        lines.append(
            f"  {name} was defined anew on {day}, in a release installed after this score: its facts may be the same"
        )
    return "\n".join([head + "DIFFERS", *lines])


def _all(found: Replay) -> list[tuple[str, Difference]]:
    return [("inputs", d) for d in found.inputs] + [("facts", d) for d in found.facts]
