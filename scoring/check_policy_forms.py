"""Forms of the credit check policy pages. Rules are in scoring/checks/publishing.py."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from scoring.checks.publishing import LIFE, POINTS, RULE_TERMS
from scoring.checks.terms import MEANING, ON_GROUP, ON_ORDERER
from scoring.models import CheckPolicy, CheckRule, CheckRuleCode
from scoring.policy_forms import in_table
from scoring.versions import plain

SPARE = 2
"""Empty rows to add rules in."""

# Rules that need nothing; the others say with which columns they can be asked.
NEEDS: dict[str, tuple[str, ...]] = {
    CheckRuleCode.HEADROOM: (),
    CheckRuleCode.GRADE: ("grade",),
    CheckRuleCode.ORDER_SIZE: ("number", "amount"),
    CheckRuleCode.UNSECURED: ("number", "amount"),
    **{code: () for code, columns in MEANING.items() if not columns},
}


class TermsForm(forms.ModelForm):
    class Meta:
        model = CheckPolicy
        fields = LIFE.terms


class RuleForm(forms.ModelForm):
    """One rule; what it needs is asked for here in words, and held by the database too. Without a code it is none."""

    class Meta:
        model = CheckRule
        fields = RULE_TERMS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].required = False
        rule = self.instance.get_code_display() if self.instance.code else _("new rule")
        in_table(self, str(rule))
        self.fields["code"].widget.attrs |= {"class": "d-input d-input--wide"}

    @property
    def is_used(self) -> bool:
        return bool(getattr(self, "cleaned_data", {}).get("code"))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        code = data.get("code")
        if not code:
            return data
        needed = NEEDS.get(code, ("number",))
        if needed and all(data.get(name) in (None, "") for name in needed):
            means = "; ".join(str(MEANING[code][name]) for name in needed if name in MEANING[code])
            self.add_error(needed[0], _("This rule needs its threshold: %(meaning)s.") % {"meaning": means})
        if data.get("on_orderer") and code not in ON_ORDERER:
            self.add_error("on_orderer", _("Money is checked on who pays, never on who orders."))
        if data.get("on_group") and code not in ON_GROUP:
            self.add_error("on_group", _("Cover is checked on who pays: a group has none of its own."))
        if not any(data.get(point) for point in POINTS):
            self.add_error("at_order", _("Choose at least one point at which the rule is asked."))
        return data

    def _post_clean(self) -> None:
        # An empty row is no rule: the model has nothing to say about it.
        if self.is_used:
            super()._post_clean()


class CheckPolicyForms:
    """The forms of the edit page as one; a row whose rule is emptied goes."""

    def __init__(self, policy: CheckPolicy, data: Any = None) -> None:
        self.terms = TermsForm(data, instance=CheckPolicy.objects.get(pk=policy.pk), prefix="terms")
        there = list(policy.rules.order_by("pk"))
        spare = [CheckRule(policy=policy) for _place in range(SPARE)]
        self.rows = [
            RuleForm(data, instance=row, prefix=f"rule-{place}") for place, row in enumerate([*there, *spare])
        ]
        self.problem = ""

    def is_valid(self) -> bool:
        each = [form.is_valid() for form in (self.terms, *self.rows)]
        pairs = [
            (form.cleaned_data["code"], form.cleaned_data["stops"]) for form in self.rows if form.is_used
        ]
        if not pairs:
            self.problem = str(_("A policy without rules would let everything pass: add at least one rule."))
        elif len(set(pairs)) < len(pairs):
            self.problem = str(_("Each rule stands once as stopping and once as warning at most."))
        return all(each) and not self.problem

    @property
    def said(self) -> dict[str, Any]:
        """As `change` of scoring/segment_policies.py takes it."""
        rules = [
            {name: plain(form.cleaned_data[name]) for name in RULE_TERMS}
            for form in self.rows
            if form.is_used
        ]
        return {"terms": dict(self.terms.cleaned_data), "rows": {"rules": rules}}
