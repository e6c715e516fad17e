"""What binds an account on a day beside its own limit, with the figures: for pages and the API (checks ask scoring/checks)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import QuerySet

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.bindings import Bound, Total, bound_at, reached, scopes_of, totals_of
from customers.exposure import Rates, exposures
from customers.groups import Tree, group_of
from customers.headroom import held_at
from customers.limits import limits_at
from customers.models import CreditAccount


@dataclass(frozen=True, slots=True)
class Binding:
    """bound: the settings; totals: what may be owed over our companies (None: the reader does not see all of it)."""

    bound: Bound
    totals: list[Total] | None

    @property
    def tightest(self) -> Total | None:
        known = [total for total in self.totals or () if total.room is not None]
        return min(known, key=lambda total: total.room, default=None)  # type: ignore[arg-type, return-value]


def binding_at(
    account: CreditAccount,
    as_of: date,
    *,
    seen: QuerySet[CreditAccount],
    at: datetime | None = None,
    view: View = CURRENT,
    tree: Tree | None = None,
) -> Binding:
    """What binds an account on a day, and the totals in its currency; two queries where no total binds it.

    seen: the accounts the reader may see: a total with others in it is not told. at: the instant at which reservations
    count; None: none does. Raises MissingRate.
    """
    tree = tree or group_of(account.customer_id, as_of, view)
    bound = bound_at([account.customer_id, *tree.above(account.customer_id)], account.company_id, as_of)
    scopes = scopes_of(bound, account, tree)
    people = reached(scopes)
    if not people:
        return Binding(bound, [])
    counted = CreditAccount.objects.filter(customer__in=people, joined_into__isnull=True)
    if counted.exclude(pk__in=seen.order_by().values("pk")).exists():
        return Binding(bound, None)
    rows = list(counted)
    found = exposures(rows, as_of, view=view)
    limits = limits_at(rows, as_of)
    held = held_at(found, rows, at, view) if at is not None else {}
    owed = {
        row.pk: (row, found[row.pk], limits[row.pk], held.get(row.pk, Money.zero(row.currency)))
        for row in rows
    }
    return Binding(bound, totals_of(scopes, account.currency, owed, Rates(as_of, view)))
