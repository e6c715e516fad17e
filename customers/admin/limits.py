"""Limits in the admin: the approval inbox as a filterable list, limits in force, holds, authorities.

Deciding happens on the decision page (/desk/limits/<id>/), by POST and with a reason; nothing is edited here.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.db.models import Case, F, IntegerField, QuerySet, Value, When
from django.db.models.functions import Abs, Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateFilter

from creditdesk.core.acts import actor_label
from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.templatetags.desk import badge, grade_badge
from customers.days import last_date
from customers.delegations import DelegationError, check_delegation, delegate_approval
from customers.limit_evidence import money_of
from customers.limit_reasons import render_reason
from customers.models import (
    ApprovalAuthority,
    ApprovalDelegation,
    ApprovalTerms,
    CreditHold,
    CreditLimit,
    LimitChange,
    LimitDecision,
)
from customers.shown import EVERYTHING, Shown, shown_about, shown_fields

from .base import (
    AccountPortfolioFilter,
    FactAdmin,
    ScopedAdmin,
    account_search,
    customer_of,
    money_html,
)


class DelegationAdminForm(forms.ModelForm):
    """A delegation an administrator records; refused with the field to change."""

    by: User

    def delegation(self) -> dict[str, Any]:
        names = ("delegator", "delegate", "company", "starts_on", "ends_on", "reason")
        return {name: self.cleaned_data.get(name) for name in names}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            try:
                check_delegation(**self.delegation(), by=self.by, today=business_date())
            except DelegationError as error:
                self.add_error(error.field if error.field in self.fields else None, str(error))
        return data


TONES = {"applied": "good", "proposed": "info", "rejected": "bad", "expired": "warn"}


class StateFilter(DropdownFilter):
    """Waiting changes unless one asks for others: this list is an inbox first."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("all", _("all")),
            *((value, label) for value, label in LimitChange.Status.choices if value != "proposed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        return queryset.filter(status=self.value() or LimitChange.Status.PROPOSED)


@admin.register(LimitChange)
class LimitChangeAdmin(FactAdmin):
    account_path = "account"
    list_display = [
        *(customer_of, "from_money", "to_money", "why", "score_then", "exposure_then", "proposed_by"),
        *("proposed_at", "state"),
    ]
    list_display_links = None
    list_filter = [
        StateFilter,
        ("proposer_kind", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("proposed_at", RangeDateFilter),
        AccountPortfolioFilter,
    ]
    list_select_related = ["account__customer"]
    search_fields = ["proposer_name", *account_search()]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """What an event proposed first (a hold waits for it), then the most money, then the oldest."""
        rows = super().get_queryset(request)
        return rows.annotate(
            urgency=Case(
                When(status="proposed", proposer_kind="event", then=Value(0)),
                default=Value(1),
                output_field=IntegerField(),
            ),
            # A column knows its row, not who reads it.
            **shown_fields(request.user, "account__customer", last_date()),
            moved=Abs(F("new_amount") - Coalesce(F("old_amount"), 0)),
        ).order_by("urgency", "-moved", "proposed_at", "pk")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """The decision page shows a change with its evidence; there is no second page for it."""
        if self.get_object(request, object_id) is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return redirect("limits:decide", object_id)

    @admin.display(description=_("from"), ordering="old_amount")
    def from_money(self, row: LimitChange) -> SafeString | str:
        return money_html(row.old_amount)

    @admin.display(description=_("to"), ordering="new_amount")
    def to_money(self, row: LimitChange) -> SafeString:
        link = reverse("limits:decide", args=[row.pk])
        return format_html('<a class="d-link" href="{}">{}</a>', link, money_html(row.new_amount))

    @admin.display(description=_("why"))
    def why(self, row: LimitChange) -> str:
        return render_reason(row.reason_code, row.reason_params, shown=Shown.of(row))

    @admin.display(description=_("score then"))
    def score_then(self, row: LimitChange) -> SafeString:
        return grade_badge(row.evidence.get("grade"), row.evidence.get("score"))

    @admin.display(description=_("exposure then"))
    def exposure_then(self, row: LimitChange) -> SafeString | str:
        return money_html(money_of((row.evidence.get("exposure") or {}).get("total")))

    @admin.display(description=_("proposed by"), ordering="proposer_name")
    def proposed_by(self, row: LimitChange) -> SafeString:
        return format_html(
            '{}<span class="d-sub">{}</span>', actor_label(row.proposer_name), row.get_proposer_kind_display()
        )

    @admin.display(description=_("state"), ordering="status")
    def state(self, row: LimitChange) -> SafeString:
        return badge(row.get_status_display(), TONES.get(row.status, "mute"))


@admin.register(CreditLimit)
class CreditLimitAdmin(FactAdmin):
    account_path = "account"
    list_display = [customer_of, "kind", "amount_money", "valid_from", "valid_until"]
    list_filter = [("kind", ChoicesDropdownFilter), ("valid_from", RangeDateFilter), AccountPortfolioFilter]
    list_select_related = ["account__customer"]
    search_fields = account_search()
    ordering = ["-valid_from", "-pk"]

    @admin.display(description=_("amount"), ordering="amount")
    def amount_money(self, row: CreditLimit) -> SafeString | str:
        return money_html(row.amount)


@admin.register(CreditHold)
class CreditHoldAdmin(FactAdmin):
    account_path = "account"
    list_display = [customer_of, "reason", "placed_on", "placed_by_name", "released_on", "released_by"]
    list_filter = [("placed_on", RangeDateFilter), ("released_on", RangeDateFilter), AccountPortfolioFilter]
    list_select_related = ["account__customer", "released_by"]
    search_fields = account_search()
    ordering = ["-placed_on", "-pk"]

    @admin.display(description=_("reason"), ordering="reason_code")
    def reason(self, row: CreditHold) -> str:
        return row.reason_text


class OversightAdmin(ScopedAdmin):
    """Who may decide, and by when. Only a superuser edits: nobody widens their own authority."""

    company_path = "company"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser


@admin.register(ApprovalAuthority)
class ApprovalAuthorityAdmin(OversightAdmin):
    """The matrix: group, company, direction, amount, worst grade, alone or by two."""

    list_display = ["group", "company", "direction", "up_to", "worst_grade", "approvers_needed"]
    list_filter = [
        ("direction", ChoicesDropdownFilter),
        ("approvers_needed", ChoicesDropdownFilter),
    ]
    list_select_related = ["group", "company"]
    ordering = ["company", "direction", "approvers_needed", "group"]

    @admin.display(description=_("up to a limit of"), ordering="max_amount")
    def up_to(self, row: ApprovalAuthority) -> SafeString | str:
        return str(_("any amount")) if row.max_amount is None else money_html(row.max_amount)


@admin.register(ApprovalTerms)
class ApprovalTermsAdmin(OversightAdmin):
    """How long a change may wait, and which rises are small."""

    list_display = [
        *("company", "remind_after_days", "escalate_after_days", "expire_rise_after_days"),
        *("expire_cut_after_days", "small_rise", "small_rise_percent", "small_rise_worst_grade"),
    ]
    list_select_related = ["company"]
    ordering = ["company"]

    @admin.display(description=_("small rise: at most"), ordering="small_rise_amount")
    def small_rise(self, row: ApprovalTerms) -> SafeString | str:
        return money_html(row.small_rise_amount)


@admin.register(ApprovalDelegation)
class ApprovalDelegationAdmin(OversightAdmin):
    """Deputies. Approvers record their own on the desk; an administrator does it here for who is away."""

    list_display = ["delegator", "delegate", "company", "starts_on", "ends_on", "created_by", "revoked_at"]
    list_filter = [("starts_on", RangeDateFilter), ("ends_on", RangeDateFilter)]
    list_select_related = ["delegator", "delegate", "company", "created_by"]
    search_fields = ["delegator__username", "delegate__username", "reason"]
    fields = ["delegator", "delegate", "company", "starts_on", "ends_on", "reason"]
    ordering = ["-ends_on", "-pk"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        kwargs.setdefault("form", DelegationAdminForm)
        form = super().get_form(request, obj, **kwargs)
        form.by = request.user
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The verb checks the people and leaves the act in the trail."""
        made = delegate_approval(**form.delegation(), by=request.user, today=business_date())
        obj.pk = made.pk


@admin.register(LimitDecision)
class LimitDecisionAdmin(FactAdmin):
    account_path = "change__account"
    list_display = [
        *("customer", "new_limit", "verdict", "decided_by", "on_behalf_of", "decided_on"),
        *("authority_group", "approvers_needed", "grade"),
    ]
    list_filter = [
        ("verdict", ChoicesDropdownFilter),
        ("decided_on", RangeDateFilter),
        ("on_behalf_of", EmptyFieldListFilter),
    ]
    list_select_related = ["change__account__customer", "decided_by", "on_behalf_of"]
    search_fields = ["decided_by__username", "reason", *account_search("change__account__customer__")]
    ordering = ["-decided_at", "-pk"]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """The evidence holds signals of bank lines and of agencies."""
        shown = shown_about(request.user, obj.change.account.customer, last_date()) if obj else EVERYTHING
        hidden = () if shown == EVERYTHING else ("evidence",)
        return [*(super().get_exclude(request, obj) or ()), *hidden]

    @admin.display(description=_("customer"), ordering="change__account__customer__name")
    def customer(self, row: LimitDecision) -> SafeString:
        link = reverse("limits:decide", args=[row.change_id])
        return format_html('<a class="d-link" href="{}">{}</a>', link, row.change.account.customer.name)

    @admin.display(description=_("to"), ordering="change__new_amount")
    def new_limit(self, row: LimitDecision) -> SafeString | str:
        return money_html(row.change.new_amount)
