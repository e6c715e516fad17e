"""What django-q runs for orders: reservations that lapsed are marked, and orders on hold are checked again.

Both may run twice or be killed: each hold is a transaction of its own, and what was done stays done.
"""

from __future__ import annotations

import logging

from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.models import OrderHold
from customers.order_versions import OrderError
from customers.orders import check_again
from customers.rates import MissingRate
from customers.reservations import expire_reservations

ACTOR = Actor.job("orders on hold")
AT_ONCE = 500

log = logging.getLogger(__name__)


def sweep_reservations() -> int:
    """Mark lapsed reservations as expired; returns how many."""
    return expire_reservations(timezone.now(), business_date())


def check_holds_again(at_once: int = AT_ONCE) -> int:
    """Check all waiting orders again, the oldest first; returns how many go on. Stopped business and what was
    rejected before wait for a person."""
    waiting = OrderHold.objects.filter(status=OrderHold.Status.WAITING, cause=OrderHold.Cause.CHECK)
    waiting = waiting.exclude(details__has_key="rejected_on")
    keys = list(waiting.order_by("placed_on", "pk").values_list("pk", flat=True))
    went_on = 0
    for start in range(0, len(keys), at_once):
        went_on += _again(keys[start : start + at_once])
    return went_on


def _again(keys: list[int]) -> int:
    went_on = 0
    rows = OrderHold.objects.filter(pk__in=keys).select_related("account__company")
    for hold in rows.order_by("placed_on", "pk"):
        on = business_date(hold.account.company.time_zone)
        try:
            went_on += check_again(hold, actor=ACTOR, on=on, at=timezone.now()).goes_on
        except (OrderError, MissingRate) as error:
            # One order that cannot be checked must not keep the others waiting.
            log.warning("order %s of account %s not checked: %s", hold.order_number, hold.account_id, error)
    return went_on
