"""The scorecard pages: read a card, work on a draft, try it, propose it, publish it. Thin: rules are elsewhere."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.jobs import key_anew, plan_jobs
from creditdesk.core.models import Job
from creditdesk.core.pages import desk_page, render_page
from creditdesk.core.sentences import in_a_row
from creditdesk.core.wording import day
from customers.access import visible_accounts
from customers.models import CreditAccount
from customers.rates import MissingRate
from scoring import card_pages, drafts, newer_cards, publishing
from scoring.beside import end_beside, last_failure, last_night, run_beside
from scoring.calibrated import UNCALIBRATED
from scoring.card import CardError, as_card, problems, span_of
from scoring.card_forms import (
    BinFormSet,
    GateForm,
    MissingForm,
    NumbersForm,
    PublishForm,
    initial_lines,
)
from scoring.evidence import measure_card
from scoring.invoice_views import LEARN
from scoring.models import CardReport, InvoiceCard, Scorecard
from scoring.signals import BY_NAME, Unit
from scoring.version_views import VersionPages
from scoring.versions import mark_again

VIEW = "scoring.view_scorecard"
CALIBRATE = "calibrate-card"
AT_ONCE = 3000
"""Accounts up to which a person waits for what goes through the book once; more take a job in the background."""
MEASURED_AT_ONCE = 75
"""The same of measuring a card, which goes through the book's past as well: some 25 ms an account."""

Kind = CardReport.Kind


@desk_page(VIEW)
@require_http_methods(["GET"])
def card_list(request: HttpRequest) -> HttpResponse:
    rows = card_pages.cards()
    for card in rows:
        reports = list(card.reports.all())
        card.tested = card_pages.newest(reports, Kind.BACKTEST, Kind.FIT)
        card.steady = card_pages.newest(reports, Kind.STABILITY)
    context = {
        "title": _("Scorecards"),
        "cards": rows,
        "gate": publishing.gate_in_force(),
        "gate_form": GateForm(instance=publishing.gate_in_force()),
        "may_propose": request.user.has_perm(publishing.PROPOSE),
        **_invoice_cards(request),
        "offers": newer_cards.offers(),
    }
    return render_page(request, "scorecards/list.html", context)


def _invoice_cards(request: HttpRequest) -> dict[str, Any]:
    """The card in use for single invoices, the newest draft after it, and what became of the last learning."""
    if not request.user.has_perm("scoring.view_invoicecard"):
        return {}
    rows = list(InvoiceCard.objects.defer("model").select_related("activated_by").order_by("-version")[:20])
    used = next((row for row in rows if row.status == InvoiceCard.Status.ACTIVE), None)
    drafts_after = [r for r in rows if r.status == InvoiceCard.Status.DRAFT and (not used or r.pk > used.pk)]
    return {
        "invoice_card": used,
        "invoice_draft": next(iter(drafts_after), None),
        "learning": Job.objects.filter(kind=LEARN).order_by("-pk").first(),
        "shows_invoice_cards": True,
    }


class CardPages(VersionPages[Scorecard]):
    refusals = (CardError, MissingRate, ValueError)
    prefetched = ("bins", "reports")
    sent_back = gettext_lazy("The card is a draft again.")
    published = gettext_lazy("Published. The whole book is being scored with it.")
    copied = gettext_lazy("This is a draft: change it, try it, then propose it.")

    def standing(self, request: HttpRequest, version: Scorecard) -> dict[str, Any]:
        found = super().standing(request, version)
        planned = version.status == Scorecard.Status.PLANNED
        waits = planned and not publishing.LIFE.has_begun(version, business_date())
        return found | {
            "publish_form": PublishForm(prefix="publish"),
            "may_unplan": waits and (found["may_propose"] or request.user.has_perm(publishing.PUBLISH)),
        }

    def told_of(self, published: Scorecard) -> str | Promise:
        if published.status == Scorecard.Status.PLANNED:
            return _("Published. It scores from %(day)s on; the card in use stays until then.") % {
                "day": day(published.first_day)
            }
        return self.published


pages = CardPages(publishing.LIFE, "scorecards", "card")


