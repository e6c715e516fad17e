"""Forms of the terms policy pages. Rules are in scoring/terms_publishing.py."""

from __future__ import annotations

from typing import Any

from django import forms

from scoring.models import Grade, TermsPolicy, TermsPolicyGrade
from scoring.policy_forms import in_table
from scoring.terms_publishing import LIFE, TERMS_OF_GRADE


class TermsForm(forms.ModelForm):
    class Meta:
        model = TermsPolicy
        fields = LIFE.terms


class TermsGradeForm(forms.ModelForm):
    class Meta:
        model = TermsPolicyGrade
        fields = TERMS_OF_GRADE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_table(self, self.instance.grade)

    @property
    def name(self) -> str:
        return self.instance.grade


class TermsPolicyForms:
    """The forms of the edit page as one."""

    def __init__(self, policy: TermsPolicy, data: Any = None) -> None:
        self.terms = TermsForm(data, instance=TermsPolicy.objects.get(pk=policy.pk), prefix="terms")
        known = {row.grade: row for row in policy.grades.all()}
        self.rows = [
            TermsGradeForm(
                data,
                instance=known.get(grade)
                or TermsPolicyGrade(policy=policy, grade=grade, longest_days=0, guarantee_percent=100),
                prefix=f"grade-{grade}",
            )
            for grade in Grade.values
        ]

    def is_valid(self) -> bool:
        each = [form.is_valid() for form in (self.terms, *self.rows)]
        return all(each)

    @property
    def said(self) -> dict[str, Any]:
        """As `change` of scoring/segment_policies.py takes it."""
        grades = [{"grade": form.instance.grade, **form.cleaned_data} for form in self.rows]
        return {"terms": dict(self.terms.cleaned_data), "rows": {"grades": grades}}
