"""Scorecards to read: every version with its bins and the reason for each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, TabularInline

from scoring.models import Scorecard, ScorecardBin
from scoring.signals import BY_NAME


class _ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScorecardBinInline(_ReadOnly, TabularInline):
    model = ScorecardBin
    fields = readonly_fields = ("signal_label", "range", "points", "reason")
    verbose_name_plural = gettext_lazy("points by signal")

    @admin.display(description=gettext_lazy("signal"))
    def signal_label(self, row: ScorecardBin) -> str:
        signal = BY_NAME.get(row.signal)
        return str(signal.label) if signal else row.signal

    @admin.display(description=gettext_lazy("value"))
    def range(self, row: ScorecardBin) -> str:
        if row.is_missing:
            return _("missing")
        lower = "" if row.lower is None else f"≥ {row.lower.normalize():f}"
        upper = "" if row.upper is None else f"< {row.upper.normalize():f}"
        return " ".join(part for part in (lower, upper) if part) or _("any")

    @admin.display(description=gettext_lazy("why"))
    def reason(self, row: ScorecardBin) -> str:
        return _(row.rationale)


@admin.register(Scorecard)
class ScorecardAdmin(_ReadOnly, ModelAdmin):
    list_display = ("name", "version", "status", "calibration", "base_points", "activated_at")
    list_filter = ("status",)
    inlines = (ScorecardBinInline,)
