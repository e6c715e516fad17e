"""The pages on which orders on hold are decided, and on which anybody asks whether an order would pass. Thin: rules are
in customers/order_holds.py, customers/orders.py and scoring/checks."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.access import sight_of, visible_accounts
from customers.checks import CheckResult, as_seen
from customers.models import CheckPoint, OpenOrder, OrderHold
from customers.order_holds import DECIDE, OrderHoldError, give_grace, reject_order, release_order
from customers.order_versions import OrderError, reserved_for
from customers.orders import check_again
from customers.rates import MissingRate
from customers.shown import shown_about
from scoring import order_queue
from scoring.checks.check import check_credit
from scoring.checks.sentences import explain_check, message
from scoring.limit_views import PAGE, page, staff_page, today_of
from scoring.order_forms import CheckForm, HoldDecisionForm
from scoring.overrides import grades_now

VIEW = "customers.view_orderhold"


@staff_page(VIEW)
@require_http_methods(["GET"])
def queue(request: HttpRequest) -> HttpResponse:
    as_of = business_date()
    paginator = Paginator(order_queue.ranked_ids(request.user, as_of), PAGE)
    current = paginator.get_page(request.GET.get("page"))
    context = {
        "page_obj": current,
        "rows": order_queue.rows(list(current.object_list), as_of, request.user),
        "waiting": paginator.count,
    }
    return page(request, "orders/queue.html", _("Orders on hold"), context)


@staff_page(VIEW)
@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    hold = get_object_or_404(
        order_queue.visible_holds(request.user).select_related(
            "account__customer", "account__company", "account__segment", "account__collector", "resolved_by"
        ),
        pk=pk,
    )
    today = today_of(hold.account)
    may_decide = request.user.has_perm(DECIDE)
    form = HoldDecisionForm(request.POST or None, hold=hold, today=today)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                done = _act(request, hold, form, today)
            except (OrderHoldError, OrderError, MissingRate) as error:
                form.add_error(None, str(error))
                status = 403 if getattr(error, "code", "") == "not_allowed" else 409
            else:
                messages.success(request, done)
                following = order_queue.next_to_decide(request.user, today, skipping=[hold.pk])
                return redirect("orders:decide", following) if following else redirect("orders:queue")
    order = OpenOrder.objects.filter(
        account=hold.account_id, number=hold.order_number, superseded_at__isnull=True
    ).first()
    now = _now(hold, order, today)
    result = as_seen(now, sight_of(request.user)) if now else None
    context = {
        "hold": hold,
        "order": order,
        "customer": hold.account.customer,
        "form": form,
        "may_decide": may_decide and hold.status == OrderHold.Status.WAITING,
        "lines": order_queue.explained(hold, sight_of(request.user)),
        "stop": order_queue.stop_text(hold, shown_about(request.user, hold.account.customer, today))
        if hold.cause == OrderHold.Cause.STOPPED
        else "",
        "rule_of_law": hold.details.get("provision_text", ""),
        "now": result,
        "now_lines": explain_check(result) if result else [],
        "age": max((today - hold.placed_on).days, 0),
        "is_late": hold.decide_by < today,
        "history": OrderHold.objects.filter(account=hold.account_id, order_number=hold.order_number)
        .exclude(pk=hold.pk)
        .exclude(status=OrderHold.Status.REPLACED)
        .select_related("resolved_by")
        .order_by("-pk")[:10],
    }
    title = _("Order %(number)s of %(customer)s") % {
        "number": hold.order_number,
        "customer": hold.account.customer.name,
    }
    return page(request, "orders/decide.html", title, context, status)


def _now(hold: OrderHold, order: OpenOrder | None, today: date) -> CheckResult | None:
    """What the check would say today; what the order takes already is not counted twice."""
    if order is None or hold.status != OrderHold.Status.WAITING:
        return None
    counted = None if hold.at_entry else order.amount
    now = timezone.now()
    own = reserved_for(hold.account, order.number, now)
    try:
        return check_credit(
            hold.account,
            order.amount,
            point=hold.point,
            as_of=today,
            at=now,
            orderer=order.orderer,
            counted=counted,
            expected_on=order.expected_on,
            exclude_reservation=own.pk if own else None,
            product_line=order.product_line,
        )
    except MissingRate:
        return None


def _act(request: HttpRequest, hold: OrderHold, form: HoldDecisionForm, today: date) -> str:
    data, by = form.cleaned_data, request.user
    names = {"number": hold.order_number, "customer": hold.account.customer.name}
    if not by.has_perm(DECIDE):
        raise OrderHoldError(
            "not_allowed", _("Your role does not decide on orders: ask a credit controller.")
        )
    if data["action"] == "release":
        release_order(
            hold,
            by=by,
            reason=data["reason"],
            on=today,
            until=data["until"],
            up_to=form.money,
            grade_now=grades_now([hold.account_id], today).get(hold.account_id, ""),
        )
        return _("Released: order %(number)s of %(customer)s.") % names
    if data["action"] == "reject":
        reject_order(hold, by=by, reason=data["reason"], on=today)
        return _("Rejected: order %(number)s of %(customer)s.") % names
    if data["action"] == "grace":
        give_grace(hold, by=by, reason=data["reason"], on=today, until=data["until"])
        return _("Grace given: order %(number)s of %(customer)s.") % names
    outcome = check_again(hold, actor=Actor.person(by), on=today, at=timezone.now())
    if outcome.goes_on:
        return _("Order %(number)s of %(customer)s passes and goes on.") % names
    return _("Order %(number)s of %(customer)s still waits.") % names


@staff_page("customers.view_openorder")
@require_http_methods(["GET"])
def check(request: HttpRequest, account_id: int) -> HttpResponse:
    account = get_object_or_404(
        visible_accounts(request.user).select_related("customer", "company", "segment", "collector"),
        pk=account_id,
    )
    today = today_of(account)
    asked = "amount" in request.GET
    form = CheckForm(request.GET if asked else None, account=account)
    result, trouble = None, ""
    if asked and form.is_valid():
        try:
            result = check_credit(
                account,
                form.money,
                point=form.cleaned_data["point"] or CheckPoint.ORDER,
                as_of=today,
                at=timezone.now(),
                expected_on=form.cleaned_data["expected_on"],
                product_line=form.cleaned_data["product_line"].strip(),
            )
        except MissingRate as error:
            trouble = str(error)
    if result is not None:
        result = as_seen(result, sight_of(request.user))
    context = {
        "account": account,
        "customer": account.customer,
        "form": form,
        "result": result,
        "message": message(result) if result else "",
        "lines": explain_check(result) if result else [],
        "trouble": trouble,
    }
    title = _("Check an order: %(customer)s") % {"customer": account.customer.name}
    return page(request, "orders/check.html", title, context, 400 if form.errors else 200)
