"""Forms of the reviews of scores. Rules are in scoring/reviews_of_scores.py."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scoring.erasing import Because, Words
from scoring.models import AccountScore, Grade, ScoreOverride


class DecisionForm(forms.Form):
    """Confirm the card's grade, or set another. The grade the person read travels along."""

    seen_grade = forms.CharField(widget=forms.HiddenInput, max_length=1)
    grade = forms.ChoiceField(label=gettext_lazy("your decision"), choices=())
    reason_code = forms.ChoiceField(
        label=gettext_lazy("reason of another grade"),
        required=False,
        choices=[("", "—"), *ScoreOverride.Reason.choices],
    )
    note = forms.CharField(
        label=gettext_lazy("what did you look at, and why do you decide so?"),
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
    )
    valid_until = forms.DateField(
        label=gettext_lazy("until"),
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("At most a year from today; then, or when the grade changes, it comes back."),
    )

    def __init__(self, *args: Any, score: AccountScore, may_override: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.score = score
        confirm = _("Confirm %s") % Grade(score.grade).label
        others = [(code, _("Set %s") % label) for code, label in Grade.choices if code != score.grade]
        self.fields["grade"].choices = [(score.grade, confirm), *(others if may_override else [])]
        if not may_override or score.pd == 1:
            del self.fields["reason_code"]
            self.fields["grade"].choices = [(score.grade, confirm)]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("grade", self.score.grade) != self.score.grade and not data.get("reason_code"):
            self.add_error("reason_code", _("Another grade needs its reason."))
        return data


class ContestForm(forms.Form):
    """What a natural person says against the score or what was decided on it."""

    said = forms.CharField(
        label=gettext_lazy("what does the customer say?"), max_length=2000, widget=forms.Textarea({"rows": 4})
    )
    said_on = forms.DateField(
        label=gettext_lazy("said on"),
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("The month to answer runs from this day."),
    )


class ErasureForm(forms.Form):
    """Which words of an account's score decisions are erased for good, and why."""

    keys = forms.MultipleChoiceField(label=gettext_lazy("words"), choices=())
    because = forms.ChoiceField(
        label=gettext_lazy("why they are erased"), choices=[("", "—"), *Because.choices]
    )

    def __init__(self, *args: Any, words: list[Words], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["keys"].choices = [(one.key, one.what) for one in words if not one.why_not]  # type: ignore[attr-defined]
