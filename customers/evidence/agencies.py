"""Ratings of credit agencies from files: any agency comes in without an interface, by columns and a scale.

The mapping gives the standing itself (0-100, 100 the safest), or the agency's score and how its scale becomes a
standing: a table of words, or a straight line from the worst score to the best (customers/bureau/scales.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

from django.utils.text import slugify

from creditdesk.core.sentences import sentence_of
from customers.bureau.adapters import BadAnswer
from customers.bureau.bases import without_basis
from customers.bureau.reading import DAYS
from customers.bureau.scales import line, word
from customers.evidence.plans import Row
from customers.imports.columns import Bad, Converter, Known, Text, Whole
from customers.imports.problems import Problem
from customers.models import BureauReport, Customer

Outcome = BureauReport.Outcome
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


class BasisPoints(Converter):
    """A percentage, in basis points; half to even."""

    def __init__(self, decimal: str) -> None:
        self.decimal = decimal

    def parse(self, text: str) -> Any:
        try:
            points = Decimal(text.replace("%", "").strip().replace(self.decimal, ".")) * 100
        except InvalidOperation:
            return Bad("bad_percent")
        return (
            int(points.to_integral_value())
            if points.is_finite() and 0 <= points <= 10_000
            else Bad("bad_percent")
        )


def converters_for(values: dict[str, dict[str, str]], decimal: str, encoding: str) -> dict[str, Any]:
    """Of the columns only these files have. values: the file's words for outcome and activity."""
    return {
        "product": Text(60, encoding),
        "reference": Text(120, encoding),
        "outcome": Known(values.get("outcome") or {one: one for one in Outcome.values}),
        "standing": Whole(0, 100),
        "raw_score": Text(40, encoding),
        "raw_scale": Text(80, encoding),
        "pd_basis_points": Whole(0, 10_000),
        "pd_percent": BasisPoints(decimal),
        "days_beyond_terms": Whole(*DAYS),
        "activity": Known(values.get("activity") or {one: one for one in BureauReport.Activity.values}),
    }


def complete_report(
    values: dict[str, Any], scale: dict[str, Any], decimal: str, bad: Callable[..., None]
) -> None:
    """Make the row whole: agency's name, standing by the scale, outcome. bad(column, text, code, **params) refuses it."""
    values["provider"] = agency_slug(values.get("provider") or "")
    if not values["provider"]:
        bad("provider", "", "missing_value")
    for name in ("product", "reference", "raw_score", "raw_scale"):
        values[name] = values.get(name) or ""
    percent = values.pop("pd_percent", None)
    if percent is not None:
        values["pd_basis_points"] = percent
    if values.get("standing") is None and scale and values["raw_score"]:
        try:
            values["standing"] = _standing(values["raw_score"], scale, decimal)
        except BadAnswer as error:
            bad("raw_score", values["raw_score"], "not_on_scale", why=sentence_of(error))
            return
    standing = values.setdefault("standing", None)
    default = Outcome.UNRATED if standing is None else Outcome.RATED
    values["outcome"] = values.get("outcome") or default
    values["activity"] = values.get("activity") or BureauReport.Activity.UNKNOWN
    if (standing is None) == (values["outcome"] == Outcome.RATED):
        bad("outcome", values["outcome"], "rating_contradiction")
    if values["outcome"] == Outcome.NOT_FOUND and (
        values["raw_score"]
        or values["activity"] != BureauReport.Activity.UNKNOWN
        or any(
            values.get(name) is not None
            for name in ("pd_basis_points", "days_beyond_terms", "recommended_limit")
        )
    ):
        bad("outcome", values["outcome"], "rating_contradiction")
    limit = values.get("recommended_limit")
    if limit is None:
        values["currency"] = ""
    elif limit < 0 or not values.get("currency"):
        bad(
            "recommended_limit" if limit < 0 else "currency",
            "",
            "amount_not_positive" if limit < 0 else "missing_value",
        )


def agency_slug(name: str) -> str:
    """The name as a slug; one in another script by a short hash, so that it is the same agency each time."""
    slug = slugify(name)[:40]
    if not slug and any(char.isalnum() for char in name):
        return f"agency-{sha256(name.strip().casefold().encode()).hexdigest()[:12]}"
    return slug


def _standing(text: str, scale: dict[str, Any], decimal: str) -> int | None:
    if "table" in scale:
        return word(text, scale["table"], "")
    plain = text.replace(decimal, ".")
    if not _NUMBER.fullmatch(plain):
        raise BadAnswer("", text)
    return line(Decimal(plain), Decimal(str(scale["from"])), Decimal(str(scale["to"])), "")


def refuse_without_basis(
    rows: Iterable[Row], people: dict[str, Customer], today: Any, problems: list[Problem]
) -> list[Row]:
    """The rows but those of natural persons about whom no agency may speak: no legal basis is on record."""
    lacking = without_basis({one.pk for one in people.values()}, today)
    kept = []
    for row in rows:
        customer = people.get(row.customer)
        if customer is not None and customer.pk in lacking:
            problems.append(Problem(row.number, "", row.customer, "no_bureau_basis"))
        else:
            kept.append(row)
    return kept