@desk_page(VIEW)
@require_http_methods(["GET"])
def card_page(request: HttpRequest, pk: int) -> HttpResponse:
    card, as_of = pages.load(pk), business_date()
    reports = list(card.reports.all())
    standing = pages.standing(request, card)
    ready = as_card(card, list(card.bins.all()))
    calibrating = _last_job(CALIBRATE, card)
    context = {
        **standing,
        "title": f"{card.name} · {card.version}",
        "card": card,
        "tables": card_pages.tables(card),
        "problems": problems(ready) if card.status == Scorecard.Status.DRAFT else [],
        "span": span_of(ready),
        "gates": publishing.gates(card, as_of),
        "tested": card_pages.newest(reports, Kind.BACKTEST, Kind.FIT),
        "odds": card_pages.newest(reports, Kind.CALIBRATED) if card.calibration != UNCALIBRATED else None,
        "calibrating": calibrating,
        "calibrated_draft": _draft_of(calibrating),
        "last_night": last_night(card),
        "beside_failed": last_failure(card) if card.status != Scorecard.Status.ACTIVE else None,
        "may_run_beside": card.status != Scorecard.Status.ACTIVE
        and (standing["may_propose"] or request.user.has_perm(publishing.PUBLISH)),
        "measuring": _last_job("measure-card", card),
        "tried": tried(request, card_pages.newest(reports, Kind.TRYOUT)),
        "reports": [r for r in reports if r.kind != Kind.MONITORING][:12],
        "unused": card_pages.unused(card) if standing["may_edit"] else [],
    }
    return render_page(request, "scorecards/card.html", context)


def _last_job(kind: str, card: Scorecard) -> Job | None:
    """The last of its kind for this card in the background, to be told of while it waits or came to nothing."""
    return Job.objects.filter(kind=kind, key__startswith=f"{card.pk}-").order_by("-pk").first()


def _draft_of(calibrating: Job | None) -> Scorecard | None:
    """The draft a calibration ended in, as long as it is there."""
    made = (calibrating.result or {}).get("draft") if calibrating is not None else None
    return Scorecard.objects.filter(pk=made).first() if made else None


