"""Evidence in: accounts, legal events, supplier days, orders, deliveries, cover. Preview first; a file twice is nothing.

A changed row corrects the earlier one: the new version is known from the day of the import, the old one stays as what
was known before. A legal event goes through its service, so that an insolvency stops new business at once.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.sentences import stored
from customers.bank.feeds import BankReport, Options, announce, choose_company, ensure_source, fingerprint_of
from customers.bank.feeds import check_access as check_company_access
from customers.bank.matching import CHUNK, customers_named
from customers.evidence.agencies import complete_report, converters_for, refuse_without_basis
from customers.evidence.business import plan_business
from customers.evidence.mapping import (
    AMOUNTS,
    BUSINESS,
    KINDS,
    REQUIRED,
    EvidenceSpec,
    Layout,
    evidence_spec_of,
)
from customers.evidence.plans import Plan, Row
from customers.imports.columns import YES_NO, Amounts, Bad, Code, Day, Known, Text, Whole, storable
from customers.imports.problems import REFUSED, WARNING, Problem
from customers.imports.reading import open_rows
from customers.legal import record_legal_event
from customers.models import (
    BureauReport,
    Cover,
    Customer,
    FinancialStatement,
    ImportBatch,
    ImportMapping,
    LegalEvent,
    OpenOrder,
    RefusedRow,
    Source,
    SupplierPaymentDays,
)

SHOWN = 200
DAYS = (
    *(
        "effective_on",
        "known_on",
        "ended_on",
        "expected_on",
        "open_on",
        "closed_on",
        "invoiced_on",
        "billed_on",
    ),
    *("expires_on", "withdrawn_on"),
)


class EvidenceReport(BankReport):
    """The same report as of bank lines; `counts` has new, corrected, unchanged."""

    @property
    def changes_nothing(self) -> bool:
        return not (self.counts.get("new") or self.counts.get("corrected"))


class _Reader:
    def __init__(self, spec: EvidenceSpec, header: list[str]) -> None:
        self.spec, self.width = spec, len(header)
        self.at = {name: header.index(column) for name, column in spec.columns.items() if column in header}
        self.amounts = Amounts(spec.reading.decimal, spec.reading.thousands)
        encoding = spec.reading.encoding
        day = Day(spec.reading.dates)
        self.converters: dict[str, Any] = {
            **dict.fromkeys(DAYS, day),
            "customer": Text(60, encoding),
            "source": Text(120, encoding),
            "link": Text(200, encoding),
            "currency": Code(3, "bad_currency"),
            "months": Whole(1, 24),
            "days": Whole(0, 999),
            "kind": Known(spec.values.get("kind") or {kind: kind for kind in KINDS.get(spec.layout, ())}),
            **dict.fromkeys(
                ("number", "order_number", "delivery_number", "invoice_number"), Text(60, encoding)
            ),
            **dict.fromkeys(("orderer", "guarantor", "policy"), Text(60, encoding)),
            "segment": Text(20, encoding),
            "product_line": Text(40, encoding),
            "provider": Text(120, encoding),
            "basis": Known(spec.values.get("basis") or {basis: basis for basis in Cover.Basis.values}),
            **dict.fromkeys(("percent", "haircut_percent"), Whole(0, 100)),
            **dict.fromkeys(("max_terms_days", "max_extension_days", "notify_days"), Whole(0, 999)),
            "excludes_disputed": Known(spec.values.get("excludes_disputed") or YES_NO),
            **converters_for(spec.values, spec.reading.decimal, encoding),
        }
        self.problems: list[Problem] = []

    def take(self, number: int, cells: list[str], today: date) -> Row | None:
        if len(cells) != self.width:
            params = {"found": len(cells), "expected": self.width}
            self.problems.append(Problem(number, "", "", "cells_mismatch", params))
            return None
        before = len(self.problems)
        values: dict[str, Any] = {}
        names = [
            n for n in (*self.spec.columns, *self.spec.constants) if n in self.at or n in self.spec.constants
        ]
        # The currency first: amounts are read in its minor units.
        for name in sorted(dict.fromkeys(names), key=lambda n: n in AMOUNTS):
            text = cells[self.at[name]].strip() if name in self.at else self.spec.constants[name]
            convert = (
                self.amounts[values.get("currency") or "EUR"] if name in AMOUNTS else self.converters[name]
            )
            found = convert[text]
            if isinstance(found, Bad):
                self._bad(number, name, text, found.code, **found.params)
                continue
            values[name] = date.fromisoformat(found) if found and name.endswith("_on") else found
        for name in REQUIRED[self.spec.layout]:
            if name in values and values[name] is None:
                self._bad(number, name, "", "missing_value")
        if self.spec.layout in BUSINESS:
            self._check_amounts(number, values)
        if self.spec.layout == Layout.RATINGS and len(self.problems) == before:
            complete_report(values, self.spec.scale, self.spec.reading.decimal, partial(self._bad, number))
        if len(self.problems) > before:
            return None
        return self._dated(number, values, today)

    def _check_amounts(self, number: int, values: dict[str, Any]) -> None:
        """Amounts of business are positive; what is open of an order may be nothing."""
        for name in ("amount", "open_amount", "billed_amount", "policy_limit"):
            minor = values.get(name)
            if minor is not None and (minor < 0 or (minor == 0 and name != "open_amount")):
                self._bad(number, name, str(minor), "amount_not_positive")
        if self.spec.layout == Layout.ORDERS and "open_amount" not in values and values.get("amount") is None:
            self._bad(number, "amount", "", "missing_value")

    def _dated(self, number: int, values: dict[str, Any], today: date) -> Row | None:
        """When it was known: as the row says, else when it happened or today. A cover may begin later on."""
        began = values["effective_on"]
        if self.spec.layout == Layout.COVER:
            values["known_on"] = values.get("known_on") or today
            if values["known_on"] > today:
                self._bad(number, "known_on", values["known_on"].isoformat(), "fact_in_future")
                return None
            return Row(number, values.pop("customer"), values)
        values["known_on"] = values.get("known_on") or max(today, began)
        if values["known_on"] < began:
            params = {"day": began.isoformat()}
            self._bad(number, "known_on", values["known_on"].isoformat(), "known_before", **params)
            return None
        if began > today or values["known_on"] > today:
            self._bad(number, "effective_on", began.isoformat(), "fact_in_future")
            return None
        over = values.get("ended_on")
        if over is not None and over < began:
            self._bad(number, "ended_on", over.isoformat(), "over_before")
            return None
        return Row(number, values.pop("customer"), values)

    def _bad(self, number: int, name: str, text: str, code: str, **params: Any) -> None:
        column = self.spec.columns.get(name, name)
        self.problems.append(Problem(number, column, storable(text)[:200], code, params))


def run_evidence_import(path: Path, mapping: ImportMapping, options: Options) -> EvidenceReport:
    """Preview a file of evidence, or store its good rows. Raises ImportRefused when the whole file is refused."""
    spec = evidence_spec_of(mapping)
    company = choose_company(options, spec.company)
    check_company_access(options.user, company)
    report = EvidenceReport((options.file_name or path.name)[:200], mapping.slug, options.commit)
    rows: list[Row] = []
    total = 0
    with open_rows(path, spec.reading) as (header, chunks):
        reader = _Reader(spec, header)
        for numbers, block in chunks:
            total += len(block)
            for number, cells in zip(numbers, block, strict=True):
                row = reader.take(number, cells, options.today)
                if row is not None:
                    rows.append(row)
    problems = reader.problems
    with transaction.atomic():
        source = Source.objects.filter(company=company, code=spec.source.get("code", "evidence")[:30]).first()
        if options.commit:
            source = ensure_source(source, company, spec.source, "evidence", "Evidence about customers")
        people = customers_named({row.customer for row in rows}, source.pk if source else 0)
        if spec.layout in BUSINESS:
            plans = plan_business(spec, rows, people, company, problems, options.today)
        else:
            if spec.layout == Layout.RATINGS:
                rows = refuse_without_basis(rows, people, options.today, problems)
            plans = [_plan(spec.layout, rows, people, problems)]
        report.counts = {
            "rows": total,
            "customers": len(set().union(*(plan.customers for plan in plans))),
            "new": sum(len(plan.new) for plan in plans),
            "corrected": sum(len(plan.corrected) for plan in plans),
            "unchanged": sum(plan.unchanged for plan in plans),
            "refused": sum(p.severity == REFUSED for p in problems),
            "warnings": sum(p.severity == WARNING for p in problems),
        }
        problems.sort(key=lambda p: p.row)
        if options.commit and source is not None:
            _store(report, plans, mapping, source, spec, path, problems, options)
    report.problems = problems[:SHOWN]
    return report


MODELS: dict[str, Any] = {
    Layout.ACCOUNTS: FinancialStatement,
    Layout.LEGAL: LegalEvent,
    Layout.SUPPLIER: SupplierPaymentDays,
    Layout.RATINGS: BureauReport,
}
KEYS: dict[str, tuple[str, ...]] = {
    Layout.ACCOUNTS: ("effective_on", "source"),
    Layout.LEGAL: ("kind", "effective_on", "source"),
    Layout.SUPPLIER: ("effective_on", "source"),
    Layout.RATINGS: ("provider", "product", "effective_on"),
}


def _plan(layout: str, rows: list[Row], people: dict[str, Customer], problems: list[Problem]) -> Plan:
    model, key = MODELS[layout], KEYS[layout]
    ids = {customer.pk for customer in people.values()}
    stored: dict[tuple[Any, ...], Any] = {}
    for fact in model.objects.filter(customer__in=ids, superseded_at__isnull=True):
        stored[fact.customer_id, *(getattr(fact, name) for name in key)] = fact
    plan = Plan(model)
    seen: dict[Any, Any] = {}
    for row in rows:
        customer = people.get(row.customer)
        if customer is None:
            problems.append(Problem(row.number, "", row.customer, "unknown_customer"))
            continue
        if "source" in key:
            row.values["source"] = row.values.get("source") or ""
        place = (customer.pk, *(row.values.get(name) for name in key))
        if place in seen:
            params = {"other_row": seen[place]}
            problems.append(Problem(row.number, "", row.customer, "repeated_row", params))
            continue
        seen[place] = row.number
        old = stored.get(place)
        if old is None:
            plan.new.append((customer, row, None))
        elif says_the_same(old, row.values):
            plan.unchanged += 1
        else:
            plan.corrected.append((customer, row, old))
    return plan


def says_the_same(old: Any, values: dict[str, Any]) -> bool:
    """Whether the stored version says all that the row says (the day it was known aside)."""
    for name, value in values.items():
        if name == "known_on" or (value is None and name in ("months", "link", "ended_on")):
            continue
        if old.__dict__[old._meta.get_field(name).attname] != value:
            return False
    return True


def _store(
    report: EvidenceReport,
    plans: list[Plan],
    mapping: ImportMapping,
    source: Source,
    spec: EvidenceSpec,
    path: Path,
    problems: list[Problem],
    options: Options,
) -> None:
    sha256 = fingerprint_of(path)
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
        recorded_at=now,
        imported_by=options.user,
        counts=report.counts,
    )
    actor = Actor.importer(mapping.slug, options.user)
    for plan in plans:
        close_versions([old for _owner, _row, old in plan.corrected], now, options.today)
        if spec.layout in BUSINESS:
            _create_business(plan, batch, now, options.today)
        else:
            _create(spec.layout, plan, batch, now, actor, options.today)
    RefusedRow.objects.bulk_create(
        (
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
    touched = set().union(*(plan.customers for plan in plans))
    record_act(
        "evidence.import",
        actor=actor,
        subject=batch,
        business_date=options.today,
        data={"file": report.file_name, "sha256": sha256, "kind": spec.layout, "counts": report.counts},
    )
    announce(touched)
    report.batch = batch


def close_versions(rows: list[Any], now: datetime, today: date) -> None:
    """Each superseded from `now` and known until today (never before it was known); one statement per CHUNK."""
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        type(part[0]).objects.filter(pk__in=[old.pk for old in part]).update(
            superseded_at=now, known_until=Greatest(F("known_on"), today)
        )


def _create_business(plan: Plan, batch: ImportBatch, now: datetime, today: date) -> None:
    """New facts of credit accounts, and corrections: the stored version with what the row says otherwise."""
    made = []
    for account, row, old in [*plan.new, *plan.corrected]:
        given = {name: value for name, value in row.values.items() if value is not None}
        if old is not None:
            kept = {f.attname: old.__dict__[f.attname] for f in plan.model._meta.concrete_fields}
            del kept["id"]
            if "amount" in given and plan.model is OpenOrder:
                kept["open_on"] = None
            given = {**kept, **given, "known_on": max(today, old.known_on)}
        given |= {"known_until": None, "superseded_at": None, "recorded_at": now}
        made.append(plan.model(**(given | {"account_id": account.pk, "batch_id": batch.pk})))
    plan.model.objects.bulk_create(made, batch_size=500)


def _create(layout: str, plan: Plan, batch: ImportBatch, now: datetime, actor: Actor, today: date) -> None:
    model = MODELS[layout]
    fresh = plan.new
    if layout == Layout.LEGAL:
        made = [
            record_legal_event(
                cast(Customer, customer),  # only plans of business name accounts
                row.values["kind"],
                effective_on=row.values["effective_on"],
                known_on=row.values["known_on"],
                source=row.values["source"],
                link=row.values.get("link") or "",
                ended_on=row.values.get("ended_on"),
                actor=actor,
            ).pk
            for customer, row, _old in plan.new
        ]
        LegalEvent.objects.filter(pk__in=made).update(batch=batch)
        fresh = []
    model.objects.bulk_create(
        (
            model(
                customer=customer,
                batch=batch,
                recorded_at=now,
                **_columns(layout, row, old, today),
            )
            for customer, row, old in [*fresh, *plan.corrected]
        ),
        batch_size=500,
    )


def _columns(layout: str, row: Row, old: Any, today: date) -> dict[str, Any]:
    values = {name: value for name, value in row.values.items() if value is not None}
    if old is not None:
        # The correction is known from the import on; before it, the old version was what we knew.
        values["known_on"] = max(today, old.known_on)
    return values
