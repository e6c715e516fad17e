"""Reservations and holds of orders: looked at here; moved on the order pages and through the API."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from creditdesk.core.templatetags.desk import badge
from customers.models import OrderHold, Reservation

from .base import AccountPortfolioFilter, FactAdmin, account_search, customer_of, money_html

TONES = {
    "active": "info",
    "waiting": "warn",
    "used": "good",
    "released": "good",
    "cured": "good",
    "rejected": "bad",
}


class _Amount:
    @admin.display(description=_("amount"), ordering="amount")
    def amount_money(self, row: Reservation | OrderHold) -> SafeString | str:
        return money_html(row.amount)

    @admin.display(description=_("status"), ordering="status")
    def state(self, row: Reservation | OrderHold) -> SafeString:
        return badge(row.get_status_display(), TONES.get(row.status, "mute"))


@admin.register(Reservation)
class ReservationAdmin(_Amount, FactAdmin):
    account_path = "account"
    list_display = [
        "reference",
        customer_of,
        "amount_money",
        "state",
        "made_at",
        "expires_at",
        "made_by_name",
    ]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("reserved_on", RangeDateFilter),
    ]
    list_select_related = ["account__customer"]
    search_fields = ["reference", "order_number", *account_search()]
    exclude = ["check_result"]
    ordering = ["-pk"]


@admin.register(OrderHold)
class OrderHoldAdmin(_Amount, FactAdmin):
    account_path = "account"
    list_display = [
        *("order_number", customer_of, "amount_money", "cause", "state", "placed_on", "decide_by"),
        *("resolved_by", "released_until"),
    ]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("cause", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("placed_on", RangeDateFilter),
    ]
    list_select_related = ["account__customer", "resolved_by"]
    search_fields = ["order_number", *account_search()]
    exclude = ["details"]
    ordering = ["-pk"]
