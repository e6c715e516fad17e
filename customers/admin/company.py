"""Our own companies with their segments, portfolios and sources; rates; who may see what."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from creditdesk.core.admin import UserAdmin
from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from customers.horizons import set_horizon
from customers.models import Access, Company, CreditSegment, ExchangeRate, OrderHorizon, Portfolio, Source

from .base import AddOnlyFactAdmin, ScopedAdmin, VersionFilter


class SegmentForm(forms.ModelForm):
    """A segment that exists keeps its first horizon: what counted on a past day stays what it was."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        horizon = self.fields.get("order_horizon_days")
        if self.instance.pk and horizon is not None:
            horizon.disabled = True
            horizon.help_text = _("Before the first order horizon with a date: change it there.")


class SegmentInline(TabularInline):
    model = CreditSegment
    form = SegmentForm
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


@admin.register(CreditSegment)
class SegmentAdmin(OfCompanyAdmin):
    form = SegmentForm


@admin.register(OrderHorizon)
class OrderHorizonAdmin(AddOnlyFactAdmin):
    """How far ahead orders count, by segment and product line; a newer one takes its place from its day on."""

    company_path = "segment__company"
    list_display = ["segment", "product_line", "days", "effective_on", "known_on"]
    list_filter = [VersionFilter]
    list_select_related = ["segment"]
    search_fields = ["product_line", "segment__name"]
    fields = ["segment", "product_line", "days", "effective_on"]
    ordering = ["segment", "product_line", "-effective_on", "-pk"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "segment" and not request.user.is_superuser:
            kwargs["queryset"] = CreditSegment.objects.filter(
                company__in=request.user.accesses.values("company_id")
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: OrderHorizon, form: Any, change: bool) -> None:
        stored = set_horizon(
            obj.segment,
            obj.days,
            product_line=obj.product_line,
            on=obj.effective_on,
            known_on=business_date(),
            actor=Actor.person(request.user),
        )
        obj.pk, obj.known_on, obj.recorded_at = stored.pk, stored.known_on, stored.recorded_at


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
