"""Bank lines and other evidence through the browser: upload, preview, confirm. Nothing is stored before the POST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.clock import business_date
from customers.access import visible_customers
from customers.bank.feeds import LABELS, BankReport, Options, guess_mapping, run_bank_import
from customers.bank.mapping import LAYOUT, find_bank_mapping, shipped_bank_mappings
from customers.evidence.imports import run_evidence_import
from customers.evidence.mapping import FIELDS, find_evidence_mapping, shipped_evidence_mappings
from customers.imports.problems import ImportRefused, cure, reason
from customers.imports.uploads import KEPT_FOR, UploadGone, drop, keep, opened
from customers.models import Customer, ImportMapping

SALT = "customers.evidence.preview"
COUNTS = {
    **LABELS,
    "new": gettext_lazy("new facts"),
    "corrected": gettext_lazy("corrected facts"),
}


def evidence_choices(user: Any) -> list[tuple[str, Any]]:
    """Mappings for bank lines and evidence: those of the user's companies, those not used yet, the shipped ones."""
    saved = ImportMapping.objects.filter(layout__in=[LAYOUT, *FIELDS]).select_related("source")
    if not user.is_superuser:
        companies = set(user.accesses.values_list("company_id", flat=True))
        saved = [m for m in saved if m.source is None or m.source.company_id in companies]
    titles = {m.slug: m.spec.get("title", "") for m in saved}
    shipped = {**shipped_bank_mappings(), **shipped_evidence_mappings()}
    titles |= {slug: raw["title"] for slug, raw in shipped.items() if slug not in titles}
    known = [(slug, f"{slug} · {title}" if title else slug) for slug, title in sorted(titles.items())]
    return [("", gettext_lazy("CAMT or MT940: the file says what it is")), *known]


class EvidenceForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("File"))
    mapping = forms.ChoiceField(label=gettext_lazy("Mapping"), required=False)
    customer = forms.CharField(
        label=gettext_lazy("Customer number"),
        required=False,
        max_length=40,
        help_text=gettext_lazy(
            "Whose bank lines these are. Empty: the file says it, or the account is known."
        ),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["mapping"].choices = evidence_choices(user)  # type: ignore[attr-defined]

    def clean_customer(self) -> Customer | None:
        code = self.cleaned_data["customer"].strip()
        if not code:
            return None
        found = visible_customers(self.user).filter(code=code).first()
        if found is None:
            raise forms.ValidationError(_("There is no customer with number %s.") % code)
        return found


def evidence_view(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """The page; `model_admin` is that of the imports, whose permissions hold."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    if "confirm" in request.POST:
        return _confirm(request)
    form = EvidenceForm(request.POST or None, request.FILES or None, user=request.user)
    if request.method == "GET":
        form.initial["customer"] = request.GET.get("customer", "")
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        given = form.cleaned_data
        terms = {
            "kept": keep(given["file"].name, given["file"].chunks(), user=request.user),
            "name": Path(given["file"].name).name[:200],
            "mapping": given["mapping"],
            "customer": given["customer"].pk if given["customer"] else None,
            "user": request.user.pk,
        }
        try:
            report = _run(request, terms, commit=False)
        except ImportRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            context |= {
                "report": report,
                "terms": signing.dumps(terms, salt=SALT, compress=True),
                "counts": [(label, report.counts[k]) for k, label in COUNTS.items() if report.counts.get(k)],
                "problems": [
                    {"p": p, "reason": reason(p.code, p.params), "cure": cure(p.code, p.params)}
                    for p in report.problems
                ],
            }
    shared = {**model_admin.admin_site.each_context(request), "opts": model_admin.opts}
    shared |= {
        "title": _("Import bank lines and evidence"),
        "batches_url": reverse("admin:customers_importbatch_changelist"),
    }
    return TemplateResponse(request, "admin/customers/importbatch/evidence.html", {**shared, **context})


def _run(request: HttpRequest, terms: dict[str, Any], *, commit: bool) -> BankReport:
    options = Options(
        today=business_date(),
        commit=commit,
        customer=Customer.objects.filter(pk=terms["customer"]).first() if terms["customer"] else None,
        user=request.user,
        file_name=terms["name"],
    )
    with opened(terms["kept"], user=request.user) as path:
        return _import(path, terms["mapping"], options)


def _import(path: Path, slug: str, options: Options) -> BankReport:
    if not slug:
        return run_bank_import(path, guess_mapping(path), options)
    try:
        mapping = find_bank_mapping(slug)
    except ImportRefused:
        return run_evidence_import(path, find_evidence_mapping(slug), options)
    return run_bank_import(path, mapping, options)


def _confirm(request: HttpRequest) -> HttpResponse:
    again = redirect("admin:customers_importbatch_evidence")
    try:
        terms = signing.loads(request.POST["confirm"], salt=SALT, max_age=KEPT_FOR)
        if terms["user"] != request.user.pk:
            raise PermissionDenied
        report = _run(request, terms, commit=True)
    except (signing.BadSignature, UploadGone):
        messages.error(request, _("The preview has expired. Upload the file again."))
        return again
    except ImportRefused as refusal:
        messages.error(request, str(refusal))
        return again
    drop(terms["kept"])
    if report.changes_nothing:
        messages.info(request, _("There is nothing new in this file."))
    else:
        messages.success(request, _("The good rows are stored."))
    return redirect("admin:customers_importbatch_change", report.batch.pk) if report.batch else again
