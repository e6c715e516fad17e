"""The collector's page: a list, one customer, and forms that save and bring the next one without a page load."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.pages import desk_page
from customers.days import dates_now, today_of
from customers.disputes import DisputeError
from customers.models import CreditAccount
from customers.promises import PromiseError
from dunning import outbox
from dunning.letters import ReminderError
from dunning.models import Reminder
from worklists import actions, board
from worklists.board import Board, Line, Panel
from worklists.evidence import REMINDERS_COUNT_FOR_DAYS
from worklists.forms import FORMS, ActForm
from worklists.models import FollowUp
from worklists.steps import reminder_level
from worklists.why_not import say_why_not
from worklists.wording import amount, day

VIEW = "worklists.view_worklistrow"
REFUSALS = (actions.ActionError, PromiseError, DisputeError, ReminderError)


def _who(request: HttpRequest) -> tuple[User | None, str]:
    """Whose list: one's own, or another collector's (?who=id, ?who=none for accounts without one)."""
    who = request.GET.get("who", "")
    if who == board.UNASSIGNED:
        return None, f"?who={who}"
    if who.isdigit() and int(who) != request.user.pk:
        return get_object_or_404(User, pk=int(who)), f"?who={who}"
    return request.user, ""  # type: ignore[return-value]


def _board(request: HttpRequest) -> Board:
    who, query = _who(request)
    return board.board_of(request.user, who, query=query)


def _frame(request: HttpRequest) -> Board:
    who, query = _who(request)
    return board.frame_of(who, query=query)


def _account(request: HttpRequest, pk: int) -> CreditAccount:
    account = board.account_for(request.user, pk)
    if account is None:
        raise Http404
    return account


def _panel(request: HttpRequest, account: CreditAccount, here: Board, *, line: Line | None = None) -> Panel:
    on = business_date(account.company.time_zone)
    values = request.POST if request.method == "POST" else request.GET
    chosen = [int(value) for value in values.getlist("item") if value.isdigit()]
    line = line or board.line_for(here, account)
    panel = board.panel_of(account, line, on, here.judged_for(account.company_id), chosen)
    if panel.line is None:
        panel.why_not = say_why_not(account, on)
    return panel


def _context(request: HttpRequest, here: Board, panel: Panel | None, **extra: Any) -> dict[str, Any]:
    return {
        "board": here,
        "panel": panel,
        "may_work": request.user.has_perm(actions.PERMISSION),
        "test_mode": settings.OUTBOUND_TEST_MODE,
        **extra,
    }


def _page(request: HttpRequest, context: dict[str, Any], here: Board | None = None) -> HttpResponse:
    """The whole page; its list is read here unless the caller has it."""
    here = here or _board(request)
    context["board"] = here
    return render(
        request,
        "worklists/today.html",
        {
            **admin.site.each_context(request),
            "title": _("Worklist"),
            "collectors": board.collectors(request.user, here.runs),
            "chosen_who": board.UNASSIGNED if here.who is None else str(here.who.pk),
            **context,
        },
    )


@desk_page(VIEW)
@require_GET
def today(request: HttpRequest) -> HttpResponse:
    """The list of the day with its first customer open."""
    here = _board(request)
    first = here.open[0] if here.open else None
    panel = None
    if first is not None:
        account = _account(request, first.account_id)
        panel = _panel(request, account, here, line=first)
    return _page(request, _context(request, here, panel), here)


@desk_page(VIEW)
@require_GET
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """One customer: the panel alone for htmx, else the whole page with that customer open."""
    account = _account(request, pk)
    here = _frame(request)
    context = _context(request, here, _panel(request, account, here))
    if request.htmx and not request.htmx.history_restore_request:
        return _vary(render(request, "worklists/_panel.html", context))
    return _vary(_page(request, context))


@desk_page(VIEW)
@require_GET
def why_not(request: HttpRequest, pk: int) -> HttpResponse:
    """Why this customer is on no list today, in a sentence (for the customer page)."""
    account = _account(request, pk)
    text = say_why_not(account, business_date(account.company.time_zone))
    return render(request, "worklists/_why_not.html", {"text": text, "account": account})


def _vary(response: HttpResponse) -> HttpResponse:
    response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary"), "HX-Request"]))
    return response


@desk_page(VIEW)
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """The form of a verb (GET) and its saving (POST)."""
    form_class = FORMS.get(verb)
    if form_class is None:
        raise Http404
    account = _account(request, pk)
    if not request.user.has_perm(actions.PERMISSION):
        raise PermissionDenied
    here = _frame(request)
    panel = _panel(request, account, here)
    if request.method != "POST":
        form = form_class(panel, initial=_initial(request, panel, verb))
        return _form(request, here, panel, form)
    form = form_class(panel, request.POST)
    if form.is_valid():
        try:
            line = _save(request, account, panel, form)
        except REFUSALS as error:
            form.add_error(None, str(error))
        else:
            return _moved(request, panel, line)
    return _form(request, here, panel, form)


def _initial(request: HttpRequest, panel: Panel, verb: str) -> dict[str, Any]:
    if verb != "email":
        return {}
    wished = request.GET.get("level", "")
    if wished in {"1", "2", "3"}:
        return {"level": int(wished)}
    since = panel.on - timedelta(days=REMINDERS_COUNT_FOR_DAYS)
    last = (
        Reminder.objects.filter(account=panel.account, business_date__gt=since)
        .exclude(state__in=[Reminder.State.CANCELLED, Reminder.State.FAILED])
        .order_by("-business_date", "-level")
        .values_list("level", flat=True)
        .first()
    )
    return {"level": reminder_level(panel.line.row.step_code if panel.line else "call", last or 0)}


def _form(request: HttpRequest, here: Board, panel: Panel, form: ActForm) -> HttpResponse:
    extra: dict[str, Any] = {"form": form}
    if form.verb == "email":
        extra.update(_preview(request, panel, form))
    context = _context(request, here, panel, **extra)
    if not request.htmx:
        return _page(request, context)
    response = render(request, "worklists/_form.html", context)
    # A refused form comes back into its own place, not where the next customer would go.
    response["HX-Retarget"], response["HX-Reswap"] = "#wl-form", "innerHTML"
    response["HX-Push-Url"] = "false"
    return response


def _preview(request: HttpRequest, panel: Panel, form: ActForm) -> dict[str, Any]:
    """The letter as it would leave now, or why it cannot."""
    level = (
        form.data.get("level") if form.is_bound else form.get_initial_for_field(form.fields["level"], "level")
    )
    if str(level) not in {"1", "2", "3"}:
        return {}
    asked = actions.asked_for(panel.account, [item.instalment for item in form.items], panel.on)
    sender = request.user.get_full_name() or panel.account.company.name
    if panel.write is None:
        return {
            "no_letter": _(
                "Nobody can be written to: add a contact with a working e-mail address, or call instead."
            )
        }
    try:
        letter = outbox.preview(
            panel.account, asked, int(level), today=panel.on, sender=sender, contacts=panel.contacts
        )
    except ReminderError as error:
        return {"no_letter": str(error)}
    return {"letter": letter}


def _save(request: HttpRequest, account: CreditAccount, panel: Panel, form: ActForm) -> FollowUp:
    data, who = form.cleaned_data, {"user": request.user, "on": panel.on}
    verbs: dict[str, Callable[[], FollowUp]] = {
        "call": lambda: actions.log_call(
            account, **who, outcome=data["outcome"], contact=data["contact"], text=data["text"]
        ),
        "email": lambda: actions.send_reminder(
            account, **who, level=data["level"], items=[item.instalment for item in form.items]
        ),
        "promise": lambda: actions.take_promise(
            account,
            data["parts"],
            **who,
            due_on=data["due_on"],
            contact=data["contact"],
            text=data["text"],
        ),
        "dispute": lambda: actions.open_dispute(
            account,
            data["parts"],
            **who,
            reason=data["reason"],
            contact=data["contact"],
            text=data["text"],
        ),
        "snooze": lambda: actions.snooze(
            account, **who, until=data["until"], reason=data["reason"], text=data["text"]
        ),
        "note": lambda: actions.add_note(account, **who, text=data["text"]),
    }
    return verbs[form.verb]()


def _moved(request: HttpRequest, panel: Panel, done: FollowUp) -> HttpResponse:
    """After a save: the next customer's panel, and out of band the row, the totals and what happened."""
    here = _board(request)
    account = panel.account
    if done.kind == FollowUp.Kind.NOTE:
        return _show(request, here, here.line_of(account.pk), account, _happened(done))
    row = panel.line.row if panel.line else None
    target = here.after(account.pk, row.rank if row else 0, row.lane if row else board.Lane.NORMAL)
    return _show(request, here, target, None, _happened(done), gone=account)


