"""The one way bank lines come in: read a file, find whose it is and what is new, preview or store.

CSV and XLSX through a saved mapping, CAMT.053 and MT940 as they are. The same file twice changes nothing, statements
that overlap do not double, and what cannot be taken is refused row by row with its cure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext_lazy

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.sentences import stored
from customers.bank.camt import read_camt
from customers.bank.consents import carry_on
from customers.bank.csv_lines import read_csv
from customers.bank.lines import Statement, complete_balances
from customers.bank.mapping import CAMT, CSV, LAST_LINE, MT940, BankSpec, bank_spec_of, find_bank_mapping
from customers.bank.matching import Feed, feeds_of, find_new
from customers.bank.mt940 import decode, read_mt940
from customers.bank.unpacking import Unpacked, unpacked
from customers.events import ledger_changed
from customers.imports.problems import REFUSED, WARNING, ImportRefused, Problem
from customers.models import (
    Access,
    BankAccount,
    BankTransaction,
    Company,
    CreditAccount,
    Customer,
    ImportBatch,
    ImportMapping,
    RefusedRow,
    Source,
)

SHOWN = 200
BATCH = 500
LABELS = {
    "rows": gettext_lazy("rows read"),
    "statements": gettext_lazy("statements"),
    "accounts": gettext_lazy("bank accounts"),
    "customers": gettext_lazy("customers"),
    "lines": gettext_lazy("new bank lines"),
    "rejected": gettext_lazy("of which returned or refused payments"),
    "unchanged": gettext_lazy("already there, unchanged"),
    "refused": gettext_lazy("rows refused"),
    "warnings": gettext_lazy("warnings"),
}


@dataclass(frozen=True)
class Options:
    """today: business date; consents are judged, and lines known, on it. user None: the command line."""

    today: date
    commit: bool = False
    customer: Customer | None = None
    company: str = ""
    user: Any = None
    file_name: str = ""


@dataclass
class BankReport:
    file_name: str
    mapping: str
    committed: bool
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    first_day: date | None = None
    last_day: date | None = None
    batch: ImportBatch | None = None

    @property
    def changes_nothing(self) -> bool:
        return not self.counts.get("lines")


def guess_mapping(path: Path) -> ImportMapping:
    """The built-in mapping for a file that says itself what it is; ImportRefused for CSV, which needs one named."""
    with unpacked(path) as found:
        with found[0].path.open("rb") as file:
            start = decode(file.read(4000))
    if start.lstrip("\ufeff \t\r\n\x00").startswith("<"):
        return find_bank_mapping("camt053")
    if ":20:" in start or ":61:" in start or ":25:" in start:
        return find_bank_mapping("mt940")
    raise ImportRefused("name_a_mapping")


def run_bank_import(path: Path, mapping: ImportMapping, options: Options) -> BankReport:
    """Preview a file of bank lines, or store its good rows. Raises ImportRefused when the whole file is refused."""
    spec = bank_spec_of(mapping)
    company = choose_company(options, spec.company)
    check_access(options.user, company)
    source = Source.objects.filter(company=company, code=_source_code(spec)).first()
    report = BankReport((options.file_name or path.name)[:200], mapping.slug, options.commit)
    with unpacked(path) as found:
        statements, problems, rows = _read(found, spec)
    sha256 = fingerprint_of(path)
    for statement in statements:
        problems += complete_balances(statement)
    with transaction.atomic():
        if options.commit:
            source = ensure_source(source, company, spec.source, "bank", "Bank feeds")
        feeds, unknown = feeds_of(statements, options.customer, source.pk if source else 0, options.today)
        if options.commit:
            # Two imports for one customer at a time would each miss what the other adds.
            ids = sorted({feed.customer.pk for feed in feeds})
            list(Customer.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk"))
        problems += unknown + find_new(feeds, options.today)
        problems.sort(key=lambda p: p.row)
        _count(report, feeds, statements, problems, rows)
        if options.commit and source is not None:
            _store(report, feeds, mapping, source, spec, sha256, problems, options)
    report.problems = problems[:SHOWN]
    return report


READERS: dict[str, Callable[[Path], tuple[list[Statement], list[Problem], int]]] = {
    CAMT: read_camt,
    MT940: read_mt940,
}


def _read(files: list[Unpacked], spec: BankSpec) -> tuple[list[Statement], list[Problem], int]:
    """Of an archive, findings name the file in it, whose rows they count."""
    statements, problems, rows = [], [], 0
    for one in files:
        try:
            some = READERS[spec.format](one.path) if spec.format != CSV else read_csv(one.path, spec)
        except ImportRefused as refusal:
            if not one.name:
                raise
            raise ImportRefused("in_archive", name=one.name, error=refusal) from refusal
        statements += some[0]
        found = some[1]
        problems += [replace(p, column=f"{one.name}: {p.column}"[:80]) for p in found] if one.name else found
        rows += some[2]
    return statements, problems, rows


def choose_company(options: Options, code: str) -> Company:
    """The company asked for or the mapping's; else that of the customer; else the first one there is."""
    code = options.company or code
    found = Company.objects.filter(code=code).first() if code else None
    if code and found is None:
        known = ", ".join(Company.objects.order_by("code").values_list("code", flat=True))
        raise ImportRefused("unknown_company", code=code, known=known or "-")
    if found is None and options.customer is not None:
        account = options.customer.accounts.select_related("company").order_by("pk").first()
        found = account.company if account else None
    if found is None:
        found = Company.objects.order_by("pk").first()
    if found is None:
        raise ImportRefused("unknown_company", code="-", known="-")
    return found


