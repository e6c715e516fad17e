"""The dunning level an account has reached: the highest reminder sent for something that is open still."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from django.db.models import Max, QuerySet

from creditdesk.core.compiled import asked
from dunning.models import Reminder


def levels_at(account_ids: Collection[int], as_of: date) -> dict[int, int]:
    """{account id: level} of accounts with a sent reminder of which an item is still open; one query."""

    def build(scope: Any, on: date) -> QuerySet[Reminder, Any]:
        rows = Reminder.objects.filter(
            account__in=scope,
            state=Reminder.State.SENT,
            business_date__lte=on,
            items__instalment__open_amount__gt=0,
            items__instalment__superseded_at__isnull=True,
        )
        reached = rows.order_by().values("account").annotate(reached=Max("level"))
        return reached.values_list("account", "reached")

    return dict(asked("dunning.levels", build, list(account_ids), as_of))


def on_levels_wanted(
    sender: Any, account_ids: Collection[int], as_of: date, **_kwargs: Any
) -> dict[int, int]:
    """Receiver of customers.events.dunning_levels_wanted."""
    return levels_at(account_ids, as_of)
