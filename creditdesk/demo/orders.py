"""Orders that came in today and do not pass: the hold queue has something to decide."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils import timezone

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.limits import limit_at
from customers.models import CreditAccount, OrderHold
from customers.order_versions import OrderError
from customers.orders import record_order

from .characters import character_code

ERP = Actor.job("ERP")
# Character: (number of the order, share of its limit in percent, days since it was taken).
ORDERS = {
    "grower": ("SO-7311", 60, 0),
    "promises": ("SO-7288", 35, 3),
    "giant": ("SO-7302", 25, 1),
    "riba": ("SO-7295", 30, 2),
}


def take_in_orders(as_of: date) -> None:
    """Record the orders, once. What passes is taken; what does not waits in the queue."""
    if OrderHold.objects.exists():
        return
    codes = {character_code(key): key for key in ORDERS}
    accounts = CreditAccount.objects.filter(customer__code__in=codes).select_related("customer")
    for account in accounts.order_by("pk"):
        number, share, days_ago = ORDERS[codes[account.customer.code]]
        base = limit_at(account, as_of).base
        on = as_of - timedelta(days=days_ago)
        amount = Money(
            (base.minor if base else 1_000_000) * share // 100 // 10_000 * 10_000, account.currency
        )
        if amount.minor <= 0:
            continue
        try:
            record_order(
                account,
                number,
                amount,
                expected_on=on + timedelta(days=14),
                actor=ERP,
                on=on,
                at=timezone.now(),
            )
        except OrderError:  # the story has an order of that number
            continue
