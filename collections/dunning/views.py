"""Reminders whose sending was interrupted: what is known of each, and the two answers a person can give."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.pages import desk_page, paged, render_page
from customers.access import account_scope
from dunning import outbox
from dunning.models import Reminder, ReminderItem

RESOLVE = "dunning.resolve_reminder"


def doubtful_of(user: User) -> QuerySet[Reminder]:
    """The reminders in doubt of the customers this user may see; the longest waiting first."""
    return outbox.in_doubt().filter(account_scope(user, "account__"))


@desk_page(RESOLVE)
@require_safe
def in_doubt(request: HttpRequest) -> HttpResponse:
    items = ReminderItem.objects.select_related("instalment__invoice", "reminder").order_by("pk")
    rows = (
        doubtful_of(request.user)
        .select_related("account__customer", "contact", "written_by")
        .prefetch_related(Prefetch("items", items))
    )
    page = paged(request, rows)
    for row in page:
        row.is_still_true = outbox.is_still_true(row.items.all())
    context = {"title": _("Reminders in doubt"), "page_obj": page}
    return render_page(request, "dunning/in_doubt.html", context)


@desk_page(RESOLVE)
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """POST answer=sent or answer=not_sent."""
    mine = Reminder.objects.filter(account_scope(request.user, "account__"))
    reminder = get_object_or_404(mine.select_related("account__company", "account__customer"), pk=pk)
    actor, on = Actor.person(request.user), business_date(reminder.account.company.time_zone)
    answer = request.POST.get("answer")
    try:
        if not outbox.in_doubt().filter(pk=pk).exists():
            raise outbox.ReminderError(_("This reminder is not in doubt any more."))
        if answer == "sent":
            outbox.resolve(reminder, was_sent=True, actor=actor, on=on)
            text = _("Noted as sent: %(customer)s.")
        elif answer == "not_sent":
            queued = outbox.send_again(reminder, actor=actor, on=on).state == Reminder.State.QUEUED
            text = (
                _("It is sent again: %(customer)s.")
                if queued
                else _(
                    "It is not sent again, because part of it is settled or corrected meanwhile: %(customer)s "
                    "is back on the worklist."
                )
            )
        else:
            raise outbox.ReminderError(_("Say whether the reminder was sent or not."))
    except outbox.ReminderError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, text % {"customer": reminder.account.customer.name})
    return redirect("dunning:in_doubt")
