"""The pages of onboarding. Thin: rules are in customers/applications.py, customers/documents.py and this package."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.pages import desk_page, paged, render_page
from customers.access import visible_accounts, visible_customers
from customers.applications import (
    PERMISSION,
    ApplicationError,
    known_sentence,
    receive_application,
    receive_from_prospect,
    stands_at,
    withdraw_application,
)
from customers.approval_rules import ApprovalError
from customers.bank.feeds import Options
from customers.documents import DocumentRefused, attach, read_document, remove_document
from customers.imports.problems import ImportRefused
from customers.models import ApplicationDocument, CreditAccount, CreditApplication
from scoring.bank_right import ended_for
from scoring.decisions import DecisionError
from scoring.models import DecisionLetter
from scoring.onboarding.assessing import assess, latest_decision, read_bank_lines
from scoring.onboarding.converting import propose_first_limit
from scoring.onboarding.deciding import DECIDE, decide_application
from scoring.onboarding.forms import AnswerForm, DocumentForm, ProspectForm, ReasonForm, WishForm
from scoring.onboarding.letters import letter_for
from scoring.onboarding.screen import listed, screen_of, visible_applications

VIEW = "customers.view_creditapplication"
PROPOSE = "customers.propose_limitchange"
IMPORT = "customers.add_importbatch"
REFUSED = (ApplicationError, ApprovalError, DecisionError, DocumentRefused, ImportRefused)


def _application(request: HttpRequest, pk: int) -> tuple[CreditApplication, date]:
    """The application and its company's business date; 404 for another portfolio's."""
    found = get_object_or_404(visible_applications(request.user), pk=pk)
    return found, business_date(found.account.company.time_zone)


def _may_read(request: HttpRequest) -> None:
    """What is in a document is for who works on the application or decides on it."""
    if not (request.user.has_perm(PERMISSION) or request.user.has_perm(DECIDE)):
        raise PermissionDenied


def _person(request: HttpRequest) -> Actor:
    return Actor.person(request.user)


@desk_page(VIEW)
@require_GET
def applications(request: HttpRequest) -> HttpResponse:
    show, words = request.GET.get("show", ""), request.GET.get("q", "").strip()
    rows = paged(request, listed(request.user, running=show != "all", words=words))
    context = {
        "title": _("Credit applications"),
        "page": rows,
        "rows": list(rows),
        "show": show,
        "words": words,
        "as_of": business_date(),
    }
    return render_page(request, "applications/list.html", context)


@desk_page(VIEW, PERMISSION)
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The application form; ?account= for an account there is."""
    account = _account_of(request)
    form: Any = (
        WishForm(request.POST or None, currency=account.currency)
        if account
        else ProspectForm(request.POST or None, user=request.user)
    )
    if request.method == "POST" and form.is_valid():
        on = business_date(account.company.time_zone if account else None)
        try:
            made = _receive(form, account, _person(request), on)
        except ApplicationError as error:
            form.add_error(error.field if error.field in form.fields else None, _told(error, request.user))
        except IntegrityError:
            form.add_error(None, _("Somebody else recorded this customer at the same moment: try again."))
        else:
            messages.success(request, _("Taken in. Add its documents, then assess it."))
            return redirect("applications:page", made.pk)
    context = {"title": _("New credit application"), "form": form, "account": account}
    response = render_page(request, "applications/new.html", context)
    response.status_code = 422 if form.errors else 200
    return response


def _told(error: ApplicationError, user: Any) -> str:
    """What a refusal says to this user: of customers of other companies or portfolios nothing."""
    if error.code != "known_customer":
        return str(error)
    seen = visible_customers(user).filter(pk__in=[row.pk for row in error.customers])
    return known_sentence(seen.order_by("pk"))


def _account_of(request: HttpRequest) -> CreditAccount | None:
    wanted = request.GET.get("account", "")
    if not wanted:
        return None
    accounts = visible_accounts(request.user).select_related("customer", "company")
    return get_object_or_404(accounts, pk=int(wanted) if wanted.isascii() and wanted.isdigit() else 0)


@transaction.atomic
def _receive(form: Any, account: CreditAccount | None, actor: Actor, on: date) -> CreditApplication:
    if account is not None:
        return receive_application(account, form.wish(), actor=actor, on=on)
    given = form.cleaned_data
    return receive_from_prospect(
        form.prospect(), given["segment"], form.wish(), portfolio=given["portfolio"], actor=actor, on=on
    )


@desk_page(VIEW)
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One application on one screen; a POST is a person's decision."""
    application, as_of = _application(request, pk)
    latest = latest_decision(application)
    answer = _answered(request, application, as_of, latest) if request.method == "POST" else None
    if isinstance(answer, HttpResponse):
        return answer
    screen = screen_of(application, as_of, request.user)
    standing = stands_at(application)
    may_decide = request.user.has_perm(DECIDE) and standing in ("open", "granted", "declined")
    if answer is None and screen.decision and may_decide:
        answer = AnswerForm(decision=screen.decision, reader=request.user, ended=screen.ended)
    context = {
        "title": application.account.customer.name,
        "application": application,
        "account": application.account,
        "customer": application.account.customer,
        "as_of": as_of,
        "screen": screen,
        "why": screen.why,
        "grid": screen.grid,
        "grid_rows": screen.grid_rows,
        "answer_form": answer if may_decide else None,
        "document_form": DocumentForm(),
        "may_withdraw": request.user.has_perm(PERMISSION) and standing in ("open", "granted"),
        "may_work": request.user.has_perm(PERMISSION),
        "may_read": request.user.has_perm(PERMISSION) or request.user.has_perm(DECIDE),
    }
    response = render_page(request, "applications/page.html", context)
    response.status_code = 422 if answer is not None and answer.errors else 200
    return response


