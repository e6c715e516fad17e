"""What a mapping says about a source's files, validated once so that every later step can rely on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from customers.imports.problems import ImportRefused
from customers.models import SentBy

# Every field a column or a constant can feed.
FIELDS = {
    "customer": "what the source calls the customer",
    "customer_name": "name",
    "country": "ISO country, two letters",
    "city": "city",
    "language": "language of letters",
    "sector": "NACE code",
    "vat_number": "VAT number, checked offline",
    "registration_number": "SIREN, SIRET or other registration number",
    "lei": "LEI, checked offline",
    "iban": "IBAN, checked offline, not stored",
    "email": "accounting e-mail",
    "portfolio": "portfolio of the customer's account; made when missing",
    "terms_days": "agreed days to pay",
    "record": "invoice, credit_note or payment (transactions)",
    "number": "document number, or the payment's reference",
    "fiscal_year": "when numbers start again every year; default: year of issue",
    "instalment": "when a document has one row per instalment",
    "issued_on": "issue date; of a payment: the day it was received",
    "due_on": "due date; default: issue date plus terms_days",
    "known_on": "day the row could be known; default as known_on says",
    "currency": "ISO currency",
    "amount": "amount of the document or payment",
    "open_amount": "what is still open (snapshot)",
    "settled_on": "day of settlement (settled)",
    "paid_amount": "what was paid; default: the amount (settled)",
    "payment_key": "the payment's reference; default: made from the document (settled)",
    "instrument": "how it was paid",
    "delivery": "how the document was sent: electronic or paper",
    "disputed": "whether the document was disputed (settled)",
    "references": "documents a payment or credit note settles (transactions)",
}
REQUIRED = {
    "transactions": ("customer", "record", "number", "issued_on", "currency", "amount"),
    "settled": ("customer", "number", "issued_on", "currency", "amount"),
    "snapshot": ("customer", "number", "issued_on", "currency", "open_amount"),
}
_KEYS = {
    *(
        "company",
        "source",
        "segment",
        "portfolio",
        "file",
        "dates",
        "numbers",
        "columns",
        "constants",
        "values",
    ),
    *("known_on", "required", "days_agree", "one_per_customer", "negative", "customer_match", "snapshot_on"),
    *("reference_separator", "title", "optional"),
}
KNOWN_OWN, KNOWN_IMPORT_DAY = "own", "import_day"


@dataclass(frozen=True, slots=True)
class DaysAgree:
    """Column `column` must equal the days from field `start` to field `end` (floored at 0 if `floor`)."""

    column: str
    start: str
    end: str
    floor: bool = False


@dataclass(frozen=True)
class Spec:
    slug: str
    layout: str
    on_change: str
    columns: dict[str, str]
    constants: dict[str, Any]
    company: dict[str, str] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    segment: dict[str, str] = field(default_factory=dict)
    portfolio: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    dates: tuple[str, ...] = ("%Y-%m-%d",)
    decimal: str = "."
    thousands: str = ""
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    sheet: str = ""
    header_row: int = 1
    known_on: str = KNOWN_IMPORT_DAY
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    days_agree: tuple[DaysAgree, ...] = ()
    one_per_customer: tuple[str, ...] = ()
    negative: str = "refuse"
    customer_match: str = "key"
    snapshot_on: str = "given"
    reference_separator: str = ";"

    def without(self, absent: set[str]) -> Spec:
        """The spec for a file that lacks these optional columns."""
        kept = {name: column for name, column in self.columns.items() if column not in absent}
        return replace(self, columns=kept)

    def has(self, name: str) -> bool:
        return name in self.columns or name in self.constants

    @property
    def file_columns(self) -> list[str]:
        """Every column of the file that the mapping needs, in a stable order."""
        names = [
            *self.columns.values(),
            *self.required,
            *(d.column for d in self.days_agree),
            *self.one_per_customer,
        ]
        return list(dict.fromkeys(names))


class SpecError(ValueError):
    """The mapping is wrong; the text names the key and the cure."""


def _check(condition: Any, text: str) -> None:
    if not condition:
        raise SpecError(text)


def _check_fields(layout: str, columns: dict[str, Any], constants: dict[str, Any]) -> None:
    _check(columns, _("columns: say which column feeds which field, such as {“customer”: “CustomerNo”}"))
    for part, given in (("columns", columns), ("constants", constants)):
        unknown = sorted(set(given) - set(FIELDS))
        _check(
            not unknown,
            _("%(part)s: unknown field %(unknown)s; known are %(known)s")
            % {"part": part, "unknown": ", ".join(unknown), "known": ", ".join(FIELDS)},
        )
    missing = [name for name in REQUIRED[layout] if name not in columns and name not in constants]
    _check(
        not missing,
        _("columns: %(layout)s needs %(missing)s (as a column or a constant)")
        % {"layout": layout, "missing": ", ".join(missing)},
    )
    _check(
        "due_on" in columns or "terms_days" in columns or "terms_days" in constants,
        _("columns: give due_on, or terms_days to work the due date out"),
    )


def _check_values(values: dict[str, Any]) -> None:
    """Words for how a document was sent end in what the ledger stores; an empty one is a word for not known."""
    unknown = sorted({str(v) for v in values.get("delivery", {}).values()} - {"", *SentBy.values})
    _check(
        not unknown,
        _("values.delivery: %(unknown)s is not known; give electronic, paper, or nothing for not known")
        % {"unknown": ", ".join(unknown)},
    )


def _not_a_date(pattern: str) -> str:
    return _("dates: %(format)s is not a date format, such as %(example)s") % {
        "format": pattern,
        "example": "%d/%m/%Y",
    }


def check_formats(raw: dict[str, Any]) -> None:
    """Dates, numbers and file of a mapping. Raises SpecError."""
    for pattern in raw.get("dates", []):
        try:
            sample = date(2026, 11, 22).strftime(pattern)
        except ValueError as error:
            raise SpecError(_not_a_date(pattern)) from error
        _check(sample != pattern and "%" in pattern, _not_a_date(pattern))
    numbers = raw.get("numbers", {})
    decimal, thousands = numbers.get("decimal", "."), numbers.get("thousands", "")
    _check(decimal in {".", ","}, _("numbers.decimal: “.” or “,”"))
    _check(
        thousands in {"", ".", ",", " ", "'"} and thousands != decimal,
        _("numbers.thousands: nothing, a point, a comma, a blank or an apostrophe; not the decimal sign"),
    )
    encoding = raw.get("file", {}).get("encoding", "utf-8")
    try:
        "".encode(encoding)
    except LookupError as error:
        raise SpecError(
            _("file.encoding: %(encoding)s is unknown; use utf-8, cp1252 or another of Python's")
            % {"encoding": encoding}
        ) from error
    _check(len(raw.get("file", {}).get("delimiter", ",")) == 1, _("file.delimiter: one character"))


def parse_spec(slug: str, layout: str, on_change: str, raw: Any) -> Spec:
    """The mapping as stored to a Spec. Raises SpecError with a text that names the key and the cure."""
    _check(isinstance(raw, dict), _("a mapping is a JSON object"))
    _check(
        layout in REQUIRED,
        _("%(key)s: one of %(allowed)s") % {"key": "layout", "allowed": ", ".join(REQUIRED)},
    )
    unknown = sorted(set(raw) - _KEYS)
    _check(
        not unknown,
        _("unknown key %(unknown)s; known are %(known)s")
        % {"unknown": ", ".join(unknown), "known": ", ".join(sorted(_KEYS))},
    )
    columns, constants = raw.get("columns", {}), raw.get("constants", {})
    _check_fields(layout, columns, constants)
    check_formats(raw)
    _check_values(raw.get("values", {}))
    for key, allowed in (
        ("known_on", {KNOWN_OWN, KNOWN_IMPORT_DAY}),
        ("negative", {"refuse", "credit_note"}),
        ("customer_match", {"key", "number"}),
        ("snapshot_on", {"given", "import_day"}),
    ):
        _check(
            raw.get(key) is None or raw[key] in allowed,
            _("%(key)s: one of %(allowed)s") % {"key": key, "allowed": ", ".join(sorted(allowed))},
        )
    file, numbers = raw.get("file", {}), raw.get("numbers", {})
    return Spec(
        slug=slug,
        layout=layout,
        on_change=on_change,
        columns=dict(columns),
        constants=dict(constants),
        **{name: dict(raw.get(name, {})) for name in ("company", "source", "segment", "portfolio", "values")},
        dates=tuple(raw.get("dates", ["%Y-%m-%d"])),
        decimal=numbers.get("decimal", "."),
        thousands=numbers.get("thousands", ""),
        delimiter=file.get("delimiter", ","),
        quote=file.get("quote", '"'),
        encoding=file.get("encoding", "utf-8"),
        sheet=file.get("sheet", ""),
        header_row=int(file.get("header_row", 1)),
        known_on=raw.get("known_on", KNOWN_IMPORT_DAY),
        required=tuple(raw.get("required", [])),
        optional=tuple(raw.get("optional", [])),
        days_agree=tuple(
            DaysAgree(d["column"], d["from"], d["to"], bool(d.get("floor")))
            for d in raw.get("days_agree", [])
        ),
        one_per_customer=tuple(raw.get("one_per_customer", [])),
        negative=raw.get("negative", "refuse"),
        customer_match=raw.get("customer_match", "key"),
        snapshot_on=raw.get("snapshot_on", "given"),
        reference_separator=raw.get("reference_separator", ";"),
    )


def spec_of(mapping: Any) -> Spec:
    """The Spec of an ImportMapping row; ImportRefused when it is wrong."""
    try:
        return parse_spec(mapping.slug, mapping.layout, mapping.on_change, mapping.spec)
    except (SpecError, KeyError, TypeError, AttributeError) as error:
        raise ImportRefused("bad_mapping", slug=mapping.slug, error=error) from error
