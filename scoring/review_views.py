"""The queue of scores that a person must decide on, the decision, and a customer's contest."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from creditdesk.core.clock import business_date
from creditdesk.core.pages import desk_page, paged, render_page
from customers.access import visible_accounts
from customers.exposure import exposures
from customers.models import CreditAccount
from scoring.bank_right import ended_for
from scoring.completeness import completeness
from scoring.cures import cured
from scoring.erasing import PERMISSION as ERASE
from scoring.erasing import ErasureError, erase, words_of
from scoring.explain import explain
from scoring.models import AccountScore
from scoring.overrides import PERMISSION as OVERRIDE
from scoring.overrides import OverrideError, overrides_at, overruled
from scoring.review_forms import ContestForm, DecisionForm, ErasureForm
from scoring.review_queue import ranked, rows
from scoring.reviews_of_scores import (
    CONTEST,
    DECIDE,
    ReviewError,
    contest,
    contest_of,
    decide,
    reviews_of,
    waiting,
    waiting_for,
    why,
)

USUAL = timedelta(days=180)
VIEW = "scoring.view_scorereview"


@desk_page(VIEW, DECIDE)
@require_http_methods(["GET"])
def queue(request: HttpRequest) -> HttpResponse:
    as_of = business_date()
    found = ranked(waiting_for(request.user, as_of), as_of)
    page = paged(request, found.ids)
    context = {
        "title": _("Scores to decide on"),
        "page": page,
        "rows": rows(list(page), as_of),
        "waiting": len(found.ids),
        "missing_rate": found.missing_rate,
        "as_of": as_of,
    }
    return render_page(request, "reviews/queue.html", context)


def _account(request: HttpRequest, account_id: int) -> tuple[CreditAccount, date, AccountScore]:
    """The account, its business date and its score; 404 for another portfolio's, or without a score."""
    accounts = visible_accounts(request.user).select_related("customer", "company")
    account = get_object_or_404(accounts, pk=account_id)
    score = get_object_or_404(AccountScore.objects.select_related("card"), account=account)
    return account, business_date(account.company.time_zone), score


@desk_page(VIEW, DECIDE)
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, account_id: int) -> HttpResponse:
    account, as_of, score = _account(request, account_id)
    form = DecisionForm(
        request.POST or None,
        score=score,
        may_override=request.user.has_perm(OVERRIDE),
        initial={"seen_grade": score.grade, "valid_until": as_of + USUAL},
    )
    if request.method == "POST" and form.is_valid():
        try:
            decide(account, by=request.user, as_of=as_of, **form.cleaned_data)
        except (ReviewError, OverrideError) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Decided. It comes back when it expires or the grade changes."))
            return _after(request, as_of)
    waits = waiting(CreditAccount.objects.filter(pk=account.pk), as_of).exists()
    open_contest = contest_of(account)
    override = overrides_at([account.pk], as_of).get(account.pk)
    context: dict[str, Any] = {
        "title": _("Decide on a score"),
        "account": account,
        "as_of": as_of,
        "score": score,
        "why": explain(score).for_reader(
            request.user, ended=ended_for(request.user, account.customer, as_of, past=True)
        ),
        "grid": (grid := completeness([account], as_of, enough_due=score.card.thin_below)[account.pk]),
        "grid_rows": cured(grid, account, request.user),
        "exposure": exposures([account], as_of)[account.pk],
        "override": override,
        "overruled": overruled(score, override),
        "contest": open_contest,
        "because": why(account, open_contest) if waits else "",
        "is_mine": open_contest is not None and open_contest.first_by_id == request.user.pk,
        "form": form,
        "past": reviews_of(account),
    }
    response = render_page(request, "reviews/review.html", context)
    response.status_code = 422 if form.errors else 200
    return response


def _after(request: HttpRequest, as_of: date) -> HttpResponse:
    """The next one of the queue where that was asked for, so that many are decided without going back each time."""
    if "next" in request.POST and (left := ranked(waiting_for(request.user, as_of), as_of).ids):
        return redirect("reviews:review", left[0])
    return redirect("reviews:queue")


@desk_page(VIEW, CONTEST)
@require_http_methods(["GET", "POST"])
def contested(request: HttpRequest, account_id: int) -> HttpResponse:
    account, as_of, score = _account(request, account_id)
    form = ContestForm(request.POST or None, initial={"said_on": as_of})
    if request.method == "POST" and form.is_valid():
        try:
            made = contest(account, by=request.user, as_of=as_of, **form.cleaned_data)
        except ReviewError as error:
            form.add_error(None, str(error))
        else:
            first = made.first_by.get_full_name() or made.first_by.username if made.first_by else ""
            text = (
                _("Recorded. Somebody other than %s answers it.") % first
                if first
                else _("Recorded. A person answers it.")
            )
            messages.success(request, text)
            return redirect(f"{reverse('desk:customer', args=[account.customer_id])}?account={account.pk}")
    context = {
        "title": _("The customer contests the score"),
        "account": account,
        "score": score,
        "form": form,
        "contest": contest_of(account),
        "past": reviews_of(account),
    }
    response = render_page(request, "reviews/contest.html", context)
    response.status_code = 422 if form.errors else 200
    return response


@desk_page(VIEW, ERASE)
@require_http_methods(["GET", "POST"])
def words(request: HttpRequest, account_id: int) -> HttpResponse:
    """What people wrote about an account's scores, and the erasing of it."""
    accounts = visible_accounts(request.user).select_related("customer", "company")
    account = get_object_or_404(accounts, pk=account_id)
    as_of = business_date(account.company.time_zone)
    written = words_of(account, request.user, as_of)
    form = ErasureForm(request.POST or None, words=written)
    if request.method == "POST" and form.is_valid():
        try:
            gone = erase(account, by=request.user, as_of=as_of, **form.cleaned_data)
        except ErasureError as error:
            form.add_error(None, str(error))
        else:
            text = ngettext(
                "The words of %s record are erased.", "The words of %s records are erased.", len(gone)
            )
            messages.success(request, text % len(gone))
            return redirect("reviews:words", account.pk)
    context = {
        "title": _("What was written about the customer's credit"),
        "account": account,
        "written": written,
        "chosen": set(request.POST.getlist("keys")),
        "form": form,
        "past": reviews_of(account),
    }
    response = render_page(request, "reviews/words.html", context)
    response.status_code = 422 if form.errors else 200
    return response
