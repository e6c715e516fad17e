"""The customer page: one person's whole case on one screen, the details under tabs."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from creditdesk.core.clock import business_date
from creditdesk.core.pages import desk_page, render_page
from creditdesk.desk import customer_figures as figures
from creditdesk.desk.customer_score import standing_on
from creditdesk.desk.customer_tabs import TABS, Tab
from customers.access import visible_accounts, visible_customers
from customers.models import CreditAccount, Customer
from scoring.bank_right import ended_for
from scoring.explain import explain

STATUS_TONE = {"active": "good", "prospect": "info", "on_hold": "warn", "insolvent": "bad", "closed": "mute"}


def _account(request: HttpRequest, customer: Customer) -> tuple[list[CreditAccount], CreditAccount]:
    """The customer's accounts the user may see and the one on show (?account=); 404 for anybody else's."""
    accounts = list(
        visible_accounts(request.user)
        .filter(customer=customer)
        .select_related("customer", "company", "segment", "portfolio", "collector")
        .order_by("company__name", "segment__name", "pk")
    )
    wanted = request.GET.get("account", "")
    chosen = (
        next((a for a in accounts if str(a.pk) == wanted), None) if wanted else next(iter(accounts), None)
    )
    if chosen is None:
        raise Http404(_("There is no such account among those you may see."))
    return accounts, chosen


def _tab(request: HttpRequest) -> tuple[list[Tab], Tab | None]:
    allowed = [tab for tab in TABS if request.user.has_perm(tab.permission)]
    wanted = request.GET.get("tab")
    return allowed, next((tab for tab in allowed if tab.slug == wanted), next(iter(allowed), None))


@desk_page("customers.view_customer", "customers.view_creditaccount")
def customer_page(request: HttpRequest, pk: int) -> HttpResponse:
    customer = get_object_or_404(visible_customers(request.user).select_related("parent"), pk=pk)
    accounts, account = _account(request, customer)
    as_of = business_date(account.company.time_zone)
    tabs, tab = _tab(request)
    context: dict[str, Any] = {
        "title": customer.name,
        "customer": customer,
        "account": account,
        "accounts": accounts,
        "as_of": as_of,
        "tabs": tabs,
        "tab": tab,
        "panel": f"desk/customer/tab_{tab.slug}.html" if tab else None,
        "status_tone": STATUS_TONE[customer.status],
    }
    if tab:
        context.update(tab.build(request, account, as_of))
    if not (request.htmx and request.htmx.target == "panel"):
        now = figures.standing(account, as_of)
        ended = ended_for(request.user, customer, as_of, past=True)
        context.update(
            now=now,
            why=explain(now.score).for_reader(request.user, ended=ended) if now.score else None,
            **standing_on(request.user, account, as_of, now.score),
            trend=figures.trend(now),
            score_chart=figures.score_chart(now),
            exposure_chart=figures.exposure_chart(now),
            ageing_chart=figures.ageing_chart(now),
        )
    return render_page(request, "desk/customer/page.html", context, partial="desk/customer/panel.html")
