"""What was known about an account when its limit was to move: the facts, and what higher apps make of them.

Stored as JSON with the limit change and never touched again. Amounts are {"minor": int, "currency": str}.
Keys from the ledger: as_of, exposure (parts and total), overdue, oldest_days_past_due, limit (base, in_force,
temporary_until), open_disputes, open_promises, customer_status, history. Keys from scoring, when the account is
scored: score, grade, card_grade, pd, recommendation, depth, card, signals, reasons; and the recommended limit with its caps.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import Count, Max, Min, Q, Sum

from creditdesk.core.money import Money
from customers.events import limit_evidence_wanted
from customers.exposure import MINUS, PLUS, exposures
from customers.limit_reasons import money_param
from customers.limits import limits_at
from customers.models import CreditAccount, Dispute, DocumentKind, Instalment, Promise


def gather_evidence(accounts: Sequence[CreditAccount], as_of: date) -> dict[int, dict[str, Any]]:
    """Evidence of each account (with `customer` loaded) at a date, in a constant number of queries."""
    evidence = ledger_evidence(accounts, as_of)
    for _receiver, answer in limit_evidence_wanted.send(
        sender=CreditAccount, accounts=list(accounts), as_of=as_of
    ):
        for pk, extra in (answer or {}).items():  # type: ignore[union-attr]
            evidence[pk] |= extra
    return evidence


def ledger_evidence(accounts: Sequence[CreditAccount], as_of: date) -> dict[int, dict[str, Any]]:
    """The part of the evidence that comes from the ledger: what a list of many changes can afford to read anew."""
    ids = [account.pk for account in accounts]
    exposure = exposures(accounts, as_of)
    limits = limits_at(ids, as_of)
    history = _history(ids, as_of)
    evidence: dict[int, dict[str, Any]] = {}
    for account in accounts:
        now, limit = exposure[account.pk], limits[account.pk]
        evidence[account.pk] = {
            "as_of": as_of.isoformat(),
            "currency": account.currency,
            "exposure": {
                **{name: money_param(getattr(now, name)) for name in (*PLUS, *MINUS, "cover")},
                "total": money_param(now.total),
                "at_risk": money_param(now.at_risk),
            },
            "overdue": money_param(now.overdue),
            "oldest_days_past_due": now.oldest_days_past_due,
            "limit": {
                "base": _param(limit.base),
                "in_force": _param(limit.in_force),
                "temporary_until": limit.temporary_until.isoformat() if limit.temporary_until else None,
            },
            "customer_status": account.customer.status,
            "history": history.get(account.pk, {}),
        }
    return evidence


def _history(ids: Sequence[int], as_of: date) -> dict[int, dict[str, Any]]:
    """How much history stands behind an account at a date."""
    rows = (
        Instalment.objects.filter(
            account__in=ids,
            kind=DocumentKind.INVOICE,
            superseded_at__isnull=True,
            effective_on__lte=as_of,
        )
        .order_by()
        .values("account")
        .annotate(
            invoices=Count("pk"),
            first=Min("effective_on"),
            last=Max("effective_on"),
            billed=Sum("account_amount"),
        )
    )
    history = {
        row["account"]: {
            "instalments": row["invoices"],
            "first_invoice_on": row["first"].isoformat(),
            "last_invoice_on": row["last"].isoformat(),
            "billed_minor": row["billed"],
        }
        for row in rows
    }
    open_disputes = Dispute.objects.filter(
        Q(closed_on__isnull=True) | Q(closed_on__gt=as_of),
        account__in=ids,
        superseded_at__isnull=True,
        effective_on__lte=as_of,
    )
    broken = Promise.objects.filter(
        account__in=ids,
        superseded_at__isnull=True,
        status__in=[Promise.Status.BROKEN, Promise.Status.PARTLY_KEPT],
        resolved_on__lte=as_of,
    )
    for name, facts in (("open_disputes", open_disputes), ("broken_promises", broken)):
        counted = facts.order_by().values("account").annotate(n=Count("pk")).values_list("account", "n")
        for pk, count in counted:
            history.setdefault(pk, {})[name] = count
    return history


def _param(money: Money | None) -> dict[str, Any] | None:
    return None if money is None else money_param(money)


def money_of(param: dict[str, Any] | None) -> Money | None:
    """The Money behind a stored amount."""
    return None if not param else Money(int(param["minor"]), param["currency"])