def check_access(user: Any, company: Company) -> None:
    if user is None or user.is_superuser:
        return
    if not Access.objects.filter(user=user, company=company, portfolio__isnull=True).exists():
        raise ImportRefused("not_allowed", company=company.code)


def _source_code(spec: BankSpec) -> str:
    return spec.source.get("code", "bank")[:30]


def ensure_source(
    source: Source | None, company: Company, given: dict[str, str], code: str, name: str
) -> Source:
    """Evidence says nothing about our own ledger being complete: its source feeds no ledger."""
    if source is None:
        source, _made = Source.objects.get_or_create(
            company=company,
            code=given.get("code", code)[:30],
            defaults={"name": given.get("name", name), "is_ledger": False},
        )
    if source.is_ledger:
        raise ImportRefused("source_is_ledger", source=source.code)
    return source


def fingerprint_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count(
    report: BankReport, feeds: list[Feed], statements: list[Statement], problems: list[Problem], rows: int
) -> None:
    new = [line for feed in feeds for _key, line, _id in feed.new]
    report.counts = {
        "rows": rows,
        "statements": len(statements),
        "accounts": len(feeds),
        "customers": len({feed.customer.pk for feed in feeds}),
        "lines": len(new),
        "rejected": sum(line.is_rejected for line in new),
        "unchanged": sum(feed.unchanged for feed in feeds),
        "refused": sum(p.severity == REFUSED for p in problems),
        "warnings": sum(p.severity == WARNING for p in problems),
    }
    days = [line.day for feed in feeds for s in feed.statements for line in s.lines]
    closing = [s.last_day for feed in feeds for s in feed.statements if s.last_day]
    if days or closing:
        report.first_day, report.last_day = min(days + closing), max(days + closing)


def _store(
    report: BankReport,
    feeds: list[Feed],
    mapping: ImportMapping,
    source: Source,
    spec: BankSpec,
    sha256: str,
    problems: list[Problem],
    options: Options,
) -> None:
    if report.changes_nothing:
        again = ImportBatch.objects.filter(source=source, sha256=sha256, status=ImportBatch.Status.COMMITTED)
        report.batch = again.order_by("-pk").first()
        if report.batch is not None:
            return
    if mapping.pk is None:
        mapping.source = source
        mapping.save()
    now = timezone.now()
    batch = ImportBatch.objects.create(
        source=source,
        mapping=mapping,
        file_name=report.file_name,
        sha256=sha256,
        complete_through=_complete_through(report, feeds, spec, options.today),
        recorded_at=now,
        imported_by=options.user,
        counts=report.counts,
    )
    _store_lines(feeds, batch, spec, options.today)
    RefusedRow.objects.bulk_create(
        (
            # The row itself is bank data and may be nobody's with a consent: only the cell at fault is kept.
            RefusedRow(
                batch=batch,
                row=p.row,
                column=p.column[:80],
                value=p.value[:200],
                code=p.code,
                params=stored(p.params),
                severity=p.severity,
            )
            for p in problems
        ),
        batch_size=1000,
    )
    record_act(
        "bank_data.import",
        actor=Actor.importer(mapping.slug, options.user),
        subject=batch,
        business_date=options.today,
        data={
            "file": report.file_name,
            "sha256": sha256,
            "counts": report.counts,
            "customers": sorted({feed.customer.pk for feed in feeds if feed.new}),
        },
    )
    announce({feed.customer.pk for feed in feeds if feed.new})
    report.batch = batch


