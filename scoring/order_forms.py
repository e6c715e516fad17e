"""Forms of the order pages: deciding an order on hold, and asking whether an order would pass."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import Money, exponent
from customers.models import CheckPoint, CreditAccount, OrderHold
from customers.order_holds import release_days


def _day(label: Any, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        help_text=help_text,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )


class HoldDecisionForm(forms.Form):
    """release, reject, grace or again; with the reason that stays with the decision."""

    action = forms.ChoiceField(
        choices=[("release", ""), ("reject", ""), ("grace", ""), ("again", "")], widget=forms.HiddenInput
    )
    up_to = forms.DecimalField(
        label=_("release up to"),
        required=False,
        min_value=0,
        max_digits=15,
        help_text=_("The order may grow to this amount without being held again."),
    )
    until = _day(_("until"), _("Of a release: its last day. Of grace: the day it has to be decided by."))
    reason = forms.CharField(
        label=_("reason"),
        required=False,
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("Stays with the decision."),
    )

    def __init__(self, *args: Any, hold: OrderHold, today: date, **kwargs: Any) -> None:
        initial = {
            "up_to": hold.amount.amount,
            "until": today + timedelta(days=min(release_days(hold), 7)),
        } | kwargs.pop("initial", {})
        super().__init__(*args, initial=initial, **kwargs)
        self.hold = hold
        amount = self.fields["up_to"]
        amount.decimal_places = exponent(hold.currency)
        amount.label = _("release up to (%(currency)s)") % {"currency": hold.currency}
        amount.widget.attrs |= {"step": "any", "inputmode": "decimal"}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        action = data.get("action")
        if action in ("release", "reject", "grace") and not data.get("reason", "").strip():
            self.add_error("reason", _("Write down why: the reason stays with the decision."))
        if action in ("release", "grace") and not data.get("until"):
            self.add_error("until", _("Choose the day."))
        if action == "release" and data.get("up_to") is None:
            self.add_error("up_to", _("Say up to which amount."))
        return data

    @property
    def money(self) -> Money:
        return Money.of(self.cleaned_data["up_to"], self.hold.currency)


class CheckForm(forms.Form):
    """Would an order pass? Nothing is stored."""

    amount = forms.DecimalField(label=_("amount"), min_value=0, max_digits=15)
    point = forms.ChoiceField(label=_("checked at"), choices=CheckPoint.choices, required=False)
    expected_on = _day(_("expected delivery"))
    product_line = forms.CharField(
        label=_("product line"),
        required=False,
        max_length=40,
        help_text=_("It may count less far ahead than others."),
    )

    def __init__(self, *args: Any, account: CreditAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        amount = self.fields["amount"]
        amount.decimal_places = exponent(account.currency)
        amount.label = _("amount of the order (%(currency)s)") % {"currency": account.currency}
        amount.widget.attrs |= {"step": "any", "inputmode": "decimal"}

    @property
    def money(self) -> Money:
        return Money.of(self.cleaned_data["amount"], self.account.currency)
