"""The pages on which limits are proposed and decided. Thin: rules are in customers/approval.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.access import visible_accounts
from customers.approval import (
    ApprovalError,
    amend_limit_change,
    approve_limit_change,
    propose_limit_change,
    reject_limit_change,
    waiting_change,
    withdraw_limit_change,
)
from customers.approval_clock import clock_of, terms_of
from customers.approval_rules import DECIDE, PROPOSE, authorities
from customers.limit_comments import comment_on, may_comment
from customers.limit_evidence import money_of
from customers.limit_moves import fingerprint
from customers.limit_reasons import render_reason
from customers.mandates import check_may_decide, decisions_shown, mandates, standing_approvals
from customers.models import CreditAccount, LimitChange, LimitDecision, LimitKind
from customers.shown import Shown, shown_about
from scoring import limit_comparison, limit_inbox
from scoring.limit_forms import BulkForm, CommentForm, DecisionForm, LimitForm
from scoring.limit_policy import keep_sentence
from scoring.proposals import evidence_of

PAGE = 50
VIEW = "customers.view_limitchange"


def staff_page(permission: str) -> Callable[[Any], Any]:
    """For people who work in the pages and hold the permission: 403 for others, the login for the anonymous."""

    def wrap(view: Any) -> Any:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_staff or not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return wrap


def page(
    request: HttpRequest, template: str, title: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return render(
        request, template, {**admin.site.each_context(request), "title": title, **context}, status=status
    )


@staff_page(VIEW)
@require_http_methods(["GET"])
def inbox(request: HttpRequest) -> HttpResponse:
    return show_inbox(request, BulkForm())


def show_inbox(request: HttpRequest, bulk: BulkForm, status: int = 200) -> HttpResponse:
    as_of = business_date()
    waiting = limit_inbox.waiting(request.user, as_of)
    show = request.GET.get("show", "all")
    paginator = Paginator([one for one in waiting if one.shown_in(show)], PAGE)
    current = paginator.get_page(request.GET.get("page"))
    found = limit_inbox.rows(request.user, list(current.object_list), as_of)
    labels = {
        "all": _("All"),
        "mine": _("Yours to decide"),
        "small": _("Small rises"),
        "second": _("One approval given"),
        "overdue": _("Overdue"),
    }
    context = {
        "page": current,
        "page_obj": current,
        "rows": found,
        "as_of": as_of,
        "waiting": paginator.count,
        "show": show if show in labels else "all",
        "shows": [
            (name, label, sum(one.shown_in(name) for one in waiting)) for name, label in labels.items()
        ],
        "bulk": bulk,
        "ticked": set(bulk.data.getlist("changes")) if bulk.is_bound else set(),
        "small": [row for row in found if row.is_small],
    }
    return page(request, "limits/inbox.html", _("Limit changes waiting"), context, status)


def _change(request: HttpRequest, pk: int) -> LimitChange:
    rows = limit_inbox.visible_changes(request.user)
    return get_object_or_404(
        rows.select_related("account__customer", "account__company", "proposer", "decided_by"), pk=pk
    )


def today_of(account: CreditAccount) -> date:
    return business_date(account.company.time_zone)


@staff_page(VIEW)
@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    change = _change(request, pk)
    today = today_of(change.account)
    now = evidence_of(change.account, today)
    status = 200
    form = _decision_form(request, change, now, today, request.POST or None)
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                _decide(request, change, form, now, today)
            except ApprovalError as error:
                messages.error(request, str(error))
                status = 409
                change = _change(request, pk)
            else:
                return _on_to_the_next(request, today)
    context = _decision_context(request, change, today, now, form)
    return page(request, "limits/decide.html", change.account.customer.name, context, status)


def _decision_form(
    request: HttpRequest, change: LimitChange, now: dict[str, Any], today: date, data: Any = None
) -> DecisionForm:
    grades = {change.account_id: now.get("grade", "")}
    ways = mandates([change], request.user, grades, on=today)[change.pk] if change.is_waiting else []
    return DecisionForm(data, ways=ways, initial={"seen": fingerprint(now)})


def _decide(
    request: HttpRequest, change: LimitChange, form: DecisionForm, now: dict[str, Any], today: date
) -> None:
    customer, reason = change.account.customer.name, form.cleaned_data["reason"]
    action = form.cleaned_data["action"]
    if action == "withdraw":
        withdraw_limit_change(change, actor=Actor.person(request.user), reason=reason, on=today)
        messages.success(request, _("Withdrawn: the change for %(customer)s.") % {"customer": customer})
        return
    seen = form.cleaned_data["seen"]
    if seen and seen != fingerprint(now):
        # The new hash goes out with the page, so that the next press is on the facts it shows.
        data = form.data.copy()
        data["seen"] = fingerprint(now)
        form.data = data
        text = _("Facts moved while you were reading: look at what is marked, then decide again.")
        raise ApprovalError("facts_moved", text, change)
    verb = approve_limit_change if action == "approve" else reject_limit_change
    done = verb(
        change,
        approver=request.user,
        reason=reason,
        on=today,
        grade_now=now.get("grade", ""),
        on_behalf_of=form.on_behalf_of,
        evidence=now,
    )
    if action == "reject":
        text = _("Rejected: %(customer)s.")
    elif done.is_waiting:
        text = _("Your approval is recorded: %(customer)s, limit %(amount)s. It takes a second person.")
    else:
        text = _("Approved: %(customer)s, limit %(amount)s.")
    messages.success(request, text % {"customer": customer, "amount": done.new_amount})


def _on_to_the_next(request: HttpRequest, today: date) -> HttpResponse:
    following = limit_inbox.next_to_decide(request.user, today)
    return redirect("limits:inbox") if following is None else redirect("limits:decide", following)


def _decision_context(
    request: HttpRequest, change: LimitChange, today: date, now: dict[str, Any], form: DecisionForm
) -> dict[str, Any]:
    then, shown = change.evidence or {}, shown_about(request.user, change.account.customer, today)
    recommended, grade = now.get("recommended") or {}, now.get("grade", "")
    refusal, mandate = "", next(iter(form.ways), None) if change.is_waiting else None
    if change.is_waiting and mandate is None:
        try:
            check_may_decide(request.user, change, grade_now=grade, on=today)
        except ApprovalError as error:
            refusal = str(error)
    may_amend = change.is_waiting and (request.user.has_perm(PROPOSE) or request.user.has_perm(DECIDE))
    covering = authorities([change], grades_now={change.account_id: grade}, on=today)
    decisions = list(change.decisions.select_related("decided_by", "on_behalf_of").order_by("pk"))
    standing = standing_approvals(change, grade_now=grade, on=today) if change.is_waiting else []
    return {
        "change": change,
        "form": form,
        "account": change.account,
        "customer": change.account.customer,
        "why": render_reason(change.reason_code, change.reason_params, shown=shown),
        "today": today,
        "facts": limit_comparison.facts(then, now),
        "moved": limit_comparison.moved(then, now, change.new_amount) if then and change.is_waiting else [],
        "moved_since": _moved_since(change, decisions, now),
        "signals": limit_comparison.signals(then, now, shown=shown),
        "caps_then": limit_comparison.caps(then, shown=shown),
        "gates_then": limit_comparison.gates(then),
        "caps_now": limit_comparison.caps(now, shown=shown),
        "recommended_now": _recommended_text(recommended, shown),
        "then": then,
        "now": now,
        "history": _history(change.account, shown),
        "refusal": refusal,
        "mandate": mandate,
        "decisions": decisions,
        # Whoever approves now: is that enough?
        "completes": mandate is not None and (mandate.decides_alone or bool(standing)),
        "lapsed": [row for row in decisions if row.verdict == "approve" and row not in standing]
        if change.is_waiting
        else [],
        "clock": clock_of(change, terms_of([change.account.company])[change.account.company_id], today)
        if change.is_waiting
        else None,
        "may_decide": change.is_waiting and not refusal,
        "may_withdraw": change.is_waiting and change.proposer_id == request.user.pk,
        "may_amend": may_amend,
        "amend_form": _amend_form(change) if may_amend else None,
        "comments": change.comments.select_related("author").order_by("at", "pk"),
        "comment_form": CommentForm() if change.is_waiting and may_comment(request.user) else None,
        "who_may": limit_inbox.who_may(covering[change.pk]),
        "following": _neighbour(request, change, today),
        # Plain digits for a query string: a template would print them in the reader's language.
        "undo_amount": "" if change.old_amount is None else f"{change.old_amount.amount:f}",
        "difference": change.new_amount
        if change.old_amount is None
        else change.new_amount - change.old_amount,
    }


def _moved_since(
    change: LimitChange, decisions: list[LimitDecision], now: dict[str, Any]
) -> list[limit_comparison.MoveLine]:
    """What moved since the first of two people approved: the second one sees what the first did not."""
    first = next((row for row in decisions if row.evidence), None)
    if first is None or not change.is_waiting:
        return []
    return limit_comparison.moved(first.evidence, now, change.new_amount)


def _recommended_text(recommended: dict[str, Any], shown: Shown) -> str:
    if not recommended:
        return ""
    if recommended.get("keep"):
        return keep_sentence(recommended["keep"])
    return render_reason(recommended["reason_code"], recommended["params"], shown=shown)


def _neighbour(request: HttpRequest, change: LimitChange, today: date) -> int | None:
    """The waiting change after this one in the order of the inbox (for skipping without deciding)."""
    ids = limit_inbox.ranked_ids(request.user, today)
    if change.pk not in ids:
        return ids[0] if ids else None
    place = ids.index(change.pk) + 1
    return ids[place] if place < len(ids) else None


def _history(account: CreditAccount, shown: Shown) -> list[tuple[LimitChange, str]]:
    rows = (
        LimitChange.objects.filter(account=account)
        .select_related("decided_by")
        .prefetch_related(decisions_shown())
        .order_by("-proposed_at", "-pk")
    )
    return [(row, render_reason(row.reason_code, row.reason_params, shown=shown)) for row in rows[:12]]


def _amend_form(change: LimitChange, data: Any = None) -> LimitForm:
    initial = {
        "amount": change.new_amount.amount,
        "valid_from": change.valid_from,
        "valid_until": change.valid_until,
        "reason_code": change.reason_code,
    }
    form = LimitForm(data, account=change.account, kind_fixed=True, initial=initial, prefix="amend")
    if change.kind == LimitKind.BASE:
        del form.fields["valid_from"], form.fields["valid_until"]
    return form


@staff_page(VIEW)
@require_POST
def amend(request: HttpRequest, pk: int) -> HttpResponse:
    change = _change(request, pk)
    if not (request.user.has_perm(PROPOSE) or request.user.has_perm(DECIDE)):
        raise PermissionDenied
    today = today_of(change.account)
    form = _amend_form(change, request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            amended = amend_limit_change(
                change,
                form.money,
                actor=Actor.person(request.user),
                as_of=today,
                reason_code=data["reason_code"],
                comment=data["comment"],
                valid_from=data.get("valid_from"),
                valid_until=data.get("valid_until"),
                evidence=evidence_of(change.account, today),
            )
        except ApprovalError as error:
            messages.error(request, str(error))
            return redirect("limits:decide", pk)
        messages.success(
            request,
            _("Amended to %(amount)s. You are the proposer now: somebody else decides.")
            % {"amount": amended.new_amount},
        )
        return redirect("limits:decide", amended.pk)
    now = evidence_of(change.account, today)
    decision_form = _decision_form(request, change, now, today)
    context = _decision_context(request, change, today, now, decision_form) | {"amend_form": form}
    return page(request, "limits/decide.html", change.account.customer.name, context, 400)


@staff_page(PROPOSE)
@require_http_methods(["GET", "POST"])
def propose(request: HttpRequest, account_id: int) -> HttpResponse:
    account = get_object_or_404(
        visible_accounts(request.user).select_related("customer", "company", "segment"), pk=account_id
    )
    waiting = waiting_change(account)
    if waiting is not None and request.method == "GET" and request.GET.get("kind") != LimitKind.TEMPORARY:
        messages.info(request, _("A change is waiting already: amend it here."))
        return redirect("limits:decide", waiting.pk)
    today = today_of(account)
    evidence = evidence_of(account, today)
    recommended = evidence.get("recommended") or {}
    form = LimitForm(request.POST or None, account=account, initial=_initial(request, recommended))
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                change = _propose(request, account, form, evidence, today)
            except ApprovalError as error:
                form.add_error(None, str(error))
                status = 409
            else:
                messages.success(request, _("Proposed: %(amount)s.") % {"amount": change.new_amount})
                return redirect("limits:decide", change.pk)
    shown = shown_about(request.user, account.customer, today)
    context = {
        "account": account,
        "customer": account.customer,
        "form": form,
        "today": today,
        "facts": limit_comparison.facts(evidence, evidence),
        "caps": limit_comparison.caps(evidence, shown=shown),
        "gates": limit_comparison.gates(evidence),
        "recommended": recommended,
        "recommended_text": _recommended_text(recommended, shown),
        "history": _history(account, shown),
    }
    title = _("Propose a limit: %(customer)s") % {"customer": account.customer.name}
    return page(request, "limits/propose.html", title, context, status)


def _initial(request: HttpRequest, recommended: dict[str, Any]) -> dict[str, Any]:
    asked = request.GET.get("amount", "")
    if asked.replace(".", "", 1).isdigit():
        return {"amount": asked, "reason_code": request.GET.get("reason", "")}
    amount = money_of(recommended.get("amount"))
    return {"amount": amount.amount if amount is not None else None, "kind": request.GET.get("kind", "base")}


def _propose(
    request: HttpRequest, account: CreditAccount, form: LimitForm, evidence: dict[str, Any], today: date
) -> LimitChange:
    data = form.cleaned_data
    temporary = data["kind"] == LimitKind.TEMPORARY
    return propose_limit_change(
        account,
        form.money,
        actor=Actor.person(request.user),
        as_of=today,
        reason_code=data["reason_code"],
        comment=data["comment"],
        evidence=evidence,
        kind=data["kind"],
        valid_from=data["valid_from"] if temporary else None,
        valid_until=data["valid_until"] if temporary else None,
    )


@staff_page(VIEW)
@require_POST
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, or answer: the change keeps waiting."""
    if not may_comment(request.user):
        raise PermissionDenied
    change = _change(request, pk)
    form = CommentForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.errors["text"][0])
        return redirect("limits:decide", pk)
    try:
        comment_on(change, author=request.user, text=form.cleaned_data["text"], on=today_of(change.account))
    except ApprovalError as error:
        messages.error(request, str(error))
    return redirect("limits:decide", pk)