def _complete_through(report: BankReport, feeds: list[Feed], spec: BankSpec, today: date) -> date | None:
    """The day up to which every account of the file is told. A table that says nothing else goes to its last day;
    statements end on days of their own, and the file says of all of them only what the one that ends first says."""
    if spec.complete == LAST_LINE or report.last_day is None:
        return None
    if spec.format == CSV:
        return min(report.last_day, today)
    ends = [max(days) for feed in feeds if (days := list(_days_told(feed)))]
    return min(*ends, report.last_day, today) if ends else None


def _days_told(feed: Feed) -> Iterator[date]:
    for statement in feed.statements:
        if statement.last_day:
            yield statement.last_day
        yield from (line.day for line in statement.lines)


def _store_lines(feeds: list[Feed], batch: ImportBatch, spec: BankSpec, today: date) -> None:
    missing = [feed for feed in feeds if feed.stored is None and feed.new]
    made = BankAccount.objects.bulk_create(
        BankAccount(
            consent=feed.consent,
            customer=feed.customer,
            iban=feed.account,
            currency=feed.currency,
            recorded_at=batch.recorded_at,
        )
        for feed in missing
    )
    for feed, account in zip(missing, made, strict=True):
        feed.stored = account
    # What is stored under a consent that ended goes on under its renewal.
    carry_on({feed.customer.pk for feed in feeds if feed.new}, today)
    replaced = [pk for feed in feeds for pk in feed.completed]
    for start in range(0, len(replaced), BATCH):
        # The version without a balance is what was known before today.
        some = BankTransaction.objects.filter(
            pk__in=replaced[start : start + BATCH], superseded_at__isnull=True
        )
        some.update(superseded_at=batch.recorded_at, known_until=Greatest(F("known_on"), today))
    own = spec.known_on == "own"
    lines = (
        BankTransaction(
            bank_account=feed.stored,
            key=key,
            effective_on=line.day,
            known_on=line.day if own and key not in feed.completed_keys else today,
            recorded_at=batch.recorded_at,
            amount=line.amount,
            balance=line.balance,
            category=line.category,
            is_rejected=line.is_rejected,
            counterparty=line.counterparty,
            statement=statement,
            batch=batch,
        )
        for feed in feeds
        for key, line, statement in feed.new
    )
    # Piece by piece: rows of a large file are never all held as objects.
    while some_lines := list(islice(lines, 10 * BATCH)):
        BankTransaction.objects.bulk_create(some_lines, batch_size=2 * BATCH)


def announce(customers: set[int]) -> None:
    """What is known about these customers changed: their accounts are scored anew."""
    ids = set(CreditAccount.objects.filter(customer__in=customers).values_list("pk", flat=True))
    if ids:
        ledger_changed.send(sender=BankTransaction, account_ids=ids)


@transaction.atomic
def undo_bank_batch(batch: ImportBatch, *, actor: Actor, reason: str, on: date) -> ImportBatch:
    """Close the lines of an import as if never known. Raises ImportRefused when that was done already."""
    batch = ImportBatch.objects.select_for_update().get(pk=batch.pk)
    if batch.status == ImportBatch.Status.UNDONE:
        raise ImportRefused("batch_undone")
    now = timezone.now()
    lines = BankTransaction.objects.filter(batch=batch, superseded_at__isnull=True)
    customers = set(lines.order_by().values_list("bank_account__customer", flat=True).distinct())
    replaced = BankTransaction.objects.filter(
        bank_account__in=lines.order_by().values("bank_account"),
        superseded_at=batch.recorded_at,
        key__in=lines.order_by().values("key"),
    )
    # What the import had completed stands again as it was, unless the import it came with was undone as well.
    replaced = replaced.exclude(batch__status=ImportBatch.Status.UNDONE)
    again = list(replaced.order_by("pk"))
    carry_on(customers, on)
    closed = lines.update(superseded_at=now, known_until=on)
    for row in again:
        row.pk, row.recorded_at, row.known_on = None, now, max(on, row.known_on)
        row.known_until = row.superseded_at = None
    BankTransaction.objects.bulk_create(again, batch_size=BATCH)
    batch.status, batch.undone_at = ImportBatch.Status.UNDONE, now
    batch.save(update_fields=["status", "undone_at"])
    record_act(
        "bank_data.undo",
        actor=actor,
        subject=batch,
        note=reason,
        business_date=on,
        data={"lines": closed, "customers": sorted(customers)},
    )
    announce(customers)
    return batch
