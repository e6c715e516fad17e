"""The page on which people choose which mail they get and when, and see what they were sent lately."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from creditdesk.core.models import MailMode, StaffMail, User
from creditdesk.core.notices import choose_modes, chosen_modes, topics_of
from creditdesk.core.pages import desk_page, render_page

SHOWN = 15


class MailForm(forms.Form):
    """One field per topic the person may ever get, by its code."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = chosen_modes(user)
        for topic in topics_of(user):
            self.fields[topic.code] = forms.ChoiceField(
                label=topic.label, choices=MailMode.choices, initial=chosen[topic.code]
            )


@desk_page()
def mail_preferences(request: HttpRequest) -> HttpResponse:
    user = request.user
    form = MailForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        choose_modes(user, form.cleaned_data)
        messages.success(request, _("Saved: this is how you are told from now on."))
        return redirect("mail_preferences")
    rows = StaffMail.objects.filter(user=user).order_by("-pk").defer("body", "html")
    context = {"title": _("Mail I get"), "form": form, "mails": rows[:SHOWN]}
    return render_page(request, "desk/mail_preferences.html", context, status=400 if form.errors else 200)
