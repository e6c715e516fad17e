"""The forms under the keys C, E, P, D, S and N: small, checked in place, with a way out of every error."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import exponent, to_minor
from customers.models import Contact, Dispute
from dunning.models import LEVELS
from worklists.board import OpenItem, Panel
from worklists.models import FollowUp, Snooze


class ActForm(forms.Form):
    """A form about one customer's panel; `items` are the ticked invoices, oldest first."""

    verb = ""
    title: Any = ""
    save_label: Any = _("Save and next")

    def __init__(self, panel: Panel, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="act-%s", **kwargs)
        self.panel = panel
        self.items = [item for item in panel.items if item.instalment.pk in panel.chosen]
        if "contact" in self.fields:
            field: Any = self.fields["contact"]
            field.queryset = Contact.objects.filter(customer=panel.account.customer_id)
            field.choices = [("", "—"), *((row.pk, _described(row)) for row in panel.contacts)]
            preferred = panel.write if self.verb == "email" else panel.call
            field.initial = preferred.pk if preferred else None

    def need_items(self) -> list[OpenItem]:
        if not self.items:
            raise forms.ValidationError(_("Tick at least one invoice in the list below."))
        if len({item.open.currency for item in self.items}) != 1:
            raise forms.ValidationError(_("Tick invoices of one currency only."))
        return self.items


def _described(contact: Contact) -> str:
    return f"{contact.name} · {contact.get_role_display()}" + (f" · {contact.phone}" if contact.phone else "")


NOTE = _("Note")


def _text(label: Any = NOTE, required: bool = False) -> forms.CharField:
    return forms.CharField(
        label=label, required=required, max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


def _contact(label: Any) -> forms.ModelChoiceField:
    return forms.ModelChoiceField(Contact.objects.none(), label=label, required=False)


def _amount(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        localize=True,
        min_value=Decimal("0.001"),
        max_digits=18,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "class": "num", "autocomplete": "off"}),
    )


def _day(label: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))


def next_weekday(day: date) -> date:
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day


class CallForm(ActForm):
    verb, title = "call", _("Log a call")
    outcome = forms.ChoiceField(
        label=_("How did it end?"),
        choices=FollowUp.Outcome.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Say how the call ended.")},
    )
    contact = _contact(_("Spoke with"))
    text = _text()


class EmailForm(ActForm):
    verb, title = "email", _("Send a reminder")
    save_label = _("Send and next")
    level = forms.TypedChoiceField(label=_("Level"), choices=LEVELS, coerce=int)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.need_items()
        return cleaned


class PromiseForm(ActForm):
    verb, title = "promise", _("Promise to pay")
    amount = _amount(_("Amount promised"))
    due_on = _day(_("To be paid on"))
    contact = _contact(_("Promised by"))
    text = _text()

    def __init__(self, panel: Panel, *args: Any, **kwargs: Any) -> None:
        super().__init__(panel, *args, **kwargs)
        self.fields["amount"].widget.attrs["data-follows-items"] = ""
        self.fields["amount"].initial = sum((item.asked for item in self.items), Decimal(0)) or None
        self.fields["due_on"].initial = next_weekday(panel.on + timedelta(days=7))
        self.fields["due_on"].widget.attrs["min"] = panel.on.isoformat()

    def clean_due_on(self) -> date:
        due_on = self.cleaned_data["due_on"]
        if due_on < self.panel.on:
            raise forms.ValidationError(_("The promised date lies in the past: choose today or later."))
        if due_on > self.panel.on + timedelta(days=180):
            raise forms.ValidationError(_("More than half a year away is no promise: choose an earlier day."))
        return due_on

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        items = self.need_items()
        if "amount" in cleaned:
            cleaned["parts"] = spread(cleaned["amount"], items)
        return cleaned


def exact(amount: Decimal, currency: str) -> Decimal:
    """The amount, if the currency has that many decimals. ValidationError on `amount`."""
    try:
        to_minor(amount, currency)
    except ValueError as error:
        text = _("%(currency)s has %(places)s decimals: correct the amount.")
        values = {"currency": currency, "places": exponent(currency)}
        raise forms.ValidationError({"amount": text % values}) from error
    return amount


def spread(amount: Decimal, items: list[OpenItem]) -> list[tuple[Any, Decimal]]:
    """The amount over the items, oldest first, each up to what is open and undisputed. ValidationError when too much."""
    parts: list[tuple[Any, Decimal]] = []
    rest = exact(amount, items[0].open.currency)
    for item in items:
        room = (item.open - item.disputed).amount
        take = min(rest, room)
        if take > 0:
            parts.append((item.instalment, take))
            rest -= take
    if rest > 0:
        raise forms.ValidationError(
            {
                "amount": _(
                    "That is more than is open on the ticked invoices: correct the amount or tick more."
                )
            }
        )
    return parts


class DisputeForm(ActForm):
    verb, title = "dispute", _("Open a dispute")
    # Not `item`: the tick boxes of that name travel with every form.
    invoice = forms.TypedChoiceField(label=_("Invoice"), coerce=int)
    amount = _amount(_("Disputed amount"))
    reason = forms.ChoiceField(label=_("Reason"), choices=Dispute.Reason.choices)
    contact = _contact(_("Raised by"))
    text = _text(_("What is wrong"))

    def __init__(self, panel: Panel, *args: Any, **kwargs: Any) -> None:
        super().__init__(panel, *args, **kwargs)
        field: Any = self.fields["invoice"]
        field.choices = [
            (item.instalment.pk, f"{item.instalment.invoice.number} · {item.open}") for item in panel.items
        ]
        first = (self.items or panel.items or [None])[0]
        if first is not None:
            field.initial = first.instalment.pk
            self.fields["amount"].initial = (first.open - first.disputed).amount

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        chosen = cleaned.get("invoice")
        item = next((item for item in self.panel.items if item.instalment.pk == chosen), None)
        if item is not None and "amount" in cleaned:
            if exact(cleaned["amount"], item.open.currency) > (item.open - item.disputed).amount:
                raise forms.ValidationError(
                    {
                        "amount": _("Only %(open)s of it is open and undisputed: correct the amount.")
                        % {"open": item.open - item.disputed}
                    }
                )
            cleaned["parts"] = [(item.instalment, cleaned["amount"])]
        return cleaned


class SnoozeForm(ActForm):
    verb, title = "snooze", _("Hold back until")
    until = _day(_("Back on"))
    reason = forms.ChoiceField(label=_("Reason"), choices=[("", "—"), *Snooze.Reason.choices])
    text = _text()

    def __init__(self, panel: Panel, *args: Any, **kwargs: Any) -> None:
        super().__init__(panel, *args, **kwargs)
        self.fields["until"].initial = next_weekday(panel.on + timedelta(days=3))
        self.fields["until"].widget.attrs["min"] = (panel.on + timedelta(days=1)).isoformat()


class NoteForm(ActForm):
    verb, title = "note", _("Note")
    save_label = _("Save")
    text = _text(required=True)


FORMS: dict[str, type[ActForm]] = {
    form.verb: form for form in (CallForm, EmailForm, PromiseForm, DisputeForm, SnoozeForm, NoteForm)
}
