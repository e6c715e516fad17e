"""Customers with their contacts and the history of their standing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV, XLSX
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.templatetags.desk import badge
from customers.attributes import AttributeRefused, set_parent, set_status, set_terms
from customers.models import (
    Contact,
    Customer,
    CustomerKey,
    GroupMembership,
    PaymentTerms,
    StatusChange,
)
from customers.resources import CustomerResource

from .base import CUSTOMER_SEARCH, CollectorFilter, PortfolioFilter, ReadOnlyInline, ScopedAdmin
from .merging import MergeMixin

STATUS_TONE = {"active": "good", "prospect": "info", "on_hold": "warn", "insolvent": "bad", "closed": "mute"}


class ContactInline(TabularInline):
    model = Contact
    extra = 0
    tab = True
    fields = ["name", "role", "email", "phone", "language", "preference", "bounced_on"]


class KeyInline(ReadOnlyInline):
    model = CustomerKey
    fields = ["source", "key"]


class StatusInline(ReadOnlyInline):
    model = StatusChange
    fields = ["effective_on", "status", "reason_code", "known_on"]
    ordering = ["-effective_on", "-pk"]


class MembershipInline(ReadOnlyInline):
    model = GroupMembership
    fk_name = "customer"
    fields = ["effective_on", "parent", "known_on"]
    ordering = ["-effective_on", "-pk"]


class TermsInline(ReadOnlyInline):
    model = PaymentTerms
    fields = ["effective_on", "days", "end_of_month", "known_on"]
    ordering = ["-effective_on", "-pk"]


class CountryFilter(DropdownFilter):
    title = _("country")
    parameter_name = "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = model_admin.get_queryset(request).exclude(country="").order_by("country")
        return [(code, code) for code in rows.values_list("country", flat=True).distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(country=self.value()) if self.value() else queryset


class CustomerPortfolioFilter(PortfolioFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(accounts__portfolio_id=self.value()).distinct() if self.value() else queryset


class CustomerCollectorFilter(CollectorFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() == "none":
            return queryset.filter(accounts__collector__isnull=True).distinct()
        return queryset.filter(accounts__collector_id=self.value()).distinct()


class CustomerForm(forms.ModelForm):
    """Dated standing is validated here and recorded as facts by the admin's save."""

    class Meta:
        model = Customer
        fields = "__all__"  # noqa: DJ007 - narrowed by the admin's fieldsets

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        parent, above = data.get("parent"), data.get("parent")
        while above is not None and self.instance.pk:
            if above.pk == self.instance.pk:
                self.add_error("parent", _("%s already belongs to this customer's group.") % parent)
                break
            above = above.parent
        return data


@admin.register(Customer)
class CustomerAdmin(MergeMixin, ImportExportMixin, ScopedAdmin):
    form = CustomerForm
    resource_classes = [CustomerResource]
    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = [CSV, XLSX]
    skip_admin_log = True  # the audit trail has it
    customer_path = ""
    personal_fields = frozenset({"name", "city", "vat_number", "registration_number"})
    list_display = [
        "code",
        "name",
        "place",
        "vat_number",
        "status_badge",
        "legal_kind",
        "account_count",
        "page",
    ]
    list_display_links = ["code", "name"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        CountryFilter,
        CustomerPortfolioFilter,
        CustomerCollectorFilter,
    ]
    search_fields = [*CUSTOMER_SEARCH, "lei", "keys__key"]
    search_help_text = _("Name, number, VAT or registration number")
    autocomplete_fields = ["parent", "merged_into"]
    readonly_fields = ["merged_into"]
    fieldsets = [
        (None, {"fields": [("code", "name"), ("kind", "status"), ("country", "city"), "language"]}),
        (
            _("Identifiers"),
            {"fields": [("vat_number", "registration_number"), ("lei", "sector")], "classes": ["tab"]},
        ),
        (
            _("Relationship"),
            {
                "fields": [("customer_since", "founded_on"), ("parent", "terms_days"), "merged_into"],
                "classes": ["tab"],
            },
        ),
    ]
    inlines = [ContactInline, KeyInline, StatusInline, MembershipInline, TermsInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).annotate(n_accounts=Count("accounts", distinct=True))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_resource_kwargs(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {"user": request.user}

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        """What the preview showed may have changed since: then nothing is stored, and this says so."""
        if result.has_errors() or result.has_validation_errors():
            text = _("Nothing was imported: the customers changed since the preview. Import the list again.")
            self.message_user(request, text, level="error")
            return redirect("admin:customers_customer_import")
        return super().process_result(result, request)

    @admin.display(description=_("place"), ordering="country")
    def place(self, row: Customer) -> str:
        return " · ".join(part for part in (row.country, row.city) if part) or "—"

    @admin.display(description=_("status"), ordering="status")
    def status_badge(self, row: Customer) -> SafeString:
        return badge(row.get_status_display(), STATUS_TONE[row.status])

    @admin.display(description=_("legal kind"), ordering="kind")
    def legal_kind(self, row: Customer) -> str:
        return row.get_kind_display()

    @admin.display(description=_("accounts"), ordering="n_accounts")
    def account_count(self, row: Customer) -> int:
        return row.n_accounts

    @admin.display(description=_("open"))
    def page(self, row: Customer) -> SafeString:
        return format_html(
            '<a class="d-link" href="{}">{}</a>', reverse("desk:customer", args=[row.pk]), _("Customer page")
        )

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        """Status, group and terms become dated facts from today; the rest is saved and audited as usual."""
        today, actor = business_date(), Actor.person(request.user)
        dated = {"status": obj.status, "parent": obj.parent, "terms_days": obj.terms_days}
        moved = [name for name in dated if name in form.changed_data]
        with transaction.atomic():
            if change:
                stored = Customer.objects.get(pk=obj.pk)
                for name in moved:
                    setattr(obj, name, getattr(stored, name))
                form.changed_data = [name for name in form.changed_data if name not in moved]
            if form.changed_data or not change:
                super().save_model(request, obj, form, change)
            if "status" in moved or not change:
                set_status(obj, dated["status"], on=today, actor=actor, reason_code="admin")
            if "parent" in moved:
                try:
                    set_parent(obj, dated["parent"], on=today, actor=actor)
                except AttributeRefused as error:
                    self.message_user(request, str(error), level="error")
            if "terms_days" in moved and dated["terms_days"] is not None:
                set_terms(obj, dated["terms_days"], on=today, actor=actor)
            obj.refresh_from_db()
