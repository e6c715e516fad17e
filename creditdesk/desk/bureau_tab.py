"""The tab "Agency reports" of the customer page: what credit agencies say, since when, and what asking them cost."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest

from creditdesk.core.pages import paged
from customers.bureau.bases import withheld_from
from customers.bureau.shown import agencies_of, questions_about, standing_chart, with_tones
from customers.models import BureauBasis, CreditAccount


def agencies(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    customer = account.customer
    page = paged(request, questions_about(customer))
    # About a natural person nothing is shown once the basis has ended.
    withheld = withheld_from(request.user, customer, as_of)
    shown = [] if withheld else agencies_of(customer.pk, as_of)
    page.object_list = with_tones(page.object_list, request.user, as_of)
    bases = []
    if customer.is_natural_person:
        bases = list(BureauBasis.objects.at(as_of).filter(customer=customer).order_by("-effective_on", "-pk"))
    return {
        "agencies": shown,
        "withheld": withheld,
        "reports": sorted(
            ((one, agency) for agency in shown for one in agency.reports),
            key=lambda pair: pair[0].effective_on,
            reverse=True,
        ),
        "agency_chart": standing_chart(shown),
        "page": page,
        "bases": bases,
        "may_see_costs": request.user.has_perm("customers.view_bureaupull"),
        "may_ask": request.user.has_perm("customers.add_bureaupull"),
    }
