"""Documents, instalments, payments and allocations: read, searched and followed, never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateFilter

from creditdesk.core.clock import business_date
from creditdesk.core.templatetags.desk import badge, day
from customers.days import dates_now, today_of
from customers.models import Allocation, Instalment, Invoice, Payment, WriteOff

from .base import (
    AccountCollectorFilter,
    AccountPortfolioFilter,
    FactAdmin,
    ReadOnlyInline,
    VersionFilter,
    account_search,
    customer_of,
    money_html,
)


class InstalmentInline(ReadOnlyInline):
    model = Instalment
    fields = ["number", "due_on", "amount", "open_amount", "settled_on", "settled_by"]
    show_change_link = True


class AllocationInline(ReadOnlyInline):
    model = Allocation
    fields = ["effective_on", "kind", "amount", "instalment", "payment", "days_late", "reverses"]
    ordering = ["effective_on", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("instalment", "payment", "account", "reverses")


class InstalmentAllocationInline(AllocationInline):
    fk_name = "instalment"


class PaymentAllocationInline(AllocationInline):
    fk_name = "payment"


class DueFilter(DropdownFilter):
    title = _("due")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("open", _("open")),
            ("overdue", _("overdue")),
            ("30", _("overdue more than 30 days")),
            ("90", _("overdue more than 90 days")),
            ("settled", _("settled")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if value == "settled":
            return queryset.filter(open_amount=0)
        if value == "open":
            return queryset.filter(open_amount__gt=0)
        if value:
            days = int(value) if value.isdigit() else 0
            return queryset.filter(
                open_amount__gt=0, kind="invoice", due_on__lt=today_of("company", dates_now(), days)
            )
        return queryset


class LedgerAdmin(FactAdmin):
    account_path = "account"
    list_select_related = ["account__customer", "account"]
    date_hierarchy = None

    @admin.display(description=_("amount"), ordering="amount")
    def amount_money(self, row: Any) -> SafeString | str:
        return money_html(row.amount)

    @admin.display(description=_("open"), ordering="open_amount")
    def open_money(self, row: Any) -> SafeString | str:
        return money_html(row.open_amount) if row.open_amount else "—"

    @admin.display(description=_("day"), ordering="effective_on")
    def on(self, row: Any) -> str:
        return day(row.effective_on)


@admin.register(Invoice)
class InvoiceAdmin(LedgerAdmin):
    list_display = ["number", customer_of, "kind_badge", "on", "amount_money", "source", "version"]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        ("delivery", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        AccountCollectorFilter,
        ("effective_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["account__customer", "source"]
    search_fields = ["number", *account_search()]
    search_help_text = _("Document number, customer name, number or VAT number")
    ordering = ["-effective_on", "-pk"]
    readonly_fields = ["delivery_batch"]
    inlines = [InstalmentInline]

    @admin.display(description=_("kind"), ordering="kind")
    def kind_badge(self, row: Invoice) -> SafeString:
        return badge(row.get_kind_display(), "mute" if row.kind == "invoice" else "info")

    @admin.display(description=_("version"), ordering="superseded_at")
    def version(self, row: Invoice) -> SafeString:
        return badge(_("corrected"), "warn") if row.superseded_at else badge(_("current"), "good")


@admin.register(Instalment)
class InstalmentAdmin(LedgerAdmin):
    list_display = ["document", customer_of, "due", "past_due", "amount_money", "open_money", "settled"]
    list_filter = [
        DueFilter,
        AccountPortfolioFilter,
        AccountCollectorFilter,
        ("due_on", RangeDateFilter),
        ("settled_by", ChoicesDropdownFilter),
        VersionFilter,
    ]
    list_select_related = ["account__customer", "company", "invoice"]
    search_fields = ["invoice__number", *account_search()]
    search_help_text = _("Document number, customer name, number or VAT number")
    ordering = ["-due_on", "-pk"]
    inlines = [InstalmentAllocationInline]

    @admin.display(description=_("document"), ordering="invoice__number")
    def document(self, row: Instalment) -> str:
        return row.invoice.number if row.number == 1 else f"{row.invoice.number} / {row.number}"

    @admin.display(description=_("due on"), ordering="due_on")
    def due(self, row: Instalment) -> str:
        return day(row.due_on)

    @admin.display(description=_("days past due"), ordering=F("due_on").desc())
    def past_due(self, row: Instalment) -> SafeString | str:
        late = (business_date(row.company.time_zone) - row.due_on).days
        if not row.open_amount or late <= 0 or row.kind != "invoice":
            return "—"
        return badge(_("%s d") % late, "bad" if late > 30 else "warn")

    @admin.display(description=_("settled on"), ordering="settled_on")
    def settled(self, row: Instalment) -> str:
        return f"{day(row.settled_on)} · {row.get_settled_by_display()}" if row.settled_on else "—"


@admin.register(Payment)
class PaymentAdmin(LedgerAdmin):
    list_display = ["key", customer_of, "on", "amount_money", "open_money", "instrument_name", "source"]
    list_filter = [
        ("instrument", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        AccountCollectorFilter,
        ("effective_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["account__customer", "source"]
    search_fields = ["key", *account_search()]
    search_help_text = _("Payment reference, customer name, number or VAT number")
    ordering = ["-effective_on", "-pk"]
    inlines = [PaymentAllocationInline]

    @admin.display(description=_("instrument"), ordering="instrument")
    def instrument_name(self, row: Payment) -> str:
        return row.get_instrument_display()


@admin.register(Allocation)
class AllocationAdmin(LedgerAdmin):
    list_display = ["on", customer_of, "kind_name", "document", "payment", "amount_money", "days_late"]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("effective_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["account__customer", "instalment__invoice", "payment"]
    search_fields = ["instalment__invoice__number", "payment__key", *account_search()]
    ordering = ["-effective_on", "-pk"]

    @admin.display(description=_("kind"), ordering="kind")
    def kind_name(self, row: Allocation) -> str:
        return row.get_kind_display()

    @admin.display(description=_("document"))
    def document(self, row: Allocation) -> str:
        return row.instalment.invoice.number if row.instalment else "—"


@admin.register(WriteOff)
class WriteOffAdmin(LedgerAdmin):
    list_display = ["on", customer_of, "amount_money", "is_small", "reason_code", "decided_by"]
    list_filter = ["is_small", AccountPortfolioFilter, ("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["account__customer", "decided_by"]
    search_fields = ["reason_code", *account_search()]
    ordering = ["-effective_on", "-pk"]
