"""Reminders that were written, and the templates they are written from."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from creditdesk.core.templatetags.desk import badge
from customers.admin.base import (
    AccountCollectorFilter,
    AccountPortfolioFilter,
    FactAdmin,
    ReadOnlyInline,
    ScopedAdmin,
    account_search,
    customer_of,
    money_html,
)
from dunning.models import Reminder, ReminderItem, ReminderTemplate


class ReminderItemInline(ReadOnlyInline):
    model = ReminderItem
    fields = ["instalment", "amount"]
    tab = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("instalment", "reminder")


@admin.register(Reminder)
class ReminderAdmin(FactAdmin):
    account_path = "account"
    list_display = [
        "business_date",
        customer_of,
        "level",
        "amount_money",
        "language",
        "state_badge",
        "sent_at",
    ]
    list_filter = [
        ("state", ChoicesDropdownFilter),
        ("level", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        AccountCollectorFilter,
        ("business_date", RangeDateFilter),
    ]
    list_select_related = ["account__customer"]
    search_fields = ["subject", *account_search()]
    ordering = ["-pk"]
    inlines = [ReminderItemInline]

    @admin.display(description=_("amount"), ordering="amount")
    def amount_money(self, row: Reminder) -> SafeString | str:
        return money_html(row.amount)

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, row: Reminder) -> SafeString:
        tones = {"sent": "good", "failed": "bad", "queued": "info"}
        return badge(row.get_state_display(), tones.get(row.state, "mute"))


@admin.register(ReminderTemplate)
class ReminderTemplateAdmin(ScopedAdmin):
    """Texts per language and level; changes leave an act in the trail."""

    list_display = ["language", "level", "subject"]
    list_filter = [("language", ChoicesDropdownFilter), ("level", ChoicesDropdownFilter)]
    search_fields = ["subject"]
    ordering = ["language", "level"]
