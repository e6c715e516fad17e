"""Why one invoice is expected when it is: the page behind every estimate shown elsewhere."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from creditdesk.core.clock import business_date
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import Job
from creditdesk.core.pages import desk_page, render_page
from customers.access import visible_accounts
from customers.models import DocumentKind, Instalment
from scoring.invoices.delays import LAST
from scoring.invoices.explaining import InvoiceExplanation, Seen, explain_invoice
from scoring.publishing import PROPOSE

LEARN = "fit-invoice-card"


@desk_page("customers.view_instalment", "scoring.view_invoicecard")
@require_safe
def estimate_page(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Instalment.objects.filter(
        kind=DocumentKind.INVOICE, superseded_at__isnull=True, account__in=visible_accounts(request.user)
    )
    row = get_object_or_404(
        rows.select_related("invoice", "account__customer", "account__company", "account__score_row"), pk=pk
    )
    as_of = business_date(row.account.company.time_zone)
    found = explain_invoice(row, as_of)
    now = found.seen if found else None
    explained = _explained(found, request.GET.get("day", "")) if found else None
    chances = [c for c in explained.chances if not c.happened] if explained else []
    asked = request.GET.get("target", "")
    context = {
        "title": _("Estimate of invoice %s") % row.invoice.number,
        "row": row,
        "account": row.account,
        "as_of": as_of,
        "overdue": (as_of - row.due_on).days if row.open_amount else None,
        "found": found,
        "seen": now,
        "never": now and now.estimate.expected_on >= row.due_on + timedelta(days=LAST),
        "explained": explained,
        "is_past": bool(found and explained is found.at_issue),
        "chances": chances,
        "chance": next((c for c in chances if str(c.target) == asked), explained.main if explained else None),
    }
    return render_page(request, "invoices/estimate.html", context)


def _explained(found: InvoiceExplanation, asked: str) -> Seen | None:
    """The day whose estimate is explained: today's while anything is open about it, or the day of issue."""
    if found.at_issue and (asked == "issue" or found.now is None or found.now.main.happened):
        return found.at_issue
    return found.now


@desk_page("scoring.view_invoicecard", PROPOSE)
@require_POST
def learn(request: HttpRequest) -> HttpResponse:
    """Plan the learning of a draft; one at a time. A second person takes it into use."""
    today = business_date()
    # One that waits keeps its number, so it is not planned twice; once it ended, however it did, the next one follows.
    ended = Job.objects.filter(kind=LEARN, business_date=today).exclude(status=Job.Status.WAITING).count()
    plan_jobs(LEARN, [f"run {ended + 1}"], today, "scoring.tasks.fit_planned_invoice_card", cluster="bulk")
    messages.success(request, _("It is being learned in the background: the draft appears in some minutes."))
    return redirect("scorecards:list")
