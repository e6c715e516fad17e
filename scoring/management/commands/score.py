"""Scores at any date, computed and printed; nothing is stored."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.arguments import day
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.facts import View
from customers.bank.access import log_study
from customers.models import CreditAccount
from scoring.card import CardError, active_card
from scoring.engine import compute
from scoring.explain import explain
from scoring.models import AccountScore
from scoring.signals import SIGNALS
from scoring.statement import Scope
from scoring.stored import values_of


class Command(BaseCommand):
    help = "Print the score, grade, PD, every signal and the reasons of each account at a date."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=day, help="business date, YYYY-MM-DD (today)")
        parser.add_argument("--format", choices=["csv", "json", "table"], default="table")
        parser.add_argument(
            "--known", action="store_true", help="only what was known on that day, as a backtest must"
        )
        parser.add_argument("--customer", metavar="CODE", help="only this customer number")

    def handle(self, *args: Any, **options: Any) -> None:
        as_of = options["as_of"] or business_date()
        view = View(known_at=as_of) if options["known"] else View()
        accounts = _names(options["customer"])
        if options["customer"] and not accounts:
            raise CommandError(f"There is no customer {options['customer']!r} with a credit account.")
        scope = Scope.of(list(accounts)) if options["customer"] else Scope.everyone()
        try:
            card = active_card()
            log_study(
                reader=Actor.job("score"),
                days=[as_of],
                accounts=CreditAccount.objects.filter(pk__in=list(accounts)) if options["customer"] else None,
            )
            scores = compute(as_of, scope, view, past=as_of < business_date())
            records = (
                _record(row, accounts[row.account_id], explain(row, card, named=False)) for row in scores
            )
            {"csv": self._csv, "json": self._json, "table": self._table}[options["format"]](records)
        except CardError as error:
            raise CommandError(str(error)) from error

    def _csv(self, records: Iterator[dict[str, Any]]) -> None:
        names = [*_FIELDS, *(s.name for s in SIGNALS), "reasons"]
        writer = csv.DictWriter(self.stdout, names, lineterminator="\n")
        writer.writeheader()
        for record in records:
            cells = {**record, **record["signals"], "reasons": " | ".join(record["reasons"])}
            writer.writerow({name: _safe(cells[name]) for name in names})

    def _json(self, records: Iterator[dict[str, Any]]) -> None:
        self.stdout.write("[", ending="")
        for number, record in enumerate(records):
            self.stdout.write(",\n" if number else "\n", ending="")
            self.stdout.write(json.dumps(record, default=str, ensure_ascii=False), ending="")
        self.stdout.write("\n]")

    def _table(self, records: Iterator[dict[str, Any]]) -> None:
        self.stdout.write(f"{'customer':<24}{'score':>6} {'':2}{'pd':>7}  {'recommendation':<15}reasons")
        for r in records:
            self.stdout.write(
                f"{r['customer'][:23]:<24}{r['score']:>6} {r['grade']:2}{r['pd']:>7}  {r['recommendation']:<15}"
                + " ".join(r["reasons"][:2])
            )


_FIELDS = (
    "customer",
    "name",
    "segment",
    "as_of",
    "judged_on",
    "score",
    "grade",
    "pd",
    "pd_is",
    "recommendation",
    "depth",
)


def _names(customer: str | None) -> dict[int, tuple[str, str, str]]:
    accounts = CreditAccount.objects.all()
    if customer:
        accounts = accounts.filter(customer__code=customer)
    rows = accounts.values_list("pk", "customer__code", "customer__name", "segment__code")
    return {pk: (code, name, segment) for pk, code, name, segment in rows}


def _record(row: AccountScore, names: tuple[str, str, str], explanation: Any) -> dict[str, Any]:
    return {
        "customer": names[0],
        "name": names[1],
        "segment": names[2],
        "as_of": row.as_of.isoformat(),
        "judged_on": row.judged_on and row.judged_on.isoformat(),
        "score": row.score,
        "grade": row.grade,
        "pd": str(row.pd),
        "pd_is": explanation.pd_is,
        "recommendation": row.recommendation,
        "depth": row.depth,
        "base_points": explanation.base_points,
        "signals": values_of(row),
        "points": {item.name: item.points for item in explanation.items},
        "reasons": list(explanation.reasons),
    }


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula is quoted; numbers stay numbers."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
