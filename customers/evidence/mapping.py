"""What a saved mapping says about a file of evidence: which column feeds which field, formats, words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from customers.bureau.scales import check_scale
from customers.imports.problems import ImportRefused
from customers.imports.spec import Spec, SpecError, check_formats
from customers.models import Cover, ImportMapping, LegalEvent

SHIPPED = Path(__file__).resolve().parent / "mappings"
Layout = ImportMapping.Layout
AMOUNTS = (
    *("revenue", "cost_of_sales", "depreciation", "ebit", "interest_expense", "net_income", "total_assets"),
    *("current_assets", "cash", "inventories", "trade_receivables", "trade_payables", "financial_debt"),
    *("current_liabilities", "total_liabilities", "equity", "retained_earnings"),
    *("amount", "open_amount", "billed_amount", "policy_limit", "recommended_limit"),
)
FIELDS: dict[str, tuple[str, ...]] = {
    Layout.ACCOUNTS: ("customer", "effective_on", "known_on", "currency", "months", "source", *AMOUNTS[:-5]),
    Layout.LEGAL: ("customer", "kind", "effective_on", "known_on", "ended_on", "source", "link"),
    Layout.SUPPLIER: ("customer", "effective_on", "known_on", "days", "source"),
    Layout.ORDERS: (
        *("customer", "segment", "orderer", "number", "effective_on", "expected_on", "currency", "amount"),
        *("open_amount", "open_on", "closed_on", "known_on", "product_line"),
    ),
    Layout.DELIVERIES: (
        *("customer", "segment", "number", "order_number", "effective_on", "currency", "amount"),
        *("invoiced_on", "invoice_number", "billed_amount", "billed_on", "known_on"),
    ),
    Layout.BILLED: (
        *("customer", "segment", "order_number", "delivery_number", "invoice_number", "effective_on"),
        *("currency", "amount", "known_on"),
    ),
    Layout.COVER: (
        *("customer", "segment", "kind", "provider", "policy", "basis", "guarantor", "currency", "amount"),
        *("policy_limit", "percent", "haircut_percent", "effective_on", "expires_on", "withdrawn_on"),
        *("max_terms_days", "max_extension_days", "notify_days", "excludes_disputed", "known_on"),
    ),
    Layout.RATINGS: (
        *("customer", "provider", "product", "reference", "effective_on", "known_on", "outcome", "standing"),
        *("raw_score", "raw_scale", "pd_basis_points", "pd_percent", "days_beyond_terms", "currency"),
        *("recommended_limit", "activity"),
    ),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    Layout.ACCOUNTS: ("customer", "effective_on", "currency"),
    Layout.LEGAL: ("customer", "kind", "effective_on", "source"),
    Layout.SUPPLIER: ("customer", "effective_on", "days", "source"),
    Layout.ORDERS: ("customer", "number", "effective_on", "expected_on", "currency"),
    Layout.DELIVERIES: ("customer", "number", "effective_on", "currency", "amount"),
    Layout.BILLED: ("customer", "effective_on", "currency", "amount"),
    Layout.COVER: ("customer", "kind", "effective_on", "currency", "amount"),
    Layout.RATINGS: ("customer", "provider", "effective_on"),
}
BUSINESS = {Layout.ORDERS, Layout.DELIVERIES, Layout.BILLED, Layout.COVER}
KINDS: dict[str, list[str]] = {Layout.LEGAL: LegalEvent.Kind.values, Layout.COVER: Cover.Kind.values}
_KEYS = {
    *("title", "company", "source", "file", "dates", "numbers", "columns", "constants", "values", "optional"),
    *("complete", "scale"),
}
_LAYOUTS = {
    "accounts": Layout.ACCOUNTS,
    "legal-events": Layout.LEGAL,
    "supplier-days": Layout.SUPPLIER,
    "orders": Layout.ORDERS,
    "open-orders": Layout.ORDERS,
    "deliveries": Layout.DELIVERIES,
    "billed-parts": Layout.BILLED,
    "cover": Layout.COVER,
    "agency-ratings": Layout.RATINGS,
}


@dataclass(frozen=True)
class EvidenceSpec:
    slug: str
    layout: str
    reading: Spec
    columns: dict[str, str]
    constants: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    company: str = ""
    source: dict[str, str] = field(default_factory=dict)
    # The file lists every open order: those missing from it are closed.
    complete: bool = False
    # How an agency's score becomes a standing (customers/bureau/scales.py).
    scale: dict[str, Any] = field(default_factory=dict)


def _check(condition: Any, text: str) -> None:
    if not condition:
        raise SpecError(text)


def parse_evidence_spec(slug: str, layout: str, raw: Any) -> EvidenceSpec:
    """The mapping as stored to an EvidenceSpec. Raises SpecError with a text that names the key and the cure."""
    _check(isinstance(raw, dict), _("a mapping is a JSON object"))
    unknown = sorted(set(raw) - _KEYS)
    _check(
        not unknown,
        _("unknown key %(unknown)s; known are %(known)s")
        % {"unknown": ", ".join(unknown), "known": ", ".join(sorted(_KEYS))},
    )
    columns, constants = dict(raw.get("columns", {})), dict(raw.get("constants", {}))
    strange = sorted({*columns, *constants} - set(FIELDS[layout]))
    _check(
        not strange,
        _("%(part)s: unknown field %(unknown)s; known are %(known)s")
        % {"part": "columns", "unknown": ", ".join(strange), "known": ", ".join(FIELDS[layout])},
    )
    missing = [name for name in REQUIRED[layout] if name not in columns and name not in constants]
    _check(
        not missing,
        _("columns: %(layout)s needs %(missing)s (as a column or a constant)")
        % {"layout": layout, "missing": ", ".join(missing)},
    )
    values = {name: dict(words) for name, words in raw.get("values", {}).items()}
    kinds = KINDS.get(layout, ())
    wrong = sorted(set(values.get("kind", {}).values()) - set(kinds))
    _check(
        not wrong,
        _("values.kind: unknown kind %(unknown)s; known are %(known)s")
        % {"unknown": ", ".join(wrong), "known": ", ".join(kinds)},
    )
    if layout == Layout.ORDERS:
        _check(
            {"amount", "open_amount"} & {*columns, *constants},
            _("columns: orders need amount (what was ordered) or open_amount (what is still open)"),
        )
    scale = raw.get("scale", {})
    if layout == Layout.RATINGS:
        _check_scale(scale, {*columns, *constants})
    else:
        _check(not scale, _("scale: only for ratings of agencies"))
    complete = raw.get("complete", False)
    _check(
        complete is False or (complete is True and layout == Layout.ORDERS),
        _("complete: true or false, and only for orders"),
    )
    check_formats(raw)
    file, numbers = raw.get("file", {}), raw.get("numbers", {})
    reading = Spec(
        slug=slug,
        layout=layout,
        on_change="supersede",
        columns=columns,
        constants={},
        dates=tuple(raw.get("dates", ["%Y-%m-%d"])),
        decimal=numbers.get("decimal", "."),
        thousands=numbers.get("thousands", ""),
        delimiter=file.get("delimiter", ","),
        quote=file.get("quote", '"'),
        encoding=file.get("encoding", "utf-8"),
        sheet=file.get("sheet", ""),
        header_row=int(file.get("header_row", 1)),
        optional=tuple(raw.get("optional", ())),
    )
    return EvidenceSpec(
        slug=slug,
        layout=layout,
        reading=reading,
        columns=columns,
        constants={name: str(value) for name, value in constants.items()},
        values=values,
        company=raw.get("company", {}).get("code", ""),
        source=dict(raw.get("source", {})),
        complete=complete,
        scale=dict(scale),
    )


def _check_scale(scale: Any, fields: set[str]) -> None:
    _check(
        "standing" in fields or (scale and "raw_score" in fields),
        _("columns: ratings need standing, or raw_score with a scale"),
    )
    for problem in check_scale(scale) if scale else ():
        _check(False, problem)


def shipped_evidence_mappings() -> dict[str, dict[str, Any]]:
    return {slug: json.loads((SHIPPED / f"{slug}.json").read_text(encoding="utf-8")) for slug in _LAYOUTS}


def find_evidence_mapping(slug: str) -> ImportMapping:
    """The saved mapping, or the shipped one of that name (unsaved: a commit saves it). ImportRefused if unknown."""
    saved = ImportMapping.objects.filter(slug=slug, layout__in=FIELDS).first()
    if saved is not None:
        return saved
    shipped = shipped_evidence_mappings()
    if slug not in shipped:
        own = ImportMapping.objects.filter(layout__in=FIELDS).values_list("slug", flat=True)
        raise ImportRefused("unknown_mapping", slug=slug, known=", ".join(sorted({*shipped, *own})))
    return ImportMapping(slug=slug, layout=_LAYOUTS[slug], on_change="supersede", spec=shipped[slug])


def evidence_spec_of(mapping: ImportMapping) -> EvidenceSpec:
    try:
        return parse_evidence_spec(mapping.slug, mapping.layout, mapping.spec)
    except (SpecError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ImportRefused("bad_mapping", slug=mapping.slug, error=error) from error
