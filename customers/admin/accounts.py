"""Credit accounts: the controller's list, with what is open and overdue today."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.money import Money, MoneyField
from creditdesk.core.templatetags.desk import badge
from customers.access import visible_customers
from customers.attributes import assign_collector
from customers.days import dates_now, today_of
from customers.models import (
    CollectorAssignment,
    CreditAccount,
    CreditLimit,
    Customer,
    DocumentKind,
    Instalment,
)

from .base import CollectorFilter, PortfolioFilter, ReadOnlyInline, ScopedAdmin, account_search, money_html
from .customers import STATUS_TONE


class OverdueFilter(DropdownFilter):
    """By the age of the oldest open instalment."""

    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("any", _("something overdue")),
            ("30", _("more than 30 days")),
            ("60", _("more than 60 days")),
            ("90", _("more than 90 days")),
            ("no", _("nothing overdue")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        late_by = int(self.value()) if self.value().isdigit() else 0
        late = Instalment.objects.filter(
            account=OuterRef("pk"),
            kind=DocumentKind.INVOICE,
            open_amount__gt=0,
            superseded_at__isnull=True,
            due_on__lt=today_of("company", dates_now(), late_by),
        )
        return queryset.filter(~Exists(late) if self.value() == "no" else Exists(late))


class CollectorHistoryInline(ReadOnlyInline):
    model = CollectorAssignment
    fields = ["effective_on", "collector", "known_on"]
    ordering = ["-effective_on", "-pk"]
    verbose_name_plural = _("collectors over time")


class LimitHistoryInline(ReadOnlyInline):
    model = CreditLimit
    fields = ["valid_from", "valid_until", "kind", "amount", "recorded_at"]
    ordering = ["-valid_from", "-pk"]


@admin.register(CreditAccount)
class CreditAccountAdmin(ScopedAdmin):
    account_path = ""
    list_display = [
        "customer_name",
        "segment_name",
        "status_badge",
        "portfolio_name",
        "collector_name",
        "open_money",
        "overdue_money",
        "oldest_due",
        "page",
    ]
    list_filter = [
        OverdueFilter,
        PortfolioFilter,
        CollectorFilter,
        ("customer__status", ChoicesDropdownFilter),
    ]
    list_select_related = ["customer", "company", "segment", "portfolio", "collector"]
    search_fields = [*account_search("customer__"), "invoices__number"]
    search_help_text = _("Customer name, number, VAT number, or a document number")
    ordering = ["customer__name", "pk"]
    autocomplete_fields = ["customer"]
    fieldsets = [
        (None, {"fields": [("customer", "currency"), ("company", "segment"), ("portfolio", "collector")]})
    ]
    inlines = [LimitHistoryInline, CollectorHistoryInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        open_rows = (
            Instalment.objects.filter(
                account=OuterRef("pk"),
                kind=DocumentKind.INVOICE,
                currency=OuterRef("currency"),
                open_amount__gt=0,
                superseded_at__isnull=True,
            )
            .order_by()
            .values("account")
        )
        late = open_rows.filter(due_on__lt=today_of("company", dates_now()))
        return (
            super()
            .get_queryset(request)
            .annotate(
                open_minor=Subquery(
                    open_rows.annotate(s=Sum("open_amount")).values("s"), output_field=MoneyField()
                ),
                overdue_minor=Subquery(
                    late.annotate(s=Sum("open_amount")).values("s"), output_field=MoneyField()
                ),
                oldest_due_on=Subquery(late.order_by("due_on").values("due_on")[:1]),
            )
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("customer", "company", "segment", "currency") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "customer":
            kwargs["queryset"] = visible_customers(request.user) | Customer.objects.filter(
                accounts__isnull=True
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("customer"), ordering="customer__name")
    def customer_name(self, row: CreditAccount) -> SafeString:
        return format_html('{} <span class="d-sub">{}</span>', row.customer.name, row.customer.code)

    @admin.display(description=_("credit segment"), ordering="segment__name")
    def segment_name(self, row: CreditAccount) -> str:
        return row.segment.name

    @admin.display(description=_("status"), ordering="customer__status")
    def status_badge(self, row: CreditAccount) -> SafeString:
        return badge(row.customer.get_status_display(), STATUS_TONE[row.customer.status])

    @admin.display(description=_("portfolio"), ordering="portfolio__name")
    def portfolio_name(self, row: CreditAccount) -> str:
        return row.portfolio.name if row.portfolio else "—"

    @admin.display(description=_("collector"), ordering="collector__username")
    def collector_name(self, row: CreditAccount) -> str:
        return (row.collector.get_full_name() or row.collector.username) if row.collector else "—"

    @admin.display(description=_("open"), ordering=F("open_minor").desc(nulls_last=True))
    def open_money(self, row: CreditAccount) -> SafeString | str:
        return money_html(Money(row.open_minor, row.currency)) if row.open_minor else "—"

    @admin.display(description=_("overdue"), ordering=F("overdue_minor").desc(nulls_last=True))
    def overdue_money(self, row: CreditAccount) -> SafeString | str:
        return money_html(Money(row.overdue_minor, row.currency)) if row.overdue_minor else "—"

    @admin.display(description=_("oldest"), ordering=F("oldest_due_on").asc(nulls_last=True))
    def oldest_due(self, row: CreditAccount) -> str:
        if row.oldest_due_on is None:
            return "—"
        return _("%s d") % (business_date(row.company.time_zone) - row.oldest_due_on).days

    @admin.display(description=_("page"))
    def page(self, row: CreditAccount) -> SafeString:
        url = reverse("desk:customer", args=[row.customer_id])
        return format_html('<a class="d-link" href="{}?account={}">{}</a>', url, row.pk, _("Customer page"))

    def save_model(self, request: HttpRequest, obj: CreditAccount, form: Any, change: bool) -> None:
        """The collector is a dated fact from today; the rest is saved and audited as usual."""
        today, collector = business_date(obj.company.time_zone), obj.collector
        moved = "collector" in form.changed_data
        with transaction.atomic():
            if change and moved:
                obj.collector = CreditAccount.objects.get(pk=obj.pk).collector
                form.changed_data = [name for name in form.changed_data if name != "collector"]
            if form.changed_data or not change:
                super().save_model(request, obj, form, change)
            if moved:
                assign_collector(obj, collector, on=today, actor=Actor.person(request.user))
                obj.refresh_from_db()
