"""Forms of the limit pages: proposing or amending, deciding, releasing a hold. Rules are in customers/approval.py."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import Money, exponent
from customers.limit_reasons import PERSON_REASONS
from customers.models import CreditAccount, CreditHold, LimitKind


class LimitForm(forms.Form):
    """A new limit in the account's currency, with the reason a person gives."""

    amount = forms.DecimalField(label=_("new limit"), min_value=0, max_digits=15, decimal_places=2)
    kind = forms.ChoiceField(label=_("kind"), choices=LimitKind.choices, initial=LimitKind.BASE)
    valid_from = forms.DateField(
        label=_("from"), required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    valid_until = forms.DateField(
        label=_("until"),
        required=False,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Only for a temporary limit, both days included."),
    )
    reason_code = forms.ChoiceField(label=_("reason"), choices=())
    comment = forms.CharField(
        label=_("comment"), required=False, max_length=2000, widget=forms.Textarea({"rows": 3})
    )

    def __init__(self, *args: Any, account: CreditAccount, kind_fixed: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.fields["reason_code"].choices = list(PERSON_REASONS.items())
        places = exponent(account.currency)
        amount = self.fields["amount"]
        amount.decimal_places = places
        amount.label = _("new limit in %(currency)s") % {"currency": account.currency}
        amount.widget.attrs |= {"step": "any", "inputmode": "decimal"}
        if kind_fixed:
            del self.fields["kind"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("kind") == LimitKind.TEMPORARY and not data.get("valid_until"):
            self.add_error("valid_until", _("A temporary limit needs a last day."))
        if data.get("reason_code") == "other" and not data.get("comment", "").strip():
            self.add_error("comment", _("Say which reason."))
        return data

    @property
    def money(self) -> Money:
        return Money.of(self.cleaned_data["amount"], self.account.currency)


class DecisionForm(forms.Form):
    """approve, reject or withdraw, with the reason that stays with the decision."""

    action = forms.ChoiceField(choices=[("approve", ""), ("reject", ""), ("withdraw", "")])
    reason = forms.CharField(
        label=_("reason"),
        max_length=2000,
        widget=forms.Textarea({"rows": 3, "data-reason": ""}),
        error_messages={"required": _("Write down why: the reason stays with the decision.")},
    )


class ReleaseForm(forms.Form):
    reason = forms.CharField(
        label=_("reason"),
        max_length=2000,
        error_messages={"required": _("Write down why: the reason stays with the release.")},
    )


class CommentForm(forms.Form):
    text = forms.CharField(
        label=_("question or answer"),
        max_length=2000,
        widget=forms.Textarea({"rows": 2}),
        error_messages={"required": _("Write the question or the answer.")},
    )


class HoldForm(forms.Form):
    reason_code = forms.ChoiceField(label=_("reason"), choices=())
    note = forms.CharField(
        label=_("note"),
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("Who releases the hold reads this."),
        error_messages={"required": _("Write down why: the note stays with the hold.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason_code"].choices = list(CreditHold.PERSON_REASONS.items())  # type: ignore[attr-defined]
