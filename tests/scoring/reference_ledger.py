"""By brute force: the delays of whole instalments, unapplied cash, disputes and the rhythm of purchases."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from creditdesk.core.facts import View
from customers.models import Allocation, CreditAccount, Dispute, Instalment, Payment
from scoring.card import Card
from tests.scoring.reference_facts import disputed_of, in_account_currency, ratio, round6, seen


def signals_of(
    account: CreditAccount,
    instalments: list[Instalment],
    allocations: list[Allocation],
    as_of: date,
    judged: date,
    card: Card,
    view: View,
) -> dict[str, Any]:
    invoices = [i for i in instalments if i.kind == "invoice"]
    disputed = disputed_of(account, as_of, view)
    found = _delays(invoices, allocations, disputed, judged, card)
    found |= _parts(invoices, allocations, disputed, as_of, judged, card)
    found |= _overdue(account, invoices, allocations, disputed, as_of, judged, view)
    found |= _disputes(account, instalments, as_of, view)
    found |= _rhythm(invoices, allocations, as_of)
    return found


def _open(row: Instalment, allocations: list[Allocation]) -> int:
    return row.amount.minor - sum(a.amount.minor for a in allocations if a.instalment_id == row.pk)


def _in_window(row: Instalment, judged: date, days: int = 365) -> bool:
    return judged - timedelta(days=days) <= row.due_on < judged


def _delay(row: Instalment, allocations: list[Allocation], disputed: int, judged: date) -> int | None:
    mine = sorted(
        (a for a in allocations if a.instalment_id == row.pk),
        key=lambda a: (a.effective_on, -a.amount.minor, a.pk),
    )
    left = _open(row, allocations)
    if left > 0:
        return (judged - row.due_on).days if left > disputed else None
    last = mine[-1]
    if last.kind == "cash":
        return (min(last.effective_on, judged) - row.due_on).days
    if last.kind == "inferred" and last.settled_after > row.due_on:
        return (min(last.settled_after, judged) - row.due_on).days
    lost = sum(a.account_amount.minor for a in mine if a.kind == "write_off" and not a.write_off.is_small)
    return (judged - row.due_on).days if last.kind == "write_off" and lost > 0 else None


def _delays(invoices, allocations, disputed, judged, card) -> dict[str, Any]:
    window = [i for i in invoices if _in_window(i, judged)]
    delays = [(i, _delay(i, allocations, disputed.get(i.pk, 0), judged)) for i in window]
    known = [(i, max(d, 0)) for i, d in delays if d is not None]
    days = [d for _i, d in known]
    n = len(days)
    past = {limit: sum(d > limit for d in days) for limit in (0, 15, 30, 60)}
    deep = len(window) >= card.thin_below
    reversed_ids = {a.reverses_id for a in allocations if a.reverses_id}
    receipts = [
        a
        for a in allocations
        if a.kind == "cash" and a.amount.minor > 0 and a.pk not in reversed_ids
        if judged - timedelta(days=365) <= a.instalment.due_on < judged
    ]
    largest = max((i.account_amount.minor * 1000 + d for i, d in known), default=-1)
    variance = ratio(n * sum(d * d for d in days) - sum(days) ** 2, n * n) if n else 0.0
    return {
        "punctual_share_12m": ratio(n - past[0], n) if deep and n else None,
        "late_count_12m": past[0],
        "late15_count_12m": past[15],
        "late30_count_12m": past[30],
        "late60_count_12m": past[60],
        "judged_count_12m": n,
        "largest_days_late_12m": largest % 1000 if deep and largest >= 0 else None,
        "days_late_sd_12m": round6(variance**0.5) if deep and n else None,
        "rolled_30_share": ratio(past[30], past[0]) if deep and past[0] else None,
        "rolled_60_share": ratio(past[60], past[30]) if deep and past[30] else None,
        "receipts_per_invoice_12m": ratio(len(receipts), n) if deep and n else None,
    }


def _parts(invoices, allocations, disputed, as_of, judged, card) -> dict[str, Any]:
    """Amount-weighted parts, early payment counted as negative days."""
    reversed_ids = {a.reverses_id for a in allocations if a.reverses_id}
    parts: list[tuple[date, int, int]] = []
    paid = []
    for a in allocations:
        if a.amount.minor <= 0 or a.pk in reversed_ids:
            continue
        if a.kind == "cash":
            due = a.instalment.due_on
            parts.append((due, (min(a.effective_on, judged) - due).days, a.account_amount.minor))
            if judged - timedelta(days=365) <= due < judged:
                paid.append(a.effective_on)
        elif a.kind == "inferred" and a.settled_after > a.instalment.due_on:
            due = a.instalment.due_on
            parts.append((due, (min(a.settled_after, judged) - due).days, a.account_amount.minor))
    for i in invoices:
        left = _open(i, allocations)
        mine = [a for a in allocations if a.instalment_id == i.pk and a.kind == "write_off"]
        lost = sum(a.account_amount.minor for a in mine if not a.write_off.is_small)
        weight = in_account_currency(i, left - min(disputed.get(i.pk, 0), left)) + lost
        if weight > 0:
            parts.append((i.due_on, (judged - i.due_on).days, weight))
    parts = [p for p in parts if judged - timedelta(days=365) <= p[0] < judged]
    recent = [p for p in parts if p[0] >= judged - timedelta(days=90)]
    older = [p for p in parts if p[0] < judged - timedelta(days=90)]
    due_window = [i for i in invoices if _in_window(i, judged)]
    deep = len(due_window) >= card.thin_below
    deep_recent = deep and sum(_in_window(i, judged, 90) for i in due_window) >= card.thin_recent_below

    def average(some, *, signed: bool = False) -> float:
        days = sum((p[1] if signed else max(p[1], 0)) * p[2] for p in some)
        return ratio(days, sum(p[2] for p in some))

    return {
        "days_beyond_terms_12m": average(parts, signed=True) if deep and parts else None,
        "days_late_trend": round6(average(recent) - average(older))
        if deep_recent and recent and older
        else None,
        "days_since_payment": (as_of - max(paid)).days if paid else None,
    }


def _overdue(account, invoices, allocations, disputed, as_of, judged, view) -> dict[str, Any]:
    rows = []
    for i in invoices:
        left = _open(i, allocations)
        clean = in_account_currency(i, left - min(disputed.get(i.pk, 0), left))
        if i.due_on < judged and left > 0:
            rows.append(
                ((judged - i.due_on).days, clean, left > disputed.get(i.pk, 0) and left < i.amount.minor)
            )
    base = sum(i.account_amount.minor for i in invoices if _in_window(i, judged))
    base += sum(clean for days, clean, _p in rows if days > 365)
    overdue = sum(clean for _d, clean, _p in rows)
    payments = seen(Payment.objects.filter(account=account), view, as_of)
    used = [a for p in payments for a in seen(Allocation.objects.filter(payment=p), view, as_of)]
    unapplied = sum(p.amount.minor for p in payments) - sum(a.amount.minor for a in used)
    return {
        "overdue30_share": ratio(sum(c for d, c, _p in rows if d > 30), base) if base else None,
        "overdue90_share": ratio(sum(c for d, c, _p in rows if d > 90), base) if base else None,
        "overdue_age_days": ratio(sum(d * c for d, c, _p in rows), overdue) if overdue else None,
        "part_paid_overdue_count": sum(part for _d, _c, part in rows),
        "unapplied_share": min(1.0, ratio(unapplied, overdue)) if overdue else None,
    }


def _disputes(account, instalments, as_of, view) -> dict[str, Any]:
    ages = []
    for dispute in seen(Dispute.objects.filter(account=account), view, as_of):
        closed = dispute.closed_on is not None and dispute.closed_on <= as_of
        if closed and view.known_at and dispute.closed_known_on > view.known_at:
            closed = False
        if closed and view.recorded_by and dispute.closed_recorded_at > view.recorded_by:
            closed = False
        if not closed:
            ages.append((as_of - dispute.effective_on).days)
    year = [i for i in instalments if i.effective_on > as_of - timedelta(days=365)]
    invoiced = sum(i.kind == "invoice" for i in year)
    return {
        "disputes_open": len(ages),
        "oldest_dispute_days": max(ages, default=0),
        "credit_rate": ratio(len(year) - invoiced, invoiced) if invoiced else None,
    }


def _rhythm(invoices, allocations, as_of) -> dict[str, Any]:
    edges = [0, 91, 182, 273, 365]
    quarters = [0, 0, 0, 0]
    for i in invoices:
        age = (as_of - i.effective_on).days
        for n in range(4):
            if edges[n] <= age < edges[n + 1]:
                quarters[n] += i.account_amount.minor
    total = sum(quarters)
    left = sum(in_account_currency(i, _open(i, allocations)) for i in invoices)
    older = quarters[2] + quarters[3]
    return {
        "open_months": min(99.0, ratio(left * 12, total)) if total else None,
        "turnover_trend": min(10.0, ratio(quarters[0] + quarters[1], older)) if older else None,
        "active_quarters_12m": sum(q > 0 for q in quarters),
        "turnover_swing": ratio(max(quarters) - min(quarters), total) if total else None,
    }
