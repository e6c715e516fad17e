"""Why one invoice is expected when it is: the page behind every estimate shown elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from creditdesk.core.clock import business_date
from creditdesk.core.pages import desk_page, render_page
from customers.access import visible_accounts
from customers.models import DocumentKind, Instalment
from scoring.invoices.explaining import explain_invoice


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
    asked = request.GET.get("target", "")
    seen = found.seen if found else None
    chances = [c for c in seen.chances if not c.happened] if seen else []
    context = {
        "title": _("Estimate of invoice %s") % row.invoice.number,
        "row": row,
        "account": row.account,
        "as_of": as_of,
        "overdue": (as_of - row.due_on).days if row.open_amount else None,
        "found": found,
        "seen": seen,
        "chance": next((c for c in chances if str(c.target) == asked), seen.main if seen else None),
        "chances": chances,
    }
    return render_page(request, "invoices/estimate.html", context)
