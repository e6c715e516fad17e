"""Which limit is in force on a day, and how much room it leaves.

The base limit on D is the latest one decided for a day not after D. A temporary limit stands in for it while it
is valid and *higher*: it is extra room for a season, never a way to lower the base. A later cut of the base
(or a base limit of zero) ends every temporary limit granted before it: who cuts means the whole room.
No limit at all (None) is not the same as a limit of zero: nobody has decided yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from creditdesk.core.compiled import asked
from creditdesk.core.money import Money
from customers.exposure import Exposure
from customers.models import CreditAccount, CreditLimit, LimitKind


@dataclass(frozen=True, slots=True)
class Limit:
    """The limits of one account on one day, in the account's currency. `base` None: never decided."""

    account_id: int
    base: Money | None
    temporary: Money | None = None
    temporary_until: date | None = None

    @property
    def in_force(self) -> Money | None:
        """What exposure is held against."""
        if self.temporary is not None and (self.base is None or self.temporary > self.base):
            return self.temporary
        return self.base

    @property
    def is_temporary(self) -> bool:
        return self.temporary is not None and self.in_force is self.temporary


def with_limits(accounts: QuerySet[CreditAccount], as_of: date) -> QuerySet[CreditAccount]:
    """Accounts annotated with base_limit, temporary_limit (int minor units or None) and temporary_until."""
    own = CreditLimit.objects.filter(account=OuterRef("pk"), valid_from__lte=as_of)
    base = own.filter(kind=LimitKind.BASE).order_by("-valid_from", "-pk")
    temporary = own.filter(
        ~Exists(_ending(as_of)), kind=LimitKind.TEMPORARY, valid_until__gte=as_of
    ).order_by("-pk")
    return accounts.annotate(
        base_limit=Subquery(base.values("amount")[:1]),
        temporary_limit=Subquery(temporary.values("amount")[:1]),
        temporary_until=Subquery(temporary.values("valid_until")[:1]),
    )


def _ending(as_of: date) -> QuerySet[CreditLimit]:
    """Cuts of the base by a day that end the temporary limit of the outer query."""
    return CreditLimit.objects.filter(
        Q(change__new_amount=0) | Q(change__new_amount__lt=F("change__old_amount")),
        account=OuterRef("account"),
        kind=LimitKind.BASE,
        valid_from__lte=as_of,
        # Decided after the temporary limit was: row order is the order of decisions (accounts are locked).
        pk__gt=OuterRef("pk"),
    )


def has_temporary(account: CreditAccount, on: date) -> bool:
    """A temporary limit was granted that holds on the day or is to start later, and nothing has ended it."""
    granted = CreditLimit.objects.filter(account=account, kind=LimitKind.TEMPORARY, valid_until__gte=on)
    return granted.filter(~Exists(_ending(on)), amount__gt=0).exists()


def limits_at(
    accounts: QuerySet[CreditAccount] | Iterable[CreditAccount | int], as_of: date
) -> dict[int, Limit]:
    """The limits of many accounts on a day, in one query. Accounts may be given as rows, ids or a queryset."""
    scope: Any = (
        accounts.order_by().values("pk")
        if isinstance(accounts, QuerySet)
        else [getattr(account, "pk", account) for account in accounts]
    )
    return {
        pk: Limit(pk, _money(base, currency), _money(temporary, currency), until)
        for pk, currency, base, temporary, until in asked("limits", _limits, scope, as_of)
    }


def _limits(scope: Any, as_of: date) -> QuerySet:
    rows = with_limits(CreditAccount.objects.filter(pk__in=scope).order_by(), as_of)
    return rows.values_list("pk", "currency", "base_limit", "temporary_limit", "temporary_until")


def limit_at(account: CreditAccount, as_of: date) -> Limit:
    """The limit of one account on a day."""
    return limits_at([account.pk], as_of)[account.pk]


def headroom(limit: Limit, exposure: Exposure) -> Money | None:
    """Limit in force less exposure, negative when over the limit; None when no limit was ever decided."""
    return None if limit.in_force is None else limit.in_force - exposure.total


def _money(minor: Any, currency: str) -> Money | None:
    return None if minor is None else Money(minor, currency)
