"""Credit applications in the admin: read here, worked on on their own pages."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from customers.models import CreditApplication

from .base import AccountPortfolioFilter, FactAdmin, account_search, customer_of, money_html


@admin.register(CreditApplication)
class CreditApplicationAdmin(FactAdmin):
    account_path = "account"
    list_display = ["received_on", customer_of, "asked_for", "status", "channel", "submitted_name", "page"]
    list_select_related = ["account__customer"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("received_on", RangeDateFilter),
    ]
    search_fields = ["=public_id", *account_search()]
    ordering = ["-pk"]

    @admin.display(description=_("credit asked for"), ordering="requested")
    def asked_for(self, row: CreditApplication) -> SafeString | str:
        return money_html(row.requested)

    @admin.display(description=_("application page"))
    def page(self, row: CreditApplication) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("applications:page", args=[row.pk]), gettext("open")
        )
