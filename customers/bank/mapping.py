"""What a saved mapping says about a bank's CSV files, validated once; CAMT and MT940 need none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from customers.bank.lines import Category
from customers.imports.problems import ImportRefused
from customers.imports.spec import Spec, SpecError, check_formats
from customers.models import ImportMapping

SHIPPED = Path(__file__).resolve().parent / "mappings"
LAYOUT = ImportMapping.Layout.BANK
CSV, CAMT, MT940 = "csv", "camt", "mt940"
FIELDS = (
    *("booked_on", "account", "customer", "amount", "debit", "credit", "type", "balance", "currency"),
    *("reference", "counterparty", "category", "text"),
)
# These may be put together from several columns: the first known category, the joined rest.
SEVERAL = ("counterparty", "category", "text")
_KEYS = {
    *("title", "format", "company", "source", "file", "dates", "numbers", "columns", "constants", "values"),
    *("known_on", "rejected", "optional", "complete"),
}
# Up to which day a table tells of each account in it: to its own last day, or to the account's last line.
FILE_END, LAST_LINE = "file", "line"
PLUS, MINUS = "+", "-"


@dataclass(frozen=True)
class BankSpec:
    """`reading` is how the file is opened; columns that name several are lists, the rest single names."""

    slug: str
    format: str
    reading: Spec
    columns: dict[str, list[str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    rejected_categories: frozenset[str] = frozenset({Category.SANCTION, Category.RETURNED})
    known_on: str = "import_day"
    company: str = ""
    source: dict[str, str] = field(default_factory=dict)
    complete: str = FILE_END


def _check(condition: Any, text: str) -> None:
    if not condition:
        raise SpecError(text)


def _columns(raw: dict[str, Any]) -> dict[str, list[str]]:
    columns = raw.get("columns", {})
    for part in (columns, raw.get("constants", {})):
        unknown = sorted(set(part) - set(FIELDS))
        _check(
            not unknown,
            _("%(part)s: unknown field %(unknown)s; known are %(known)s")
            % {"part": "columns", "unknown": ", ".join(unknown), "known": ", ".join(FIELDS)},
        )
    for name, given in columns.items():
        _check(
            isinstance(given, str) or (name in SEVERAL and isinstance(given, list)),
            _("columns.%(name)s: one column; only %(several)s take a list")
            % {"name": name, "several": ", ".join(SEVERAL)},
        )
    return {name: [given] if isinstance(given, str) else list(given) for name, given in columns.items()}


def parse_bank_spec(slug: str, raw: Any) -> BankSpec:
    """The mapping as stored to a BankSpec. Raises SpecError with a text that names the key and the cure."""
    _check(isinstance(raw, dict), _("a mapping is a JSON object"))
    unknown = sorted(set(raw) - _KEYS)
    _check(
        not unknown,
        _("unknown key %(unknown)s; known are %(known)s")
        % {"unknown": ", ".join(unknown), "known": ", ".join(sorted(_KEYS))},
    )
    kind = raw.get("format", CSV)
    _check(
        kind in (CSV, CAMT, MT940),
        _("%(key)s: one of %(allowed)s") % {"key": "format", "allowed": f"{CSV}, {CAMT}, {MT940}"},
    )
    known_on = raw.get("known_on", "import_day")
    _check(
        known_on in ("own", "import_day"),
        _("%(key)s: one of %(allowed)s") % {"key": "known_on", "allowed": "own, import_day"},
    )
    complete = raw.get("complete", FILE_END)
    _check(
        complete in (FILE_END, LAST_LINE),
        _("%(key)s: one of %(allowed)s") % {"key": "complete", "allowed": f"{FILE_END}, {LAST_LINE}"},
    )
    columns, constants = _columns(raw), dict(raw.get("constants", {}))
    has = {*columns, *constants}
    if kind == CSV:
        _check("booked_on" in columns, _("columns: give booked_on, the column of the booking day"))
        _check(
            "amount" in columns or {"debit", "credit"} <= set(columns),
            _("columns: give amount, or debit and credit"),
        )
        _check("currency" in has, _("columns: give currency, or state it under constants"))
    values = {name: dict(words) for name, words in raw.get("values", {}).items()}
    _check(
        "type" not in columns
        or (set(values.get("type", {}).values()) <= {PLUS, MINUS} and values.get("type")),
        _("values.type: say for each word whether it adds (“+”) or takes away (“-”)"),
    )
    strange = sorted(set(values.get("category", {}).values()) - set(Category.values))
    _check(
        not strange,
        _("values.category: unknown category %(unknown)s; known are %(known)s")
        % {"unknown": ", ".join(strange), "known": ", ".join(Category.values)},
    )
    check_formats(raw)
    file, numbers = raw.get("file", {}), raw.get("numbers", {})
    reading = Spec(
        slug=slug,
        layout=LAYOUT,
        on_change="refuse",
        columns={f"{name}{n}": column for name, some in columns.items() for n, column in enumerate(some)},
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
    return BankSpec(
        slug=slug,
        format=kind,
        reading=reading,
        columns=columns,
        constants={name: str(value) for name, value in constants.items()},
        values=values,
        rejected_categories=frozenset(
            raw.get("rejected", {}).get("categories", [Category.SANCTION, Category.RETURNED])
        ),
        known_on=known_on,
        company=raw.get("company", {}).get("code", ""),
        source=dict(raw.get("source", {})),
        complete=complete,
    )


def shipped_bank_mappings() -> dict[str, dict[str, Any]]:
    return {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(SHIPPED.glob("*.json"))}


def find_bank_mapping(slug: str) -> ImportMapping:
    """The saved mapping, or the shipped one of that name (unsaved: a commit saves it). ImportRefused if unknown."""
    saved = ImportMapping.objects.filter(slug=slug, layout=LAYOUT).first()
    if saved is not None:
        return saved
    shipped = shipped_bank_mappings()
    if slug not in shipped:
        own = ImportMapping.objects.filter(layout=LAYOUT).values_list("slug", flat=True)
        raise ImportRefused("unknown_mapping", slug=slug, known=", ".join(sorted({*shipped, *own})))
    return ImportMapping(slug=slug, layout=LAYOUT, on_change="refuse", spec=shipped[slug])


def bank_spec_of(mapping: ImportMapping) -> BankSpec:
    """The BankSpec of an ImportMapping row; ImportRefused when it is wrong."""
    try:
        return parse_bank_spec(mapping.slug, mapping.spec)
    except (SpecError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ImportRefused("bad_mapping", slug=mapping.slug, error=error) from error