def _show(
    request: HttpRequest,
    here: Board,
    target: Line | None,
    fallback: CreditAccount | None,
    said: str,
    *,
    gone: CreditAccount | None = None,
    whole_list: bool = False,
) -> HttpResponse:
    """The panel of `target` (or of `fallback`, or the word that nobody is left) with what changed around it."""
    account = _account(request, target.account_id) if target is not None else fallback
    address = (
        reverse("worklists:customer", args=[account.pk]) if account else reverse("worklists:today")
    ) + here.query
    if not request.htmx:
        return redirect(address)
    panel = None
    if account is not None:
        # The ticks of the customer just left mean nothing here.
        on = business_date(account.company.time_zone)
        panel = board.panel_of(account, target, on, here.judged_for(account.company_id))
        if target is None:
            panel.why_not = say_why_not(account, on)
    if target is not None and gone is not None:
        said += " " + _("Next: %(customer)s, %(amount)s overdue.") % {
            "customer": target.row.account.customer.name,
            "amount": amount(target.row.overdue.minor, target.row.account_currency),
        }
    elif account is None:
        said += " " + _("Nobody is left on this list.")
    context = _context(request, here, panel, said=said, gone=gone, whole_list=whole_list or not here.open)
    response = render(request, "worklists/_moved.html", context)
    response["HX-Replace-Url"] = address
    response["HX-Trigger-After-Settle"] = "worklist:moved"
    return response


