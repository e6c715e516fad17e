"""The page "Cover to watch": what expires, what insurers must be told by when, where cover has stopped."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.clock import business_date
from creditdesk.core.pages import desk_page, paged, render_page
from customers import cover_warnings as watch
from customers.access import visible_accounts
from customers.cover_warnings import CoverWarning, cover_watch
from customers.rates import MissingRate

LABELS = {
    watch.EXPIRES: gettext_lazy("expires"),
    watch.NOTIFY: gettext_lazy("tell the insurer"),
    watch.STOPS: gettext_lazy("stops for new shipments"),
    watch.STOPPED: gettext_lazy("stopped for new shipments"),
    watch.WITHDRAWN: gettext_lazy("withdrawn"),
}
CURES = {
    watch.EXPIRES: gettext_lazy("Renew it, or lower the limit before that day."),
    watch.NOTIFY: gettext_lazy("Tell the insurer of the overdue invoices and record the notice."),
    watch.STOPS: gettext_lazy("Collect the oldest invoice, or ask the insurer for an extension."),
    watch.STOPPED: gettext_lazy("New shipments are at our own risk until the oldest invoice is paid."),
    watch.WITHDRAWN: gettext_lazy(
        "What was shipped before stays covered; new shipments are at our own risk."
    ),
}


@desk_page("customers.view_cover", "customers.view_creditaccount")
def cover_page(request: HttpRequest) -> HttpResponse:
    as_of = business_date()
    context: dict[str, Any] = {"title": _("Cover to watch"), "as_of": as_of}
    accounts = visible_accounts(request.user).select_related("customer", "company", "segment")
    try:
        warnings, policies = cover_watch(accounts, as_of)
    except MissingRate as missing:
        return render_page(request, "desk/cover.html", context | {"missing": str(missing)})
    kind = request.GET.get("kind", "")
    if kind in LABELS:
        warnings = [one for one in warnings if one.kind == kind]
    page = paged(request, warnings)
    page.object_list = [_row(one, as_of) for one in page.object_list]
    context |= {"page": page, "policies": policies, "kinds": list(LABELS.items()), "kind": kind}
    return render_page(request, "desk/cover.html", context)


def _row(one: CoverWarning, as_of: date) -> dict[str, Any]:
    days = (one.on - as_of).days
    past = one.kind in (watch.STOPPED, watch.WITHDRAWN)
    tone = "bad" if one.missed or past else "warn" if days <= 14 else "info"
    cure = (
        _("The notice was due: ask the insurer whether it is still taken.") if one.missed else CURES[one.kind]
    )
    return {"one": one, "label": LABELS[one.kind], "tone": tone, "days": days, "past": past, "cure": cure}
