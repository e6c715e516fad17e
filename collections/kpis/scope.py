"""Which accounts a measure is about, and with which knowledge: the conditions every KPI query shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from creditdesk.core.facts import CURRENT, View
from customers.models import CollectorAssignment, CreditAccount


@dataclass(frozen=True)
class Scope:
    """Filters that narrow the book; None means no narrowing.

    accounts: the accounts the reader may see (customers.access.visible_accounts); None only for commands.
    Company, portfolio and customer are those of the account today. The collector is today's for the current
    view; for the two past views it is the one assigned as known then, so that a reprint keeps its filter.
    """

    accounts: QuerySet[CreditAccount] | None = None
    company_id: int | None = None
    portfolio_id: int | None = None
    collector_id: int | None = None
    customer_id: int | None = None

    def narrowed(self) -> bool:
        return any((self.company_id, self.portfolio_id, self.collector_id, self.customer_id))

    def q(self, view: View = CURRENT, prefix: str = "account__") -> Q:
        """Condition on rows with an account (or, with prefix "", on accounts)."""
        condition = Q()
        relation = prefix.removesuffix("__") or "pk"
        if self.accounts is not None:
            condition &= Q(**{f"{relation}__in": self.accounts.values("pk")})
        for name in ("company_id", "portfolio_id", "customer_id"):
            value = getattr(self, name)
            if value is not None:
                condition &= Q(**{f"{prefix}{name}": value})
        if self.collector_id is not None:
            if view.is_current:
                condition &= Q(**{f"{prefix}collector_id": self.collector_id})
            else:
                condition &= Q(**{f"{relation}__in": self._collected_then(view).values("pk")})
        return condition

    def _collected_then(self, view: View) -> QuerySet[CreditAccount]:
        seen: Any = CollectorAssignment.objects.filter(view.q(), account_id=OuterRef("pk"))
        then = seen.order_by("-effective_on", "-pk").values("collector_id")[:1]
        return CreditAccount.objects.annotate(
            then=Coalesce(Subquery(then), F("collector_id"), output_field=BigIntegerField())
        ).filter(then=self.collector_id)


EVERYTHING = Scope()
