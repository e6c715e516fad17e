"""Our own companies with their segments, portfolios and sources; rates; who may see what."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from creditdesk.core.admin import UserAdmin
from creditdesk.core.models import User
from customers.models import Access, Company, CreditSegment, ExchangeRate, Portfolio, Source

from .base import ScopedAdmin


class SegmentInline(TabularInline):
    model = CreditSegment
    extra = 0
    tab = True


class PortfolioInline(TabularInline):
    model = Portfolio
    extra = 0
    tab = True


class SourceInline(TabularInline):
    model = Source
    extra = 0
    tab = True


@admin.register(Company)
class CompanyAdmin(ScopedAdmin):
    company_path = ""
    list_display = ["code", "name", "country", "currency", "time_zone"]
    search_fields = ["code", "name"]
    ordering = ["name", "pk"]
    inlines = [SegmentInline, PortfolioInline, SourceInline]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OfCompanyAdmin(ScopedAdmin):
    """Parts of a company: edited on the company's page, registered for search and autocomplete."""

    company_path = "company"
    list_display = ["code", "name", "company"]
    list_select_related = ["company"]
    search_fields = ["code", "name"]
    ordering = ["name", "pk"]


admin.site.register(CreditSegment, OfCompanyAdmin)
admin.site.register(Portfolio, OfCompanyAdmin)


@admin.register(Source)
class SourceAdmin(OfCompanyAdmin):
    list_display = ["code", "name", "company", "is_ledger"]


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ScopedAdmin):
    """Rates are facts with a source: added, never changed (a past figure must print the same again)."""

    list_display = ["base", "quote", "rate", "on", "source"]
    list_filter = ["base", "quote"]
    search_fields = ["base", "quote", "source"]
    ordering = ["-on", "base", "quote", "pk"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AccessInline(TabularInline):
    model = Access
    fk_name = "user"
    extra = 0
    tab = True
    verbose_name_plural = _("companies and portfolios this person sees")


admin.site.unregister(User)


@admin.register(User)
class UserWithAccessAdmin(UserAdmin):
    """A person, with the companies and portfolios given to them."""

    inlines = [AccessInline]