def _happened(line: FollowUp) -> str:
    name = line.account.customer.name
    match line.kind:
        case FollowUp.Kind.CALL:
            return _("Call with %(customer)s logged: %(outcome)s.") % {
                "customer": name,
                "outcome": line.get_outcome_display(),
            }
        case FollowUp.Kind.EMAIL if line.reminder is not None:
            if line.reminder.state == "held":
                return _("Reminder to %(customer)s written and held: test mode.") % {"customer": name}
            return _("Reminder to %(customer)s is on its way.") % {"customer": name}
        case FollowUp.Kind.PROMISE if line.promise is not None:
            return _("Promise of %(amount)s by %(customer)s for %(day)s taken.") % {
                "customer": name,
                "amount": amount(line.promise.amount.minor, line.promise.currency),
                "day": day(line.promise.due_on),
            }
        case FollowUp.Kind.DISPUTE:
            return _("Dispute of %(customer)s opened.") % {"customer": name}
        case FollowUp.Kind.SNOOZE if line.snooze is not None:
            return _("%(customer)s held until %(day)s.") % {"customer": name, "day": day(line.snooze.until)}
        case FollowUp.Kind.UNDO if line.compensates is not None:
            return _("Undone for %(customer)s: %(what)s.") % {
                "customer": name,
                "what": line.compensates.get_kind_display(),
            }
    return _("Saved for %(customer)s.") % {"customer": name}


@desk_page(VIEW, actions.PERMISSION)
@require_POST
def skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave the customer alone for today."""
    account = _account(request, pk)
    panel = _panel(request, account, _frame(request))
    return _moved(request, panel, actions.skip(account, user=request.user, on=panel.on))


@desk_page(VIEW, actions.PERMISSION)
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Compensate the last act of today and go back to that customer."""
    try:
        line = actions.undo(user=request.user, on=today_of("account__company", dates_now()))
    except REFUSALS as error:
        if not request.htmx:
            return redirect("worklists:today")
        response = render(request, "worklists/_refused.html", {"said": str(error)})
        response["HX-Reswap"] = "none"
        return response
    here = _board(request)
    target = here.line_of(line.account_id)
    return _show(request, here, target, line.account, _happened(line), whole_list=True)
