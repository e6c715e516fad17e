"""The banner a newcomer meets on their home page: three things to try, until dismissed."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse
from django.utils.translation import gettext as _

from creditdesk.core import roles
from creditdesk.desk.landing import BANNER_COOKIE, role_home, role_of

register = template.Library()


def steps_of(role: str) -> list[tuple[str, str]]:
    """Three (text, address) pairs for a role; none for people without one."""
    customers, profile = reverse("desk:customers"), reverse("profile")
    read = (_("Open the customer on top of the list and read why it has its score."), customers)
    language = (_("Choose the language you read in your profile."), profile)
    steps = {
        roles.CONTROLLER: [
            read,
            (_("Look at what the limit policy proposes, and why."), reverse("limits:inbox")),
            (_("See how overdue, DSO and promises moved."), reverse("kpis:overview")),
        ],
        roles.APPROVER: [
            (
                _("Open the first waiting change: evidence then and now, side by side."),
                reverse("limits:inbox"),
            ),
            read,
            language,
        ],
        roles.COLLECTOR: [
            (
                _("Work the first customer by keyboard: C logs a call, P takes a promise, ? shows all keys."),
                reverse("worklists:today"),
            ),
            read,
            language,
        ],
        roles.MANAGER: [
            (_("Set the date back a month: every figure follows."), reverse("kpis:overview")),
            read,
            language,
        ],
        roles.AUDITOR: [
            (_("Filter what changed by person, then mark it as seen."), reverse("desk:changes")),
            (_("Open the audit trail of a limit change."), reverse("admin:core_auditentry_changelist")),
            read,
        ],
    }
    return steps.get(role, [])


@register.inclusion_tag("desk/partials/first_steps.html", takes_context=True)
def first_steps(context: dict[str, Any]) -> dict[str, Any]:
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or not user or not user.is_authenticated or request.COOKIES.get(BANNER_COOKIE):
        return {"steps": []}
    homes = {reverse("desk:home"), *(role_home(role) for role in roles.ALL)}
    if request.path not in homes:
        return {"steps": []}
    role = role_of(user)
    shown = steps_of(role) if request.path in {role_home(role), reverse("desk:home")} else []
    return {"steps": shown, "csrf_token": context.get("csrf_token")}
