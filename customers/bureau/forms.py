"""Forms of the pages about agencies: asking for a report, revoking a basis."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class AskForm(forms.Form):
    """Asking by the rules; in spite of the age rule only with a reason."""

    reason = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Kept with the question. Needed in spite of the age rule."),
    )
    in_spite_of_age = forms.BooleanField(
        label=gettext_lazy("Ask in spite of the age rule (it costs again)"), required=False
    )

    def __init__(self, *args: Any, may_override: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_override:
            del self.fields["in_spite_of_age"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("in_spite_of_age") and not data.get("reason", "").strip():
            self.add_error("reason", _("Say why it is asked in spite of the age rule."))
        return data


class RevokeForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3})
    )
