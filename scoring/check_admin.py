"""Credit check policies in the admin: read here, worked on and published on their own pages."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from customers.admin.base import ReadOnlyInline
from scoring.admin import VersionedAdmin
from scoring.models import CheckPolicy, CheckRule


class RuleInline(ReadOnlyInline):
    model = CheckRule
    tab = False


@admin.register(CheckPolicy)
class CheckPolicyAdmin(VersionedAdmin):
    list_display = [
        *(
            "segment",
            "version",
            "status",
            "valid_from",
            "group_binds",
            "check_orderer",
            "reservation_minutes",
        ),
        *("decide_within_days", "release_days", "page"),
    ]
    list_select_related = ["segment"]
    ordering = ["-valid_from", "-pk"]
    inlines = [RuleInline]

    @admin.display(description=_("credit check page"))
    def page(self, row: CheckPolicy) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("checkpolicies:policy", args=[row.pk]), gettext("open")
        )
