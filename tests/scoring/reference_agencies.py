"""By brute force: what credit agencies say of a customer."""

from __future__ import annotations

from datetime import date
from typing import Any

from creditdesk.core.facts import View
from customers.models import BureauBasis, BureauReport, Customer
from tests.scoring.reference_facts import ratio, seen

NAMES = "standing pd days_beyond_terms inactive ceased fall_12m report_age_months apart agencies not_found".split()
ACTIVITY = {"active": 0, "dormant": 1, "ceased": 2}


def signals_of(customer: Customer, as_of: date, view: View) -> dict[str, Any]:
    reports = seen(BureauReport.objects.filter(customer=customer), view, as_of)
    if customer.kind == "sole_trader" and not _has_basis(customer, as_of, view):
        reports = []
    by_agency = {name: [r for r in reports if r.provider == name] for name in {r.provider for r in reports}}
    agencies = list(by_agency.values())
    known = [r for r in reports if (as_of - r.effective_on).days < 730]
    found: dict[str, Any] = dict.fromkeys(NAMES)
    if known:
        activity = _worst(agencies, as_of, lambda r: ACTIVITY.get(r.activity), max)
        standings = [
            s for some in agencies if (s := _said(some, as_of, lambda r: r.standing, min)) is not None
        ]
        pd = _worst(agencies, as_of, lambda r: r.pd_basis_points, max)
        knowing = [(as_of - r.effective_on).days for r in known if r.outcome != "not_found"]
        found |= {
            "standing": min(standings, default=None),
            "pd": None if pd is None else ratio(pd, 10_000),
            "days_beyond_terms": _worst(agencies, as_of, lambda r: r.days_beyond_terms, max),
            "inactive": None if activity is None else int(activity >= 1),
            "ceased": None if activity is None else int(activity == 2),
            "fall_12m": max((f for some in agencies if (f := _fall(some, as_of)) is not None), default=None),
            "report_age_months": min(knowing) * 12 // 365 if knowing else None,
            "apart": max(standings) - min(standings) if len(standings) > 1 else None,
            "agencies": len(standings),
            "not_found": int(not knowing),
        }
    return {f"bureau_{name}": value for name, value in found.items()}


def _has_basis(customer: Customer, as_of: date, view: View) -> bool:
    return any(
        (basis.expires_on is None or basis.expires_on >= as_of)
        and (basis.revoked_on is None or basis.revoked_on > as_of)
        for basis in seen(BureauBasis.objects.filter(customer=customer), view, as_of)
    )


def _said(reports: list[Any], as_of: date, figure: Any, worst: Any) -> int | None:
    """The figure in the newest report of one agency that states it; of one day the worse."""
    stated = [r for r in reports if figure(r) is not None]
    newest = max((r.effective_on for r in stated), default=None)
    if newest is None or (as_of - newest).days >= 730:
        return None
    return worst(figure(r) for r in stated if r.effective_on == newest)


def _worst(agencies: list[list[Any]], as_of: date, figure: Any, worst: Any) -> int | None:
    said = [s for some in agencies if (s := _said(some, as_of, figure, worst)) is not None]
    return worst(said, default=None)


def _fall(reports: list[Any], as_of: date) -> int | None:
    now = _said(reports, as_of, lambda r: r.standing, min)
    if now is None:
        return None
    rated = [r for r in reports if r.standing is not None]
    newest = max(r.effective_on for r in rated)
    before = [r.standing for r in rated if 1 <= (newest - r.effective_on).days <= 400]
    return max(before) - now if before else None
