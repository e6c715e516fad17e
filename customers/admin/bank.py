"""Bank data in the admin: consents recorded and revoked by a person, lines read under one, and the log of reads."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import action

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.templatetags.desk import badge
from creditdesk.core.wording import day
from customers.access import visible_customers
from customers.bank.access import log_listed
from customers.bank.consents import (
    BALANCES,
    ConsentError,
    accounts_read,
    longest_in_force,
    others_in_force,
    record_consent,
    rests_on,
    revoke_consent,
)
from customers.days import last_date
from customers.models import BankAccount, BankConsent, BankDataAccess, BankTransaction

from .base import CUSTOMER_SEARCH, AddOnlyFactAdmin, FactAdmin, VersionFilter, money_html

CUSTOMER_LOOKUPS = tuple(f"customer__{name}" for name in CUSTOMER_SEARCH)
SCOPE_CHOICES = [
    ("transactions,balances", gettext_lazy("transactions and balances")),
    ("transactions", gettext_lazy("transactions only")),
]


class ConsentForm(forms.ModelForm):
    scope = forms.ChoiceField(label=gettext_lazy("Scope"), choices=SCOPE_CHOICES)

    class Meta:
        model = BankConsent
        fields = ["customer", "purpose", "scope", "reference", "effective_on", "expires_on"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        begins, ends = data.get("effective_on"), data.get("expires_on")
        if begins and ends and ends < begins:
            raise ValidationError(
                {"expires_on": _("The consent would end before it begins: correct one of the two dates.")}
            )
        return data


class RevokeForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


@admin.register(BankConsent)
class BankConsentAdmin(AddOnlyFactAdmin):
    form = ConsentForm
    customer_path = "customer"
    list_display = [
        "customer",
        "standing",
        "purpose",
        "effective_on",
        "expires_on",
        "revoked_on",
        "recorded_at",
    ]
    list_filter = [("expires_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = ["reference", *CUSTOMER_LOOKUPS]
    autocomplete_fields = ["customer"]
    ordering = ["-effective_on", "-pk"]
    actions_detail = ["revoke_page"]

    @admin.display(description=gettext_lazy("standing"))
    def standing(self, row: BankConsent) -> SafeString:
        return consent_badge(row)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj else ("known_on", "known_until", "revoked_on")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"purpose": _("credit assessment"), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: BankConsent, form: Any, change: bool) -> None:
        stored = record_consent(
            obj.customer,
            purpose=obj.purpose,
            scope=obj.scope,
            reference=obj.reference,
            effective_on=obj.effective_on,
            expires_on=obj.expires_on,
            actor=Actor.person(request.user),
            known_on=business_date(),
        )
        obj.pk = stored.pk

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.revoke_view)
        return [path("<int:pk>/revoke/", view, name="customers_bankconsent_revoke"), *super().get_urls()]

    @action(description=gettext_lazy("Revoke"), url_path="to-revoke", permissions=["revoke"])
    def revoke_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_bankconsent_revoke", object_id)

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("customers.change_bankconsent")

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The customer took its consent back: a reasoned POST deletes its bank data."""
        consent = self.get_object(request, str(pk))
        if consent is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        form = RevokeForm(request.POST or None)
        today = business_date()
        others = list(others_in_force(consent, today))
        if request.method == "POST" and form.is_valid():
            try:
                counts = revoke_consent(
                    consent,
                    by=Actor.person(request.user),
                    reason=form.cleaned_data["reason"],
                    on=max(today, consent.known_on),
                )
            except ConsentError as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(
                    request, _("The consent is revoked; %(lines)s bank lines were deleted.") % counts
                )
                for other in others:
                    messages.warning(
                        request,
                        _(
                            "Another consent of this customer is in force up to %(day)s: bank data is still read under it. "
                            "Revoke it as well if the customer takes back all of them."
                        )
                        % {"day": day(other.expires_on)},
                    )
                return redirect("admin:customers_bankconsent_change", consent.pk)
        deleted = rests_on(consent, today)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Revoke consent"),
            "form": form,
            "consent": consent,
            "others": others,
            "accounts": deleted.count(),
            "lines": BankTransaction.objects.filter(bank_account__in=deleted).count(),
            "back": reverse("admin:customers_bankconsent_change", args=[consent.pk]),
        }
        return TemplateResponse(request, "admin/customers/bankconsent/revoke.html", context)


def consent_badge(row: BankConsent) -> SafeString:
    today = business_date()
    if row.revoked_on:
        return badge(_("revoked"), "bad")
    if row.expires_on < today:
        return badge(_("expired"), "warn")
    if row.effective_on > today:
        return badge(_("not begun"), "mute")
    return badge(_("in force"), "good")


@admin.register(BankAccount)
class BankAccountAdmin(FactAdmin):
    customer_path = "customer"
    list_display = ["customer", "iban", "currency"]
    list_select_related = ["customer"]
    search_fields = ["iban", *CUSTOMER_LOOKUPS]
    ordering = ["customer__name", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(pk__in=accounts_read(last_date()))


@admin.register(BankTransaction)
class BankTransactionAdmin(FactAdmin):
    """Reading bank lines leaves a row per customer in the log, here as on the customer page."""

    customer_path = "bank_account__customer"
    list_display = [
        "bank_account_iban",
        "effective_on",
        "amount_money",
        "balance_money",
        "category",
        "is_rejected",
    ]
    list_filter = [
        "is_rejected",
        ("category", ChoicesDropdownFilter),
        ("effective_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["bank_account"]
    search_fields = ["bank_account__iban", "bank_account__customer__code"]
    ordering = ["-effective_on", "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        today = last_date()
        read_under = longest_in_force(today, OuterRef("bank_account__customer")).values("scope")[:1]
        rows = super().get_queryset(request).filter(bank_account__in=accounts_read(today))
        return rows.annotate(read_scope=Subquery(read_under))

    @admin.display(description=gettext_lazy("bank account"), ordering="bank_account__iban")
    def bank_account_iban(self, row: BankTransaction) -> str:
        return row.bank_account.iban

    @admin.display(description=gettext_lazy("amount"), ordering="amount")
    def amount_money(self, row: BankTransaction) -> SafeString | str:
        return money_html(row.amount)

    @admin.display(description=gettext_lazy("balance after"), ordering="balance")
    def balance_money(self, row: Any) -> SafeString | str:
        return money_html(row.balance if BALANCES in row.read_scope else None)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", None) or {}
        if "cl" in shown:
            self._log(request, list(shown["cl"].result_list))
        return response

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: Any = None
    ) -> BankTransaction | None:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self._log(request, [row])
        return row

    @staticmethod
    def _log(request: HttpRequest, rows: list[BankTransaction]) -> None:
        log_listed(rows, reader=Actor.person(request.user), what=BankDataAccess.What.PAGE, place="admin")


@admin.register(BankDataAccess)
class BankDataAccessAdmin(FactAdmin):
    """Who read whose bank data. Scoring passes name no customer and are shown to everybody who may see the log."""

    list_display = ["at", "actor_name", "what", "purpose", "customer"]
    list_filter = [("what", ChoicesDropdownFilter), ("at", RangeDateFilter)]
    list_select_related = ["customer"]
    search_fields = ["actor_name", *CUSTOMER_LOOKUPS]
    ordering = ["-at", "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(Q(customer__isnull=True) | Q(customer__in=visible_customers(request.user)))
