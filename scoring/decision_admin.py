"""Decisions, and the terms they follow, in the admin: both are read here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from creditdesk.core.templatetags.desk import badge
from customers.admin.base import (
    AccountPortfolioFilter,
    FactAdmin,
    ReadOnlyInline,
    account_search,
    customer_of,
)
from customers.days import last_date
from customers.shown import EVERYTHING, shown_about
from scoring.admin import VersionedAdmin
from scoring.models import Decision, TermsPolicy, TermsPolicyGrade

TONES = {"approved": "good", "guarantees": "info", "review": "warn", "declined": "bad"}


@admin.register(Decision)
class DecisionAdmin(FactAdmin):
    account_path = "account"
    list_display = [
        "decided_at",
        customer_of,
        "outcome_badge",
        "score",
        "grade",
        "limit",
        "terms_days",
        "who",
    ]
    list_select_related = ["account__customer", "decided_by"]
    list_filter = [
        ("outcome", ChoicesDropdownFilter),
        ("by_kind", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("as_of", RangeDateFilter),
    ]
    search_fields = ["=public_id", *account_search()]
    ordering = ["-pk"]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without what the advice stands on for who may not see it all: reasons and caps tell bank flows and what
        agencies said in it."""
        shown = shown_about(request.user, obj.account.customer, last_date()) if obj else EVERYTHING
        hidden = () if shown == EVERYTHING else ("reasons", "inputs", "advice")
        return [*(super().get_exclude(request, obj) or ()), *hidden]

    @admin.display(description=_("decision"), ordering="outcome")
    def outcome_badge(self, row: Decision) -> SafeString:
        return badge(row.get_outcome_display(), TONES[row.outcome])

    @admin.display(description=_("decided by"))
    def who(self, row: Decision) -> str:
        return row.decided_by.get_username() if row.decided_by else row.get_by_kind_display()


class TermsGradeInline(ReadOnlyInline):
    model = TermsPolicyGrade
    tab = False


@admin.register(TermsPolicy)
class TermsPolicyAdmin(VersionedAdmin):
    """Read here; worked on, simulated and published on the terms policy pages."""

    list_display = ["segment", "version", "status", "valid_from", "usual_days", "page"]
    list_select_related = ["segment"]
    ordering = ["-valid_from", "-pk"]
    inlines = [TermsGradeInline]

    @admin.display(description=_("terms policy page"))
    def page(self, row: TermsPolicy) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("termspolicies:policy", args=[row.pk]), gettext("open")
        )
