"""What stands under the tabs of the customer page; each tab is one function with a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import F, Prefetch, Q
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.desk.pages import paged
from customers.admin.audit import visible_entries
from customers.models import (
    Allocation,
    Contact,
    Cover,
    CreditAccount,
    CreditHold,
    CreditLimit,
    Dispute,
    DunningBlock,
    FinancialStatement,
    Instalment,
    LegalEvent,
    LimitChange,
    OpenOrder,
    Payment,
    Promise,
    StatusChange,
)
from scoring.models import ScoreHistory

TIMELINE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the timeline, newest first."""

    on: date
    text: str
    note: str = ""
    tone: str = "mute"
    who: str = ""


def invoices(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    rows = (
        Instalment.objects.filter(account=account, superseded_at__isnull=True)
        .select_related("invoice")
        .prefetch_related(
            Prefetch(
                "allocations",
                queryset=Allocation.objects.filter(superseded_at__isnull=True)
                .select_related("payment")
                .order_by("effective_on", "pk"),
            )
        )
        # What is open first, the oldest on top; then what was settled last.
        .order_by(F("settled_on").desc(nulls_first=True), "due_on", "pk")
    )
    only_open = request.GET.get("show") != "all"
    if only_open:
        rows = rows.filter(open_amount__gt=0)
    page = paged(request, rows)
    for row in page:
        row.late = (as_of - row.due_on).days if row.open_amount and row.kind == "invoice" else None
    return {"page": page, "only_open": only_open}


def payments(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    rows = (
        Payment.objects.filter(account=account, superseded_at__isnull=True)
        .select_related("source")
        .prefetch_related(
            Prefetch(
                "allocations",
                queryset=Allocation.objects.filter(superseded_at__isnull=True)
                .select_related("instalment__invoice")
                .order_by("effective_on", "pk"),
            )
        )
        .order_by("-effective_on", "-pk")
    )
    return {"page": paged(request, rows)}


def limits(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    changes = (
        LimitChange.objects.filter(account=account)
        .select_related("decided_by", "proposer")
        .order_by("-proposed_at")
    )
    return {
        "page": paged(request, changes),
        "limits": CreditLimit.objects.filter(account=account).order_by("-valid_from", "-pk")[:12],
        "holds": CreditHold.objects.filter(account=account)
        .select_related("released_by")
        .order_by("-pk")[:12],
    }


def timeline(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    found = [*_claims(account), *_decisions(account)]
    found.sort(key=lambda one: one.on, reverse=True)
    return {
        "contacts": Contact.objects.filter(customer=account.customer_id).order_by("role", "name"),
        "happenings": found[:TIMELINE_LENGTH],
    }


PROMISE_TONE = {"kept": "good", "partly_kept": "warn", "broken": "bad", "open": "info"}


def _claims(account: CreditAccount) -> list[Happening]:
    found = []
    for p in Promise.objects.filter(account=account, superseded_at__isnull=True).select_related("taken_by")[
        :100
    ]:
        text = _("Promise of %(amount)s for %(day)s") % {"amount": p.amount, "day": _day(p.due_on)}
        found.append(
            Happening(
                p.effective_on,
                text,
                str(p.get_status_display()),
                PROMISE_TONE.get(p.status, "mute"),
                _who(p.taken_by),
            )
        )
    for d in Dispute.objects.filter(account=account, superseded_at__isnull=True).select_related("opened_by")[
        :100
    ]:
        text = _("Dispute of %(amount)s: %(reason)s") % {"amount": d.amount, "reason": d.get_reason_display()}
        note = str(d.get_outcome_display()) if d.closed_on else _("open")
        found.append(
            Happening(d.effective_on, text, note, "mute" if d.closed_on else "warn", _who(d.opened_by))
        )
    blocks = DunningBlock.objects.filter(account=account, superseded_at__isnull=True).select_related(
        "placed_by"
    )
    for b in blocks[:50]:
        text = _("No reminders until %s") % _day(b.expires_on)
        found.append(Happening(b.effective_on, text, b.reason_code, "mute", _who(b.placed_by)))
    return found


def _decisions(account: CreditAccount) -> list[Happening]:
    found = []
    changes = LimitChange.objects.filter(account=account).exclude(status=LimitChange.Status.PROPOSED)
    for c in changes.select_related("decided_by").order_by("-pk")[:50]:
        text = _("Limit %(old)s to %(new)s") % {"old": c.old_amount or "—", "new": c.new_amount}
        found.append(
            Happening(c.decided_at.date(), text, str(c.get_status_display()), "info", _who(c.decided_by))
        )
    for e in LegalEvent.objects.filter(customer=account.customer_id, superseded_at__isnull=True)[:50]:
        found.append(Happening(e.effective_on, str(e.get_kind_display()), e.source, "bad"))
    for s in StatusChange.objects.filter(customer=account.customer_id, superseded_at__isnull=True)[:50]:
        found.append(
            Happening(s.effective_on, _("Status: %s") % s.get_status_display(), s.reason_code, "mute")
        )
    return found


def events(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    customer = account.customer_id
    return {
        "statements": FinancialStatement.objects.filter(
            customer=customer, superseded_at__isnull=True
        ).order_by("-effective_on")[:6],
        "legal": LegalEvent.objects.filter(customer=customer, superseded_at__isnull=True).order_by(
            "-effective_on"
        ),
        "covers": Cover.objects.filter(account=account, superseded_at__isnull=True).order_by("-effective_on"),
        "orders": OpenOrder.objects.filter(
            account=account, superseded_at__isnull=True, closed_on__isnull=True
        ).order_by("expected_on")[:25],
    }


def history(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    rows = ScoreHistory.objects.filter(account=account).select_related("card").order_by("-as_of", "-pk")
    page = paged(request, rows)
    kept = list(page)
    for row, older in zip(kept, [*kept[1:], None], strict=True):
        row.delta = row.score - older.score if older else None
    return {"page": page, "kept": kept}


def audit(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    changes = LimitChange.objects.filter(account=account).values_list("pk", flat=True)
    about = (
        Q(subject_type="customers.customer", subject_pk=str(account.customer_id))
        | Q(subject_type="customers.creditaccount", subject_pk=str(account.pk))
        | Q(subject_type="customers.limitchange", subject_pk__in=[str(pk) for pk in changes[:500]])
    )
    rows = visible_entries(request.user).filter(about).select_related("actor").order_by("-at", "-pk")
    return {"page": paged(request, rows)}


def _who(user: Any) -> str:
    return (user.get_full_name() or user.username) if user else ""


def _day(value: date) -> str:
    from creditdesk.core.charts import day

    return day(value)


@dataclass(frozen=True, slots=True)
class Tab:
    slug: str
    label: Any
    build: Any
    permission: str


TABS = (
    Tab("invoices", gettext_lazy("Invoices"), invoices, "customers.view_instalment"),
    Tab("payments", gettext_lazy("Payments"), payments, "customers.view_payment"),
    Tab("limits", gettext_lazy("Limits & decisions"), limits, "customers.view_limitchange"),
    Tab("timeline", gettext_lazy("Contacts & timeline"), timeline, "customers.view_contact"),
    Tab("events", gettext_lazy("Accounts & events"), events, "customers.view_legalevent"),
    Tab("history", gettext_lazy("Score history"), history, "scoring.view_scorehistory"),
    Tab("audit", gettext_lazy("Audit"), audit, "core.view_auditentry"),
)
