"""What customers tells people who work here: orders on hold, cover that runs out, deputies. How: creditdesk/core/notices.py.

Waiting limit changes are told of here too (approval_clock.py), and answered by scoring, which knows today's grade.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.models import AuditEntry, MailMode, Notice
from creditdesk.core.notices import Line, Topic, register, tell, tell_all
from creditdesk.core.wording import day
from customers import cover_warnings as watch
from customers.approval_rules import PROPOSE
from customers.models import (
    ApprovalDelegation,
    Company,
    Cover,
    CreditAccount,
    LimitChange,
    OpenOrder,
    OrderHold,
)
from customers.people import name_of, responsible_for, seen_by, staff_with

WAITING, EXPIRING = "limit_waiting", "limit_expiring"
ORDER_HELD, COVER, DEPUTY = "order_held", "cover", "deputy"
VIEW_ORDERS = "customers.view_orderhold"
DECIDE = "customers.decide_limitchange"
# Days before it happens at which cover is told of, the nearest first: each of them once.
COVER_STAGES = {watch.EXPIRES: (7, 30), watch.NOTIFY: (3, 14), watch.STOPS: (3, 14)}


def tell_waiting(change: LimitChange, kind: str, step: int, on: date) -> Notice:
    """A reminder of a waiting change, or that it is overdue; for `tell_all`."""
    return Notice(
        topic=WAITING,
        key=f"change:{change.pk}:{kind}:{step}",
        business_date=on,
        about={"change": change.pk, "kind": kind},
    )


def tell_proposer(change: LimitChange, kind: str, on: date, expires_on: date | None = None) -> Notice:
    """kind: "expiring" or "expired"; for `tell_all`."""
    about = {"change": change.pk, "kind": kind, "on": expires_on and expires_on.isoformat()}
    return Notice(topic=EXPIRING, key=f"change:{change.pk}:{kind}", business_date=on, about=about)


def tell_order_held(hold: OrderHold, on: date) -> None:
    """on: the day of the news. A hold that takes another's place has the age of that one."""
    tell(ORDER_HELD, f"order hold:{hold.pk}", on=on, about={"hold": hold.pk})


def tell_delegated(row: ApprovalDelegation, kind: str, on: date) -> Notice:
    """kind: "recorded" or "begins"; for `tell_all`."""
    return Notice(
        topic=DEPUTY,
        key=f"delegation:{row.pk}:{kind}",
        business_date=on,
        about={"delegation": row.pk, "kind": kind},
    )


@transaction.atomic
def tell_of_cover(accounts: QuerySet[CreditAccount], as_of: date) -> int:
    """Tell of cover that expires, that stops, or whose insurer has to be told; each stage once. Raises MissingRate."""
    warnings, _policies = watch.cover_watch(accounts, as_of)
    rows = []
    for one in warnings:
        stage = "missed" if one.missed else _stage(one, as_of)
        if stage:
            key = f"cover:{one.cover.pk}:{one.kind}:{one.on}:{stage}"
            about = {"cover": one.cover.pk, "kind": one.kind, "on": one.on.isoformat(), "missed": one.missed}
            rows.append(Notice(topic=COVER, key=key, business_date=as_of, about=about))
    tell_all(rows)
    return len(rows)


def _stage(one: watch.CoverWarning, as_of: date) -> str:
    left = (one.on - as_of).days
    return next((str(days) for days in COVER_STAGES.get(one.kind, ()) if 0 <= left <= days), "")


def tell_of_beginning(company: Company, as_of: date) -> int:
    """Tell deputies on the first day of their delegation, unless it was recorded on that day."""
    rows = ApprovalDelegation.objects.filter(company=company, starts_on=as_of, revoked_at__isnull=True)
    begins = {row.pk: tell_delegated(row, "begins", as_of) for row in rows}
    just_told = set(
        Notice.objects.filter(
            key__in=[f"delegation:{pk}:recorded" for pk in begins], business_date=as_of
        ).values_list("key", flat=True)
    )
    found = [one for pk, one in begins.items() if f"delegation:{pk}:recorded" not in just_told]
    with transaction.atomic():
        tell_all(found)
    return len(found)


