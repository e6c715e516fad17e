"""What a reader asks for: day, view, filters; read from the address, limited to what the reader may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Q
from django.http import Http404
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.clock import business_date
from creditdesk.core.facts import View
from creditdesk.core.models import User
from customers.access import sees_all, visible_accounts
from customers.models import CollectorAssignment, Company, Customer, Portfolio
from kpis.scope import Scope

CURRENCY_LENGTH = 3


class StampField(forms.CharField):
    """A recorded-at stamp as exports print it (ISO 8601)."""

    def to_python(self, value: Any) -> datetime | None:  # type: ignore[override]
        text = super().to_python(value)
        if not text:
            return None
        try:
            # A plus sign in an address that was not encoded arrives as a space.
            stamp = parse_datetime(text.replace(" ", "+") if "T" in text else text)
        except ValueError:
            stamp = None
        if stamp is None:
            raise forms.ValidationError(_("Enter the recorded-at stamp exactly as the export shows it."))
        return stamp if timezone.is_aware(stamp) else timezone.make_aware(stamp)


def _date(label: Any) -> forms.DateField:
    return forms.DateField(
        required=False,
        label=label,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )


class FilterForm(forms.Form):
    as_of = _date(gettext_lazy("As of"))
    company = forms.ModelChoiceField(
        Company.objects.none(), required=False, label=gettext_lazy("Company"), empty_label=gettext_lazy("all")
    )
    portfolio = forms.ModelChoiceField(
        Portfolio.objects.none(),
        required=False,
        label=gettext_lazy("Portfolio"),
        empty_label=gettext_lazy("all"),
    )
    collector = forms.ModelChoiceField(
        User.objects.none(), required=False, label=gettext_lazy("Collector"), empty_label=gettext_lazy("all")
    )
    currency = forms.CharField(
        required=False,
        label=gettext_lazy("Stated in"),
        min_length=CURRENCY_LENGTH,
        max_length=CURRENCY_LENGTH,
        widget=forms.TextInput(attrs={"size": 4, "placeholder": "EUR"}),
    )
    customer = forms.ModelChoiceField(Customer.objects.none(), required=False, widget=forms.HiddenInput)
    known_at = forms.DateField(required=False, widget=forms.HiddenInput, input_formats=["%Y-%m-%d"])
    recorded_by = StampField(required=False, widget=forms.HiddenInput)

    # What is not for the reader's eyes must look like what does not exist.
    GUARDED = ("company", "portfolio", "collector", "customer")

    def __init__(self, user: Any, data: Any) -> None:
        super().__init__(data, auto_id="kpi-%s")
        accounts = visible_accounts(user)
        companies = Company.objects.filter(accounts__in=accounts)
        self.fields["company"].queryset = companies.distinct().order_by("name")
        portfolios = Portfolio.objects.filter(accounts__in=accounts)
        self.fields["portfolio"].queryset = portfolios.distinct().order_by("name")
        # Those of earlier days too: a reprint keeps its filter after an account changed hands.
        assigned = CollectorAssignment.objects.filter(account__in=accounts).values("collector")
        collectors = User.objects.filter(Q(accounts__in=accounts) | Q(pk__in=assigned))
        self.fields["collector"].queryset = collectors.distinct().order_by("username")
        self.fields["customer"].queryset = Customer.objects.filter(accounts__in=accounts).distinct()

    def clean_currency(self) -> str | None:
        return self.cleaned_data["currency"].upper() or None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("known_at") and cleaned.get("recorded_by"):
            raise forms.ValidationError(_("A page is either as known on a day or as recorded at an instant."))
        return cleaned


@dataclass
class Filters:
    """The checked request: what to measure and how to say it on a page or in a file."""

    as_of: date
    view: View
    scope: Scope
    currency: str | None
    form: FilterForm
    labels: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, user: Any, data: Any) -> Filters:
        """Raises Http404 for a company, portfolio, collector or customer the user may not see."""
        today = business_date()
        values = data.copy()
        values["as_of"] = values.get("as_of") or today.isoformat()
        form = FilterForm(user, values)
        form.is_valid()
        if any(name in form.errors for name in FilterForm.GUARDED):
            raise Http404
        got = form.cleaned_data
        chosen = {name: got.get(name) for name in FilterForm.GUARDED}
        both = got.get("known_at") and got.get("recorded_by")
        view = View() if both else View(known_at=got.get("known_at"), recorded_by=got.get("recorded_by"))
        scope = Scope(
            accounts=None if sees_all(user) else visible_accounts(user),
            **{f"{name}_id": row.pk if row else None for name, row in chosen.items()},
        )
        labels = [(str(form.fields[name].label), str(row)) for name, row in chosen.items() if row]
        return cls(got.get("as_of") or today, view, scope, got.get("currency"), form, labels)

    def params(self, **changes: Any) -> str:
        """The query string of this selection, for links and exports."""
        values: dict[str, Any] = {
            "as_of": self.as_of.isoformat(),
            "company": self.scope.company_id,
            "portfolio": self.scope.portfolio_id,
            "collector": self.scope.collector_id,
            "customer": self.scope.customer_id,
            "currency": self.currency,
            "known_at": self.view.known_at.isoformat() if self.view.known_at else None,
            "recorded_by": self.view.recorded_by.isoformat() if self.view.recorded_by else None,
            **changes,
        }
        return urlencode({key: value for key, value in values.items() if value not in (None, "")})

    def facts(self, stamp: datetime) -> list[tuple[str, Any]]:
        """What an export says about itself before its totals."""
        facts: list[tuple[str, Any]] = [(_("recorded at"), stamp)]
        if self.view.known_at:
            facts.append((_("as known on"), self.view.known_at))
        if self.view.recorded_by:
            facts.append((_("reprint of"), self.view.recorded_by))
        facts += self.labels or [(_("filters"), _("none: everything you may see"))]
        return facts
