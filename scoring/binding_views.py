"""The pages on which it is said which limit binds a customer of several of our companies. Rules: customers/bindings.py."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import visible_accounts, visible_customers
from customers.bindings import DECIDE, PROPOSE, BindingError, decide_binding, propose_binding
from customers.models import Company, CreditAccount, Customer, LimitBinding
from customers.rates import MissingRate
from customers.totals import binding_at
from scoring.limit_views import PAGE, page, staff_page
from scoring.overrides import grades_now

VIEW = "customers.view_limitbinding"
Status = LimitBinding.Status


class BindingForm(forms.Form):
    """Which limit binds, from when, with how much at most over all our companies, and why."""

    binds = forms.ChoiceField(label=gettext_lazy("which limit binds"), choices=LimitBinding.Binds.choices)
    ceiling = forms.DecimalField(
        label=gettext_lazy("at most over all our companies"),
        required=False,
        min_value=0,
        max_digits=15,
        decimal_places=2,
        help_text=gettext_lazy(
            "Of the customer and everybody below it in its group, together. Empty: the sum of the limits decided."
        ),
        widget=forms.NumberInput({"step": "any", "inputmode": "decimal"}),
    )
    wanted_from = forms.DateField(
        label=gettext_lazy("from"),
        required=False,
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Not before it is decided."),
    )
    reason = forms.CharField(
        label=gettext_lazy("reason"), max_length=2000, widget=forms.Textarea({"rows": 3})
    )

    def __init__(self, *args: Any, currency: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        if currency:
            self.fields["ceiling"].label = _("at most over all our companies (%(currency)s)") % {
                "currency": currency
            }
        else:
            del self.fields["ceiling"]

    @property
    def money(self) -> Money | None:
        amount = self.cleaned_data.get("ceiling")
        return None if amount is None else Money.of(amount, self.currency)


class VerdictForm(forms.Form):
    """proposal: the one that was read, which the page names."""

    proposal = forms.IntegerField(widget=forms.HiddenInput)
    action = forms.ChoiceField(choices=[("approve", ""), ("reject", "")])
    decision_reason = forms.CharField(
        label=gettext_lazy("reason"), max_length=2000, widget=forms.Textarea({"rows": 2})
    )


def _visible(request: HttpRequest) -> QuerySet[LimitBinding]:
    accounts = visible_accounts(request.user)
    return LimitBinding.objects.filter(
        Q(customer__in=visible_customers(request.user)) | Q(company__in=accounts.values("company"))
    ).select_related("customer", "company", "proposed_by", "decided_by")


@staff_page(VIEW)
@require_http_methods(["GET"])
def bindings(request: HttpRequest) -> HttpResponse:
    """What waits first, then what was decided, the newest first."""
    first = Case(When(status=Status.WAITING, then=Value(0)), default=Value(1), output_field=IntegerField())
    context = {
        "page_obj": Paginator(_visible(request).order_by(first, "-pk"), PAGE).get_page(
            request.GET.get("page")
        ),
        "companies": Company.objects.filter(pk__in=visible_accounts(request.user).values("company")).order_by(
            "name"
        ),
        "may_propose": request.user.has_perm(PROPOSE),
    }
    return page(request, "limits/bindings.html", _("Which limit binds"), context)


@staff_page(VIEW)
@require_http_methods(["GET", "POST"])
def of_customer(request: HttpRequest, customer_id: int) -> HttpResponse:
    customer = get_object_or_404(visible_customers(request.user), pk=customer_id)
    return _one(request, customer)


@staff_page(VIEW)
@require_http_methods(["GET", "POST"])
def of_company(request: HttpRequest, company_id: int) -> HttpResponse:
    seen = visible_accounts(request.user).values("company")
    return _one(request, get_object_or_404(Company.objects.filter(pk__in=seen), pk=company_id))


def _one(request: HttpRequest, subject: Customer | Company) -> HttpResponse:
    today = business_date()
    is_customer = isinstance(subject, Customer)
    accounts = _accounts(request, subject) if isinstance(subject, Customer) else []
    rows = (
        _visible(request).filter(customer=subject)
        if is_customer
        else _visible(request).filter(company=subject)
    )
    waiting = rows.filter(status=Status.WAITING).first()
    posted = request.POST if request.method == "POST" else None
    deciding = posted is not None and "action" in posted
    form = BindingForm(
        None if deciding else posted,
        currency=accounts[0].company.currency if accounts else "",
        initial={
            "wanted_from": today,
            "binds": rows.filter(status=Status.IN_FORCE)
            .order_by("-pk")
            .values_list("binds", flat=True)
            .first(),
        },
    )
    verdict = VerdictForm(posted if deciding else None)
    status = 200
    if posted is not None:
        active = verdict if deciding else form
        status = 400
        if active.is_valid():
            try:
                done = (
                    _decide(request, waiting, verdict, today)
                    if deciding
                    else _propose(request, subject, form, today)
                )
            except (BindingError, MissingRate) as error:
                active.add_error(None, str(error))
                status = 403 if getattr(error, "code", "") == "not_allowed" else 409
            else:
                messages.success(request, done)
                return redirect(request.path)
    context = {
        "customer": subject if is_customer else None,
        "company": None if is_customer else subject,
        "rows": rows.exclude(status=Status.WAITING).order_by("-pk"),
        "waiting": waiting,
        "form": form,
        "verdict": verdict,
        "may_propose": request.user.has_perm(PROPOSE) and waiting is None,
        "may_decide": waiting is not None
        and request.user.has_perm(DECIDE)
        and waiting.proposed_by_id != request.user.pk,
        "now": _now(request, accounts, today),
    }
    title = _("Which limit binds: %(name)s") % {"name": subject.name}
    return page(request, "limits/binding.html", title, context, status)


def _accounts(request: HttpRequest, customer: Customer) -> list[CreditAccount]:
    rows = visible_accounts(request.user).filter(customer=customer, joined_into__isnull=True)
    return list(rows.select_related("customer", "company", "segment").order_by("pk"))


def _now(request: HttpRequest, accounts: list[CreditAccount], today: date) -> Any:
    """What binds the customer's first account today."""
    if not accounts:
        return None
    try:
        return binding_at(accounts[0], today, seen=visible_accounts(request.user), at=timezone.now())
    except MissingRate:
        return None


def _propose(request: HttpRequest, subject: Customer | Company, form: BindingForm, today: date) -> str:
    data = form.cleaned_data
    propose_binding(
        subject,
        data["binds"],
        by=cast(User, request.user),
        on=today,
        reason=data["reason"],
        wanted_from=data["wanted_from"],
        ceiling=form.money,
    )
    return _("Proposed: a second person has to decide it.")


def _decide(
    request: HttpRequest,
    waiting: LimitBinding | None,
    form: VerdictForm,
    today: date,
) -> str:
    if waiting is None or waiting.pk != form.cleaned_data["proposal"]:
        raise BindingError("decided", _("Somebody was faster: this setting was decided."))
    approve = form.cleaned_data["action"] == "approve"
    decide_binding(
        waiting,
        approve=approve,
        by=cast(User, request.user),
        on=today,
        reason=form.cleaned_data["decision_reason"],
        grades=grades_now,
    )
    return _("In force: checks keep to it from its first day on.") if approve else _("Rejected.")
