"""Forms of the limit pages: proposing or amending, deciding, releasing a hold. Rules are in customers/approval.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from creditdesk.core.models import User
from creditdesk.core.money import Money, exponent
from customers.limit_reasons import PERSON_REASONS
from customers.mandates import Mandate
from customers.models import Company, CreditAccount, CreditHold, LimitKind


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
    """approve, reject or withdraw, with the reason that stays with the decision.

    seen: a hash of the facts the page showed; deputy_for: whose authority to use, when there is a choice.
    """

    action = forms.ChoiceField(choices=[("approve", ""), ("reject", ""), ("withdraw", "")])
    reason = forms.CharField(
        label=_("reason"),
        max_length=2000,
        widget=forms.Textarea({"rows": 3, "data-reason": ""}),
        error_messages={"required": _("Write down why: the reason stays with the decision.")},
    )
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    deputy_for = forms.TypedChoiceField(
        label=_("decide with the authority of"), required=False, choices=(), coerce=int, empty_value=None
    )

    def __init__(self, *args: Any, ways: Sequence[Mandate] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ways = ways
        self.people = {way.on_behalf_of.pk: way.on_behalf_of for way in ways if way.on_behalf_of}
        choices: list[tuple[Any, Any]] = [(pk, _name(person)) for pk, person in self.people.items()]
        if len(choices) < len(ways):
            choices.insert(0, ("", _("your own")))
        self.fields["deputy_for"].choices = choices  # type: ignore[attr-defined]

    @property
    def has_choice(self) -> bool:
        return len(self.fields["deputy_for"].choices) > 1  # type: ignore[attr-defined]

    @property
    def on_behalf_of(self) -> User | None:
        return self.people.get(self.cleaned_data.get("deputy_for") or 0)


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()


class BulkForm(forms.Form):
    """Small rises to approve together, with one reason for all of them."""

    changes = forms.TypedMultipleChoiceField(
        coerce=int, choices=(), error_messages={"required": _("Tick the changes to approve.")}
    )
    reason = forms.CharField(
        label=_("reason"),
        max_length=2000,
        widget=forms.Textarea({"rows": 2, "data-reason": ""}),
        error_messages={"required": _("Write down why: the reason stays with every one of the decisions.")},
    )

    def __init__(self, *args: Any, ids: Sequence[int] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["changes"].choices = [(pk, pk) for pk in ids]  # type: ignore[attr-defined]


class DelegationForm(forms.Form):
    """Who stands in for the person at the desk, in which company, from when until when."""

    delegate = forms.TypedChoiceField(label=_("deputy"), choices=(), coerce=int)
    company = forms.TypedChoiceField(label=_("company"), choices=(), coerce=int)
    starts_on = forms.DateField(label=_("from"), widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    ends_on = forms.DateField(
        label=_("until"),
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Both days included. It can be ended earlier, never prolonged: record another one."),
    )
    reason = forms.CharField(
        label=_("reason"), max_length=500, widget=forms.TextInput({"placeholder": _("e.g. holiday")})
    )

    def __init__(self, *args: Any, deputies: Sequence[User], companies: Sequence[Company], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.deputies = {user.pk: user for user in deputies}
        self.companies = {company.pk: company for company in companies}
        for name, rows in (("delegate", self.deputies), ("company", self.companies)):
            labels = [(pk, _name(row) if isinstance(row, User) else str(row)) for pk, row in rows.items()]
            self.fields[name].choices = labels  # type: ignore[attr-defined]


class PeriodForm(forms.Form):
    """From which day to which (both included) a report speaks."""

    first = forms.DateField(
        label=_("from"), required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label=_("until"), required=False, widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("first") and data.get("last") and data["last"] < data["first"]:
            self.add_error("last", _("The last day is before the first."))
        return data


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
