"""Facts behind a recommended limit, one query each for many accounts at a date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from creditdesk.core.compiled import rows_of
from creditdesk.core.dates import Days
from creditdesk.core.facts import CURRENT
from creditdesk.core.money import Money
from customers.holds import open_holds
from customers.models import (
    Cover,
    CreditAccount,
    CreditLimit,
    DocumentKind,
    FinancialStatement,
    Instalment,
    LegalEvent,
    LimitKind,
    Promise,
)
from scoring.limit_caps import QUARTER_DAYS
from scoring.limit_terms import YEAR
from scoring.models import ScoreHistory

QUARTERS = range(4)
ADVERSE = (
    LegalEvent.Kind.INSOLVENCY,
    LegalEvent.Kind.LIEN,
    LegalEvent.Kind.LITIGATION,
    LegalEvent.Kind.PROTEST,
    LegalEvent.Kind.STRUCK_OFF,
)
SCORE_WINDOW = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Moves:
    """How a base limit moved in a year. limit_then: minor units a year ago, or the first one decided since."""

    limit_then: int | None = None
    rises: int = 0
    last_rise_on: date | None = None


NO_MOVES = Moves()


def purchases(ids: Sequence[int], as_of: date) -> dict[int, tuple[int, int | None]]:
    """Per account: minor units billed in the strongest 91-day quarter, and the terms its invoices had."""
    found = {}
    for pk, *quarters, billed, weighted in rows_of("purchases", ids, as_of, _purchases):
        terms = round(Decimal(weighted) / Decimal(billed)) if billed else None
        found[pk] = max(int(minor) for minor in quarters), terms
    return found


def _purchases(ids: Sequence[int], as_of: date) -> QuerySet[Any, Any]:
    first = as_of - timedelta(days=QUARTER_DAYS * len(QUARTERS))
    quarters = {
        f"quarter_{n}": Coalesce(
            Sum(
                "account_amount",
                filter=Q(
                    effective_on__gt=as_of - timedelta(days=QUARTER_DAYS * (n + 1)),
                    effective_on__lte=as_of - timedelta(days=QUARTER_DAYS * n),
                ),
            ),
            0,
        )
        for n in QUARTERS
    }
    rows = Instalment.objects.filter(
        account__in=ids,
        kind=DocumentKind.INVOICE,
        superseded_at__isnull=True,
        effective_on__gt=first,
        effective_on__lte=as_of,
    )
    sums = (
        rows.order_by()
        .values("account")
        .annotate(
            **quarters,
            billed=Sum("account_amount"),
            weighted=Sum(F("account_amount") * Days(F("due_on"), F("effective_on"))),
        )
    )
    return sums.values_list("account", *quarters, "billed", "weighted")


def moves_of_a_year(ids: Sequence[int], as_of: date) -> dict[int, Moves]:
    """The base limit of a year ago and its rises since; the last rise of any age."""
    start = as_of - YEAR

    def rows(ids: Any, day: date) -> QuerySet[Any, Any]:
        return (
            CreditLimit.objects.filter(account__in=ids, kind=LimitKind.BASE, valid_from__lte=day)
            .order_by("account_id", "valid_from", "pk")
            .values_list("account_id", "valid_from", "amount", "change__old_amount")
        )

    by_account: dict[int, list[tuple[date, int, int | None]]] = defaultdict(list)
    for pk, on, amount, old in rows_of("base limits", ids, as_of, rows):
        by_account[pk].append((on, amount, old))
    return {pk: _moves(steps, start) for pk, steps in by_account.items()}


def _moves(steps: list[tuple[date, int, int | None]], start: date) -> Moves:
    before = [amount for on, amount, _old in steps if on <= start]
    since = [amount for on, amount, _old in steps if on > start]
    # Nothing, or a limit of zero, is no level to count from: then the first limit given since.
    then = before[-1] if before and before[-1] else next((amount for amount in since if amount), None)
    rises = [on for on, amount, old in steps if old is not None and amount > old]
    return Moves(then, sum(on > start for on in rises), rises[-1] if rises else None)


def equity(customers: Iterable[int], as_of: date) -> dict[int, Money]:
    """Equity of each customer by the newest annual accounts known at the date."""

    def rows(ids: Any, day: date) -> QuerySet[Any, Any]:
        known = FinancialStatement.objects.filter(
            superseded_at__isnull=True, known_on__lte=day, equity__isnull=False
        )
        newest = known.filter(customer=OuterRef("customer")).order_by("-effective_on", "-pk")
        found = known.filter(customer__in=ids, pk=Subquery(newest.values("pk")[:1]))
        return found.values_list("customer", "equity", "currency")

    newest_of = rows_of("equity", list(customers), as_of, rows)
    return {pk: Money(minor, currency) for pk, minor, currency in newest_of}


def last_adverse_events(customers: Iterable[int], as_of: date) -> dict[int, date]:
    """The day of each customer's last adverse public event known by the date."""

    def rows(ids: Any, day: date) -> QuerySet[Any, Any]:
        events = LegalEvent.objects.filter(
            customer__in=ids,
            kind__in=ADVERSE,
            superseded_at__isnull=True,
            effective_on__lte=day,
            known_on__lte=day,
        )
        last = events.order_by().values("customer").annotate(day=Max("effective_on"))
        return last.values_list("customer", "day")

    return dict(rows_of("adverse events", list(customers), as_of, rows))  # type: ignore[arg-type]


def last_broken_promises(ids: Sequence[int], as_of: date) -> dict[int, date]:
    def rows(ids: Any, day: date) -> QuerySet[Any, Any]:
        broken = Promise.objects.filter(
            account__in=ids,
            superseded_at__isnull=True,
            status__in=[Promise.Status.BROKEN, Promise.Status.PARTLY_KEPT],
            resolved_on__lte=day,
        )
        return (
            broken.order_by().values("account").annotate(day=Max("resolved_on")).values_list("account", "day")
        )

    return dict(rows_of("broken promises", ids, as_of, rows))  # type: ignore[arg-type]


def held(ids: Sequence[int], as_of: date) -> set[int]:
    """Accounts with an open hold."""
    rows = rows_of(
        "holds",
        ids,
        as_of,
        lambda some, day: open_holds(day).filter(account__in=some).values_list("account_id"),
    )
    return {pk for (pk,) in rows}


def secured(accounts: Sequence[CreditAccount], as_of: date) -> dict[int, list[Money]]:
    """What the covers in force would pay at most, after share and haircut, whatever is owed now."""

    def rows(ids: Any, day: date) -> QuerySet[Any, Any]:
        return Cover.objects.filter(
            CURRENT.q(),
            Q(expires_on__isnull=True) | Q(expires_on__gte=day),
            account__in=ids,
            effective_on__lte=day,
        ).values_list("account_id", "currency", "amount", "percent", "haircut_percent")

    found: dict[int, list[Money]] = defaultdict(list)
    for pk, currency, amount, percent, haircut in rows_of(
        "cover", [account.pk for account in accounts], as_of, rows
    ):
        found[pk].append(Money(amount * percent * (100 - haircut) // 10000, currency))
    return found


def scores_before(ids: Sequence[int], as_of: date) -> dict[int, int]:
    """The best score kept in the 90 days before, under any card."""

    def rows(ids: Any, day: date) -> QuerySet[Any, Any]:
        kept = ScoreHistory.objects.filter(account__in=ids, as_of__lt=day, as_of__gte=day - SCORE_WINDOW)
        return kept.order_by().values("account").annotate(best=Max("score")).values_list("account", "best")

    return dict(rows_of("scores before", ids, as_of, rows))  # type: ignore[arg-type]
