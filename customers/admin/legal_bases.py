"""The legal bases on which accepted orders are held back, per country."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from customers.legal_bases import rule_text
from customers.models import LegalBasis

from .base import NotFoundAdmin


@admin.register(LegalBasis)
class LegalBasisAdmin(NotFoundAdmin):
    """Read by everybody who sees stops; a superuser adds countries and corrects what ships."""

    list_display = ["shown_country", "provision", "text", "in_convention"]
    ordering = ["country"]

    @admin.display(description=_("country"), ordering="country")
    def shown_country(self, row: LegalBasis) -> str:
        return row.country or gettext("between countries of the convention")

    @admin.display(description=_("what it allows"))
    def text(self, row: LegalBasis) -> str:
        return rule_text(row)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
