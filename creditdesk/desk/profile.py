"""A small page on which people choose their name, e-mail and language."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.models import User


class ProfileForm(forms.ModelForm):
    language = forms.ChoiceField(
        label=gettext_lazy("language"),
        help_text=gettext_lazy("What you read. Letters go out in each customer's own language."),
    )

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "language"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Every language under its own name, so that one finds it whatever is active now.
        self.fields["language"].choices = [  # type: ignore[attr-defined]
            (code, translation.get_language_info(code)["name_local"].capitalize())
            for code, _name in settings.LANGUAGES
        ]


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        with translation.override(user.language):
            messages.success(request, _("Your profile is saved."))
        response = redirect("profile")
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, user.language, samesite="Lax")
        return response
    context = {
        **admin.site.each_context(request),
        "title": _("My profile"),
        "form": form,
        "groups": request.user.groups.order_by("name"),
    }
    return render(request, "desk/profile.html", context)
