"""Forms of the limit policy pages. Rules are in scoring/policy_publishing.py."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from scoring.models import CauseKind, Grade, LimitPolicy, LimitPolicyCause, LimitPolicyGrade
from scoring.policy_publishing import CAUSE_TERMS, GRADE_TERMS, SECTIONS

# What a cause starts from when it is taken in: what others say is looked at by a person before it cuts.
UNASKED: dict[str, dict[str, Any]] = {
    CauseKind.AGENCY_FALL: {"threshold": 20, "window_days": 90, "keep_percent": 50, "is_immediate": False},
    CauseKind.CEASED: {"threshold": 1, "is_immediate": False},
}


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


def in_table(form: forms.BaseForm, row: str) -> None:
    """Fields that stand in a table: narrow, and named after their row for who does not see it."""
    for name, field in form.fields.items():
        field.widget.attrs |= {"aria-label": f"{row}: {field.label}", "data-name": name}
        if not isinstance(field.widget, forms.CheckboxInput):
            field.widget.attrs |= {"class": "d-input d-input--number", "inputmode": "decimal", "step": "any"}


class GradeForm(forms.ModelForm):
    class Meta:
        model = LimitPolicyGrade
        fields = list(GRADE_TERMS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_table(self, self.instance.grade)


class CauseForm(forms.ModelForm):
    is_used = forms.BooleanField(label=_("counts"), required=False)

    class Meta:
        model = LimitPolicyCause
        fields = list(CAUSE_TERMS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_table(self, str(CauseKind(self.instance.kind).label))
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
                initial={"is_used": kind in causes, **({} if kind in causes else UNASKED.get(kind, {}))},
            )
            for kind in CauseKind.values
            if kind != CauseKind.INSOLVENCY
        ]

    def is_valid(self) -> bool:
        valid = [form.is_valid() for form in (self.terms, *self.grades, *self.causes)]
        return all(valid)

    @property
    def said(self) -> dict[str, Any]:
        """As `change` of scoring/segment_policies.py takes it."""
        grades = [
            {"grade": form.instance.grade, **{name: form.cleaned_data[name] for name in GRADE_TERMS}}
            for form in self.grades
        ]
        causes = [
            {"kind": form.instance.kind, **{name: form.cleaned_data[name] for name in CAUSE_TERMS}}
            for form in self.causes
            if form.cleaned_data["is_used"]
        ]
        return {
            "terms": dict(self.terms.cleaned_data),
            "rows": {"grades": grades, "causes": causes},
        }
