"""Facts behind a recommended limit, one query each for many accounts at a date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from creditdesk.core.dates import Days
from creditdesk.core.money import Money
from customers.cover_terms import STOPS
from customers.exposure import Exposure
from customers.holds import open_holds
from customers.models import (
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
    rows = (
        Instalment.objects.filter(
            account__in=ids,
            kind=DocumentKind.INVOICE,
            superseded_at__isnull=True,
            effective_on__gt=first,
            effective_on__lte=as_of,
        )
        .order_by()
        .values("account")
        .annotate(
            **quarters,
            billed=Sum("account_amount"),
            weighted=Sum(F("account_amount") * Days(F("due_on"), F("effective_on"))),
        )
    )
    return {
        row["account"]: (
            max(int(row[name]) for name in quarters),
            round(Decimal(row["weighted"]) / Decimal(row["billed"])) if row["billed"] else None,
        )
        for row in rows
    }


def moves_of_a_year(ids: Sequence[int], as_of: date) -> dict[int, Moves]:
    """The base limit of a year ago and its rises since; the last rise of any age."""
    start = as_of - YEAR
    rows = (
        CreditLimit.objects.filter(account__in=ids, kind=LimitKind.BASE, valid_from__lte=as_of)
        .order_by("account_id", "valid_from", "pk")
        .values_list("account_id", "valid_from", "amount", "change__old_amount")
    )
    by_account: dict[int, list[tuple[date, int, int | None]]] = defaultdict(list)
    for pk, on, amount, old in rows.iterator(chunk_size=5000):
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
    known = FinancialStatement.objects.filter(
        superseded_at__isnull=True, known_on__lte=as_of, equity__isnull=False
    )
    newest = known.filter(customer=OuterRef("customer")).order_by("-effective_on", "-pk")
    rows = known.filter(customer__in=customers, pk=Subquery(newest.values("pk")[:1]))
    return {
        pk: Money(minor, currency)
        for pk, minor, currency in rows.values_list("customer", "equity", "currency")
    }


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the gates of a rise ask of an account. best_score: kept in the 90 days before, under any card."""

    promise_broken_on: date | None = None
    event_on: date | None = None
    on_hold: bool = False
    best_score: int | None = None


NO_GATE_FACTS = GateFacts()


def gate_facts(ids: Sequence[int], as_of: date) -> dict[int, GateFacts]:
    """Last broken promise, last adverse public event known, open holds and earlier scores; one query."""

    def latest(rows: QuerySet[Any, Any], day: str) -> Subquery:
        return Subquery(rows.order_by(f"-{day}").values(day)[:1])

    promises = Promise.objects.filter(
        account=OuterRef("pk"),
        superseded_at__isnull=True,
        status__in=[Promise.Status.BROKEN, Promise.Status.PARTLY_KEPT],
        resolved_on__lte=as_of,
    )
    events = LegalEvent.objects.filter(
        customer=OuterRef("customer"),
        kind__in=ADVERSE,
        superseded_at__isnull=True,
        effective_on__lte=as_of,
        known_on__lte=as_of,
    )
    scores = ScoreHistory.objects.filter(
        account=OuterRef("pk"), as_of__lt=as_of, as_of__gte=as_of - SCORE_WINDOW
    )
    rows = (
        CreditAccount.objects.filter(pk__in=ids)
        .annotate(
            promise_on=latest(promises, "resolved_on"),
            event_on=latest(events, "effective_on"),
            held=Exists(open_holds(as_of).filter(account=OuterRef("pk"))),
            best=latest(scores, "score"),
        )
        .values_list("pk", "promise_on", "event_on", "held", "best")
    )
    return {pk: GateFacts(*found) for pk, *found in rows}


def most_secured(exposure: Exposure) -> Money:
    """What the covers of an account would pay at most: all of a cover that takes new shipments, else what it holds."""
    if exposure.standing is None:
        return Money.zero(exposure.currency)
    worth = (
        part.secured if any(one.code in STOPS for one in part.exclusions) else part.worth(part.limit)
        for part in exposure.standing.parts
        if not part.why_not
    )
    return sum(worth, Money.zero(exposure.currency))
