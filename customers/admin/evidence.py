"""Facts from outside the ledger: legal events, accounts, supplier days, cover, orders."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from creditdesk.core.audit import Actor
from creditdesk.core.templatetags.desk import badge
from customers.events import ledger_changed
from customers.legal import record_legal_event
from customers.models import (
    Cover,
    CreditAccount,
    Delivery,
    FinancialStatement,
    LegalEvent,
    OpenOrder,
    SupplierPaymentDays,
)

from .base import (
    CUSTOMER_SEARCH,
    AccountPortfolioFilter,
    AddOnlyFactAdmin,
    FactAdmin,
    VersionFilter,
    account_search,
    customer_of,
    money_html,
)

CUSTOMER_LOOKUPS = tuple(f"customer__{name}" for name in CUSTOMER_SEARCH)
GRAVE = {"insolvency", "struck_off", "protest"}


def _announce(sender: Any, customer_id: int) -> None:
    """The customer's accounts are scored anew: the fact changes what is known about them."""
    ids = set(CreditAccount.objects.filter(customer_id=customer_id).values_list("pk", flat=True))
    ledger_changed.send(sender=sender, account_ids=ids)


class LegalEventForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        happened, known = data.get("effective_on"), data.get("known_on")
        if happened and known and happened > known:
            self.add_error(
                "known_on", _("An event cannot be known before it happens: correct one of the two dates.")
            )
        return data


@admin.register(LegalEvent)
class LegalEventAdmin(AddOnlyFactAdmin):
    form = LegalEventForm
    customer_path = "customer"
    list_display = ["customer", "kind_badge", "effective_on", "known_on", "ended_on", "source"]
    list_filter = [("kind", ChoicesDropdownFilter), ("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = ["source", *CUSTOMER_LOOKUPS]
    autocomplete_fields = ["customer"]
    exclude = ["recorded_by"]
    ordering = ["-effective_on", "-pk"]

    @admin.display(description=_("kind"), ordering="kind")
    def kind_badge(self, row: LegalEvent) -> SafeString:
        return badge(row.get_kind_display(), "bad" if row.kind in GRAVE else "warn")

    def save_model(self, request: HttpRequest, obj: LegalEvent, form: Any, change: bool) -> None:
        """Through the service: an insolvency stops new business in the same transaction."""
        stored = record_legal_event(
            obj.customer,
            obj.kind,
            effective_on=obj.effective_on,
            known_on=obj.known_on,
            source=obj.source,
            link=obj.link,
            ended_on=obj.ended_on,
            actor=Actor.person(request.user),
        )
        obj.pk, obj.recorded_by = stored.pk, stored.recorded_by


@admin.register(FinancialStatement)
class FinancialStatementAdmin(AddOnlyFactAdmin):
    customer_path = "customer"
    list_display = [
        "customer",
        "effective_on",
        "known_on",
        "revenue_money",
        "equity_money",
        "result_money",
        "source",
    ]
    list_filter = [("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = CUSTOMER_LOOKUPS
    autocomplete_fields = ["customer"]
    ordering = ["-effective_on", "-pk"]

    @admin.display(description=_("revenue"), ordering="revenue")
    def revenue_money(self, row: FinancialStatement) -> SafeString | str:
        return money_html(row.revenue)

    @admin.display(description=_("equity"), ordering="equity")
    def equity_money(self, row: FinancialStatement) -> SafeString | str:
        return money_html(row.equity)

    @admin.display(description=_("net income"), ordering="net_income")
    def result_money(self, row: FinancialStatement) -> SafeString | str:
        return money_html(row.net_income)

    def save_model(self, request: HttpRequest, obj: FinancialStatement, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            _announce(FinancialStatement, obj.customer_id)


class AmountAdmin:
    @admin.display(description=_("amount"), ordering="amount")
    def amount_money(self, row: Any) -> SafeString | str:
        return money_html(row.amount)


@admin.register(Cover)
class CoverAdmin(AmountAdmin, AddOnlyFactAdmin):
    account_path = "account"
    list_display = [customer_of, "kind", "provider", "amount_money", "percent", "effective_on", "expires_on"]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("expires_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["account__customer"]
    search_fields = ["provider", *account_search()]
    autocomplete_fields = ["account"]
    ordering = ["-effective_on", "-pk"]

    def save_model(self, request: HttpRequest, obj: Cover, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            ledger_changed.send(sender=Cover, account_ids={obj.account_id})


@admin.register(OpenOrder)
class OpenOrderAdmin(AmountAdmin, FactAdmin):
    account_path = "account"
    list_display = ["number", customer_of, "effective_on", "expected_on", "amount_money", "closed_on"]
    list_filter = [AccountPortfolioFilter, ("expected_on", RangeDateFilter), VersionFilter]
    list_select_related = ["account__customer"]
    search_fields = ["number", *account_search()]
    ordering = ["-effective_on", "-pk"]


@admin.register(Delivery)
class DeliveryAdmin(AmountAdmin, FactAdmin):
    account_path = "account"
    list_display = ["number", customer_of, "effective_on", "amount_money", "invoiced_on"]
    list_filter = [AccountPortfolioFilter, ("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["account__customer"]
    search_fields = ["number", *account_search()]
    ordering = ["-effective_on", "-pk"]


@admin.register(SupplierPaymentDays)
class SupplierPaymentDaysAdmin(AddOnlyFactAdmin):
    form = LegalEventForm
    customer_path = "customer"
    list_display = ["customer", "effective_on", "days", "known_on", "source"]
    list_filter = [("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = ["source", *CUSTOMER_LOOKUPS]
    autocomplete_fields = ["customer"]
    ordering = ["-effective_on", "-pk"]

    def save_model(self, request: HttpRequest, obj: SupplierPaymentDays, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            _announce(SupplierPaymentDays, obj.customer_id)
