"""Forms of the onboarding pages. Rules are in customers/applications.py, customers/documents.py and this package."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.money import Money, exponent
from customers.access import visible_customers
from customers.applications import Prospect, Wish
from customers.documents import ACCEPT
from customers.imports.identifiers import check_identifiers
from customers.limit_evidence import money_of
from customers.models import (
    Access,
    ApplicationDocument,
    Cover,
    CreditSegment,
    Customer,
    Portfolio,
)
from scoring.bank_right import NOTHING_ENDED, Ended, Reader
from scoring.decision_reasons import reasons_of
from scoring.models import Decision, Recommendation
from scoring.onboarding.deciding import LONGEST_TERMS, Answer
from scoring.onboarding.letters import in_letter, may_be_told

IDENTIFIERS = {
    "vat_number": gettext_lazy("The VAT number is not valid: its check digits are wrong."),
    "registration_number": gettext_lazy("The registration number is not valid: its check digits are wrong."),
    "lei": gettext_lazy("The LEI is not valid: its check digits are wrong."),
}


def _day() -> forms.DateInput:
    return forms.DateInput({"type": "date"}, format="%Y-%m-%d")


class WishForm(forms.Form):
    """What is asked for, by an account there is or by a prospect."""

    requested = forms.DecimalField(label=gettext_lazy("credit asked for"), min_value=0, max_digits=15)
    terms_days = forms.IntegerField(
        label=gettext_lazy("payment terms asked for (days)"),
        required=False,
        min_value=0,
        max_value=LONGEST_TERMS,
    )
    yearly_purchases = forms.DecimalField(
        label=gettext_lazy("expected purchases in a year"), required=False, min_value=0, max_digits=15
    )
    contact_name = forms.CharField(label=gettext_lazy("contact"), required=False, max_length=120)
    contact_email = forms.EmailField(label=gettext_lazy("e-mail of the contact"), required=False)
    note = forms.CharField(
        label=gettext_lazy("note"), required=False, max_length=2000, widget=forms.Textarea({"rows": 2})
    )

    def __init__(self, *args: Any, currency: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        for name in ("requested", "yearly_purchases"):
            self.fields[name].widget.attrs |= {"step": "any", "inputmode": "decimal"}
            if currency:
                self.fields[name].label = _("%(what)s in %(currency)s") % {
                    "what": self.fields[name].label,
                    "currency": currency,
                }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        currency = self.money_currency(data)
        for name in ("requested", "yearly_purchases"):
            amount = data.get(name)
            if amount is not None and currency and -amount.as_tuple().exponent > exponent(currency):
                self.add_error(
                    name,
                    _("At most %(places)s decimals in %(currency)s.")
                    % {"places": exponent(currency), "currency": currency},
                )
        return data

    def money_currency(self, data: dict[str, Any]) -> str:
        return self.currency

    def wish(self) -> Wish:
        data, currency = self.cleaned_data, self.money_currency(self.cleaned_data)
        purchases = data["yearly_purchases"]
        return Wish(
            amount=Money.of(data["requested"], currency),
            terms_days=data["terms_days"],
            yearly_purchases=None if purchases is None else Money.of(purchases, currency),
            contact_name=data["contact_name"],
            contact_email=data["contact_email"],
            note=data["note"],
        )


class ProspectForm(WishForm):
    """Who asks, and for what. Companies and portfolios offered are those the person may see."""

    name = forms.CharField(label=gettext_lazy("name"), max_length=160)
    kind = forms.ChoiceField(
        label=gettext_lazy("legal kind"),
        choices=Customer.Kind.choices,
        help_text=gettext_lazy("Nothing adverse is decided about a natural person without a named human."),
    )
    country = forms.RegexField(
        label=gettext_lazy("country"),
        regex=r"^[A-Za-z]{2}$",
        required=False,
        max_length=2,
        help_text=gettext_lazy("Two letters, like IT."),
    )
    city = forms.CharField(label=gettext_lazy("city"), required=False, max_length=80)
    vat_number = forms.CharField(label=gettext_lazy("VAT number"), required=False, max_length=20)
    registration_number = forms.CharField(
        label=gettext_lazy("registration number"), required=False, max_length=30
    )
    lei = forms.CharField(label=gettext_lazy("LEI"), required=False, max_length=20)
    sector = forms.RegexField(
        label=gettext_lazy("sector (NACE)"),
        regex=r"^[A-U]?[0-9]{2}(\.[0-9]{1,2})?$",
        required=False,
        max_length=10,
        help_text=gettext_lazy("Like 46.73."),
    )
    language = forms.ChoiceField(label=gettext_lazy("language of letters"), choices=settings.LANGUAGES)
    founded_on = forms.DateField(label=gettext_lazy("founded on"), required=False, widget=_day())
    parent = forms.CharField(
        label=gettext_lazy("group parent (customer number)"), required=False, max_length=40
    )
    stands_alone = forms.BooleanField(label=gettext_lazy("belongs to no group"), required=False)
    segment: forms.ModelChoiceField = forms.ModelChoiceField(
        label=gettext_lazy("credit segment"), queryset=None, empty_label=None
    )
    portfolio: forms.ModelChoiceField = forms.ModelChoiceField(
        label=gettext_lazy("portfolio"), queryset=None, required=False, empty_label="—"
    )

    ASKED = (
        *("name", "kind", "country", "city", "vat_number", "registration_number", "lei", "sector"),
        *("language", "founded_on", "parent", "stands_alone", "segment", "portfolio"),
    )
    field_order = [*ASKED, *WishForm.base_fields]

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        segments = CreditSegment.objects.select_related("company").order_by("company__name", "name")
        portfolios = Portfolio.objects.select_related("company").order_by("company__name", "name")
        if not user.is_superuser:
            given = list(Access.objects.filter(user=user).values_list("company", "portfolio"))
            whole = {company for company, portfolio in given if portfolio is None}
            segments = segments.filter(company__in={company for company, _portfolio in given})
            portfolios = portfolios.filter(company__in=whole) | portfolios.filter(
                pk__in={portfolio for _company, portfolio in given if portfolio}
            )
            self.whole_companies: set[int] | None = whole
        else:
            self.whole_companies = None
        for name, rows in (("segment", segments), ("portfolio", portfolios)):
            self.fields[name].queryset = rows  # type: ignore[attr-defined]
            self.fields[name].label_from_instance = lambda row: f"{row.company.name} · {row.name}"  # type: ignore[attr-defined]

    @property
    def who(self) -> list[Any]:
        return [self[name] for name in self.ASKED]

    @property
    def what(self) -> list[Any]:
        return [self[name] for name in WishForm.base_fields]

    def money_currency(self, data: dict[str, Any]) -> str:
        segment = data.get("segment")
        return segment.company.currency if segment else ""

    def clean_parent(self) -> Customer | None:
        code = self.cleaned_data["parent"].strip()
        if not code:
            return None
        found = visible_customers(self.user).filter(code=code).first()
        if found is None:
            raise forms.ValidationError(_("There is no customer with number %s.") % code)
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["country"] = (data.get("country") or "").upper()
        for name, _value, _kind in check_identifiers(data):
            self.add_error(name, IDENTIFIERS[name])
        segment, portfolio = data.get("segment"), data.get("portfolio")
        outside = self.whole_companies is not None and segment is not None
        if outside and portfolio is None and segment.company_id not in self.whole_companies:
            self.add_error("portfolio", _("Choose one of your portfolios: you would not see it otherwise."))
        if data.get("parent") and data.get("stands_alone"):
            self.add_error("stands_alone", _("Either it has a group parent, or it belongs to no group."))
        return data

    def prospect(self) -> Prospect:
        names = (
            *("name", "kind", "country", "city", "vat_number", "registration_number", "lei", "sector"),
            *("language", "founded_on", "parent", "stands_alone"),
        )
        return Prospect(**{name: self.cleaned_data[name] for name in names})


class DocumentForm(forms.Form):
    kind = forms.ChoiceField(label=gettext_lazy("kind"), choices=ApplicationDocument.Kind.choices)
    file = forms.FileField(
        label=gettext_lazy("file"),
        widget=forms.ClearableFileInput({"accept": ACCEPT}),
        help_text=gettext_lazy("PDF, picture, table, CAMT or MT940, up to 10 MB."),
    )


class AnswerForm(forms.Form):
    """A person's decision, prefilled with what the rules advise."""

    seen = forms.CharField(widget=forms.HiddenInput)
    outcome = forms.ChoiceField(label=gettext_lazy("your decision"), choices=())
    limit = forms.DecimalField(label=gettext_lazy("limit"), required=False, min_value=0, max_digits=15)
    terms_days = forms.IntegerField(
        label=gettext_lazy("payment terms (days)"), required=False, min_value=0, max_value=LONGEST_TERMS
    )
    guarantee = forms.DecimalField(
        label=gettext_lazy("to be guaranteed"), required=False, min_value=0, max_digits=15
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("by one of these"),
        required=False,
        choices=Cover.Kind.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    because = forms.MultipleChoiceField(
        label=gettext_lazy("reasons the customer is told"),
        required=False,
        choices=(),
        widget=forms.CheckboxSelectMultiple,
    )
    told = forms.CharField(
        label=gettext_lazy("further reasons, in the customer's language"),
        required=False,
        max_length=1000,
        widget=forms.Textarea({"rows": 2}),
        help_text=gettext_lazy("It stands in the letter as you write it."),
    )
    note = forms.CharField(
        label=gettext_lazy("what did you look at, and why do you decide so?"),
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
        help_text=gettext_lazy("For the file; the customer does not read it."),
    )

    def __init__(
        self, *args: Any, decision: Decision, reader: Reader, ended: Ended = NOTHING_ENDED, **kwargs: Any
    ) -> None:
        """reader: who decides. ended: what may not be shown about the customer any more (`ended_for`)."""
        self.decision = decision
        kwargs.setdefault("initial", _advised(decision))
        super().__init__(*args, **kwargs)
        labels = dict(Recommendation.choices)
        outcomes = (Recommendation.APPROVED, Recommendation.GUARANTEES, Recommendation.DECLINED)
        self.fields["outcome"].choices = [("", "—"), *((code, labels[code]) for code in outcomes)]  # type: ignore[attr-defined]
        self.fields["because"].choices = [  # type: ignore[attr-defined]
            (place, in_letter(reason))
            for place, reason in enumerate(reasons_of(decision, reader, named=not ended, ended=ended))
            if may_be_told(reason)
        ]
        for name in ("limit", "guarantee"):
            self.fields[name].widget.attrs |= {"step": "any", "inputmode": "decimal"}
            self.fields[name].label = _("%(what)s in %(currency)s") % {
                "what": self.fields[name].label,
                "currency": decision.currency,
            }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in ("limit", "guarantee"):
            amount = data.get(name)
            places = exponent(self.decision.currency)
            if amount is not None and -amount.as_tuple().exponent > places:
                self.add_error(
                    name,
                    _("At most %(places)s decimals in %(currency)s.")
                    % {"places": places, "currency": self.decision.currency},
                )
        return data

    def answer(self) -> Answer:
        data, currency = self.cleaned_data, self.decision.currency

        def money(name: str) -> Money | None:
            return None if data[name] is None else Money.of(data[name], currency)

        return Answer(
            outcome=data["outcome"],
            note=data["note"],
            limit=money("limit"),
            terms_days=data["terms_days"],
            guarantee=money("guarantee"),
            kinds=data["kinds"],
            because=[int(place) for place in data["because"]],
            told=data["told"],
        )


def _advised(decision: Decision) -> dict[str, Any]:
    """What the form starts with: the advice, never an outcome. Reasons: what told against the customer."""
    advice = decision.advice
    limit, guarantees = advice.get("limit"), advice.get("guarantees") or {}
    against = [
        str(place)
        for place, reason in enumerate(decision.reasons)
        if reason["code"] in ("no_history", "thin_history")
        or (
            reason["code"] == "signal"
            and reason["params"]["points"] < 0
            # How few instalments fell due is what the sentence on the history says better.
            and reason["params"]["signal"] != "due_count_12m"
        )
    ]
    return {
        "seen": str(decision.public_id),
        "limit": money_of(limit).amount if limit else None,
        "terms_days": advice.get("terms_days"),
        "guarantee": money_of(guarantees["amount"]).amount if guarantees else None,
        "kinds": guarantees.get("kinds", []),
        "because": against,
    }


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("reason"), max_length=1000)