def _answered(
    request: HttpRequest, application: CreditApplication, on: date, latest: Any
) -> AnswerForm | HttpResponse:
    """The redirect after a decision that was recorded, or the form with what is wrong."""
    if not request.user.has_perm(DECIDE):
        raise PermissionDenied
    if latest is None:
        messages.error(request, _("Assess the application first: there is nothing to decide on."))
        return redirect("applications:page", application.pk)
    ended = ended_for(request.user, application.account.customer, on, past=True)
    form = AnswerForm(request.POST, decision=latest, reader=request.user, ended=ended)
    if form.is_valid():
        try:
            decide_application(
                application, form.answer(), by=request.user, on=on, seen=form.cleaned_data["seen"]
            )
        except ApplicationError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        else:
            messages.success(request, _("Decided. The letter can be written."))
            return redirect("applications:page", application.pk)
    return form


def _done(request: HttpRequest, application: CreditApplication, act: Any, told: str) -> HttpResponse:
    """Do it, and say what came of it on the application's page."""
    try:
        act()
    except REFUSED as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, told)
    return redirect("applications:page", application.pk)


@desk_page(VIEW, PERMISSION)
@require_POST
def assess_now(request: HttpRequest, pk: int) -> HttpResponse:
    application, as_of = _application(request, pk)
    return _done(
        request,
        application,
        lambda: assess(application, as_of=as_of, actor=_person(request)),
        _("Assessed from what is there."),
    )


@desk_page(VIEW, PROPOSE)
@require_POST
def propose(request: HttpRequest, pk: int) -> HttpResponse:
    application, as_of = _application(request, pk)
    return _done(
        request,
        application,
        lambda: propose_first_limit(application, by=request.user, on=as_of),
        _("The limit is before the approvers. When it is applied, the prospect becomes a customer."),
    )


@desk_page(VIEW, PERMISSION)
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    application, as_of = _application(request, pk)
    reason = request.POST.get("reason", "")[:1000]
    return _done(
        request,
        application,
        lambda: withdraw_application(application, actor=_person(request), reason=reason, on=as_of),
        _("The application is withdrawn."),
    )


@desk_page(VIEW, PERMISSION)
@require_POST
def add_document(request: HttpRequest, pk: int) -> HttpResponse:
    application, _as_of = _application(request, pk)
    form = DocumentForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, " ".join(text for texts in form.errors.values() for text in texts))
        return redirect("applications:page", application.pk)
    given = form.cleaned_data
    return _done(
        request,
        application,
        lambda: attach(
            application,
            given["file"].name,
            given["file"].chunks(),
            kind=given["kind"],
            actor=_person(request),
        ),
        _("The document is kept."),
    )


def _document(request: HttpRequest, pk: int, number: int) -> tuple[ApplicationDocument, date]:
    application, as_of = _application(request, pk)
    document = get_object_or_404(application.documents, pk=number)
    document.application = application
    return document, as_of


@desk_page(VIEW)
@require_GET
def document(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """The file, always as a download of its own type: a browser never runs what a customer sent."""
    _may_read(request)
    found, _as_of = _document(request, pk, number)
    try:
        content = read_document(found, by=request.user)
    except DocumentRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("applications:page", pk)
    return _download(content, found.content_type, found.name)


def _download(content: bytes, content_type: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response


@desk_page(VIEW, PERMISSION)
@require_POST
def drop_document(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    found, _as_of = _document(request, pk, number)
    form = ReasonForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    return _done(
        request,
        found.application,
        lambda: remove_document(found, by=request.user, reason=reason),
        _("The document's content is deleted."),
    )


@desk_page(VIEW, PERMISSION, IMPORT)
@require_POST
def bank_lines(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Take the bank lines of a document in, under the customer's consent."""
    found, as_of = _document(request, pk, number)
    options = Options(today=as_of, commit=True, user=request.user)
    try:
        report = read_bank_lines(found, options=options, actor=_person(request))
    except REFUSED as refusal:
        messages.error(request, str(refusal))
    else:
        lines, refused = report.counts.get("lines", 0), report.counts.get("refused", 0)
        told = _("%(lines)s new bank lines; %(refused)s refused.") % {"lines": lines, "refused": refused}
        (messages.warning if refused else messages.success)(request, told)
    return redirect("applications:page", pk)


@desk_page(VIEW)
@require_http_methods(["GET", "POST"])
def letter(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    """The letter on a decision: a POST writes it, a GET downloads the one that is kept."""
    _may_read(request)
    application, as_of = _application(request, pk)
    decisions = application.decisions.select_related(
        "account__customer", "account__company", "application", "decided_by", "kept"
    )
    found = get_object_or_404(decisions, public_id=decision)
    if request.method == "POST":
        return _done(
            request,
            application,
            lambda: letter_for(found, by=request.user, on=as_of),
            _("The letter is written and kept."),
        )
    # One in each language the customer had; the newest counts.
    kept = DecisionLetter.objects.filter(decision=found).order_by("-pk").first()
    if kept is None:
        raise Http404
    name = f"{application.account.customer.code}-{found.as_of:%Y-%m-%d}-{kept.language}.pdf"
    return _download(bytes(kept.content), "application/pdf", name)