def accounts_of(ids: Iterable[int]) -> dict[int, CreditAccount]:
    """Accounts as notices need them, by id; one query."""
    rows = CreditAccount.objects.filter(pk__in=set(ids)).select_related("customer")
    return {row.pk: row for row in rows}


# --- Orders on hold ---


def _holds(notices: Sequence[Notice]) -> dict[int, OrderHold]:
    """The hold in which the order of each notice waits today, by notice: the one told of, or what took its place."""
    told = OrderHold.objects.filter(
        pk__in={n.about["hold"] for n in notices},
        status__in=[OrderHold.Status.WAITING, OrderHold.Status.REPLACED],
    )
    place = {
        pk: (account, number) for pk, account, number in told.values_list("pk", "account", "order_number")
    }
    rows = OrderHold.objects.filter(
        status=OrderHold.Status.WAITING,
        account__in={account for account, _number in place.values()},
        order_number__in={number for _account, number in place.values()},
    )
    waiting = {
        (row.account_id, row.order_number): row
        for row in rows.select_related("account__customer").defer("details")
    }
    now = {pk: waiting[key] for pk, key in place.items() if key in waiting}
    return {n.pk: now[n.about["hold"]] for n in notices if n.about["hold"] in now}


def _owners(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    """Who handled the order; where that was no person who works here, the controllers of its account."""
    holds = _holds(notices)
    handled = _who_handled({hold.pk: hold for hold in holds.values()}.values())
    accounts = list({hold.account_id: hold.account for hold in holds.values()}.values())
    working = staff_with(VIEW_ORDERS)
    seen, responsible = seen_by(accounts, working), responsible_for(accounts)
    found = {}
    for notice, hold in holds.items():
        owner = {handled.get(hold.pk)} & seen[hold.account_id]
        found[notice] = {pk for pk in owner if pk} or responsible[hold.account_id]
    return found


def _who_handled(holds: Iterable[OrderHold]) -> dict[int, int]:
    """Who placed the hold by what they did to the order, else who last recorded or changed the order; by hold."""
    rows = list(holds)
    found = {hold.pk: hold.placed_by_id for hold in rows if hold.placed_by_id}
    ownerless = [hold for hold in rows if hold.pk not in found]
    if not ownerless:
        return found
    orders = OpenOrder.objects.filter(
        account__in={hold.account_id for hold in ownerless},
        number__in={hold.order_number for hold in ownerless},
    )
    place = {
        str(pk): (account, number) for pk, account, number in orders.values_list("pk", "account", "number")
    }
    acts = AuditEntry.objects.filter(
        act__in=("order.record", "order.change"),
        subject_type=OpenOrder._meta.label_lower,
        subject_pk__in=place,
        actor__isnull=False,
    )
    last = {place[pk]: actor for pk, actor in acts.order_by("pk").values_list("subject_pk", "actor_id")}
    for hold in ownerless:
        actor = last.get((hold.account_id, hold.order_number))
        if actor:
            found[hold.pk] = actor
    return found


def _order_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    """One line per waiting hold, however many notices lead to it."""
    first = {hold.pk: (notice, hold) for notice, hold in reversed(_holds(notices).items())}
    return {
        notice: Line(
            _("Order %(order)s of %(customer)s is on hold")
            % {"order": hold.order_number, "customer": name_of(hold.account)},
            reverse("orders:decide", args=[hold.pk]),
            hold.decide_by.isoformat(),
        )
        for notice, hold in first.values()
    }


# --- Cover ---


def _covers(notices: Sequence[Notice]) -> dict[int, Cover]:
    rows = Cover.objects.filter(pk__in={n.about["cover"] for n in notices}, superseded_at__isnull=True)
    return {row.pk: row for row in rows.select_related("account__customer")}


def _cover_people(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    covers = _covers(notices)
    people = responsible_for({cover.account_id: cover.account for cover in covers.values()}.values())
    return {
        notice.pk: people[covers[notice.about["cover"]].account_id]
        for notice in notices
        if notice.about["cover"] in covers
    }


def _cover_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    covers = _covers(notices)
    texts = {
        watch.EXPIRES: _("%(customer)s: the cover of %(provider)s expires on %(day)s"),
        watch.STOPS: _("%(customer)s: the cover of %(provider)s stops for new shipments on %(day)s"),
        watch.NOTIFY: _("%(customer)s: tell %(provider)s of the overdue invoices by %(day)s"),
    }
    missed = _("%(customer)s: %(provider)s should have been told of overdue invoices by %(day)s")
    found = {}
    for notice in notices:
        cover, kind = covers.get(notice.about["cover"]), notice.about["kind"]
        if cover is not None:
            on = date.fromisoformat(notice.about["on"])
            text = missed if notice.about.get("missed") else texts[kind]
            words = {
                "customer": name_of(cover.account),
                "provider": cover.provider or cover.get_kind_display(),
                "day": day(on),
            }
            found[notice.pk] = Line(text % words, f"{reverse('desk:cover')}?kind={kind}", on.isoformat())
    return found


# --- Deputies ---


def _delegations(notices: Sequence[Notice]) -> dict[int, ApprovalDelegation]:
    rows = ApprovalDelegation.objects.filter(
        pk__in={n.about["delegation"] for n in notices}, revoked_at__isnull=True
    )
    return {row.pk: row for row in rows.select_related("delegator", "delegate", "company")}


def _deputies(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    """The deputy; and of a delegation that somebody else recorded, whose authority it lends."""
    rows = _delegations(notices)
    able = staff_with(DECIDE)
    found: dict[int, set[int]] = defaultdict(set)
    for notice in notices:
        row = rows.get(notice.about["delegation"])
        if row is None or row.ends_on < today:
            continue
        found[notice.pk] = {row.delegate_id} & able
        if notice.about["kind"] == "recorded" and row.created_by_id != row.delegator_id:
            found[notice.pk].add(row.delegator_id)
    return found


def _deputy_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    rows = _delegations(notices)
    texts = {
        "recorded": _("%(deputy)s decides for %(who)s on limits of %(company)s from %(first)s to %(last)s"),
        "begins": _("Today %(deputy)s begins to decide for %(who)s on limits of %(company)s, until %(last)s"),
    }
    found = {}
    for notice in notices:
        row, kind = rows.get(notice.about["delegation"]), notice.about["kind"]
        if row is None:
            continue
        words: Mapping[str, Any] = {
            "deputy": row.delegate.get_full_name() or row.delegate.get_username(),
            "who": row.delegator.get_full_name() or row.delegator.get_username(),
            "company": row.company.name,
            "first": day(row.starts_on),
            "last": day(row.ends_on),
        }
        page = "limits:inbox" if kind == "begins" else "limits:delegations"
        found[notice.pk] = Line(texts[kind] % words, reverse(page), row.starts_on.isoformat())
    return found


def register_topics() -> None:
    register(
        Topic(
            ORDER_HELD,
            gettext_lazy("Orders put on hold"),
            MailMode.AT_ONCE,
            VIEW_ORDERS,
            _owners,
            _order_lines,
            "orders:queue",
            rank=1,
        )
    )
    register(
        Topic(
            DEPUTY,
            gettext_lazy("Deputies"),
            MailMode.AT_ONCE,
            DECIDE,
            _deputies,
            _deputy_lines,
            "limits:delegations",
        )
    )
    register(
        Topic(
            COVER,
            gettext_lazy("Cover that expires, notices to insurers"),
            MailMode.DIGEST,
            PROPOSE,
            _cover_people,
            _cover_lines,
            "desk:cover",
        )
    )
