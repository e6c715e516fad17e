"""Find a customer: everybody the user may see, filtered by what matters, worst first."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.money import Money, MoneyField
from creditdesk.core.pages import desk_page, paged, render_page
from customers.access import visible_accounts
from customers.days import Dates, dates_now, today_of
from customers.models import (
    CreditAccount,
    CreditLimit,
    Customer,
    DocumentKind,
    Instalment,
    LimitKind,
    Portfolio,
)
from scoring.models import Grade

SORTS = {
    "overdue": F("overdue_minor").desc(nulls_last=True),
    "open": F("open_minor").desc(nulls_last=True),
    "score": F("score_row__score").asc(nulls_last=True),
    "name": F("customer__name").asc(),
}


def _open_items(**conditions: Any) -> QuerySet[Instalment, Any]:
    return (
        Instalment.objects.filter(
            account=OuterRef("pk"),
            kind=DocumentKind.INVOICE,
            open_amount__gt=0,
            superseded_at__isnull=True,
            **conditions,
        )
        .order_by()
        .values("account")
    )


def found_accounts(user: User, params: Any, dates: Dates) -> QuerySet[CreditAccount]:
    """The user's accounts narrowed by the page's parameters (q, status, grade, portfolio, collector, overdue)."""
    rows = visible_accounts(user).filter(joined_into__isnull=True)
    words = params.get("q", "").strip()
    if words:
        documents = Instalment.objects.filter(account=OuterRef("pk"), invoice__number__iexact=words)
        rows = rows.filter(
            Q(customer__name__icontains=words)
            | Q(customer__code__istartswith=words)
            | Q(customer__vat_number__istartswith=words.replace(" ", ""))
            | Q(customer__registration_number__istartswith=words)
            | Exists(documents)
        )
    if params.get("status") in Customer.Status.values:
        rows = rows.filter(customer__status=params["status"])
    if params.get("grade") in Grade.values:
        rows = rows.filter(score_row__grade=params["grade"])
    elif params.get("grade") == "none":
        rows = rows.filter(score_row__isnull=True)
    if params.get("portfolio", "").isdigit():
        rows = rows.filter(portfolio_id=params["portfolio"])
    if params.get("collector") == "none":
        rows = rows.filter(collector__isnull=True)
    elif params.get("collector", "").isdigit():
        rows = rows.filter(collector_id=params["collector"])
    if params.get("overdue", "").isdigit():
        late = _open_items(due_on__lt=today_of("company", dates, int(params["overdue"])))
        rows = rows.filter(Exists(late))
    return rows


def with_figures(rows: QuerySet[CreditAccount], dates: Dates) -> QuerySet[CreditAccount]:
    """open_minor, overdue_minor (account currency items), oldest_due_on and limit_minor, in the same query; at today's
    date of each account's company."""
    own = {"currency": OuterRef("currency")}
    today = today_of("company", dates)
    late = _open_items(due_on__lt=today)
    limits = CreditLimit.objects.filter(
        account=OuterRef("pk"), kind=LimitKind.BASE, valid_from__lte=today_of("account__company", dates)
    )
    return rows.annotate(
        open_minor=Subquery(
            _open_items(**own).annotate(s=Sum("open_amount")).values("s"), output_field=MoneyField()
        ),
        overdue_minor=Subquery(
            _open_items(due_on__lt=today, **own).annotate(s=Sum("open_amount")).values("s"),
            output_field=MoneyField(),
        ),
        oldest_due_on=Subquery(late.order_by("due_on").values("due_on")[:1]),
        limit_minor=Subquery(
            limits.order_by("-valid_from", "-pk").values("amount")[:1], output_field=MoneyField()
        ),
    )


def dressed(rows: Any) -> list[CreditAccount]:
    """The rows (with their company) with their figures as Money and days."""
    found = list(rows)
    for row in found:
        row.open_now = Money(row.open_minor or 0, row.currency)
        row.overdue_now = Money(row.overdue_minor or 0, row.currency)
        row.limit_now = None if row.limit_minor is None else Money(row.limit_minor, row.currency)
        today = business_date(row.company.time_zone)
        row.days_late = (today - row.oldest_due_on).days if row.oldest_due_on else None
    return found


@desk_page("customers.view_customer", "customers.view_creditaccount")
def customer_list(request: HttpRequest) -> HttpResponse:
    dates = dates_now()
    sort = request.GET.get("sort", "overdue")
    rows = with_figures(found_accounts(request.user, request.GET, dates), dates)
    rows = rows.select_related("customer", "company", "segment", "collector", "portfolio", "score_row")
    page = paged(request, rows.order_by(SORTS.get(sort, SORTS["overdue"]), "customer__name", "pk"), 50)
    seen = visible_accounts(request.user)
    context = {
        "title": _("Customers"),
        "page": page,
        "rows": dressed(page),
        "sort": sort if sort in SORTS else "overdue",
        "statuses": Customer.Status.choices,
        "grades": Grade.values,
        "portfolios": Portfolio.objects.filter(Exists(seen.filter(portfolio=OuterRef("pk")))).order_by(
            "name"
        ),
        "collectors": User.objects.filter(Exists(seen.filter(collector=OuterRef("pk")))).order_by("username"),
        "filtered": any(
            request.GET.get(key) for key in ("q", "status", "grade", "portfolio", "collector", "overdue")
        ),
        "empty_book": not page.paginator.count and not seen.exists(),
    }
    return render_page(request, "desk/customers.html", context)
