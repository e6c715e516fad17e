"""Promises, disputes and dunning blocks. They are taken and moved on the worklist; here they are overseen."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateFilter

from creditdesk.core.templatetags.desk import badge, day
from customers.models import Dispute, DisputeItem, DunningBlock, Promise, PromiseItem, PromiseMove

from .base import (
    AccountCollectorFilter,
    AccountPortfolioFilter,
    AddOnlyFactAdmin,
    FactAdmin,
    ReadOnlyInline,
    VersionFilter,
    account_search,
    customer_of,
    money_html,
)

PROMISE_TONE = {
    "open": "info",
    "kept": "good",
    "partly_kept": "warn",
    "broken": "bad",
    "withdrawn": "mute",
    "replaced": "mute",
}


class PromiseItemInline(ReadOnlyInline):
    model = PromiseItem
    fields = ["instalment", "amount"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("instalment", "promise")


class PromiseMoveInline(ReadOnlyInline):
    model = PromiseMove
    fields = ["effective_on", "from_status", "to_status", "kept_amount", "moved_by", "reason_code"]
    ordering = ["effective_on", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("promise", "moved_by")


@admin.register(Promise)
class PromiseAdmin(FactAdmin):
    account_path = "account"
    list_display = [
        customer_of,
        "promised_for",
        "amount_money",
        "kept_money",
        "status_badge",
        "given",
        "taken_by",
    ]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        AccountCollectorFilter,
        ("due_on", RangeDateFilter),
    ]
    list_select_related = ["account__customer", "taken_by"]
    search_fields = account_search()
    ordering = ["-due_on", "-pk"]
    inlines = [PromiseItemInline, PromiseMoveInline]

    @admin.display(description=_("promised for"), ordering="due_on")
    def promised_for(self, row: Promise) -> str:
        return day(row.due_on)

    @admin.display(description=_("given on"), ordering="effective_on")
    def given(self, row: Promise) -> str:
        return day(row.effective_on)

    @admin.display(description=_("amount"), ordering="amount")
    def amount_money(self, row: Promise) -> SafeString | str:
        return money_html(row.amount)

    @admin.display(description=_("kept amount"), ordering="kept_amount")
    def kept_money(self, row: Promise) -> SafeString | str:
        return money_html(row.kept_amount) if row.kept_amount else "—"

    @admin.display(description=_("status"), ordering="status")
    def status_badge(self, row: Promise) -> SafeString:
        return badge(row.get_status_display(), PROMISE_TONE[row.status])


class DisputeItemInline(ReadOnlyInline):
    model = DisputeItem
    fields = ["instalment", "amount"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("instalment", "dispute")


class OpenFilter(DropdownFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("open")), ("closed", _("closed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(closed_on__isnull=self.value() == "open") if self.value() else queryset


@admin.register(Dispute)
class DisputeAdmin(FactAdmin):
    account_path = "account"
    list_display = [customer_of, "raised", "reason_name", "amount_money", "state", "answer_by", "opened_by"]
    list_filter = [
        OpenFilter,
        ("reason", ChoicesDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        AccountCollectorFilter,
    ]
    list_select_related = ["account__customer", "opened_by"]
    search_fields = account_search()
    ordering = ["-effective_on", "-pk"]
    inlines = [DisputeItemInline]

    @admin.display(description=_("raised on"), ordering="effective_on")
    def raised(self, row: Dispute) -> str:
        return day(row.effective_on)

    @admin.display(description=_("reason"), ordering="reason")
    def reason_name(self, row: Dispute) -> str:
        return row.get_reason_display()

    @admin.display(description=_("disputed amount"), ordering="amount")
    def amount_money(self, row: Dispute) -> SafeString | str:
        return money_html(row.amount)

    @admin.display(description=_("state"), ordering="closed_on")
    def state(self, row: Dispute) -> SafeString:
        return badge(row.get_outcome_display(), "mute") if row.closed_on else badge(_("open"), "warn")


@admin.register(DunningBlock)
class DunningBlockAdmin(AddOnlyFactAdmin):
    account_path = "account"
    list_display = [customer_of, "effective_on", "expires_on", "lifted_on", "reason_code", "placed_by"]
    list_filter = [
        AccountPortfolioFilter,
        AccountCollectorFilter,
        ("expires_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["account__customer", "placed_by"]
    search_fields = ["reason_code", *account_search()]
    autocomplete_fields = ["account", "instalment"]
    exclude = ["placed_by", "lifted_on"]
    ordering = ["-effective_on", "-pk"]

    def save_model(self, request: HttpRequest, obj: DunningBlock, form: Any, change: bool) -> None:
        obj.placed_by = request.user
        super().save_model(request, obj, form, change)
