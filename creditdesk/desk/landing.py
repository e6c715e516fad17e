"""On which page a person lands. Light on purpose: template tags import it while the admin is still loading."""

from __future__ import annotations

from django.urls import reverse

from creditdesk.core import roles
from creditdesk.core.models import User
from creditdesk.rights import held_groups

BANNER_COOKIE = "first_steps_done"


def role_of(user: User) -> str:
    """The role whose home opens: the first the user holds, in the order of how much it decides."""
    held = held_groups(user)
    order = (roles.CONTROLLER, roles.APPROVER, roles.COLLECTOR, roles.MANAGER, roles.AUDITOR)
    return next((name for name in order if name in held), roles.CONTROLLER if user.is_superuser else "")


def role_home(role: str) -> str:
    """The address of a role's first page: the question it answers first."""
    pages = {
        roles.APPROVER: "limits:inbox",
        roles.COLLECTOR: "worklists:today",
        roles.MANAGER: "kpis:overview",
    }
    return reverse(pages.get(role, "desk:home"))
