"""What stands under the tabs of the customer page; each tab is one function with a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import F, Prefetch, Q
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.pages import paged
from creditdesk.core.wording import day, number, percent
from creditdesk.desk.bank_tab import bank
from creditdesk.desk.bureau_tab import agencies
from creditdesk.desk.customer_score import history
from creditdesk.desk.exposure_tab import exposure
from customers.admin.audit import visible_entries
from customers.evidence.ratios import ratios_of
from customers.limit_reasons import render_reason
from customers.mandates import decisions_shown
from customers.models import (
    Allocation,
    Contact,
    Cover,
    CreditAccount,
    CreditHold,
    CreditLimit,
    DunningBlock,
    FinancialStatement,
    Instalment,
    LegalEvent,
    LimitChange,
    OpenOrder,
    Payment,
    StatusChange,
    SupplierPaymentDays,
)
from customers.shown import shown_about
from scoring.invoices.delays import LAST
from scoring.invoices.estimates import estimate
from scoring.limit_shown import causes_of, policy_view
from worklists.story import Happening, story_of

TIMELINE_LENGTH = 60


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
    expected = estimate([row.pk for row in page if row.open_amount and row.kind == "invoice"], as_of)
    for row in page:
        row.late = (as_of - row.due_on).days if row.open_amount and row.kind == "invoice" else None
        row.expected = said = expected.get(row.pk)
        row.never = said is not None and said.expected_on >= row.due_on + timedelta(days=LAST)
    return {"page": page, "only_open": only_open, "has_estimates": bool(expected)}


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
        .prefetch_related(decisions_shown())
        .order_by("-proposed_at")
    )
    page, shown = paged(request, changes), shown_about(request.user, account.customer, as_of)
    for change in page:
        change.why = render_reason(change.reason_code, change.reason_params, shown=shown)
    allowed = policy_view(account, as_of, shown)
    return {
        "allowed": allowed,
        "causes": causes_of(account, shown),
        "page": page,
        "limits": CreditLimit.objects.filter(account=account).order_by("-valid_from", "-pk")[:12],
        "holds": CreditHold.objects.filter(account=account)
        .select_related("released_by")
        .order_by("-pk")[:12],
    }


def timeline(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    """The collector's story of the account, and what happened to the customer around it."""
    found = [*story_of(account, as_of), *_around(account, as_of)]
    found.sort(key=lambda one: one.on, reverse=True)
    return {
        "contacts": Contact.objects.filter(customer=account.customer_id).order_by("role", "name"),
        "happenings": found[:TIMELINE_LENGTH],
    }


def _around(account: CreditAccount, as_of: date) -> list[Happening]:
    known = {"superseded_at__isnull": True, "effective_on__lte": as_of}
    found = []
    for b in DunningBlock.objects.filter(account=account, **known).select_related("placed_by")[:50]:
        text = _("No reminders until %s") % day(b.expires_on)
        found.append(Happening(b.effective_on, text, b.reason_code, "mute", _who(b.placed_by)))
    for e in LegalEvent.objects.filter(customer=account.customer_id, **known)[:50]:
        found.append(Happening(e.effective_on, str(e.get_kind_display()), e.source, "bad"))
    for s in StatusChange.objects.filter(customer=account.customer_id, **known)[:50]:
        found.append(
            Happening(s.effective_on, _("Status: %s") % s.get_status_display(), s.reason_code, "mute")
        )
    return found


