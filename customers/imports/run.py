"""The one way through an import: read, check, stage, match, and store when asked to.

A preview and a commit run the same statements up to the point of storing, so what the preview says is what
the commit does, unless the ledger changed in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from creditdesk.core.audit import Actor, Change, record_act
from customers.events import ledger_changed
from customers.imports import setup, staging
from customers.imports.allocating import plan_allocations
from customers.imports.checking import Checker
from customers.imports.columns import storable
from customers.imports.correcting import Corrections, drop_refused, lock_matched, plan_corrections
from customers.imports.filling import filling
from customers.imports.matching import Target, convert, iso, match
from customers.imports.problems import ImportRefused
from customers.imports.reading import open_rows
from customers.imports.report import SHOWN, Report, staged_problem, write_report
from customers.imports.snapshots import check_order, last_snapshot, plan_snapshot
from customers.imports.spec import spec_of
from customers.imports.writing import Writer
from customers.models import Access, ImportBatch, ImportMapping, RefusedRow

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Options:
    """How to import. `today` is the business date; `latest_day` the last day money can have arrived on."""

    today: date
    latest_day: date | None = None
    commit: bool = False
    all_or_nothing: bool = False
    company: str = ""
    complete_through: date | None = None
    snapshot_on: date | None = None
    known_on: date | None = None
    user: Any = None
    file_name: str = ""
    # Where to write every finding as CSV while the staged ones stand.
    report_to: str = ""
    progress: Progress | None = None


def run_import(path: Path, mapping: ImportMapping, options: Options) -> Report:
    """Import a file, or preview it (options.commit False). Raises ImportRefused when the whole file is refused."""
    spec = spec_of(mapping)
    target = setup.find_target(
        mapping, spec, options.company, today=options.today, corrected_on=options.known_on or options.today
    )
    check_access(options.user, target)
    _snapshot_days(target, options)
    name = options.file_name or path.name
    report = Report(name[:200], mapping.slug, options.commit)
    with staging.staging():
        _read(path, target, options, report)
        with transaction.atomic() if options.commit else nullcontext():
            if options.commit:
                source = setup.make_target(target, mapping)
                if mapping.source_id is None and not options.company:
                    mapping.source = source
                    mapping.save(update_fields=["source"])
            _plan(target, options, report)
            if options.report_to:
                write_report(options.report_to, staged_problems())
            if options.commit:
                refused = report.counts["refused"]
                if refused and options.all_or_nothing:
                    raise ImportRefused("rows_refused", refused=refused)
                _store(target, mapping, path, options, report)
    return report


def check_access(user: Any, target: Target) -> None:
    """A person imports only into companies given to them whole; the command line (no user) into any."""
    if user is None or user.is_superuser:
        return
    allowed = Access.objects.filter(user=user, company=target.company_id, portfolio__isnull=True).exists()
    if not allowed:
        code = target.spec.company.get("code", "main")
        raise ImportRefused("not_allowed", company=code)


def _snapshot_days(target: Target, options: Options) -> None:
    if target.spec.layout != "snapshot":
        return
    target.snapshot_on = options.snapshot_on
    if target.snapshot_on is None and target.spec.snapshot_on == "import_day":
        target.snapshot_on = options.today
    if target.snapshot_on is None:
        raise ImportRefused("no_snapshot_day")
    check_order(target)
    target.previous_snapshot = last_snapshot(target.source_id, before=target.snapshot_on)


def _read(path: Path, target: Target, options: Options, report: Report) -> None:
    """Stream the file through the row checks into the staging tables."""
    latest = options.latest_day or options.today
    day = (target.snapshot_on or options.known_on or options.today).isoformat()
    with open_rows(path, target.spec) as (header, chunks):
        absent = set(target.spec.optional) - set(header)
        target.spec = target.spec.without(absent)
        checker = Checker(target.spec, header, import_day=day, latest_day=latest.isoformat())
        report.header = [storable(name) for name in header]
        total = 0
        with filling() as fill:
            for numbers, rows in chunks:
                checked = checker.check(numbers, rows)
                total += checked.rows
                if len(report.first_rows) < 10:
                    shown = rows[: 10 - len(report.first_rows)]
                    report.first_rows += [[storable(cell) for cell in row] for row in shown]
                fill.add(checked)
                if options.progress:
                    options.progress(total)
        report.counts["rows"] = total


def _plan(target: Target, options: Options, report: Report) -> None:
    """Everything that can still refuse a row, then the counts of what a commit stores."""
    if target.spec.layout == "snapshot":
        check_order(target)
    match(target)
    if options.commit:
        lock_matched()
    plan_corrections(target)
    convert(target)
    drop_refused()
    if target.spec.layout == "transactions":
        plan_allocations(target)
        drop_refused()
    if target.spec.layout == "snapshot":
        plan_snapshot(target)
        drop_refused()
    staging.analyze((*staging.PLANNED, "import_bad"))
    _count(target, report, options.latest_day or options.today)


_DOCUMENTS = """SELECT COUNT(*) FROM (SELECT DISTINCT number, fiscal_year, kind FROM import_write
    WHERE old_id IS NULL) x"""
_STORED_ALREADY = """SELECT COUNT(*) FROM import_good g JOIN import_match m
    ON m.number = g.number AND m.fiscal_year = g.fiscal_year AND m.kind = g.kind"""
_COUNTS = {
    "refused": "SELECT COUNT(*) FROM import_bad",
    "corrections": "SELECT COUNT(*) FROM import_match WHERE state = 1",
    "deliveries": "SELECT COUNT(*) FROM import_match WHERE delivery <> '' AND state <> 1",
    "customers": """SELECT COUNT(*) FROM import_customer c WHERE account_id IS NULL AND (
        EXISTS (SELECT 1 FROM import_good g WHERE g.customer = c.key)
        OR EXISTS (SELECT 1 FROM import_pay p WHERE p.customer = c.key
            AND NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = p.row_no)))""",
}
_LAYOUT_COUNTS = {
    "settled": {
        "payments": "SELECT COUNT(*) FROM import_settle",
        "allocations": "SELECT COUNT(*) FROM import_settle",
        "disputes": "SELECT COUNT(*) FROM import_settle WHERE disputed = 1",
        "unchanged": "SELECT COUNT(*) FROM import_match WHERE state = 0",
    },
    "transactions": {
        "payments": """SELECT COUNT(*) FROM import_pay p WHERE p.pay_key IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM import_paymatch m WHERE m.row_no = p.row_no)
            AND NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = p.row_no)""",
        "payment_corrections": "SELECT COUNT(*) FROM import_paymatch WHERE state = 1",
        "allocations": "SELECT COUNT(*) FROM import_alloc",
        "unchanged": """SELECT (SELECT COUNT(*) FROM import_match WHERE state = 0)
            + (SELECT COUNT(*) FROM import_paymatch WHERE state = 0)""",
    },
    "snapshot": {
        "inferred": "SELECT COUNT(*) FROM import_vanish WHERE amount > 0",
        "reopened": "SELECT COUNT(*) FROM import_vanish WHERE grew = 1",
        "unchanged": "SELECT COUNT(*) FROM import_match WHERE state = 0",
    },
}


def _count(target: Target, report: Report, latest: date) -> None:
    queries = {**_COUNTS, **_LAYOUT_COUNTS[target.spec.layout]}
    if target.spec.has("instalment"):
        queries["documents"] = _DOCUMENTS
    report.counts.update({name: int(staging.scalar(sql)) for name, sql in queries.items()})
    good, *days = staging.rows("SELECT COUNT(*), MAX(issued_on), MAX(settled_on) FROM import_good")[0]
    if not target.spec.has("instalment"):
        # One row is one document then; counting distinct keys would sort the whole file.
        report.counts["documents"] = good - int(staging.scalar(_STORED_ALREADY))
    days += [
        staging.scalar(
            """SELECT MAX(received_on) FROM import_pay p
            WHERE NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = p.row_no)"""
        )
    ]
    report.complete_through = target.snapshot_on or max(
        # A document dated ahead says nothing of the days until then.
        (min(date.fromisoformat(iso(day)), latest) for day in days if day),
        default=None,
    )
    report.by_code = dict(
        staging.rows("SELECT code, COUNT(*) FROM import_problem GROUP BY code ORDER BY code")
    )
    report.counts["warnings"] = int(
        staging.scalar("SELECT COUNT(*) FROM import_problem WHERE severity = 'warning'")
    )
    found = staging.rows(f"{_PROBLEMS} LIMIT {SHOWN}")
    report.problems = [staged_problem(row) for row in found]


_PROBLEMS = """SELECT row_no, place, value, code, params, severity, cells FROM import_problem
    ORDER BY row_no, seq"""


def staged_problems() -> Any:
    """Every finding of the import being worked on, in row order (while its staging tables stand)."""
    return (staged_problem(row) for row in staging.stream(_PROBLEMS))


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _store(target: Target, mapping: ImportMapping, path: Path, options: Options, report: Report) -> None:
    now, fingerprint = timezone.now(), _fingerprint(path)
    if options.complete_through:
        if options.complete_through > (options.latest_day or options.today):
            raise ImportRefused("complete_through_future", day=options.complete_through)
        report.complete_through = options.complete_through
    report.batch = _same_again(target, report, fingerprint)
    if report.batch is not None:
        return
    batch = ImportBatch.objects.create(
        source_id=target.source_id,
        mapping=mapping,
        file_name=report.file_name,
        sha256=fingerprint,
        complete_through=report.complete_through,
        snapshot_on=target.snapshot_on,
        recorded_at=now,
        imported_by=options.user,
    )
    planned = dict(report.counts)
    made, changes = _write(target, batch, now)
    for name, count in made.items():
        expected = planned.get(name, 0) + (planned["corrections"] if name == "documents" else 0)
        expected += planned.get("payment_corrections", 0) if name == "payments" else 0
        if count != expected:
            # Cannot happen under the source's lock; if it does, nothing half done stays.
            raise ImportRefused("changed_meanwhile")
    _keep_findings(batch)
    ImportBatch.objects.filter(pk=batch.pk).update(counts=report.counts | {"header": report.header})
    batch.counts = report.counts | {"header": report.header}
    report.batch = batch
    user = options.user
    record_act(
        "ledger.import",
        actor=Actor.importer(mapping.slug, user),
        subject=batch,
        business_date=options.today,
        data={"file": report.file_name, "sha256": batch.sha256, "counts": report.counts},
        changes=changes,
    )


def _same_again(target: Target, report: Report, fingerprint: str) -> ImportBatch | None:
    """The batch that took in this very file with this very result; then there is nothing to store at all."""
    if not report.changes_nothing:
        return None
    return ImportBatch.objects.filter(
        source_id=target.source_id,
        sha256=fingerprint,
        status=ImportBatch.Status.COMMITTED,
        complete_through=report.complete_through,
        snapshot_on=target.snapshot_on,
    ).first()


def _keep_findings(batch: ImportBatch) -> None:
    """Store the findings with the import."""
    as_json = "CAST({} AS jsonb)" if staging.is_postgres() else "{}"
    staging.execute(
        f"""INSERT INTO {RefusedRow._meta.db_table} (batch_id, row, "column", value, code, params, severity, cells)
        SELECT %s, row_no, SUBSTR(COALESCE(place, ''), 1, 80), SUBSTR(COALESCE(value, ''), 1, 200), code,
            {as_json.format("params")}, severity, {as_json.format("cells")}
        FROM import_problem ORDER BY row_no, seq""",
        [batch.pk],
    )


def _write(target: Target, batch: ImportBatch, now: datetime) -> tuple[dict[str, int], list[Change]]:
    """Store the facts; returns the counts the plan is held against, and the stored rows that changed."""
    setup.make_customers(target)
    corrections = Corrections(target, batch, now)
    corrections.close()
    writer = Writer(target, batch, now)
    made = writer.documents() | writer.deliveries()
    layout = target.spec.layout
    if layout == "settled":
        made |= writer.settlements()
    elif layout == "transactions":
        made |= writer.payments()
    corrections.carry_over()
    if layout == "snapshot":
        made |= writer.inferred()
    recounted = writer.recount_stored(corrections.touched, corrections.touched_payments)
    changes = corrections.changes + [
        Change.of(row, None, {"open_amount": row.open_amount.minor, "settled_on": row.settled_on})
        for row in recounted
    ]
    accounts = writer.touched_accounts()
    if accounts:
        ledger_changed.send(sender=ImportBatch, account_ids=set(accounts))
    return made, changes
