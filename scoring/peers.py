"""What a customer is compared with: figures of a sector and of the whole company, stored once a week.

Looking at every other customer whenever one of them is scored would cost a pass over the book each time. So the
figures are stored with their day, from the very signals a score uses and only with what was known on that day;
a score reads the latest before its own date (scoring/families/sector.py).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from statistics import median

from django.db import connections, transaction

from creditdesk.core.facts import View
from customers.models import Company
from scoring.dialect import dialect
from scoring.engine import bulk_plan, context, execute
from scoring.models import PeerFigure
from scoring.ranges import account_ranges
from scoring.statement import Scope, compile_peers, parameters

LEAST = 5
"""Accounts a sector needs for an average or a median."""


@dataclass(slots=True)
class _Sums:
    accounts: int = 0
    shares: int = 0
    late_share: float = 0.0
    days: int = 0
    days_late: float = 0.0
    z: list[float] = field(default_factory=list)
    invoiced: int = 0

    def add(self, late_share: float | None, days_late: float | None, z: float | None) -> None:
        self.accounts += 1
        if late_share is not None:
            self.shares += 1
            self.late_share += late_share
        if days_late is not None:
            self.days += 1
            self.days_late += days_late
        if z is not None:
            self.z.append(z)


@transaction.atomic
def store_peer_figures(as_of: date, *, using: str = "default") -> int:
    """Store the figures of a day, once: returns the rows added, 0 where the day has its figures already."""
    if PeerFigure.objects.using(using).filter(as_of=as_of).exists():
        return 0
    rows = figures_on(as_of, View(known_at=as_of), using=using)
    PeerFigure.objects.using(using).bulk_create(rows, batch_size=1000)
    return len(rows)


def figures_on(as_of: date, view: View, *, using: str = "default") -> list[PeerFigure]:
    """The figures of a day in a view, unsaved, by company and sector; one pass over the book."""
    currencies = dict(Company.objects.using(using).values_list("pk", "currency"))
    sums: dict[tuple[int, str], _Sums] = defaultdict(_Sums)
    for low, high in account_ranges():
        _read(sums, as_of, view, Scope.between(low, high), currencies, using)
    return [
        PeerFigure(
            company_id=company_id,
            sector=sector,
            as_of=as_of,
            accounts=found.accounts,
            late_share=round(found.late_share / found.shares, 6) if found.shares >= LEAST else None,
            days_late=round(found.days_late / found.days, 6) if found.days >= LEAST else None,
            z_median=round(median(found.z), 6) if len(found.z) >= LEAST else None,
            invoiced=None if sector else found.invoiced,
            currency=currencies[company_id],
        )
        for (company_id, sector), found in sorted(sums.items())
    ]


def _read(
    sums: dict[tuple[int, str], _Sums],
    as_of: date,
    view: View,
    scope: Scope,
    currencies: dict[int, str],
    using: str,
) -> None:
    speech = dialect(using)
    cards, groups = context(as_of, view, scope, using)
    for group in groups:
        values = parameters(speech, as_of, group.judged_on, view=view, scope=scope, companies=group.companies)
        with connections[using].cursor() as cursor:
            with bulk_plan(using, scope):
                sql = compile_peers(using, cards, scope.shape, bool(group.companies))
                execute(speech, cursor, scope, sql, values)
            while rows := cursor.fetchmany(5000):
                for company_id, division, currency, invoiced, late_share, days_late, z in rows:
                    whole = sums[company_id, ""]
                    whole.add(late_share, days_late, z)
                    if currency == currencies[company_id]:
                        whole.invoiced += int(invoiced)
                    if division:
                        sums[company_id, division].add(late_share, days_late, z)
