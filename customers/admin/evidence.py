"""Facts from outside the ledger: legal events, accounts, supplier days, cover, orders."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
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
from creditdesk.core.templatetags.desk import badge
from customers.access import visible_accounts
from customers.approval_rules import PROPOSE, ApprovalError
from customers.events import ledger_changed
from customers.legal import record_legal_event
from customers.legal_corrections import RECORD, TakeBackRefused, plan_take_back, take_back_legal_event
from customers.models import (
    CreditAccount,
    Customer,
    FinancialStatement,
    LegalEvent,
    SupplierPaymentDays,
)

from .base import (
    CUSTOMER_SEARCH,
    AddOnlyFactAdmin,
    VersionFilter,
    money_html,
)

CUSTOMER_LOOKUPS = tuple(f"customer__{name}" for name in CUSTOMER_SEARCH)
GRAVE = {"insolvency", "struck_off", "protest"}


def _announce(sender: Any, customer_id: int) -> None:
    """The customer's accounts are scored anew: the fact changes what is known about them."""
    ids = set(CreditAccount.objects.filter(customer_id=customer_id).values_list("pk", flat=True))
    ledger_changed.send(sender=sender, account_ids=ids)


class LegalEventForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        happened, known = data.get("effective_on"), data.get("known_on")
        if happened and known and happened > known:
            self.add_error(
                "known_on", _("An event cannot be known before it happens: correct one of the two dates.")
            )
        over = data.get("ended_on")
        if happened and over and over < happened:
            self.add_error("ended_on", _("It cannot be over before it happened."))
        return data


class TakeBackForm(forms.Form):
    reason = forms.CharField(
        label=_("reason"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "d-input"}),
        error_messages={"required": _("Write down why: the reason stays with the correction.")},
    )


@admin.register(LegalEvent)
class LegalEventAdmin(AddOnlyFactAdmin):
    form = LegalEventForm
    customer_path = "customer"
    list_display = ["customer", "kind_badge", "effective_on", "known_on", "ended_on", "source"]
    list_filter = [("kind", ChoicesDropdownFilter), ("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = ["source", *CUSTOMER_LOOKUPS]
    autocomplete_fields = ["customer"]
    exclude = ["recorded_by"]
    ordering = ["-effective_on", "-pk"]
    actions_detail = ["take_back_page"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, models.URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.take_back_view)
        return [
            path("<int:pk>/take-back/", view, name="customers_legalevent_take_back"),
            *super().get_urls(),
        ]

    # Unfold's buttons answer GET, so they only lead to the page that does the work.
    @action(description=_("Take back"), url_path="to-take-back", permissions=["take_back"])
    def take_back_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_legalevent_take_back", object_id)

    def has_take_back_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perms((RECORD, PROPOSE))

    def take_back_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What taking the event back moves; a POST with a reason does it."""
        event = self.get_object(request, str(pk))
        if event is None:
            self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if not self.has_take_back_permission(request):
            raise PermissionDenied
        form = TakeBackForm(request.POST or None)
        today = business_date()
        if request.method == "POST" and form.is_valid():
            try:
                done = take_back_legal_event(
                    event, by=request.user, reason=form.cleaned_data["reason"], on=today
                )
            except (TakeBackRefused, ApprovalError) as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, _("The event is taken back."))
                if any(row.proposed for row in done.accounts):
                    messages.info(request, _("The earlier limit waits for an approver as a proposed rise."))
                return redirect("admin:customers_legalevent_change", event.pk)
        plan = None
        if event.superseded_at is None:
            plan = plan_take_back(event, by=request.user, on=today)
        status = dict(Customer.Status.choices)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Take back: %(event)s") % {"event": event.get_kind_display()},
            "event": event,
            "form": form,
            "plan": plan,
            "statuses": plan and (status[plan.status_now], status[plan.status_after]),
            "visible": set(visible_accounts(request.user).values_list("pk", flat=True)) if plan else set(),
        }
        return TemplateResponse(request, "admin/customers/legalevent/take_back.html", context)

    @admin.display(description=_("kind"), ordering="kind")
    def kind_badge(self, row: LegalEvent) -> SafeString:
        return badge(row.get_kind_display(), "bad" if row.kind in GRAVE else "warn")

    def save_model(self, request: HttpRequest, obj: LegalEvent, form: Any, change: bool) -> None:
        """Through the service: an insolvency stops new business in the same transaction."""
        stored = record_legal_event(
            obj.customer,
            obj.kind,
            effective_on=obj.effective_on,
            known_on=obj.known_on,
            source=obj.source,
            link=obj.link,
            ended_on=obj.ended_on,
            actor=Actor.person(request.user),
        )
        obj.pk, obj.recorded_by = stored.pk, stored.recorded_by


@admin.register(FinancialStatement)
class FinancialStatementAdmin(AddOnlyFactAdmin):
    customer_path = "customer"
    list_display = [
        "customer",
        "effective_on",
        "known_on",
        "revenue_money",
        "equity_money",
        "result_money",
        "source",
    ]
    list_filter = [("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = CUSTOMER_LOOKUPS
    autocomplete_fields = ["customer"]
    ordering = ["-effective_on", "-pk"]

    @admin.display(description=_("revenue"), ordering="revenue")
    def revenue_money(self, row: FinancialStatement) -> SafeString | str:
        return money_html(row.revenue)

    @admin.display(description=_("equity"), ordering="equity")
    def equity_money(self, row: FinancialStatement) -> SafeString | str:
        return money_html(row.equity)

    @admin.display(description=_("net income"), ordering="net_income")
    def result_money(self, row: FinancialStatement) -> SafeString | str:
        return money_html(row.net_income)

    def save_model(self, request: HttpRequest, obj: FinancialStatement, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            _announce(FinancialStatement, obj.customer_id)


@admin.register(SupplierPaymentDays)
class SupplierPaymentDaysAdmin(AddOnlyFactAdmin):
    form = LegalEventForm
    customer_path = "customer"
    list_display = ["customer", "effective_on", "days", "known_on", "source"]
    list_filter = [("effective_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = ["source", *CUSTOMER_LOOKUPS]
    autocomplete_fields = ["customer"]
    ordering = ["-effective_on", "-pk"]

    def save_model(self, request: HttpRequest, obj: SupplierPaymentDays, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            _announce(SupplierPaymentDays, obj.customer_id)
