"""The form that compares two days of an account's score."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.dates import months_before
from scoring.models import ScoreHistory


class TwoDatesForm(forms.Form):
    """Two days, the earlier first whichever way they are given; the last two kept scores unless chosen."""

    first = forms.DateField(
        label=gettext_lazy("from"), widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    second = forms.DateField(
        label=gettext_lazy("to"), widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, as_of: date, kept: Sequence[ScoreHistory], **kwargs: Any) -> None:
        days = sorted({row.as_of for row in kept if row.as_of <= as_of})
        before = days[-2] if len(days) > 1 else months_before(as_of, 1)
        last = days[-1] if days else as_of
        super().__init__(*args, initial={"first": before, "second": last}, **kwargs)
        self.as_of = as_of

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first, second = data.get("first"), data.get("second")
        for name, chosen in (("first", first), ("second", second)):
            if chosen and chosen > self.as_of:
                self.add_error(name, _("No day after today."))
        if first and second:
            if first == second:
                self.add_error("second", _("Choose two different days."))
            data["first"], data["second"] = min(first, second), max(first, second)
        return data
