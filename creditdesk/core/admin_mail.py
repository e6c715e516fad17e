"""Administration of mails to staff: what was sent, what failed, what is in doubt; sending again is an administrator's.

A mail names customers: its text is shown to an administrator and to whom it went, to nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from creditdesk.core import staff_mail
from creditdesk.core.admin_machinery import ReadOnlyAdmin
from creditdesk.core.audit import Actor
from creditdesk.core.models import StaffMail


class TroubleFilter(admin.SimpleListFilter):
    title = _("needs somebody")
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failed", _("failed")), ("doubt", _("in doubt: may have left"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "failed":
            return queryset.filter(state=StaffMail.State.FAILED)
        if self.value() == "doubt":
            return queryset.filter(pk__in=staff_mail.in_doubt(timezone.now()).values("pk"))
        return queryset


def _is_shown(mail: Any) -> bool:
    return mail.is_shown


@admin.register(StaffMail)
class StaffMailAdmin(ReadOnlyAdmin):
    list_display = ("written_at", "user", "mode", "language", "shown_state", "attempts", "sent_at", "error")
    list_filter = (TroubleFilter, "state", "mode", "business_date")
    list_select_related = ("user",)
    search_fields = ("user__username", "user__last_name", "to_address", "error")
    ordering = ("-pk",)
    actions = ("send_again", "note_as_sent")
    fieldsets = (
        (None, {"fields": (("user", "to_address"), ("mode", "language"), "business_date")}),
        (_("Text"), {"fields": ("shown_subject", "shown_body")}),
        (
            _("Sending"),
            {
                "fields": (
                    *(("state", "attempts"), "error"),
                    *(("written_at", "try_after"), ("claimed_at", "sent_at")),
                )
            },
        ),
    )
    readonly_fields = ("shown_subject", "shown_body")

    @display(
        description=_("state"),
        ordering="state",
        label={"sent": "success", "failed": "danger", "sending": "warning", "queued": "info"},
    )
    def shown_state(self, mail: StaffMail) -> tuple[str, str]:
        return mail.state, mail.get_state_display()

    @admin.display(description=_("subject"))
    def shown_subject(self, mail: StaffMail) -> str:
        return mail.subject if _is_shown(mail) else str(_("shown to administrators only"))

    @admin.display(description=_("text"))
    def shown_body(self, mail: StaffMail) -> str:
        return mail.body if _is_shown(mail) else "—"

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        mail = super().get_object(request, object_id, from_field)
        if mail is not None:
            mail.is_shown = request.user.is_superuser or mail.user_id == request.user.pk
            if not mail.is_shown:
                mail.subject = str(mail.pk)  # the page's title
        return mail

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.resend_staffmail")

    @admin.action(description=_("Send again (failed, or in doubt and not received)"), permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[StaffMail]) -> None:
        self._each(request, queryset, staff_mail.send_again)

    @admin.action(description=_("Note as sent (the mail server's log says so)"), permissions=["resend"])
    def note_as_sent(self, request: HttpRequest, queryset: QuerySet[StaffMail]) -> None:
        self._each(request, queryset, staff_mail.note_as_sent)

    def _each(self, request: HttpRequest, rows: QuerySet[StaffMail], verb: Callable[..., None]) -> None:
        user: Any = request.user
        done = left = 0
        for mail in rows:
            try:
                verb(mail, actor=Actor.person(user), now=timezone.now())
                done += 1
            except staff_mail.NotInDoubt:
                left += 1
        if done:
            text = ngettext("%(count)d mail done.", "%(count)d mails done.", done) % {"count": done}
            self.message_user(request, text)
        if left:
            text = ngettext(
                "%(count)d mail was left alone: it neither failed nor is in doubt.",
                "%(count)d mails were left alone: they neither failed nor are in doubt.",
                left,
            )
            self.message_user(request, text % {"count": left}, messages.WARNING)