STATEMENTS_SHOWN = 4
STATEMENT_LINES = (
    ("revenue", gettext_lazy("Revenue")),
    ("ebit", gettext_lazy("EBIT")),
    ("interest_expense", gettext_lazy("Interest expense")),
    ("net_income", gettext_lazy("Net income")),
    ("total_assets", gettext_lazy("Total assets")),
    ("current_assets", gettext_lazy("Current assets")),
    ("cash", gettext_lazy("Cash and equivalents")),
    ("inventories", gettext_lazy("Inventories")),
    ("trade_receivables", gettext_lazy("Trade receivables")),
    ("current_liabilities", gettext_lazy("Current liabilities")),
    ("trade_payables", gettext_lazy("Trade payables")),
    ("total_liabilities", gettext_lazy("Total liabilities")),
    ("equity", gettext_lazy("Equity")),
    ("retained_earnings", gettext_lazy("Retained earnings")),
)
RATIO_LINES = (
    ("ebit_margin", gettext_lazy("EBIT margin"), True),
    ("net_margin", gettext_lazy("Net margin"), True),
    ("equity_ratio", gettext_lazy("Equity ratio"), True),
    ("return_on_assets", gettext_lazy("Return on assets"), True),
    ("current_ratio", gettext_lazy("Current ratio"), False),
    ("debt_to_equity", gettext_lazy("Liabilities to equity"), False),
    ("interest_cover", gettext_lazy("Interest cover"), False),
)
ZONES = {
    "distress": (gettext_lazy("distress"), "bad"),
    "grey": (gettext_lazy("grey zone"), "warn"),
    "safe": (gettext_lazy("safe"), "good"),
}


def _side_by_side(statements: list[FinancialStatement]) -> dict[str, Any]:
    """Annual accounts in columns, newest first; lines that nobody states are left out."""
    found = [ratios_of(s) for s in statements]

    def shown(value: float | None, as_share: bool) -> str:
        return "" if value is None else percent(value) if as_share else number(round(value, 2))

    amounts = [(label, [getattr(s, name) for s in statements]) for name, label in STATEMENT_LINES]
    ratios = [
        (label, [shown(getattr(r, name), as_share) for r in found]) for name, label, as_share in RATIO_LINES
    ]
    return {
        "amounts": [(label, cells) for label, cells in amounts if any(c is not None for c in cells)],
        "ratios": [(label, cells) for label, cells in ratios if any(cells)],
        "z": [(shown(r.z, False), *ZONES.get(r.zone, ("", "mute"))) for r in found],
    }


def events(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    customer = account.customer_id
    known = {"customer": customer, "superseded_at__isnull": True}
    statements = list(
        FinancialStatement.objects.filter(**known).order_by("-effective_on", "-pk")[:STATEMENTS_SHOWN]
    )
    return {
        "may_take_back": request.user.has_perms(
            ("customers.add_legalevent", "customers.propose_limitchange")
        ),
        "statements": statements,
        "side": _side_by_side(statements),
        "supplier_days": SupplierPaymentDays.objects.filter(**known).order_by("-effective_on")[:8],
        "legal": LegalEvent.objects.filter(**known).order_by("-effective_on"),
        "covers": Cover.objects.filter(account=account, superseded_at__isnull=True).order_by("-effective_on"),
        "orders": OpenOrder.objects.filter(
            account=account, superseded_at__isnull=True, closed_on__isnull=True
        ).order_by("expected_on")[:25],
    }


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


@dataclass(frozen=True, slots=True)
class Tab:
    slug: str
    label: Any
    build: Any
    permission: str


TABS = (
    Tab("invoices", gettext_lazy("Invoices"), invoices, "customers.view_instalment"),
    Tab("payments", gettext_lazy("Payments"), payments, "customers.view_payment"),
    Tab("exposure", gettext_lazy("Exposure"), exposure, "customers.view_instalment"),
    Tab("limits", gettext_lazy("Limits & decisions"), limits, "customers.view_limitchange"),
    Tab("timeline", gettext_lazy("Contacts & timeline"), timeline, "customers.view_contact"),
    Tab("bank", gettext_lazy("Bank flows"), bank, "customers.view_banktransaction"),
    Tab("agencies", gettext_lazy("Agency reports"), agencies, "customers.view_bureaureport"),
    Tab("events", gettext_lazy("Accounts & events"), events, "customers.view_legalevent"),
    Tab("history", gettext_lazy("Score history"), history, "scoring.view_scorehistory"),
    Tab("audit", gettext_lazy("Audit"), audit, "core.view_customer_trail"),
)
