"""Orders, deliveries, billed parts; cover with its terms, and what insurers were told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import action

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.cover import CoverRefused, record_notice, withdraw_cover
from customers.events import ledger_changed
from customers.models import BilledPart, Cover, CoverNotice, Delivery, OpenOrder

from .base import (
    AccountPortfolioFilter,
    AddOnlyFactAdmin,
    FactAdmin,
    VersionFilter,
    account_search,
    customer_of,
    money_html,
)

WITHDRAW = "customers.change_cover"


class AmountAdmin:
    @admin.display(description=_("amount"), ordering="amount")
    def amount_money(self, row: Any) -> SafeString | str:
        return money_html(row.amount)


class WithdrawForm(forms.Form):
    on = forms.DateField(
        label=_("withdrawn on"),
        widget=forms.DateInput(attrs={"type": "date", "class": "d-input"}),
        help_text=_("Nothing shipped after this day is covered."),
    )


@admin.register(Cover)
class CoverAdmin(AmountAdmin, AddOnlyFactAdmin):
    account_path = "account"
    list_display = [
        *(customer_of, "kind", "provider", "policy", "amount_money", "percent", "effective_on", "expires_on"),
        "withdrawn_on",
    ]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("expires_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["account__customer"]
    search_fields = ["provider", "policy", *account_search()]
    autocomplete_fields = ["account", "guarantor"]
    exclude = ["terms", "batch"]
    ordering = ["-effective_on", "-pk"]
    actions_detail = ["withdraw_page"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("account", ("kind", "basis"), ("provider", "policy"), "guarantor"),
                    *(("amount", "currency"), ("percent", "haircut_percent")),
                    *(("effective_on", "expires_on"), "known_on"),
                ]
            },
        ),
        (
            _("terms"),
            {
                "fields": [
                    *("withdrawn_on", "max_terms_days", "max_extension_days", "notify_days"),
                    *("excludes_disputed", "policy_limit"),
                ]
            },
        ),
    ]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.withdraw_view)
        return [path("<int:pk>/withdraw/", view, name="customers_cover_withdraw"), *super().get_urls()]

    # Unfold's buttons answer GET, so they only lead to the page that does the work.
    @action(description=_("Withdraw"), url_path="to-withdraw", permissions=["withdraw"])
    def withdraw_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_cover_withdraw", object_id)

    def has_withdraw_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(WITHDRAW)

    def withdraw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The provider covers no new shipments from a day on; a POST with the day records it."""
        cover = self.get_object(request, str(pk))
        if cover is None:
            self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if not self.has_withdraw_permission(request):
            raise PermissionDenied
        today = business_date()
        form = WithdrawForm(request.POST or None, initial={"on": today})
        if request.method == "POST" and form.is_valid():
            try:
                newer = withdraw_cover(
                    cover, on=form.cleaned_data["on"], actor=Actor.person(request.user), today=today
                )
            except (CoverRefused, ValidationError) as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, _("The cover is withdrawn for new shipments."))
                return redirect("admin:customers_cover_change", newer.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Withdraw cover"),
            "cover": cover,
            "form": form,
        }
        return TemplateResponse(request, "admin/customers/cover/withdraw.html", context)

    def save_model(self, request: HttpRequest, obj: Cover, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            ledger_changed.send(sender=Cover, account_ids={obj.account_id})


@admin.register(CoverNotice)
class CoverNoticeAdmin(AddOnlyFactAdmin):
    account_path = "account"
    list_display = [customer_of, "policy", "effective_on", "due_through", "reference"]
    list_filter = [AccountPortfolioFilter, ("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["account__customer"]
    search_fields = ["policy", "reference", *account_search()]
    autocomplete_fields = ["account"]
    ordering = ["-effective_on", "-pk"]

    def save_model(self, request: HttpRequest, obj: CoverNotice, form: Any, change: bool) -> None:
        stored = record_notice(
            obj.account,
            due_through=obj.due_through,
            notified_on=obj.effective_on,
            known_on=obj.known_on,
            policy=obj.policy,
            reference=obj.reference,
            actor=Actor.person(request.user),
        )
        obj.pk, obj.recorded_by = stored.pk, stored.recorded_by

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)

        class Checked(form):  # type: ignore[misc,valid-type]
            def clean(self) -> dict[str, Any]:
                data = super().clean() or {}
                told, due = data.get("effective_on"), data.get("due_through")
                if told and due and due > told:
                    self.add_error(
                        "due_through", _("Only what was due by the day of the notice can be notified.")
                    )
                return data

        return Checked


@admin.register(OpenOrder)
class OpenOrderAdmin(AmountAdmin, FactAdmin):
    account_path = "account"
    list_display = [
        *("number", customer_of, "product_line", "effective_on", "expected_on", "amount_money", "closed_on"),
    ]
    list_filter = [AccountPortfolioFilter, ("expected_on", RangeDateFilter), VersionFilter]
    list_select_related = ["account__customer"]
    search_fields = ["number", *account_search()]
    ordering = ["-effective_on", "-pk"]


@admin.register(Delivery)
class DeliveryAdmin(AmountAdmin, FactAdmin):
    account_path = "account"
    list_display = ["number", "order_number", customer_of, "effective_on", "amount_money", "invoiced_on"]
    list_filter = [AccountPortfolioFilter, ("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["account__customer"]
    search_fields = ["number", "order_number", *account_search()]
    ordering = ["-effective_on", "-pk"]


@admin.register(BilledPart)
class BilledPartAdmin(AmountAdmin, FactAdmin):
    account_path = "account"
    list_display = [
        *("invoice_number", "delivery_number", "order_number", customer_of, "effective_on", "amount_money"),
    ]
    list_filter = [AccountPortfolioFilter, ("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["account__customer"]
    search_fields = ["invoice_number", "delivery_number", "order_number", *account_search()]
    ordering = ["-effective_on", "-pk"]
