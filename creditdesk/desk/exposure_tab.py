"""The tab "Exposure": what an account owes on any day, part by part down to the rows, its cover, group and sellers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from creditdesk.core.pages import paged
from customers.access import visible_accounts
from customers.cover_words import say_exclusion, say_why_not
from customers.exposure import Exposure
from customers.groups import GroupExposure, group_exposure, group_of
from customers.headroom import Headroom, headroom_of, held_at
from customers.instruments import SegmentTerms
from customers.limits import limits_at
from customers.models import CreditAccount
from customers.open_items import Item
from customers.rates import MissingRate
from customers.totals import binding_at

LABELS = {
    "open_invoices": gettext_lazy("open invoices"),
    "unbilled_deliveries": gettext_lazy("deliveries not invoiced"),
    "open_orders": gettext_lazy("open orders"),
    "instruments": gettext_lazy("bills not yet safe"),
    "unapplied_cash": gettext_lazy("unallocated cash"),
    "open_credits": gettext_lazy("open credit notes"),
    "far_orders": gettext_lazy("orders beyond the horizon"),
    "unsafe_cash": gettext_lazy("unallocated bills not yet safe"),
    "other_currency": gettext_lazy("cash and credit notes in a currency in which nothing is owed"),
}
MINUS = {"unapplied_cash", "open_credits"}
BESIDE = {"far_orders", "unsafe_cash", "other_currency"}
# Where a row of a part is looked at, and the permission for it.
ADMIN = {
    "unbilled_deliveries": "delivery",
    "open_orders": "openorder",
    "far_orders": "openorder",
    "unapplied_cash": "payment",
    "unsafe_cash": "payment",
    "instruments": "allocation",
}


@dataclass(slots=True)
class Part:
    slug: str
    label: Any
    amount: Money
    sign: str


@dataclass(slots=True)
class Branch:
    """A customer of the group, as a line of the tree."""

    name: str
    pk: int | None
    depth: int
    own: Money
    subtree: Money | None
    cover: Money
    overdue: Money
    is_this: bool

    @property
    def level(self) -> int:
        """How far the line is indented: deep groups stop moving right."""
        return min(self.depth, 8)


def exposure(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    on = _day(request.GET.get("on"), as_of)
    as_known = request.GET.get("seen") == "then"
    view = View(known_at=on) if as_known and on <= as_of else CURRENT
    context: dict[str, Any] = {
        "on": on,
        "as_known": as_known,
        "is_today": on == as_of and not as_known,
        "query": f"&on={on.isoformat()}" + ("&seen=then" if as_known else ""),
    }
    try:
        return context | _figures(request, account, on, view, is_today=on == as_of)
    except MissingRate as missing:
        return context | {"missing": str(missing)}


def _day(text: str | None, as_of: date) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return as_of


def _figures(
    request: HttpRequest, account: CreditAccount, on: date, view: View, *, is_today: bool
) -> dict[str, Any]:
    tree = group_of(account.customer_id, on, view)
    head = tree.head_of(account.customer_id)
    of_group = tree.below(head)
    # What others owe is shown only to who may see them; the sums say that they are not the whole.
    seen = list(
        visible_accounts(request.user)
        .filter(customer__in=of_group, joined_into__isnull=True)
        .select_related("customer", "company", "segment")
    )
    if account.pk not in {one.pk for one in seen}:
        seen.append(account)
    hidden = CreditAccount.objects.filter(customer__in=of_group, joined_into__isnull=True).count()
    rows_of: dict[int, list[Item]] = {account.pk: []}
    whole = group_exposure(
        _customer(seen, head, account),
        on,
        account.currency,
        view,
        tree=tree,
        accounts=seen,
        rows_of=rows_of,
    )
    mine = next(found for member in whole.members for one, found in member.accounts if one.pk == account.pk)
    items = rows_of[account.pk]
    limits = limits_at([one.pk for one in seen], on)
    held = held_at({account.pk: mine}, [account], timezone.now(), view) if is_today else {}
    terms = SegmentTerms.load(on, view)
    return {
        "parts": _parts(mine, items),
        "mine": mine,
        "room": headroom_of(limits[account.pk], mine, held.get(account.pk)),
        "limit": limits[account.pk],
        "covers": _covers(mine),
        "horizon": terms.days(account.segment_id),
        "drill": _drill(request, items, account, mine),
        "group": _branches(whole, tree.parents, account) if len(of_group) > 1 else [],
        "whole": whole,
        "hidden": max(hidden - len(seen), 0),
        "sellers": _sellers(account, whole, limits),
        "binding": binding_at(
            account,
            on,
            seen=visible_accounts(request.user),
            at=timezone.now() if is_today else None,
            view=view,
            tree=tree,
        ),
        "lines": _lines(account, terms),
        "rates": [(base, quote, rate) for (base, quote), rate in whole.rates.items()],
    }


def _lines(account: CreditAccount, terms: SegmentTerms) -> list[tuple[str, int]]:
    """Product lines of the segment with a horizon of their own on the day."""
    lines = terms.lines.items()
    return sorted((line, days) for (segment, line), days in lines if segment == account.segment_id)


def _customer(seen: list[CreditAccount], head: int, account: CreditAccount) -> Any:
    found = next((one.customer for one in seen if one.customer_id == head), None)
    if found is not None:
        return found
    return type(account.customer).objects.get(pk=head)


def _parts(mine: Exposure, items: list[Item]) -> list[Part]:
    there = {item.part for item in items}
    return [
        Part(
            slug,
            label,
            getattr(mine, slug),
            "" if slug in BESIDE else "-" if slug in MINUS else "+",
        )
        for slug, label in LABELS.items()
        if slug in there or getattr(mine, slug).minor
    ]


def _covers(mine: Exposure) -> list[dict[str, Any]]:
    if mine.standing is None:
        return []
    return [
        {
            "part": part,
            "why_not": say_why_not(part),
            "exclusions": [(say_exclusion(one), one.amount) for one in part.exclusions],
        }
        for part in mine.standing.parts
    ]


def _drill(
    request: HttpRequest, items: list[Item], account: CreditAccount, mine: Exposure
) -> dict[str, Any] | None:
    """The rows behind one part (?part=), the oldest first."""
    slug = request.GET.get("part", "")
    if slug not in LABELS:
        return None
    rows = sorted(
        (item for item in items if item.part == slug), key=lambda item: (item.due_on or item.on, item.pk)
    )
    page = paged(request, rows)
    model = ADMIN.get(slug)
    may_open = bool(model) and request.user.has_perm(f"customers.view_{model}")
    page.object_list = [
        {
            "item": item,
            "amount": Money(item.minor, item.currency),
            "late": (mine.as_of - item.due_on).days if slug == "open_invoices" and item.due_on else None,
            "url": reverse(f"admin:customers_{model}_change", args=[item.pk]) if may_open else "",
        }
        for item in page.object_list
    ]
    return {"slug": slug, "label": LABELS[slug], "page": page, "total": getattr(mine, slug)}


def _branches(whole: GroupExposure, parents: Any, account: CreditAccount) -> list[Branch]:
    """The tree, without branches in which the reader may see nobody."""
    shown = {member.customer.pk for member in whole.members if member.subtree.accounts}
    for customer in list(shown):
        while (customer := parents.get(customer, 0)) != 0:
            shown.add(customer)
    return [
        Branch(
            name=member.customer.name if member.own.accounts else _("(not among those you may see)"),
            pk=member.customer.pk if member.accounts else None,
            depth=member.depth,
            own=member.own.exposure,
            subtree=member.subtree.exposure if member.subtree.accounts > member.own.accounts else None,
            cover=member.own.cover,
            overdue=member.own.overdue,
            is_this=member.customer.pk == account.customer_id,
        )
        for member in whole.members
        if member.customer.pk in shown
    ]


def _sellers(account: CreditAccount, whole: GroupExposure, limits: Any) -> list[dict[str, Any]]:
    """This customer's accounts with each of our companies, side by side, each in its own currency."""
    own = [member for member in whole.members if member.customer.pk == account.customer_id]
    rows: list[tuple[CreditAccount, Exposure]] = [pair for member in own for pair in member.accounts]
    if len(rows) < 2:
        return []
    found: list[dict[str, Any]] = []
    for one, owed in rows:
        room: Headroom = headroom_of(limits[one.pk], owed)
        found.append({"account": one, "exposure": owed, "room": room})
    return found
