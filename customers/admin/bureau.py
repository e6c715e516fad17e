"""Credit agencies in the admin: how they are asked (audited), what they said and were asked (looked at only)."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RelatedDropdownFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from creditdesk.core.money import Money
from creditdesk.core.sentences import told
from creditdesk.core.templatetags.desk import badge
from customers.bureau.adapters import AgencyError, Answer, BadAnswer, adapter_named, choices
from customers.bureau.bases import record_basis, seen_by
from customers.bureau.secrets import check_place
from customers.bureau.shown import TONES
from customers.bureau.waterfall import country_list
from customers.days import last_date
from customers.models import BureauBasis, BureauProvider, BureauPull, BureauReport

from .base import CUSTOMER_SEARCH, AddOnlyFactAdmin, FactAdmin, ScopedAdmin, VersionFilter, money_html

CUSTOMER_LOOKUPS = tuple(f"customer__{name}" for name in CUSTOMER_SEARCH)
AMOUNTS = ("price", "monthly_budget", "ask_above")
LONGEST_TRIAL = 200_000


class ProviderForm(forms.ModelForm):
    adapter = forms.ChoiceField(
        label=gettext_lazy("Adapter"), choices=choices, widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = BureauProvider
        fields = [
            *("slug", "label", "is_on", "position", "product", "countries", "answers_companies"),
            *("answers_sole_traders", "max_age_months", "currency", "price", "charges_not_found"),
            *("monthly_budget", "ask_above", "ask_at_onboarding", "ask_at_review", "adapter", "settings"),
            *("secret_variable", "secret_file", "keep_answers_months"),
        ]

    def clean_countries(self) -> str:
        found = country_list(self.cleaned_data["countries"])
        if any(len(one) != 2 or not one.isalpha() for one in found):
            raise ValidationError(_("Countries are two letters each, with commas between: IT, FR."))
        return ", ".join(found)

    def clean_currency(self) -> str:
        currency = self.cleaned_data["currency"].strip().upper()
        if len(currency) != 3 or not currency.isalpha():
            raise ValidationError(_("A currency has three letters: EUR."))
        pulls = BureauPull.objects.filter(provider=self.instance) if self.instance.pk else None
        if pulls is not None and pulls.exclude(currency=currency).exists():
            raise ValidationError(
                _("Questions were paid in another currency: add the agency anew under another name.")
            )
        return currency

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in AMOUNTS:
            self._check_amount(name, data.get(name), data.get("currency", "EUR"))
        for name, text in check_place(data.get("secret_variable", ""), data.get("secret_file", "")).items():
            self.add_error(name, text)
        if "adapter" in data and "settings" in data:
            self._check_adapter(data)
        return data

    def _check_amount(self, name: str, value: Any, currency: str) -> None:
        if value is None:
            return
        try:
            if Money.of(value, currency).minor < 0:
                self.add_error(name, _("An amount is not below zero."))
        except ValueError:
            self.add_error(name, _("%(currency)s has fewer decimals than that.") % {"currency": currency})

    def _check_adapter(self, data: dict[str, Any]) -> None:
        try:
            adapter = adapter_named(data["adapter"])
        except AgencyError as error:
            self.add_error("adapter", str(error))
            return
        settings = data["settings"] or {}
        if not isinstance(settings, dict):
            self.add_error("settings", _("Settings are a JSON object."))
            return
        data["settings"] = settings
        for text in adapter.check(settings):
            self.add_error("settings", text)
        if adapter.needs_secret and not (data.get("secret_variable") or data.get("secret_file")):
            self.add_error("secret_variable", _("This agency needs a secret: say where it is."))


class TrialForm(forms.Form):
    answer = forms.CharField(
        label=gettext_lazy("A recorded answer of the agency"),
        max_length=LONGEST_TRIAL,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"}),
        help_text=gettext_lazy("As the agency sends it. It is read by the saved settings, and kept nowhere."),
    )


@admin.register(BureauProvider)
class BureauProviderAdmin(ScopedAdmin):
    form = ProviderForm
    list_display = [
        *("label", "state", "position", "adapter", "price_money", "budget_money", "max_age_months"),
        *("countries", "automatic"),
    ]
    list_filter = ["is_on"]
    search_fields = ["slug", "label"]
    ordering = ["position", "slug"]
    actions_detail = ["try_page"]
    fieldsets = [
        (None, {"fields": ["slug", "label", "is_on", "position", "product"]}),
        (
            gettext_lazy("For whom"),
            {"fields": ["countries", "answers_companies", "answers_sole_traders"]},
        ),
        (
            gettext_lazy("Age and cost"),
            {"fields": ["max_age_months", "currency", "price", "charges_not_found", "monthly_budget"]},
        ),
        (
            gettext_lazy("By itself"),
            {"fields": ["ask_above", "ask_at_onboarding", "ask_at_review"]},
        ),
        (
            gettext_lazy("How it is asked"),
            {"fields": ["adapter", "settings", "secret_variable", "secret_file", "keep_answers_months"]},
        ),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Reports name their agency by it.
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.pulls.exists())

    @admin.display(description=gettext_lazy("state"), ordering="is_on")
    def state(self, row: BureauProvider) -> SafeString:
        return badge(_("in use"), "good") if row.is_on else badge(_("off"), "mute")

    @admin.display(description=gettext_lazy("price"), ordering="price")
    def price_money(self, row: BureauProvider) -> SafeString | str:
        return money_html(row.price)

    @admin.display(description=gettext_lazy("budget of a month"), ordering="monthly_budget")
    def budget_money(self, row: BureauProvider) -> SafeString | str:
        return money_html(row.monthly_budget)

    @admin.display(description=gettext_lazy("by itself"), boolean=True)
    def automatic(self, row: BureauProvider) -> bool:
        return row.ask_above is not None or row.ask_at_onboarding or row.ask_at_review

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.try_view)
        return [path("<int:pk>/try/", view, name="customers_bureauprovider_try"), *super().get_urls()]

    @action(description=gettext_lazy("Try with a recorded answer"), url_path="to-try", permissions=["try"])
    def try_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_bureauprovider_try", object_id)

    def has_try_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("customers.change_bureauprovider")

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read a pasted answer by the saved settings; nothing is sent and nothing stored."""
        provider = self.get_object(request, str(pk))
        if provider is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if not self.has_try_permission(request):
            raise PermissionDenied
        form = TrialForm(request.POST or None)
        found: list[tuple[str, Any]] = []
        if request.method == "POST" and form.is_valid():
            try:
                found = _tried(provider, form.cleaned_data["answer"], business_date())
            except AgencyError as error:
                form.add_error("answer", str(error))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Try with a recorded answer"),
            "provider": provider,
            "form": form,
            "found": found,
            "back": reverse("admin:customers_bureauprovider_change", args=[provider.pk]),
        }
        return TemplateResponse(request, "admin/customers/bureauprovider/try.html", context)


