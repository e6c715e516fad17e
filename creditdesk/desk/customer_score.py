"""What the customer page says about its score: the override in force, what it stands on, what would lift it, and
how two of its days compare."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.pages import desk_page, paged, render_page
from customers.access import visible_accounts
from customers.models import CreditAccount
from scoring.bank_right import Ended, ended_for, is_withheld
from scoring.changes import Changes, changes_between
from scoring.completeness import completeness
from scoring.counterfactual import would_lift as computed_lift
from scoring.cures import cured
from scoring.explain import explain
from scoring.history_forms import TwoDatesForm
from scoring.lifting import bin_sentences, sentences
from scoring.models import AccountScore, ScoreHistory, ScoreOverride
from scoring.overrides import overrides_at, overruled
from scoring.replay import Difference, replay
from scoring.reviews_of_scores import awaited, contest_of, reviews_of
from scoring.signals import BY_NAME


def standing_on(
    user: User, account: CreditAccount, as_of: date, score: AccountScore | None
) -> dict[str, Any]:
    """The grid with its cures, the override in force and an open contest: what stands beside the score.

    A cure is said to everybody; its link is there for who may open the page.
    """
    enough = {"enough_due": score.card.thin_below} if score else {}
    grid = completeness([account], as_of, **enough)[account.pk]
    override: ScoreOverride | None = overrides_at([account.pk], as_of).get(account.pk)
    contest = contest_of(account) if account.customer.is_natural_person else None
    undecided, settled = awaited(account, score, contest, override, as_of) if score else ("", None)
    return {
        "grid": grid,
        "grid_rows": cured(grid, account, user),
        "override": override,
        "overruled": overruled(score, override),
        "contest": contest,
        "undecided": undecided,
        "settled": settled,
    }


def _account(request: HttpRequest, pk: int) -> CreditAccount:
    rows = visible_accounts(request.user).select_related("customer", "company")
    return get_object_or_404(rows, pk=pk)


@desk_page("scoring.view_accountscore")
@require_safe
def would_lift(request: HttpRequest, account_id: int) -> HttpResponse:
    """Loaded when somebody opens it: payments are tried on the ledger, which is more work than a page's reading."""
    account = _account(request, account_id)
    row = get_object_or_404(AccountScore.objects.select_related("card"), account=account)
    row.account = account
    as_of, reader = business_date(account.company.time_zone), Actor.person(request.user)
    # The score may be of a day before the consent or the basis ended.
    ended = ended_for(request.user, account.customer, as_of, past=True)
    lift = computed_lift(explain(row), row, as_of, reader=reader, kept=True)
    found = lift.for_reader(request.user, ended=ended)
    context = {
        "title": _("What would lift the score"),
        "account": account,
        "score": row,
        "paying": sentences(found),
        "computed": found.all_paid or found.on_time,
        "bins": bin_sentences(found),
    }
    return render_page(request, "desk/customer/lift_page.html", context, partial="desk/customer/lift.html")


def history(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    """The kept scores of an account, and what changed between two chosen days."""
    rows = ScoreHistory.objects.filter(account=account).select_related("card").order_by("-as_of", "-pk")
    page = paged(request, rows)
    kept = list(page)
    for row, older in zip(kept, [*kept[1:], None], strict=True):
        row.delta = row.score - older.score if older else None
    if kept and page.has_next():
        kept[-1].delta = kept[-1].score - rows[page.end_index()].score
    asked = "first" in request.GET or "second" in request.GET
    form = TwoDatesForm(request.GET if asked else None, as_of=as_of, kept=kept)
    changes: Changes | None = None
    if asked and form.is_valid():
        days = form.cleaned_data["first"], form.cleaned_data["second"]
        changes = changes_between(account, *days, reader=Actor.person(request.user))
        ended = ended_for(request.user, account.customer, as_of, past=True)
        changes = changes and changes.for_reader(request.user, ended=ended)
    return {
        "page": page,
        "kept": kept,
        "dates": form,
        "changes": changes,
        "compared": asked and form.is_valid(),
        "past": reviews_of(account),
    }


@desk_page("scoring.view_scorehistory")
@require_safe
def replayed(request: HttpRequest, pk: int) -> HttpResponse:
    """One kept score recomputed, from its stored inputs and from the facts recorded by then. Writes nothing."""
    row = get_object_or_404(
        ScoreHistory.objects.select_related("account__customer", "account__company", "card"), pk=pk
    )
    if not visible_accounts(request.user).filter(pk=row.account_id).exists():
        raise Http404
    found = replay(row, Actor.person(request.user))
    as_of = business_date(row.account.company.time_zone)
    ended = ended_for(request.user, row.account.customer, as_of, past=True)
    context = {
        "title": _("A score replayed"),
        "row": row,
        "account": row.account,
        "found": found,
        "inputs": [_named(one, request.user, ended) for one in found.inputs],
        "facts": [_named(one, request.user, ended) for one in found.facts],
    }
    if found.is_exact:
        context["why"] = explain(row).for_reader(request.user, ended=ended)
    return render_page(request, "desk/customer/replay.html", context)


def _named(one: Difference, user: User, ended: Ended) -> dict[str, Any]:
    signal = BY_NAME.get(one.name.removesuffix(" points"))
    labels = {
        "score": _("score"),
        "grade": _("grade"),
        "pd": _("probability of default"),
        "depth": _("data depth"),
        "recommendation": _("recommendation"),
        "judged_on": _("lateness judged on"),
        "account": _("account"),
    }
    label = str(signal.label) if signal else labels.get(one.name, one.name)
    if signal and one.name.endswith(" points"):
        label = _("%s, points") % label
    if signal and is_withheld(signal.name, user, ended):
        return {"label": label, "stored": "…", "replayed": "…"}
    return {"label": label, "stored": one.stored, "replayed": one.replayed}
