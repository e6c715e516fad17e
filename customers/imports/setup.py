"""What an import finds or makes before the first fact: mappings, company, source, segment, customers, accounts."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from django.utils.text import slugify

from customers.imports import staging
from customers.imports.matching import NOBODY, Target, new_code, new_customers, taken_codes
from customers.imports.problems import ImportRefused
from customers.imports.spec import Spec
from customers.models import (
    Company,
    Contact,
    CreditAccount,
    CreditSegment,
    Customer,
    CustomerKey,
    ImportMapping,
    PaymentTerms,
    Portfolio,
    Source,
)

SHIPPED = Path(__file__).resolve().parent / "mappings"
CHUNK = 500


def shipped_mappings() -> dict[str, dict[str, Any]]:
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SHIPPED.glob("*.json"))
    }


def find_mapping(slug: str) -> ImportMapping:
    """The saved mapping, or the shipped one of that name (unsaved: a commit saves it). ImportRefused if unknown."""
    saved = ImportMapping.objects.filter(slug=slug).first()
    if saved is not None:
        return saved
    shipped = shipped_mappings()
    if slug not in shipped:
        known = sorted({*shipped, *ImportMapping.objects.values_list("slug", flat=True)})
        raise ImportRefused("unknown_mapping", slug=slug, known=", ".join(known))
    raw = shipped[slug]
    return ImportMapping(slug=slug, layout=raw["layout"], on_change=raw["on_change"], spec=raw["spec"])


def find_target(
    mapping: ImportMapping, spec: Spec, company_code: str, *, today: date, corrected_on: date
) -> Target:
    """Where the file would go as things stand; ids are NOBODY for what a commit would create."""
    source = mapping.source if mapping.pk and mapping.source_id else None
    if company_code:
        company = Company.objects.filter(code=company_code).first()
        if company is None:
            known = ", ".join(Company.objects.order_by("code").values_list("code", flat=True))
            raise ImportRefused("unknown_company", code=company_code, known=known or "-")
        source = None
    elif source is not None:
        company = source.company
    else:
        company = Company.objects.filter(code=spec.company.get("code", "main")).first()
        if company is None and "code" not in spec.company and Company.objects.count() == 1:
            company = Company.objects.get()
    if source is None and company is not None:
        source = Source.objects.filter(company=company, code=source_code(spec)).first()
    segment = _segment(company, spec)
    return Target(
        spec=spec,
        company_id=company.pk if company else NOBODY,
        company_currency=company.currency if company else spec.company.get("currency", "EUR"),
        source_id=source.pk if source else NOBODY,
        segment_id=segment.pk if segment else NOBODY,
        import_day=today,
        corrected_on=corrected_on,
    )


def source_code(spec: Spec) -> str:
    return spec.source.get("code", spec.slug)[:30]


def _segment(company: Company | None, spec: Spec) -> CreditSegment | None:
    if company is None:
        return None
    segments = CreditSegment.objects.filter(company=company).order_by("pk")
    wanted = spec.segment.get("code")
    # A company with one segment has no choice to make.
    return (segments.filter(code=wanted).first() if wanted else None) or (
        segments.first() if segments.count() == 1 or not wanted else None
    )


def make_target(target: Target, mapping: ImportMapping) -> Source:
    """Create the company, source, segment and saved mapping that are missing; fills the target's ids."""
    spec = target.spec
    if target.company_id == NOBODY:
        given = spec.company
        company = Company.objects.create(
            code=given.get("code", "main"),
            name=given.get("name", given.get("code", "main")),
            country=given.get("country", "IT"),
            currency=given.get("currency", "EUR"),
            time_zone=given.get("time_zone", "Europe/Rome"),
        )
        target.company_id = company.pk
    if target.source_id == NOBODY:
        source, _made = Source.objects.get_or_create(
            company_id=target.company_id,
            code=source_code(spec),
            defaults={"name": spec.source.get("name", spec.slug)},
        )
        target.source_id = source.pk
    if target.segment_id == NOBODY:
        segment, _made = CreditSegment.objects.get_or_create(
            company_id=target.company_id,
            code=spec.segment.get("code", "all"),
            defaults={"name": spec.segment.get("name", "All business")},
        )
        target.segment_id = segment.pk
    if mapping.pk is None:
        mapping.save()
    # Two imports into one source at a time would each miss what the other adds.
    return Source.objects.select_for_update().get(pk=target.source_id)


