"""Keys and what they were used for. A key's token is on the page that answers its making, and nowhere else."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from creditdesk.api import keys
from creditdesk.api.models import ApiKey, ApiRequest, ScoringJob
from creditdesk.api.scopes import SCOPES
from creditdesk.core.admin_machinery import ReadOnlyAdmin
from creditdesk.core.audit import Actor


class KeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope.code, scope.label) for scope in SCOPES.values()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("What the key may do; its user's role bounds it besides."),
    )

    class Meta:
        model = ApiKey
        fields = ["name", "user", "company", "scopes", "per_minute", "expires_at"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        user, ends = data.get("user"), data.get("expires_at")
        if user is not None and user.is_superuser:
            self.add_error("user", _("A key never acts for a superuser: make a user with the role it needs."))
        if ends is not None and ends <= timezone.now():
            self.add_error("expires_at", _("This moment has passed."))
        return data


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = KeyForm
    list_display = ("name", "prefix", "user", "company", "shown_state", "expires_at", "last_used_at")
    list_filter = ("user", "company")
    search_fields = ("name", "prefix", "user__username")
    list_select_related = ("user", "company")
    ordering = ("-created_at",)
    actions_detail = ("rotate", "revoke")
    readonly_fields = ("prefix", "created_at", "created_by", "revoked_at", "last_used_at", "replaces")

    @display(
        description=_("state"),
        label={"works": "success", "revoked": "danger", "expired": "warning"},
    )
    def shown_state(self, key: ApiKey) -> tuple[str, Any]:
        if key.revoked_at is not None:
            return "revoked", _("revoked")
        return ("works", _("works")) if key.works_at(timezone.now()) else ("expired", _("expired"))

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        asked = list(KeyForm.Meta.fields)
        return asked if obj is None else [*asked, *self.readonly_fields]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"expires_at": timezone.now() + keys.LIFETIME, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is looked at, rotated and revoked, never edited: its log would no longer say what it could do."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        data = form.cleaned_data
        made, token = keys.make_key(
            data["user"],
            data["name"],
            data["scopes"],
            now=timezone.now(),
            actor=Actor.person(request.user),  # type: ignore[arg-type]
            company=data["company"],
            expires_at=data["expires_at"],
            per_minute=data["per_minute"],
        )
        obj.pk, obj.prefix = made.pk, made.prefix
        # On this request only: what is answered, never what is stored (a message would go into the session).
        request.made_token = token  # type: ignore[attr-defined]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """The audit trail has it already."""

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        return self._show_once(request, obj, request.made_token)  # type: ignore[attr-defined]

    def _show_once(self, request: HttpRequest, key: ApiKey, token: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new API key"),
            "opts": self.opts,
            "key": key,
            "token": token,
            "back": reverse("admin:api_apikey_changelist"),
        }
        response = TemplateResponse(request, "admin/api/key_made.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.act_view)
        return [path("<int:pk>/do/<str:verb>/", view, name="api_apikey_act"), *super().get_urls()]

    @action(description=_("Rotate"), permissions=["decide"], url_path="to-rotate", icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return redirect("admin:api_apikey_act", object_id, "rotate")

    @action(description=_("Revoke"), permissions=["decide"], url_path="to-revoke", icon="block")
    def revoke(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        return redirect("admin:api_apikey_act", object_id, "revoke")

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("api.change_apikey")

    def act_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """A page that asks first: a link must not revoke anything."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        if verb not in ("rotate", "revoke"):
            raise Http404
        key = get_object_or_404(ApiKey.objects.select_related("user", "company"), pk=pk)
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": str(key),
                "opts": self.opts,
                "key": key,
                "verb": verb,
                "overlap_days": keys.OVERLAP.days,
                "back": reverse("admin:api_apikey_change", args=[key.pk]),
            }
            return TemplateResponse(request, "admin/api/key_act.html", context)
        actor = Actor.person(request.user)  # type: ignore[arg-type]
        try:
            if verb == "rotate":
                return self._show_once(request, *keys.rotate_key(key, now=timezone.now(), actor=actor))
            keys.revoke_key(key, now=timezone.now(), actor=actor)
            messages.success(request, _("The key %(key)s works no longer.") % {"key": key})
        except keys.KeyRefused as error:
            messages.error(request, str(error))
        return redirect("admin:api_apikey_change", key.pk)


@admin.register(ApiRequest)
class ApiRequestAdmin(ReadOnlyAdmin):
    list_display = ("at", "key", "method", "path", "status", "milliseconds", "address", "is_replay")
    list_filter = ("key", "status", "method")
    search_fields = ("path", "key__name", "key__prefix")
    list_select_related = ("key",)
    date_hierarchy = "at"
    ordering = ("-at", "-pk")
    show_full_result_count = False


@admin.register(ScoringJob)
class ScoringJobAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "user", "company", "as_of", "total", "created_at")
    list_select_related = ("user", "company")
    ordering = ("-pk",)