def _tried(provider: BureauProvider, text: str, as_of: date) -> list[tuple[str, Any]]:
    """What would be stored, as (label, value); raises AgencyError."""
    adapter = adapter_named(provider.adapter)
    if problems := adapter.check(provider.settings):
        raise BadAnswer("", " ".join(problems))
    answer = adapter.read(text, provider.settings, as_of)
    names = [one.name for one in fields(Answer) if one.name != "payload"]
    labels = {one.name: one.verbose_name for one in BureauReport._meta.concrete_fields}
    return [(labels[name], getattr(answer, name)) for name in names]


@admin.register(BureauReport)
class BureauReportAdmin(FactAdmin):
    customer_path = "customer"
    list_display = [
        *("customer", "provider", "effective_on", "outcome", "standing", "raw_score", "limit_money"),
        *("activity", "known_on"),
    ]
    list_filter = [
        ("outcome", ChoicesDropdownFilter),
        ("activity", ChoicesDropdownFilter),
        ("effective_on", RangeDateFilter),
        VersionFilter,
    ]
    list_select_related = ["customer"]
    search_fields = ["reference", "provider", *CUSTOMER_LOOKUPS]
    ordering = ["-effective_on", "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return seen_by(super().get_queryset(request), request.user, last_date())

    @admin.display(description=gettext_lazy("limit it recommends"), ordering="recommended_limit")
    def limit_money(self, row: BureauReport) -> SafeString | str:
        return money_html(row.recommended_limit)


@admin.register(BureauPull)
class BureauPullAdmin(FactAdmin):
    customer_path = "customer"
    list_display = [
        *("asked_at", "customer", "provider", "cause", "actor_name", "outcome_badge", "charged_money"),
        "in_spite_of_age",
    ]
    list_filter = [
        ("outcome", ChoicesDropdownFilter),
        ("cause", ChoicesDropdownFilter),
        ("provider", RelatedDropdownFilter),
        ("asked_on", RangeDateFilter),
    ]
    list_select_related = ["customer", "provider"]
    search_fields = ["reason", *CUSTOMER_LOOKUPS]
    ordering = ["-asked_at", "-pk"]
    exclude = ["detail", "claimed_until"]
    readonly_fields = ["said", "raw_answer"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return seen_by(super().get_queryset(request), request.user, last_date())

    @admin.display(description=gettext_lazy("outcome"), ordering="outcome")
    def outcome_badge(self, row: BureauPull) -> SafeString:
        return badge(row.get_outcome_display(), TONES.get(row.outcome, "mute"))

    @admin.display(description=gettext_lazy("charged"), ordering="charged")
    def charged_money(self, row: BureauPull) -> SafeString | str:
        return money_html(row.charged)

    @admin.display(description=gettext_lazy("what went wrong"))
    def said(self, row: BureauPull) -> str:
        return told(row.detail.get("text")) or "—"

    @admin.display(description=gettext_lazy("raw answer"))
    def raw_answer(self, row: BureauPull) -> str:
        """As text: the page escapes it."""
        kept = getattr(row, "answer", None)
        return kept.payload[:20_000] if kept else _("not kept, or deleted by its rule")


@admin.register(BureauBasis)
class BureauBasisAdmin(AddOnlyFactAdmin):
    customer_path = "customer"
    list_display = ["customer", "ground", "effective_on", "expires_on", "revoked_on", "reference"]
    list_filter = [("ground", ChoicesDropdownFilter), ("expires_on", RangeDateFilter), VersionFilter]
    list_select_related = ["customer"]
    search_fields = ["reference", *CUSTOMER_LOOKUPS]
    autocomplete_fields = ["customer"]
    ordering = ["-effective_on", "-pk"]
    actions_detail = ["revoke_page"]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj else ("known_on", "known_until")

    @action(description=gettext_lazy("Revoke"), url_path="to-revoke", permissions=["revoke"])
    def revoke_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("bureau:revoke_basis", object_id)

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("customers.change_bureaubasis")

    def save_model(self, request: HttpRequest, obj: BureauBasis, form: Any, change: bool) -> None:
        stored = record_basis(
            obj.customer,
            obj.ground,
            reference=obj.reference,
            effective_on=obj.effective_on,
            expires_on=obj.expires_on,
            actor=Actor.person(request.user),
            known_on=business_date(),
        )
        obj.pk = stored.pk