def make_customers(target: Target) -> int:
    """Create customers, their keys, accounts, portfolios, terms and contacts for the good rows; returns how many."""
    used = {
        key
        for (key,) in staging.rows(
            """SELECT c.key FROM import_customer c WHERE c.account_id IS NULL AND (
                EXISTS (SELECT 1 FROM import_good g WHERE g.customer = c.key)
                OR EXISTS (SELECT 1 FROM import_pay p WHERE p.customer = c.key
                    AND NOT EXISTS (SELECT 1 FROM import_bad b WHERE b.row_no = p.row_no)))"""
        )
    }
    new = [customer for customer in new_customers() if customer["key"] in used]
    if not new:
        return 0
    portfolios = _portfolios(target, new)
    first_seen = _first_days()
    created = 0
    for start in range(0, len(new), CHUNK):
        created += _make_chunk(target, new[start : start + CHUNK], portfolios, first_seen)
    staging.execute(
        """UPDATE import_customer SET account_id = a.id FROM customers_customerkey k
        JOIN customers_customer c ON c.id = k.customer_id
        JOIN customers_creditaccount a ON a.customer_id = COALESCE(c.merged_into_id, c.id) AND a.segment_id = %s
        WHERE k.source_id = %s AND k.key = import_customer.key AND import_customer.account_id IS NULL""",
        [target.segment_id, target.source_id],
    )
    return created


def _first_days() -> dict[str, Any]:
    return dict(staging.rows("SELECT customer, MIN(issued_on) FROM import_good GROUP BY customer"))


def _portfolios(target: Target, customers: list[dict[str, Any]]) -> dict[str, Portfolio]:
    """By the file's own value; the mapping's portfolio, or the only one there is, where rows name none."""
    wanted = {str(c["portfolio"]): str(c["portfolio"]) for c in customers if c.get("portfolio")}
    given = target.spec.portfolio
    if not wanted:
        wanted = {"": given.get("code", "all")}
    found = {}
    for value, code in wanted.items():
        name = value or given.get("name", "All accounts")
        found[value], _made = Portfolio.objects.get_or_create(
            company_id=target.company_id, code=slugify(code)[:20] or "all", defaults={"name": name}
        )
    return found


def _make_chunk(
    target: Target,
    customers: list[dict[str, Any]],
    portfolios: dict[str, Portfolio],
    first_seen: dict[str, Any],
) -> int:
    spec = target.spec
    keys = [c["key"] for c in customers]
    by_key = {
        k.key: k.customer
        for k in CustomerKey.objects.filter(source_id=target.source_id, key__in=keys).select_related(
            "customer__merged_into"
        )
    }
    by_key = {key: customer.merged_into or customer for key, customer in by_key.items()}
    keyed = set(by_key)
    if spec.customer_match == "number":
        for customer in Customer.objects.filter(code__in=keys).select_related("merged_into"):
            by_key.setdefault(customer.code, customer.merged_into or customer)
    taken = taken_codes(keys)
    fresh = [c for c in customers if c["key"] not in by_key]
    made = Customer.objects.bulk_create(
        Customer(
            code=new_code(spec, c["key"], taken),
            name=c.get("customer_name") or c["key"],
            country=c.get("country") or "",
            city=c.get("city") or "",
            vat_number=(c.get("vat_number") or "")[:20],
            registration_number=c.get("registration_number") or "",
            lei=c.get("lei") or "",
            sector=c.get("sector") or "",
            language=c.get("language") or "en",
            terms_days=c.get("terms_days"),
        )
        for c in fresh
    )
    by_key.update(zip((c["key"] for c in fresh), made, strict=True))
    CustomerKey.objects.bulk_create(
        CustomerKey(source_id=target.source_id, key=key, customer=by_key[key])
        for key in keys
        if key not in keyed
    )
    CreditAccount.objects.bulk_create(
        CreditAccount(
            customer=by_key[c["key"]],
            segment_id=target.segment_id,
            company_id=target.company_id,
            currency=target.company_currency,
            portfolio=portfolios.get(str(c.get("portfolio") or "")),
        )
        for c in customers
    )
    _terms_and_contacts(target, fresh, by_key, first_seen)
    return len(fresh)


def _terms_and_contacts(
    target: Target, fresh: list[dict[str, Any]], by_key: dict[str, Customer], first_seen: dict[str, Any]
) -> None:
    today = target.import_day
    terms = []
    for c in fresh:
        if c.get("terms_days") is None:
            continue
        day = first_seen.get(c["key"]) or today
        terms.append(
            PaymentTerms(customer=by_key[c["key"]], days=c["terms_days"], effective_on=day, known_on=day)
        )
    PaymentTerms.objects.bulk_create(terms)
    Contact.objects.bulk_create(
        Contact(customer=by_key[c["key"]], name=c.get("customer_name") or c["key"], email=c["email"])
        for c in fresh
        if c.get("email")
    )