def tried(
    request: HttpRequest, report: CardReport | None, figures: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """The try-out of a report (or its `figures` within another one) with the names of the movers this person may see; the sums are the whole book's."""
    if report is None:
        return None
    figures = figures or report.figures
    movers = figures["movers"]
    names = {
        account.pk: account
        for account in visible_accounts(request.user)
        .filter(pk__in=[m["account"] for m in movers])
        .select_related("customer")
    }
    shown = [{**m, "who": names[m["account"]]} for m in movers if m["account"] in names]
    return {
        "report": report,
        "figures": figures,
        "movers": shown[:15],
        "grades": matrix_rows(figures["grades"]),
    }


def matrix_rows(moves: list[list[Any]]) -> list[dict[str, Any]]:
    """Rows of a grade matrix from [from, to, accounts]; `way`: 1 worse, -1 better, 0 the same."""
    counts = {(a, b): n for a, b, n in moves}
    return [
        {
            "grade": a,
            "cells": [{"grade": b, "n": counts.get((a, b), 0), "way": (a < b) - (a > b)} for b in "ABCDE"],
        }
        for a in "ABCDE"
        if any(counts.get((a, b)) for b in "ABCDE")
    ]


def _measure(request: HttpRequest, card: Scorecard) -> tuple[str, int]:
    """Try the card on the live book and against the past, now or, for a large book, in the background."""
    publishing.check_permission(request.user, publishing.PROPOSE, publishing.PUBLISH)
    as_of = business_date()
    if CreditAccount.objects.count() <= MEASURED_AT_ONCE:
        measure_card(
            card,
            as_of,
            made_by=request.user.get_full_name() or request.user.get_username(),
            reader=Actor.person(request.user),
        )
        return _("Measured: the figures are below."), card.pk
    # What could not be measured is said at once.
    wrong = problems(as_card(card, list(card.bins.all())))
    if wrong:
        raise CardError(in_a_row(wrong))
    key, effect = (
        key_anew("measure-card", f"{card.pk}-{request.user.pk}"),
        "scoring.tasks.measure_planned_card",
    )
    plan_jobs("measure-card", [key], as_of, effect, cluster="bulk", retry_failed=True)
    return _("The book is large: measuring goes on in the background. Come back in a few minutes."), card.pk


measure = pages.acting(_measure)


def _calibrate(request: HttpRequest, card: Scorecard) -> tuple[str, int]:
    """Have the card's odds fitted to the outcomes of the ledger in the background; the page tells what became of it."""
    publishing.check_permission(request.user, publishing.PROPOSE)
    last = _last_job(CALIBRATE, card)
    if last is not None and last.status == Job.Status.WAITING:
        return _("This card is being calibrated already: its page tells what became of it."), card.pk
    key = key_anew(CALIBRATE, f"{card.pk}-{request.user.pk}")
    plan_jobs(CALIBRATE, [key], business_date(), "scoring.tasks.calibrate_planned_card", cluster="bulk")
    return _("It is being calibrated in the background: this page tells what became of it."), card.pk


calibrated = pages.acting(_calibrate)


def _unplan(request: HttpRequest, card: Scorecard) -> tuple[str, int]:
    reason = request.POST.get("back-reason", "")
    publishing.withdraw_planned(card, by=request.user, reason=reason, as_of=business_date())
    return _("Withdrawn: the card in use stays, and this one is a draft again."), card.pk


unplan = pages.acting(_unplan)


def _beside(request: HttpRequest, card: Scorecard) -> tuple[str, int]:
    if "end" in request.POST:
        end_beside(card, by=request.user, as_of=business_date())
        return _("It runs beside no longer; what was stored stays to be compared."), card.pk
    run_beside(card, by=request.user, as_of=business_date())
    return _("From the next night on it is scored beside the card in use. Nothing acts on it."), card.pk


beside = pages.acting(_beside)


@desk_page(VIEW)
@require_http_methods(["GET", "POST"])
def numbers(request: HttpRequest, pk: int) -> HttpResponse:
    card = pages.editable(request, pk)
    form = NumbersForm(request.POST or None, instance=Scorecard.objects.get(pk=pk))
    read = request.POST.get("read")
    refused: Exception | None = None
    if request.method == "POST" and form.is_valid():
        changed = {name: form.cleaned_data[name] for name in form.changed_data}
        try:
            drafts.change_numbers(card, changed, by=request.user, as_of=business_date(), read=read)
        except (CardError, ValidationError) as error:
            refused = error
            form.add_error(None, error if isinstance(error, ValidationError) else str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("scorecards:card", pk)
    context = {
        "title": _("Cut-offs and numbers"),
        "card": card,
        "form": form,
        "read": mark_again(read, drafts.mark_of_numbers(Scorecard.objects.get(pk=pk)), refused),
    }
    response = render_page(request, "scorecards/numbers.html", context)
    response.status_code = 422 if form.errors else 200
    return response


@desk_page(VIEW)
@require_http_methods(["GET", "POST"])
def signal(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    card = pages.editable(request, pk)
    if name not in BY_NAME:
        raise Http404
    bins = list(card.bins.filter(signal=name).order_by("pk"))
    missing = next((b for b in bins if b.is_missing), None)
    # Posted lines count as they are, not as changes of what is stored.
    lines = BinFormSet(
        request.POST or None, initial=None if request.POST else initial_lines(bins), prefix="lines"
    )
    none = MissingForm(
        request.POST or None,
        initial={"points": missing.points, "rationale": missing.rationale} if missing else {"points": 0},
        prefix="missing",
    )
    read = request.POST.get("read")
    refused: Exception | None = None
    if request.method == "POST":
        try:
            if "remove" in request.POST:
                drafts.replace_bins(card, name, [], by=request.user, as_of=business_date(), read=read)
                messages.success(request, _("The card no longer uses this signal."))
                return redirect("scorecards:card", pk)
            if lines.is_valid() & none.is_valid():
                rows = [form.row for form in lines if form.is_used]
                drafts.replace_bins(
                    card, name, [none.row, *rows], by=request.user, as_of=business_date(), read=read
                )
                messages.success(request, _("Saved."))
                return redirect(reverse("scorecards:card", args=[pk]) + f"#signal-{name}")
        except ValueError as error:
            refused = error
    shares = card_pages.live_shares(name, bins)
    context = {
        "title": str(BY_NAME[name].label),
        "card": card,
        "signal": BY_NAME[name],
        "lines": lines,
        "missing_form": none,
        "problem": str(refused or ""),
        "read": mark_again(read, drafts.mark_of_bins(card.bins.filter(signal=name)), refused),
        "is_share": BY_NAME[name].unit == Unit.SHARE,
        "spans": [(card_pages.span(b), b.points, shares.get(b.pk)) for b in bins],
    }
    response = render_page(request, "scorecards/signal.html", context)
    response.status_code = 422 if request.method == "POST" else 200
    return response


@desk_page(VIEW, "scoring.add_publishinggate")
@require_POST
def gate(request: HttpRequest) -> HttpResponse:
    form = GateForm(request.POST)
    if form.is_valid():
        publishing.set_gate(**form.cleaned_data, by=request.user, as_of=business_date())
        messages.success(request, _("The gates are set. They count for every card published from now on."))
    else:
        messages.error(request, " ".join(error for errors in form.errors.values() for error in errors))
    return redirect("scorecards:list")


@desk_page(VIEW, publishing.PROPOSE)
@require_POST
def add_newer_cards(request: HttpRequest) -> HttpResponse:
    newer_cards.add_newer_cards(by=request.user, as_of=business_date())
    messages.success(request, _("In the list as drafts: try them on the live book, then propose them."))
    return redirect("scorecards:list")
