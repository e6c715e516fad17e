"""The audit trail as people read it: newest first, filtered by person, act and row; nothing to edit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter

from creditdesk.core.acts import act_label, acts_like
from creditdesk.core.models import AuditChange, AuditEntry, AuditSeal
from creditdesk.core.templatetags.desk import moment
from customers.access import visible_accounts, visible_customers
from customers.models import (
    Access,
    Company,
    Dispute,
    Instalment,
    Invoice,
    LimitChange,
    Payment,
    Promise,
)

from .base import NotFoundAdmin, ReadOnlyInline

# Tables whose rows hang on an account; entries about other subjects (users, companies, jobs) need the whole book.
ON_ACCOUNT = (Dispute, Instalment, Invoice, LimitChange, Payment, Promise)


def visible_entries(user: Any) -> QuerySet[AuditEntry]:
    """The part of the trail a user may read.

    All of it for who is given every company whole; otherwise acts on customers and accounts they see, and their
    own acts.
    """
    rows = AuditEntry.objects.all()
    if user.is_superuser:
        return rows
    whole = Access.objects.filter(user=user, portfolio__isnull=True).values("company_id")
    if Company.objects.exists() and not Company.objects.exclude(pk__in=whole).exists():
        return rows
    accounts = visible_accounts(user)

    def keys(found: QuerySet) -> QuerySet:
        return found.order_by().annotate(pk_text=Cast("pk", CharField())).values("pk_text")

    scope = Q(actor=user)
    scope |= Q(subject_type="customers.customer", subject_pk__in=keys(visible_customers(user)))
    scope |= Q(subject_type="customers.creditaccount", subject_pk__in=keys(accounts))
    for model in ON_ACCOUNT:
        found = keys(model.objects.filter(account__in=accounts))
        scope |= Q(subject_type=model._meta.label_lower, subject_pk__in=found)
    return rows.filter(scope)


class ChangeInline(ReadOnlyInline):
    model = AuditChange
    fields = ["table", "object_pk", "before", "after"]
    tab = False


@admin.register(AuditEntry)
class AuditEntryAdmin(NotFoundAdmin):
    list_display = ["when", "act_name", "who", "subject", "reason_code", "business_date"]
    list_display_links = ["when", "act_name"]
    list_filter = [
        ("actor_kind", ChoicesDropdownFilter),
        ("at", RangeDateTimeFilter),
    ]
    list_filter_submit = True
    list_select_related = ["actor"]
    search_fields = ["act", "actor_name", "subject_pk", "reason_code"]
    search_help_text = _("Act, person, row number or reason")
    ordering = ["-at", "-pk"]
    list_per_page = 50
    show_full_result_count = False
    inlines = [ChangeInline]
    fields = [
        ("at", "business_date"),
        ("act_name", "act", "reason_code"),
        ("actor_kind", "actor_name"),
        ("subject_type", "subject_pk"),
        "data",
        "note_text",
        "seal",
    ]
    readonly_fields = ["act_name", "note_text", "seal"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return visible_entries(request.user).select_related("note", "sealed")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup.split("__")[0] in {
            "subject_type",
            "subject_pk",
            "act",
            "actor",
        } or super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("when"), ordering="at")
    def when(self, row: AuditEntry) -> str:
        return moment(row.at)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Also by the words people read in the list."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        named = acts_like(search_term.strip()) if search_term.strip() else []
        return (found | queryset.filter(act__in=named) if named else found), duplicates

    @admin.display(description=_("act"), ordering="act")
    def act_name(self, row: AuditEntry) -> str:
        return act_label(row.act)

    @admin.display(description=_("who"), ordering="actor_name")
    def who(self, row: AuditEntry) -> str:
        return f"{row.actor_name or row.actor or '—'} · {row.get_actor_kind_display()}"

    @admin.display(description=_("subject"), ordering="subject_type")
    def subject(self, row: AuditEntry) -> SafeString | str:
        if not row.subject_type:
            return "—"
        name = f"{row.subject_type.split('.')[-1]} {row.subject_pk}"
        try:
            url = reverse(f"admin:{row.subject_type.replace('.', '_')}_change", args=[row.subject_pk])
        except NoReverseMatch:
            return name
        return format_html('<a class="d-link" href="{}">{}</a>', url, name)

    @admin.display(description=_("note"))
    def note_text(self, row: AuditEntry) -> str:
        try:
            return row.note.text
        except ObjectDoesNotExist:
            return "—"

    @admin.display(description=_("sealed"))
    def seal(self, row: AuditEntry) -> str:
        try:
            return f"{row.sealed.seal_id} · {row.sealed.digest}"
        except ObjectDoesNotExist:
            return str(_("not yet"))


@admin.register(AuditSeal)
class AuditSealAdmin(NotFoundAdmin):
    list_display = ["sealed_at", "entries", "digest"]
    ordering = ["-pk"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
