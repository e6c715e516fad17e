"""Merging a duplicate customer: choose the one that stays, see what moves, confirm with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from creditdesk.core.clock import business_date
from customers.access import visible_customers
from customers.merging import MERGE, MergeRefused, merge_customers, plan_merge
from customers.models import Customer


class MergeForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("reason"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "d-input"}),
        error_messages={"required": gettext_lazy("Write down why: the reason stays with the merge.")},
    )


class MergeMixin:
    """Adds the page to the customer's admin; the rules are in customers/merging.py."""

    actions_detail = ["merge_page"]

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.merge_view)
        return [path("<int:pk>/merge/", view, name="customers_customer_merge"), *super().get_urls()]

    # Unfold's buttons answer GET, so they only lead to the page that does the work.
    @action(description=gettext_lazy("Merge into another"), url_path="to-merge", permissions=["merge"])
    def merge_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_customer_merge", object_id)

    def has_merge_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(MERGE)

    def merge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET ?into=number shows what moves; POST there with a reason merges."""
        duplicate = self.get_object(request, str(pk))
        if duplicate is None:
            self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if not self.has_merge_permission(request):
            raise PermissionDenied
        code = request.GET.get("into", "").strip()
        into = visible_customers(request.user).filter(code=code).first() if code else None
        form, today = MergeForm(request.POST or None), business_date()
        plan = None
        if into is not None:
            if request.method == "POST" and form.is_valid():
                try:
                    merge_customers(
                        into, duplicate, by=request.user, reason=form.cleaned_data["reason"], on=today
                    )
                except MergeRefused as refusal:
                    form.add_error(None, str(refusal))
                else:
                    text = _("%(duplicate)s was merged into this customer.")
                    messages.success(request, text % {"duplicate": duplicate.name})
                    return redirect("desk:customer", into.pk)
            plan = plan_merge(into, duplicate, by=request.user, on=today)
        labels = {f.name: f.verbose_name for f in Customer._meta.fields}
        context = {
            **self.admin_site.each_context(request),
            "title": _("Merge: %(customer)s") % {"customer": duplicate.name},
            "duplicate": duplicate,
            "into": into,
            "code": code,
            "form": form,
            "plan": plan,
            "filled": plan and [(labels[name], value) for name, value in plan.identifiers.items()],
            "differing": plan and [(labels[name], *pair) for name, pair in plan.differing.items()],
            "status": plan and dict(Customer.Status.choices).get(plan.status, ""),
        }
        return TemplateResponse(request, "admin/customers/customer/merge.html", context)
