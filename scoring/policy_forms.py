"""Forms of the limit policy pages. Rules are in scoring/policy_publishing.py."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from scoring.models import CauseKind, Grade, LimitPolicy, LimitPolicyCause, LimitPolicyGrade
from scoring.policy_publishing import CAUSE_TERMS, GRADE_TERMS

# Title, and the fields below it.
SECTIONS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        _("Caps"),
        (
            *("currency", "buffer_days", "capacity_percent", "bank_percent", "concentration_percent"),
            *("concentration_from_customers", "group_ceiling"),
        ),
    ),
    (
        _("How far and how fast"),
        (
            *("step", "max_rise_percent", "cool_down_days", "year_rises", "year_rise_percent"),
            *("material_percent", "material_amount"),
        ),
    ),
    (
        _("Gates of a rise"),
        (
            *("rise_max_days_past_due", "gate_promise_days", "gate_event_days", "gate_score_fall"),
            "gate_use_percent",
        ),
    ),
    (_("Rises that wait for nobody"), ("auto_rise_amount", "auto_limit_amount")),
    (_("Loss, reviews, warnings"), ("loss_percent", "review_months_unscored", "warn_days")),
)


class TermsForm(forms.ModelForm):
    """Everything a policy says but its grades and causes."""

    class Meta:
        model = LimitPolicy
        fields = [name for _title, names in SECTIONS for name in names]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.DecimalField):
                field.decimal_places = 2
                field.widget.attrs |= {"step": "any", "inputmode": "decimal"}

    @property
    def sections(self) -> list[tuple[Any, list[forms.BoundField]]]:
        return [(title, [self[name] for name in names]) for title, names in SECTIONS]


def _in_table(form: forms.BaseForm) -> None:
    for field in form.fields.values():
        if not isinstance(field.widget, forms.CheckboxInput):
            field.widget.attrs |= {"class": "d-input d-input--number", "inputmode": "decimal", "step": "any"}


class GradeForm(forms.ModelForm):
    class Meta:
        model = LimitPolicyGrade
        fields = list(GRADE_TERMS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_table(self)
        for name, field in self.fields.items():
            field.widget.attrs |= {"aria-label": f"{self.instance.grade}: {field.label}", "data-name": name}


class CauseForm(forms.ModelForm):
    is_used = forms.BooleanField(label=_("counts"), required=False)

    class Meta:
        model = LimitPolicyCause
        fields = list(CAUSE_TERMS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_table(self)
        kind = CauseKind(self.instance.kind).label
        for field in self.fields.values():
            field.widget.attrs |= {"aria-label": f"{kind}: {field.label}"}
        self.fields["threshold"].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("is_used") and not data.get("threshold") and "threshold" not in self.errors:
            self.add_error("threshold", _("Say from when on the cause counts."))
        return data


class PolicyForms:
    """The three forms of the edit page as one."""

    def __init__(self, policy: LimitPolicy, data: Any = None) -> None:
        self.terms = TermsForm(data, instance=LimitPolicy.objects.get(pk=policy.pk), prefix="terms")
        grades = {row.grade: row for row in policy.grades.all()}
        causes = {row.kind: row for row in policy.causes.all()}
        self.grades = [
            GradeForm(
                data,
                instance=grades.get(grade)
                or LimitPolicyGrade(policy=policy, grade=grade, ceiling=0, need_percent=0),
                prefix=f"grade-{grade}",
            )
            for grade in Grade.values
        ]
        self.causes = [
            CauseForm(
                data,
                instance=causes.get(kind) or LimitPolicyCause(policy=policy, kind=kind),
                prefix=f"cause-{kind}",
                initial={"is_used": kind in causes},
            )
            for kind in CauseKind.values
            if kind != CauseKind.INSOLVENCY
        ]

    def is_valid(self) -> bool:
        valid = [form.is_valid() for form in (self.terms, *self.grades, *self.causes)]
        return all(valid)

    @property
    def said(self) -> dict[str, Any]:
        """As scoring.policy_publishing.change_policy takes it."""
        return {
            "terms": dict(self.terms.cleaned_data),
            "grades": {
                form.instance.grade: {name: form.cleaned_data[name] for name in GRADE_TERMS}
                for form in self.grades
            },
            "causes": {
                form.instance.kind: {name: form.cleaned_data[name] for name in CAUSE_TERMS}
                for form in self.causes
                if form.cleaned_data["is_used"]
            },
        }
