"""Identifiers checked offline by their check digits (python-stdnum); nothing is looked up anywhere."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from stdnum import get_cc_module, iban, lei
from stdnum.exceptions import ValidationError
from stdnum.fr import siren, siret

# The EU writes Greece as EL in VAT numbers.
_VAT_COUNTRY = {"GR": "EL"}


@lru_cache(maxsize=64)
def _vat_module(country: str) -> Any:
    return get_cc_module(_VAT_COUNTRY.get(country, country), "vat")


def clean_vat(value: str, country: str) -> str | None:
    """The VAT number with its country prefix and no separators; None when its check digits are wrong.

    A country without a checker keeps the number as written (upper case, no spaces).
    """
    compact = "".join(ch for ch in value.upper() if ch.isalnum())
    prefix = compact[:2]
    land = prefix if prefix.isalpha() and _vat_module("GR" if prefix == "EL" else prefix) else country
    module = _vat_module("GR" if land == "EL" else land) if land else None
    if module is None:
        return compact
    written = _VAT_COUNTRY.get(land, land)
    try:
        number = module.validate(compact)
    except ValidationError:
        return None
    return number if number.startswith(written) else written + number


def clean_registration(value: str, country: str) -> str | None:
    """A registration number; French ones are checked as SIREN (9 digits) or SIRET (14)."""
    if country != "FR":
        return value.strip()
    digits = "".join(ch for ch in value if ch.isalnum())
    try:
        return siret.validate(digits) if len(digits) > 9 else siren.validate(digits)
    except ValidationError:
        return None


def clean_lei(value: str) -> str | None:
    try:
        return lei.validate(value)
    except ValidationError:
        return None


def clean_iban(value: str) -> str | None:
    try:
        return iban.validate(value)
    except ValidationError:
        return None


def check_identifiers(customer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Clean the customer's identifiers in place; the wrong ones are emptied and returned (field, value, kind)."""
    country = customer.get("country") or ""
    wrong = []
    for name, kind, clean in (
        ("vat_number", "VAT number", lambda v: clean_vat(v, country)),
        ("registration_number", "SIREN/SIRET", lambda v: clean_registration(v, country)),
        ("lei", "LEI", clean_lei),
        ("iban", "IBAN", clean_iban),
    ):
        value = customer.get(name)
        if not value:
            continue
        good = clean(value)
        if good is None:
            wrong.append((name, value, kind))
        customer[name] = good or ""
    return wrong
