import csv
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from creditdesk.core.audit import Actor, Change, record_act
from customers.models import ExchangeRate

COLUMNS = ("base", "quote", "on", "rate", "source")


class Command(BaseCommand):
    help = (
        "Import exchange rates from a CSV file with the columns base,quote,on,rate,source: one unit of base costs "
        "rate units of quote on that day (ISO date). The same file twice changes nothing; all rows or none."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)

    def handle(self, *args, file: Path, **options):
        if not file.exists():
            raise CommandError(f"{file} does not exist.")
        with file.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise CommandError(
                    f"Column {', '.join(missing)} is missing: the first line must name {','.join(COLUMNS)}."
                )
            rows, faults = [], []
            for number, record in enumerate(reader, start=2):
                try:
                    rows.append(self.read(record))
                except ValueError as fault:
                    faults.append(f"row {number}: {fault}")
        if faults:
            raise CommandError("Nothing was imported.\n" + "\n".join(faults))
        stored = self.store(rows, file.name)
        self.stdout.write(f"{stored} rates stored, {len(rows) - stored} known already.")

    @staticmethod
    def read(record: dict[str, str]) -> ExchangeRate:
        codes = [record["base"].strip().upper(), record["quote"].strip().upper()]
        for name, code in zip(("base", "quote"), codes, strict=True):
            if len(code) != 3 or not code.isalpha():
                raise ValueError(f"{name} {code!r} is not a currency: use its ISO 4217 code, e.g. EUR")
        try:
            rate = Decimal(record["rate"])
        except InvalidOperation:
            raise ValueError(
                f"rate {record['rate']!r} is not a number: use a decimal point, e.g. 1.0825"
            ) from None
        if not rate.is_finite() or rate <= 0:
            raise ValueError(f"rate {rate} must be greater than 0")
        try:
            on = date.fromisoformat(record["on"].strip())
        except ValueError:
            raise ValueError(f"on {record['on']!r} is not a date: write it as 2026-11-22") from None
        if not record["source"].strip():
            raise ValueError("source is empty: name who published the rate, e.g. ECB")
        return ExchangeRate(base=codes[0], quote=codes[1], on=on, rate=rate, source=record["source"].strip())

    @transaction.atomic
    def store(self, rows: list[ExchangeRate], file_name: str) -> int:
        before = ExchangeRate.objects.count()
        ExchangeRate.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        stored = ExchangeRate.objects.count() - before
        if stored:
            record_act(
                "rates.import",
                actor=Actor.importer(file_name),
                data={"stored": stored},
                changes=[
                    Change(
                        "customers.exchangerate",
                        f"{r.base}/{r.quote} {r.on}",
                        None,
                        {"rate": str(r.rate), "source": r.source},
                    )
                    for r in rows
                ],
            )
        return stored
