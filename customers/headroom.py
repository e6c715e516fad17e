"""How much more may be sold to an account: its limit less what it owes and what is reserved, secured and not.

total      limit in force - exposure - reserved
secured    what cover would pay of that much new business; the rest of it is at our own risk
unsecured  total - secured: room at our own risk (negative when over the limit)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.exposure import Exposure, Rates, exposures
from customers.limits import Limit, limits_at
from customers.models import CreditAccount
from customers.reservations import reserved


@dataclass(frozen=True, slots=True)
class Headroom:
    """Room under one limit, in the account's currency. total, secured, unsecured None: no limit was ever decided."""

    account_id: int
    limit: Money | None
    exposure: Money
    reserved: Money
    total: Money | None
    secured: Money | None
    unsecured: Money | None

    @property
    def missing(self) -> Money:
        """By how much the limit is passed; zero when it is not, or when there is none."""
        zero = Money.zero(self.exposure.currency)
        return zero if self.total is None or self.total.minor >= 0 else -self.total


def headroom_of(limit: Limit, exposure: Exposure, reserved: Money | None = None) -> Headroom:
    """Room of one account from its limit, its exposure and what is reserved (its currency)."""
    zero = Money.zero(exposure.currency)
    held = reserved or zero
    in_force = limit.in_force
    if in_force is None:
        return Headroom(limit.account_id, None, exposure.total, held, None, None, None)
    total = in_force - exposure.total - held
    room = exposure.standing.room if exposure.standing else zero
    # What is reserved takes the room of the cover first, as the shipments behind it will.
    secured = min(max(room - held, zero), max(total, zero))
    return Headroom(limit.account_id, in_force, exposure.total, held, total, secured, total - secured)


def headrooms(
    accounts: QuerySet[CreditAccount] | Iterable[CreditAccount],
    as_of: date,
    view: View = CURRENT,
    *,
    at: datetime | None = None,
) -> dict[int, Headroom]:
    """Room of each account at `as_of`, in a constant number of queries. Raises MissingRate.

    at: the instant at which reservations count (they expire by the minute); None: none is counted.
    """
    chosen = accounts if isinstance(accounts, QuerySet) else list(accounts)
    found = exposures(chosen, as_of, view=view)
    limits = limits_at(chosen, as_of)
    held = held_at(found, chosen, at, view) if at is not None else {}
    return {pk: headroom_of(limits[pk], exposure, held.get(pk)) for pk, exposure in found.items()}


def held_at(
    found: Mapping[int, Exposure], accounts: Any, at: datetime, view: View = CURRENT
) -> dict[int, Money]:
    """What is reserved at an instant, in each account's currency at the rates of its exposure's day."""
    scope = accounts.order_by().values("pk") if isinstance(accounts, QuerySet) else list(found)
    held: dict[int, Money] = {}
    rates: Rates | None = None
    day = next((exposure.as_of for exposure in found.values()), None)
    for (pk, currency), minor in reserved(scope, at, on=day).items():
        own = found[pk].currency
        rates = rates or Rates(found[pk].as_of, view)
        held[pk] = held.get(pk, Money.zero(own)) + rates.convert(Money(minor, currency), own)
    return held
