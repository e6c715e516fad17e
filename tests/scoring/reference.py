"""The signals by brute force, one account at a time, from raw facts: what the SQL is held to.

Plain loops over every row of the account. No stored counter, no SQL arithmetic; slow and obvious on purpose.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from creditdesk.core.facts import CURRENT, View
from customers.models import (
    Allocation,
    CreditAccount,
    Dispute,
    Instalment,
    LegalEvent,
    Promise,
    PromiseMove,
    StatusChange,
)
from scoring.card import Card
from tests.scoring import bank_reference, reference_agencies, reference_evidence, reference_ledger
from tests.scoring.reference_facts import LONG_AGO, disputed_of, in_account_currency, ratio, seen


def signals_of(
    account: CreditAccount, as_of: date, judged_on: date | None, card: Card, view: View = CURRENT
) -> dict[str, float | int | None]:
    judged = judged_on or LONG_AGO
    instalments = seen(Instalment.objects.filter(account=account), view, as_of)
    allocations = seen(
        Allocation.objects.filter(account=account).select_related("write_off", "instalment"), view, as_of
    )
    found = _ledger_signals(account, instalments, allocations, as_of, judged, card, view)
    found |= _claim_signals(account, instalments, as_of, view)
    found |= _customer_signals(account, instalments, as_of, view)
    found |= reference_ledger.signals_of(account, instalments, allocations, as_of, judged, card, view)
    found |= reference_evidence.signals_of(account, instalments, as_of, view)
    found |= bank_reference.signals_of(account, as_of, view)
    found |= reference_agencies.signals_of(account.customer, as_of, view)
    return found


def _ledger_signals(account, instalments, allocations, as_of, judged, card, view) -> dict[str, Any]:
    invoices = [i for i in instalments if i.kind == "invoice"]
    disputed = disputed_of(account, as_of, view)
    window = [i for i in invoices if judged - timedelta(days=365) <= i.due_on < judged]
    recent = [i for i in window if i.due_on >= judged - timedelta(days=90)]
    reversed_ids = {a.reverses_id for a in allocations if a.reverses_id}

    parts: list[tuple[date, int, int]] = []  # due day, days late, weight
    overdue: list[tuple[int, int]] = []  # days overdue, amount
    in_dispute = 0
    for a in allocations:
        if a.kind == "cash" and a.amount.minor > 0 and a.pk not in reversed_ids:
            due = a.instalment.due_on
            parts.append((due, (min(a.effective_on, judged) - due).days, a.account_amount.minor))
        if a.kind == "inferred" and a.amount.minor > 0 and a.pk not in reversed_ids:
            due = a.instalment.due_on
            if a.settled_after > due:
                parts.append((due, (min(a.settled_after, judged) - due).days, a.account_amount.minor))
    for i in invoices:
        mine = [a for a in allocations if a.instalment_id == i.pk]
        open_minor = i.amount.minor - sum(a.amount.minor for a in mine)
        lost = sum(a.account_amount.minor for a in mine if a.kind == "write_off" and not a.write_off.is_small)
        apart = min(disputed.get(i.pk, 0), open_minor)
        clean = in_account_currency(i, open_minor - apart)
        in_dispute += in_account_currency(i, open_minor) - clean
        if i.due_on < judged:
            late = (judged - i.due_on).days
            if clean + lost > 0:
                parts.append((i.due_on, late, clean + lost))
            if clean > 0:
                overdue.append((late, clean))

    parts = [p for p in parts if judged - timedelta(days=365) <= p[0] < judged]
    fresh = [p for p in parts if p[0] >= judged - timedelta(days=90)]
    weight, weight_fresh = sum(p[2] for p in parts), sum(p[2] for p in fresh)
    deep = len(window) >= card.thin_below and weight > 0
    deep_fresh = len(window) >= card.thin_below and len(recent) >= card.thin_recent_below and weight_fresh > 0

    def share_later_than(days: int) -> float | None:
        return ratio(sum(p[2] for p in parts if p[1] > days), weight) if deep else None

    def average(some: list[tuple[date, int, int]]) -> float:
        return ratio(sum(max(p[1], 0) * p[2] for p in some), sum(p[2] for p in some))

    due_amount = sum(i.account_amount.minor for i in window)
    base = due_amount + sum(amount for days, amount in overdue if days > 365)
    issued = [i for i in instalments if i.effective_on > as_of - timedelta(days=365)]
    invoiced = [i for i in issued if i.kind == "invoice"]
    invoiced_minor = sum(i.account_amount.minor for i in invoiced)
    credited = sum(i.account_amount.minor for i in issued if i.kind == "credit_note")
    long_ago = as_of - timedelta(days=730)
    invoiced_long = sum(i.account_amount.minor for i in invoices if i.effective_on > long_ago)
    written_off = sum(
        a.account_amount.minor
        for a in allocations
        if a.kind == "write_off" and not a.write_off.is_small and a.effective_on > long_ago
    )
    returned = [
        a for a in allocations if a.kind == "returned" and a.effective_on > as_of - timedelta(days=365)
    ]
    return {
        "days_late_12m": average(parts) if deep else None,
        "days_late_3m": average(fresh) if deep_fresh else None,
        "late_share_12m": share_later_than(0),
        "late15_share_12m": share_later_than(15),
        "late30_share_12m": share_later_than(30),
        "max_days_late_12m": max(p[1] for p in parts) if deep else None,
        "oldest_overdue_days": max((days for days, _amount in overdue), default=0),
        "overdue_share": ratio(sum(a for _d, a in overdue), base) if base > 0 else None,
        "overdue60_share": ratio(sum(a for d, a in overdue if d > 60), base) if base > 0 else None,
        "overdue_count": len(overdue),
        "disputed_share": min(1.0, ratio(in_dispute, invoiced_minor)) if invoiced_minor else None,
        "credit_share": min(1.0, ratio(credited, invoiced_minor)) if invoiced_minor else None,
        "written_off_share": 0.0
        if written_off <= 0
        else 1.0
        if invoiced_long <= 0
        else min(1.0, ratio(written_off, invoiced_long)),
        "returned_payments_12m": sum(1 if a.amount.minor > 0 else -1 for a in returned),
        "due_count_12m": len(window),
    }


def _claim_signals(account, instalments, as_of, view) -> dict[str, Any]:
    year_ago = as_of - timedelta(days=365)
    broken = judged = 0
    for promise in seen(Promise.objects.filter(account=account), view, as_of):
        if not year_ago < promise.due_on <= as_of:
            continue
        moves = seen(PromiseMove.objects.filter(promise=promise).order_by("pk"), view, as_of)
        state = moves[-1].to_status if moves else "open"
        judged += state in ("kept", "broken", "partly_kept")
        broken += state in ("broken", "partly_kept")
    raised = [
        d for d in seen(Dispute.objects.filter(account=account), view, as_of) if d.effective_on > year_ago
    ]
    invoiced = [i for i in instalments if i.kind == "invoice" and i.effective_on > year_ago]
    return {
        "broken_promises_12m": broken,
        "broken_promise_share": ratio(broken, judged) if judged else None,
        "dispute_rate": ratio(len(raised), len(invoiced)) if invoiced else None,
    }


def _customer_signals(account, instalments, as_of, view) -> dict[str, Any]:
    customer = account.customer
    issued = sorted(i.effective_on for i in instalments if i.kind == "invoice")
    starts = [d for d in (customer.customer_since,) if d and d <= as_of] + issued[:1]
    events = seen(LegalEvent.objects.filter(customer=customer), view, as_of)
    ended = [e for e in events if e.ended_on is not None and e.ended_on <= as_of]
    insolvent = any(e.kind in ("insolvency", "struck_off") and e not in ended for e in events)
    marks = [
        e
        for e in events
        if e.kind in ("lien", "litigation", "protest") and e.effective_on > as_of - timedelta(days=730)
    ]
    everything = list(StatusChange.objects.filter(customer=customer))
    changes = sorted(seen(everything, view, as_of), key=lambda s: (s.effective_on, s.pk))
    status = changes[-1].status if changes else "" if everything else customer.status
    return {
        "relationship_months": (as_of - min(starts)).days * 12 // 365 if starts else None,
        "days_since_invoice": (as_of - issued[-1]).days if issued else None,
        "legal_marks_24m": len(marks),
        "insolvent": int(insolvent or status == "insolvent"),
    }


def score_of(signals: dict[str, Any], card: Card) -> int:
    return card.base_points + sum(card.points_of(name, signals[name]) for name in card.bins)
