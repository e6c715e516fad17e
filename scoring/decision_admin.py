"""Decisions, and the terms they follow, in the admin. A decision is read; terms come in new versions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Max
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.clock import business_date
from creditdesk.core.templatetags.desk import badge
from customers.admin.base import AccountPortfolioFilter, FactAdmin, account_search, customer_of
from scoring.admin import VersionedAdmin
from scoring.models import Decision, Grade, TermsPolicy, TermsPolicyGrade

COPIED = ("usual_days", "currency", "prospect_amount", "prospect_grade", "prospect_z")
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

    @admin.display(description=_("decision"), ordering="outcome")
    def outcome_badge(self, row: Decision) -> SafeString:
        return badge(row.get_outcome_display(), TONES[row.outcome])

    @admin.display(description=_("decided by"))
    def who(self, row: Decision) -> str:
        return row.decided_by.get_username() if row.decided_by else row.get_by_kind_display()


class GradeFormSet(BaseInlineFormSet):
    """A version says something of every grade, once."""

    def clean(self) -> None:
        super().clean()
        given = sorted(form.cleaned_data.get("grade", "") for form in self.forms if form.is_valid())
        if given != sorted(Grade.values):
            raise forms.ValidationError(gettext("Give terms for each grade, A to E, once."))


class TermsGradeInline(TabularInline):
    model = TermsPolicyGrade
    formset = GradeFormSet
    extra = 0
    min_num = max_num = len(Grade)
    can_delete = False
    tab = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(TermsPolicy)
class TermsPolicyAdmin(VersionedAdmin):
    list_display = ["segment", "version", "valid_from", "usual_days", "prospect_amount", "prospect_grade"]
    list_select_related = ["segment"]
    ordering = ["-valid_from", "-pk"]
    inlines = [TermsGradeInline]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj else ("version",)

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, **kwargs)

        def clean_valid_from(self: Any) -> Any:
            # Decisions of the past followed what was in force then.
            if self.cleaned_data["valid_from"] < business_date():
                raise forms.ValidationError(gettext("New terms hold from today or later."))
            return self.cleaned_data["valid_from"]

        return type("TermsPolicyForm", (form,), {"clean_valid_from": clean_valid_from})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new version starts from the one for every segment that is in force."""
        last = TermsPolicy.objects.filter(segment__isnull=True).order_by("-valid_from", "-version").first()
        copied = {name: getattr(last, name) for name in COPIED} if last else {}
        if copied and copied["prospect_amount"] is not None:
            copied["prospect_amount"] = copied["prospect_amount"].amount
        return {"valid_from": business_date(), **copied, **super().get_changeform_initial_data(request)}

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        found = super().get_formset_kwargs(request, obj, inline, prefix)
        if request.method == "GET" and obj.pk is None:
            found["initial"] = [{"grade": grade} for grade in Grade.values]
        return found

    def save_model(self, request: HttpRequest, obj: TermsPolicy, form: Any, change: bool) -> None:
        with transaction.atomic():
            last = TermsPolicy.objects.filter(segment=obj.segment).aggregate(last=Max("version"))["last"]
            obj.version = (last or 0) + 1
            super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        policy: TermsPolicy = form.instance
        terms = {row.grade: [row.longest_days, row.guarantee_percent] for row in policy.grades.all()}
        amount = policy.prospect_amount
        prospects = {
            "prospect_amount": amount.minor if amount is not None else None,
            "currency": policy.currency,
            "prospect_grade": policy.prospect_grade,
            "prospect_z": str(policy.prospect_z),
        }
        record_act(
            "termspolicy.add",
            actor=Actor.person(request.user),
            subject=policy,
            business_date=business_date(),
            changes=[Change.of(policy, None, {"version": policy.version, "grades": terms, **prospects})],
        )
