"""Admin pages that need more than one app: credit accounts with their score beside the ledger's figures."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from creditdesk.core.templatetags.desk import grade_badge
from customers.admin.accounts import CreditAccountAdmin
from customers.models import CreditAccount
from scoring.models import Grade


class GradeFilter(DropdownFilter):
    title = _("grade")
    parameter_name = "grade"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*Grade.choices, ("none", _("no score"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() == "none":
            return queryset.filter(score_row__isnull=True)
        return queryset.filter(score_row__grade=self.value())


admin.site.unregister(CreditAccount)


@admin.register(CreditAccount)
class ScoredAccountAdmin(CreditAccountAdmin):
    list_display = [*CreditAccountAdmin.list_display[:3], "score", *CreditAccountAdmin.list_display[3:]]
    list_filter = [GradeFilter, *CreditAccountAdmin.list_filter]
    list_select_related = [*CreditAccountAdmin.list_select_related, "score_row"]

    @admin.display(description=_("score"), ordering=F("score_row__score").asc(nulls_last=True))
    def score(self, row: CreditAccount) -> SafeString:
        found = getattr(row, "score_row", None)
        return grade_badge(found.grade, found.score) if found else grade_badge(None)
