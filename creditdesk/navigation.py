"""The menu: what each person may open, with live counts.

The entries are data (creditdesk/menu.py). Built per request from permissions (cached by Django on the user) and a few
counts, cached some seconds per user.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

from django.core.cache import cache as kept
from django.db.models import Count, Exists, OuterRef, Value
from django.http import HttpRequest
from django.urls import get_script_prefix, reverse
from django.utils import timezone

from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.staff_mail import troubled
from creditdesk.menu import MENU, Entry
from customers.access import account_scope
from customers.bindings import waiting_for as bindings_waiting_for
from customers.days import dates_now, today_of
from customers.mandates import waiting_for_second
from customers.models import (
    Access,
    CreditApplication,
    CreditHold,
    ImportBatch,
    LimitChange,
    LimitReminder,
    OrderHold,
    RefusedRow,
)
from dunning import outbox
from scoring import publishing
from scoring.reviews_of_scores import DECIDE, waiting_for
from scoring.simulations import LIVES
from scoring.versions import Status
from worklists.models import WorklistRow

BADGE_SECONDS = 15
SHORT = 20
"""Entries up to which a menu is shown whole."""
VARIANTS = ("danger", "warning", "primary")


def counts(user: User) -> dict[str, int]:
    """What waits for this user: one small query each, answered by indexes or one pass over the scores; kept for BADGE_SECONDS."""
    key = f"desk-badges-{user.pk}"
    found = kept.get(key)
    if found is None:
        found = _count(user)
        kept.set(key, found, BADGE_SECONDS)
    return found


def _count(user: User) -> dict[str, int]:
    found: dict[str, int] = {}
    scope = account_scope(user, "account__")
    if user.has_perm("customers.view_limitchange"):
        waiting = LimitChange.objects.filter(scope, status=LimitChange.Status.PROPOSED)
        if user.has_perm("customers.decide_limitchange"):
            # Four eyes: one's own proposals, and those one approved as the first of two, wait for somebody else.
            waiting = waiting.exclude(proposer=user).exclude(waiting_for_second(user))
        overdue = Exists(LimitReminder.objects.filter(change=OuterRef("pk"), kind=LimitReminder.Kind.OVERDUE))
        found |= waiting.aggregate(proposals=Count("pk"), proposals_overdue=Count("pk", filter=overdue))
    if user.has_perm("customers.decide_limitbinding"):
        found["bindings"] = bindings_waiting_for(user).count()
    if user.has_perm("customers.view_credithold"):
        found["holds"] = CreditHold.objects.filter(scope, released_on__isnull=True).count()
    if user.has_perm("customers.view_orderhold"):
        found["orders"] = OrderHold.objects.filter(scope, status=OrderHold.Status.WAITING).count()
    found |= _versions(user)
    if user.has_perm(DECIDE):
        found["reviews"] = waiting_for(user, business_date()).count()
    if user.has_perm("customers.handle_application"):
        running = CreditApplication.objects.filter(scope, status__in=("open", "granted"))
        found["applications"] = running.count()
    if user.has_perm("worklists.work_worklist"):
        rows = WorklistRow.objects.filter(
            collector=user,
            state=WorklistRow.State.OPEN,
            run__as_of=today_of("run__company", dates_now()),
        )
        found["worklist"] = rows.count()
    if user.has_perm("dunning.resolve_reminder"):
        found["in_doubt"] = outbox.in_doubt().filter(scope).count()
    if user.has_perm("core.resend_staffmail"):
        found["staff_mail"] = troubled(timezone.now()).count()
    if user.has_perm("customers.view_refusedrow"):
        refused = RefusedRow.objects.filter(batch__status=ImportBatch.Status.COMMITTED)
        if not user.is_superuser:
            refused = refused.filter(
                batch__source__company__in=Access.objects.filter(user=user).values("company_id")
            )
        found["imports"] = refused.values("batch").distinct().count()
    return found


def _versions(user: User) -> dict[str, int]:
    """Versions that wait for this person to publish them, by kind; one query for all kinds."""
    lives = [life for life in (publishing.LIFE, *LIVES.values()) if user.has_perm(life.publish_permission)]
    if not lives:
        return {}
    waiting = [
        life.model.objects.filter(status=Status.PROPOSED)
        .exclude(proposed_by=user)
        .order_by()
        .values_list(Value(life.act))
        for life in lives
    ]
    return dict(Counter(act for (act,) in waiting[0].union(*waiting[1:], all=True)))


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's menu structure for this user; empty for who does not work in the pages.

    Groups of the day's work are open; the others too, where the whole menu is short. A closed group shows the sum of what
    waits inside it.
    """
    user = request.user
    if not user.is_authenticated or not user.is_staff:
        return []
    badges, addresses = counts(user), _addresses(get_script_prefix())
    here = _here(request.path, addresses)
    found: list[dict[str, Any]] = []
    for group in MENU:
        items = [
            _item(entry, badges, addresses[entry.url], here)
            for entry in group.entries
            if user.has_perms(entry.permissions)
        ]
        if items:
            found.append(
                {
                    "title": str(group.title),
                    "separator": bool(found),
                    "items": items,
                    "collapsible": not group.is_daily,
                    "key": group.key,
                }
            )
    short = sum(len(group["items"]) for group in found) <= SHORT
    for shown in found:
        waiting = [item for item in shown["items"] if item.get("badge")]
        if shown["collapsible"] and waiting:
            shown["badge"] = sum(item["badge"] for item in waiting)
            shown["badge_variant"] = min((item["badge_variant"] for item in waiting), key=VARIANTS.index)
        shown["open"] = short or not shown["collapsible"] or any(item["active"] for item in shown["items"])
    return found


@cache
def _addresses(_prefix: str) -> dict[str, str]:
    """Address of every entry by its url name, below the prefix the desk is served at: worked out once."""
    return {entry.url: reverse(entry.url) for group in MENU for entry in group.entries}


def _item(entry: Entry, badges: dict[str, int], link: str, here: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": str(entry.label),
        "icon": entry.icon,
        "link": link,
        "active": entry.url == here,
    }
    if badges.get(entry.badge):
        variant = entry.variant
        if entry.urgent and badges.get(entry.urgent):
            variant = "danger"
        found |= {"badge": badges[entry.badge], "badge_variant": variant}
    return found


def _here(path: str, addresses: dict[str, str]) -> str:
    """The url name of the entry a page belongs to: the one with the longest address that begins the path."""
    home = addresses["desk:home"]
    fitting = [
        (link, name)
        for name, link in addresses.items()
        if path == link or (link != home and path.startswith(link))
    ]
    return max(fitting, key=lambda pair: len(pair[0]), default=("", ""))[1]
