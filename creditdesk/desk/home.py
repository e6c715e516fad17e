"""Where people land: each role on the question it answers first."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Abs, Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from creditdesk.core import roles
from creditdesk.core.acts import acts_like
from creditdesk.core.clock import business_date
from creditdesk.core.models import AuditEntry, User
from creditdesk.core.pages import desk_page, paged, render_page
from creditdesk.desk.customer_figures import TREND_DAYS
from creditdesk.desk.customer_list import dressed, with_figures
from creditdesk.desk.landing import BANNER_COOKIE, role_home, role_of
from creditdesk.navigation import counts
from customers.access import account_scope, visible_accounts
from customers.admin.audit import visible_entries
from customers.days import dates_now
from customers.models import Access, CreditHold, Customer, ImportBatch, LimitChange
from scoring.limit_warnings import ending_limits
from scoring.models import ScoreHistory
from scoring.reviews import overdue_reviews

VISIT_KEY = "audit_seen_until"


@login_required
def root(request: HttpRequest) -> HttpResponseRedirect:
    return redirect(role_home(role_of(request.user)))


@desk_page()
def home(request: HttpRequest) -> HttpResponse:
    """Every figure is counted on what the user may see; each block is there only with the right to open it."""
    user = request.user
    role = role_of(user)
    if role == roles.AUDITOR:
        return changes(request)
    today = business_date()
    seen = visible_accounts(user)
    context: dict[str, Any] = {
        "title": _("Home"),
        "role": role,
        "today": today,
        "counts": counts(user),
        "empty_book": not seen.exists(),
    }
    if not context["empty_book"] and user.has_perm("customers.view_creditaccount"):
        rows = with_figures(seen, dates_now()).filter(overdue_minor__gt=0)
        rows = rows.select_related("customer", "company", "segment", "collector", "score_row")
        context["worst"] = dressed(rows.order_by(F("overdue_minor").desc(), "pk")[:8])
    if user.has_perm("customers.view_limitchange"):
        context["proposals"] = (
            LimitChange.objects.filter(account_scope(user, "account__"), status=LimitChange.Status.PROPOSED)
            .select_related("account__customer")
            .order_by(Abs(F("new_amount") - Coalesce(F("old_amount"), 0)).desc(), "proposed_at")[:8]
        )
    if user.has_perm("customers.view_credithold"):
        context["holds"] = (
            CreditHold.objects.filter(account_scope(user, "account__"), released_on__isnull=True)
            .select_related("account__customer")
            .order_by("-placed_at")[:8]
        )
    if user.has_perm("customers.propose_limitchange") and not context["empty_book"]:
        overdue = overdue_reviews(seen, today)
        context["reviews"] = overdue.select_related("customer", "score_row")[:8]
        context["review_count"] = overdue.count()
        context["ending"] = ending_limits(seen, today)[:8]
    if user.has_perm("scoring.view_scorehistory"):
        context["movers"] = movers(user, today)
    if user.has_perm("customers.view_importbatch"):
        context["imports"] = _imports(user)
    return render_page(request, "desk/home.html", context)


def movers(user: User, today: date, length: int = 8) -> list[dict[str, Any]]:
    """The accounts whose score fell most against the one kept TREND_DAYS ago, as their own pages tell it, worst first."""
    since = today - timedelta(days=TREND_DAYS)
    kept = ScoreHistory.objects.filter(account=OuterRef("pk"))
    before = kept.filter(as_of__lte=since).order_by("-as_of", "-pk").values("score")[:1]
    rows = (
        visible_accounts(user)
        .filter(Exists(kept.filter(as_of__gt=since, because="changed")), score_row__isnull=False)
        .annotate(delta=F("score_row__score") - Subquery(before))
        .exclude(delta=0)
        .filter(delta__isnull=False)
        .select_related("customer", "score_row")
        .order_by("delta", "pk")[:length]
    )
    return [{"account": row, "delta": row.delta} for row in rows]


def _imports(user: User) -> Any:
    rows = ImportBatch.objects.select_related("source", "imported_by").order_by(
        "-recorded_at", "-complete_through", "-pk"
    )
    if not user.is_superuser:
        rows = rows.filter(source__company__in=Access.objects.filter(user=user).values("company_id"))
    return rows[:5]


@desk_page("core.view_auditentry")
def changes(request: HttpRequest) -> HttpResponse:
    """What happened since the auditor last said 'seen': by kind of act, then one by one, with a filter."""
    last = parse_datetime(request.COOKIES.get(VISIT_KEY, "")) if VISIT_KEY in request.COOKIES else None
    since = last or timezone.now() - timedelta(days=7)
    rows = visible_entries(request.user).filter(at__gt=since)
    words, kind = request.GET.get("q", "").strip(), request.GET.get("kind", "")
    if words:
        rows = rows.filter(
            Q(act__icontains=words)
            | Q(act__in=acts_like(words))
            | Q(actor_name__icontains=words)
            | Q(reason_code__icontains=words)
        )
    if kind in AuditEntry.ActorKind.values:
        rows = rows.filter(actor_kind=kind)
    context = {
        "title": _("Changes since your last visit"),
        "role": roles.AUDITOR,
        "since": since,
        "first_visit": last is None,
        "page": paged(request, rows.order_by("-at", "-pk"), 50),
        "kinds": AuditEntry.ActorKind.choices,
        "empty_book": not Customer.objects.exists(),
    }
    return render_page(request, "desk/changes.html", context)


@require_POST
@desk_page("core.view_auditentry")
def changes_seen(request: HttpRequest) -> HttpResponse:
    """Everything up to the moment the list was shown counts as seen; later entries stay new."""
    shown = parse_datetime(request.POST.get("until", ""))
    if not isinstance(shown, datetime) or timezone.is_naive(shown):
        raise PermissionDenied
    response = redirect("desk:changes")
    response.set_cookie(VISIT_KEY, shown.isoformat(), max_age=400 * 86400, httponly=True, samesite="Lax")
    return response


@require_POST
@login_required
def dismiss_first_steps(request: HttpRequest) -> HttpResponse:
    response = redirect("root")
    response.set_cookie(BANNER_COOKIE, "1", max_age=400 * 86400, httponly=True, samesite="Lax")
    return response
