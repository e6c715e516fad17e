"""Forms of the scorecard pages. Rules are in scoring/drafts.py, publishing.py and overrides.py."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django import forms
from django.utils.formats import get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scoring.card import odds_beyond
from scoring.drafts import NUMBERS, Row
from scoring.models import Grade, PublishingGate, Scorecard, ScorecardBin, ScoreOverride


class Decimals(forms.DecimalField):
    """A number with decimals, typed and shown with the decimal sign of the reader's language; a point is understood, too.

    Not a number input: some browsers drop a comma silently, and 0,5 became 05. No separators of thousands.
    """

    widget = forms.TextInput

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and get_format("DECIMAL_SEPARATOR") == "," and "." not in value:
            value = value.replace(",", ".", 1)
        return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            value = f"{value.normalize():f}"
            return value.replace(".", get_format("DECIMAL_SEPARATOR"))
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(initial) != self.to_python(data)
        except forms.ValidationError:
            return True


class NumbersForm(forms.ModelForm):
    """Base points, cut-offs and odds of a draft."""

    class Meta:
        model = Scorecard
        fields = ["name", *NUMBERS]
        field_classes = {"odds_at_anchor": Decimals, "points_to_double": Decimals}

    def clean(self) -> dict[str, Any]:
        """What the database asks of the numbers together, told beside the field."""
        data = super().clean() or {}
        grades = [data.get(f"grade_{grade}_from") for grade in "abcd"]
        for (better, worse), (high, low) in zip(pairwise("ABCD"), pairwise(grades), strict=True):
            if high is not None and low is not None and high <= low:
                told = _("Grade %(better)s must begin above grade %(worse)s.")
                self.add_error(f"grade_{better.lower()}_from", told % {"better": better, "worse": worse})
        if (data.get("grade_a_from") or 0) > 100:
            self.add_error("grade_a_from", _("No score is above 100."))
        first, last = data.get("review_from"), data.get("review_to")
        if first is not None and last is not None and first > last:
            self.add_error("review_to", _("The grey zone ends below where it begins."))
        least = data.get("guarantees_below")
        if least is not None and last is not None and least < last:
            self.add_error(
                "guarantees_below", _("Guarantees are asked above the grey zone: not below its end.")
            )
        for name in ("odds_at_anchor", "points_to_double"):
            if data.get(name) is not None and data[name] <= 0:
                self.add_error(name, _("It must be above zero."))
        odds = [data.get(name) for name in ("anchor_score", "odds_at_anchor", "points_to_double")]
        if not any(number is None for number in odds) and (beyond := odds_beyond(*odds)):
            self.add_error("points_to_double", beyond)
        return data

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.IntegerField):  # decimals are integers to Django's forms
                field.widget.attrs |= {"inputmode": "decimal"}


class ReasonForm(forms.Form):
    """A reason that stays with the act."""

    reason = forms.CharField(
        label=gettext_lazy("reason"), max_length=2000, widget=forms.Textarea({"rows": 2}), strip=True
    )


class PlanForm(ReasonForm):
    """Publishing a version that may begin to count later."""

    first_day = forms.DateField(
        label=gettext_lazy("in force from"),
        required=False,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Empty: from today. Until a later day the version in force stays."),
    )


class PublishForm(PlanForm):
    override_reason = forms.CharField(
        label=gettext_lazy("publish against the gates because"),
        required=False,
        max_length=2000,
        widget=forms.Textarea({"rows": 2}),
        help_text=gettext_lazy("Only needed where a gate is missed. It stays with the card."),
    )


class GateForm(forms.ModelForm):
    class Meta:
        model = PublishingGate
        fields = ["min_gini", "max_psi", "max_age_days"]
        field_classes = {"min_gini": Decimals, "max_psi": Decimals}


def _in_table(form: forms.Form) -> None:
    """Inputs that stand in a table: bordered, the numbers narrow, the text as wide as it gets."""
    for name, field in form.fields.items():
        css = "d-input d-input--wide" if name == "rationale" else "d-input d-input--number"
        field.widget.attrs |= {"class": css}


class BinForm(forms.Form):
    """One line of a signal: values below `upper`."""

    upper = Decimals(label=gettext_lazy("below"), required=False, max_digits=14, decimal_places=6)
    points = forms.IntegerField(label=gettext_lazy("points"), required=False, min_value=-100, max_value=100)
    rationale = forms.CharField(
        label=gettext_lazy("rationale"), required=False, max_length=300, widget=forms.Textarea({"rows": 2})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_table(self)
        self.fields["upper"].widget.attrs |= {"inputmode": "decimal"}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.is_used and data.get("points") is None and "points" not in self.errors:
            self.add_error("points", _("Give the points of this line, or empty the whole line."))
        if self.is_used and not data.get("rationale"):
            self.add_error("rationale", _("Each line needs a rationale: why these points?"))
        return data

    @property
    def is_used(self) -> bool:
        data = getattr(self, "cleaned_data", {})
        return data.get("points") is not None or data.get("upper") is not None or bool(data.get("rationale"))

    @property
    def row(self) -> Row:
        data = self.cleaned_data
        return Row(data["points"], data["rationale"], data.get("upper"))


class MissingForm(forms.Form):
    """The points of a missing value."""

    points = forms.IntegerField(label=gettext_lazy("points"), min_value=-100, max_value=100)
    rationale = forms.CharField(
        label=gettext_lazy("rationale"), max_length=300, widget=forms.Textarea({"rows": 2})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_table(self)

    @property
    def row(self) -> Row:
        return Row(self.cleaned_data["points"], self.cleaned_data["rationale"], is_missing=True)


BinFormSet = forms.formset_factory(BinForm, extra=2, max_num=30, validate_max=True)


def initial_lines(bins: Sequence[ScorecardBin]) -> list[dict[str, Any]]:
    ranged = sorted(
        (b for b in bins if not b.is_missing),
        key=lambda b: (b.upper is None, b.upper if b.upper is not None else 0),
    )
    return [
        {
            "upper": b.upper,
            "points": b.points,
            "rationale": b.rationale,
        }
        for b in ranged
    ]


class OverrideForm(forms.Form):
    """A grade in place of the computed one."""

    # Nothing is chosen beforehand: the first grade is A, and a form sent in haste must not set it.
    grade = forms.ChoiceField(
        label=gettext_lazy("grade instead"), choices=[("", gettext_lazy("choose")), *Grade.choices]
    )
    reason_code = forms.ChoiceField(
        label=gettext_lazy("reason"), choices=[("", gettext_lazy("choose")), *ScoreOverride.Reason.choices]
    )
    note = forms.CharField(
        label=gettext_lazy("what do you know that the score does not?"),
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
    )
    valid_until = forms.DateField(
        label=gettext_lazy("until"),
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("At most a year from today. It ends by itself and is measured afterwards."),
    )
