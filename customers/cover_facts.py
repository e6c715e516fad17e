"""Reading what the rules of cover need: covers, notices to insurers, disputed amounts, guarantors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import (
    Case,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce

from creditdesk.core.compiled import asked_for
from creditdesk.core.facts import CURRENT, View
from customers.cover_terms import CoverFacts
from customers.models import Cover, CoverNotice, Customer, DisputeItem, StatusChange


def covers_of(scope: Any, as_of: date, view: View = CURRENT) -> QuerySet[Cover]:
    """The covers of some accounts (ids, or a queryset of them) that began by `as_of`, expired ones too."""
    known = Cover.objects.filter(view.q(), account__in=scope, effective_on__lte=as_of)
    return known.defer("terms")


def covers_known(scope: Any, as_of: date, view: View = CURRENT) -> dict[int, list[Cover]]:
    """Those covers by account, in their order; one query, and one for the guarantors where there are any."""
    found: dict[int, list[Cover]] = defaultdict(list)

    def rows(ids: Any, day: date) -> QuerySet[Cover, Any]:
        return covers_of(ids, day, view).order_by("account", "pk")

    covers = asked_for("covers" if view.is_current else None, rows, scope, as_of)
    prefetch_related_objects([cover for cover in covers if cover.guarantor_id], "guarantor")
    for cover in covers:
        found[cover.account_id].append(cover)
    return dict(found)


def facts_for(
    covers: Mapping[int, Sequence[Cover]], as_of: date, view: View = CURRENT, scope: Any = None
) -> CoverFacts:
    """What the terms of these covers speak of, each read only when a term asks for it (at most three queries).

    scope: accounts that include all with cover, as a queryset of ids; default the ids themselves.
    """
    every = [cover for own in covers.values() for cover in own]
    among = scope if isinstance(scope, QuerySet) else list(covers)
    disputed = _disputed(among, as_of, view) if any(cover.excludes_disputed for cover in every) else {}
    notices: dict[int, list[CoverNotice]] = defaultdict(list)
    if any(cover.notify_days is not None for cover in every):
        for notice in CoverNotice.objects.filter(view.q(), effective_on__lte=as_of, account__in=among):
            notices[notice.account_id].append(notice)
    guarantors = {cover.guarantor_id for cover in every if cover.guarantor_id}
    return CoverFacts(covers, notices, disputed, _statuses(guarantors, as_of, view) if guarantors else {})


def _disputed(accounts: Any, as_of: date, view: View) -> dict[int, int]:
    """Minor units in dispute by instalment, on that day."""
    closed = Q(dispute__closed_on__isnull=True) | Q(dispute__closed_on__gt=as_of)
    rows = (
        DisputeItem.objects.filter(
            closed,
            view.q("dispute__"),
            dispute__effective_on__lte=as_of,
            dispute__account__in=accounts,
        )
        .order_by()
        .values("instalment_id")
        .annotate(total=Sum("amount"))
    )
    return dict(rows.values_list("instalment_id", "total"))


def _statuses(customers: set[int], as_of: date, view: View) -> dict[int, str]:
    newest = (
        StatusChange.objects.at(as_of, view)
        .filter(customer=OuterRef("pk"))
        .order_by("-effective_on", "-pk")
        .values("status")[:1]
    )
    # Before its first recorded change a customer was simply active.
    ever = StatusChange.objects.filter(view.q(), customer=OuterRef("pk"))
    before = Case(When(Exists(ever), then=Value(Customer.Status.ACTIVE)), default=F("status"))
    rows = Customer.objects.filter(pk__in=customers).annotate(then=Coalesce(Subquery(newest), before))
    return dict(rows.values_list("pk", "then"))
