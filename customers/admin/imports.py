"""Ledger imports in the admin: upload, preview, confirm; batches with their refused rows, and undo.

django-import-export's own pages work on one Resource for one model and hold the whole file in memory; a
ledger file fills four tables and may have millions of rows (docs/decisions/ledger-import.md).
"""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.bank.feeds import LABELS as BANK_LABELS
from customers.bank.mapping import LAYOUT as BANK_LAYOUT
from customers.bank.mapping import parse_bank_spec
from customers.evidence.mapping import FIELDS as EVIDENCE_LAYOUTS
from customers.evidence.mapping import parse_evidence_spec
from customers.imports.problems import ImportRefused, cure, reason
from customers.imports.report import LABELS, problem_of, report_rows, safe_cell
from customers.imports.run import Options, run_import
from customers.imports.setup import find_mapping, shipped_mappings
from customers.imports.spec import REQUIRED as LEDGER_LAYOUTS
from customers.imports.spec import SpecError, parse_spec
from customers.imports.undo import dependents, undo_batch
from customers.imports.uploads import KEPT_FOR, UploadGone, drop, keep, opened
from customers.models import ImportBatch, ImportMapping, RefusedRow

from .base import FactAdmin, ReadOnlyInline, ScopedAdmin

SALT = "customers.imports.preview"
FACT_LABELS = {"new": gettext_lazy("new facts"), "corrected": gettext_lazy("corrected facts")}


def mapping_choices(user: Any) -> list[tuple[str, str]]:
    """Mappings of the companies the user may see, those not used yet, and the shipped ones."""
    saved = ImportMapping.objects.filter(layout__in=LEDGER_LAYOUTS).select_related("source")
    if not user.is_superuser:
        companies = set(user.accesses.values_list("company_id", flat=True))
        saved = [m for m in saved if m.source is None or m.source.company_id in companies]
    titles = {m.slug: m.spec.get("title", "") for m in saved}
    taken = set(ImportMapping.objects.values_list("slug", flat=True))
    titles |= {slug: raw["spec"]["title"] for slug, raw in shipped_mappings().items() if slug not in taken}
    return [(slug, f"{slug} · {title}" if title else slug) for slug, title in sorted(titles.items())]


class UploadForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("File (CSV or XLSX)"))
    mapping = forms.ChoiceField(label=gettext_lazy("Mapping"))
    snapshot_on = forms.DateField(
        label=gettext_lazy("Snapshot taken on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Only for open items."),
    )
    complete_through = forms.DateField(
        label=gettext_lazy("Ledger complete through"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: the last date in the file."),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["mapping"].choices = mapping_choices(user)  # type: ignore[attr-defined]


class UndoForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


class MappingForm(forms.ModelForm):
    class Meta:
        model = ImportMapping
        fields = "__all__"  # noqa: DJ007 - every column of a mapping is the controller's

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        slug, layout, spec = data.get("slug", ""), data.get("layout", ""), data.get("spec")
        try:
            if layout == BANK_LAYOUT:
                parse_bank_spec(slug, spec)
            elif layout in EVIDENCE_LAYOUTS:
                parse_evidence_spec(slug, layout, spec)
            else:
                parse_spec(slug, layout, data.get("on_change", ""), spec)
        except (SpecError, KeyError, TypeError, AttributeError) as error:
            raise ValidationError({"spec": str(error)}) from error
        return data


@admin.register(ImportMapping)
class ImportMappingAdmin(ScopedAdmin):
    form = MappingForm
    list_display = ["slug", "layout", "source", "on_change"]
    list_filter = ["layout"]
    search_fields = ["slug"]
    ordering = ["slug"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("source")
        if request.user.is_superuser:
            return rows
        companies = request.user.accesses.values("company_id")
        return rows.filter(source__company__in=companies) | rows.filter(source__isnull=True)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RefusedRow)
class RefusedRowAdmin(FactAdmin):
    company_path = "batch__source__company"
    list_display = ["batch", "row", "column", "value", "why", "cure"]
    list_select_related = ["batch__source"]
    list_filter = ["severity", "code"]
    search_fields = ["value", "column"]
    ordering = ["-batch_id", "row", "pk"]

    @admin.display(description=gettext_lazy("reason"))
    def why(self, row: RefusedRow) -> str:
        return reason(row.code, row.params)

    @admin.display(description=gettext_lazy("cure"))
    def cure(self, row: RefusedRow) -> str:
        return cure(row.code, row.params)


class RefusedRowInline(ReadOnlyInline):
    model = RefusedRow
    fields = ["row", "column", "value", "why", "cure"]
    readonly_fields = fields
    per_page = 50
    why = RefusedRowAdmin.why
    cure = RefusedRowAdmin.cure


@admin.register(ImportBatch)
class ImportBatchAdmin(FactAdmin):
    company_path = "source__company"
    list_display = [
        "file_name",
        "source",
        "recorded_at",
        "status",
        "new_documents",
        "refused",
        "complete_through",
    ]
    list_select_related = ["source"]
    list_filter = ["status", "source"]
    search_fields = ["file_name"]
    ordering = ["-pk"]
    fields = ["file_name", "source", "mapping", "status", "complete_through", "snapshot_on", "recorded_at"]
    fields += ["imported_by", "undone_at", "counted", "sha256"]
    readonly_fields = fields
    inlines = [RefusedRowInline]
    actions_detail = ["undo_page", "report_file", "refused_file"]

    @admin.display(description=gettext_lazy("new"))
    def new_documents(self, batch: ImportBatch) -> int:
        """Documents of the ledger, or bank lines, or facts."""
        names = ("documents", "corrections", "lines", "new", "corrected")
        return sum(batch.counts.get(name, 0) for name in names)

    @admin.display(description=gettext_lazy("refused"))
    def refused(self, batch: ImportBatch) -> int:
        return batch.counts.get("refused", 0)

    @admin.display(description=gettext_lazy("counts"))
    def counted(self, batch: ImportBatch) -> str:
        return " · ".join(
            f"{batch.counts[k]:,} {label}"
            for k, label in {**LABELS, **BANK_LABELS, **FACT_LABELS}.items()
            if batch.counts.get(k)
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("customers.add_importbatch")

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/undo/", wrap(self.undo_view), name="customers_importbatch_undo"),
            path("evidence/", wrap(self.evidence_page), name="customers_importbatch_evidence"),
            path("<int:pk>/report.csv", wrap(self.report_view), name="customers_importbatch_report"),
            path("<int:pk>/refused.csv", wrap(self.refused_view), name="customers_importbatch_refused"),
            *super().get_urls(),
        ]

    def evidence_page(self, request: HttpRequest) -> HttpResponse:
        from .evidence_imports import evidence_view

        return evidence_view(self, request)

    # Unfold's buttons answer GET, so they only lead to the pages that do the work.
    @action(description=gettext_lazy("Undo"), url_path="to-undo", permissions=["undo"])
    def undo_page(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_importbatch_undo", object_id)

    @action(description=gettext_lazy("Report (CSV)"), url_path="to-report")
    def report_file(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_importbatch_report", object_id)

    @action(description=gettext_lazy("Refused rows (CSV)"), url_path="to-refused")
    def refused_file(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:customers_importbatch_refused", object_id)

    def has_undo_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("customers.change_importbatch")

    # Import ------------------------------------------------------------------------------------
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Upload, preview, confirm. Nothing is stored before the confirmation, which is a POST of its own."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if "confirm" in request.POST:
            return self._confirm(request)
        form = UploadForm(request.POST or None, request.FILES or None, user=request.user)
        context: dict[str, Any] = {"form": form}
        if form.is_valid():
            given = form.cleaned_data
            terms = {
                "kept": keep(given["file"].name, given["file"].chunks(), user=request.user),
                "name": Path(given["file"].name).name[:200],
                "mapping": given["mapping"],
                "snapshot_on": given["snapshot_on"] and given["snapshot_on"].isoformat(),
                "complete_through": given["complete_through"] and given["complete_through"].isoformat(),
                "user": request.user.pk,
            }
            try:
                report = self._run(request, terms, commit=False)
                context |= {"report": report, "terms": signing.dumps(terms, salt=SALT, compress=True)}
                context["counts"] = [
                    (label, report.counts[k]) for k, label in LABELS.items() if report.counts.get(k)
                ]
                context["problems"] = [
                    {"p": p, "reason": reason(p.code, p.params), "cure": cure(p.code, p.params)}
                    for p in report.problems
                ]
            except ImportRefused as refusal:
                form.add_error(None, str(refusal))
        return self._page(request, "import", _("Import ledger"), context)

    def _run(self, request: HttpRequest, terms: dict[str, Any], *, commit: bool) -> Any:
        mapping = find_mapping(terms["mapping"])
        today = business_date(mapping.source.company.time_zone if mapping.source_id else None)
        days = {
            name: date.fromisoformat(terms[name]) if terms[name] else None
            for name in ("snapshot_on", "complete_through")
        }
        options = Options(
            today=today,
            latest_day=max(today, date.today()),  # noqa: DTZ011 - see import_ledger
            commit=commit,
            user=request.user,
            file_name=terms["name"],
            **days,
        )
        with opened(terms["kept"], user=request.user) as file:
            return run_import(file, mapping, options)

    def _confirm(self, request: HttpRequest) -> HttpResponse:
        try:
            terms = signing.loads(request.POST["confirm"], salt=SALT, max_age=KEPT_FOR)
            if terms["user"] != request.user.pk:
                raise PermissionDenied
            report = self._run(request, terms, commit=True)
        except (signing.BadSignature, UploadGone):
            messages.error(request, _("The preview has expired. Upload the file again."))
            return redirect("admin:customers_importbatch_add")
        except ImportRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:customers_importbatch_add")
        drop(terms["kept"])
        if report.changes_nothing:
            messages.info(request, _("The ledger has all of this already: nothing changes."))
        else:
            messages.success(request, _("The good rows are in the ledger."))
        return redirect("admin:customers_importbatch_change", report.batch.pk)

    # Batches -----------------------------------------------------------------------------------
    def _batch(self, request: HttpRequest, pk: int) -> ImportBatch:
        batch = self.get_object(request, str(pk))
        if batch is None:
            self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        return batch

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        batch = self._batch(request, pk)
        if not self.has_undo_permission(request):
            raise PermissionDenied
        form = UndoForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            today = business_date(batch.source.company.time_zone)
            try:
                undo_batch(
                    batch, actor=Actor.person(request.user), reason=form.cleaned_data["reason"], on=today
                )
            except ImportRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, _("The import is undone."))
                return redirect("admin:customers_importbatch_change", batch.pk)
        context = {"form": form, "batch": batch, "dependents": dependents(batch)}
        return self._page(request, "undo", _("Undo import"), context)

    def report_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        batch = self._batch(request, pk)
        problems = (problem_of(row) for row in batch.refused_rows.order_by("row", "pk").iterator())
        return _csv(report_rows(problems), f"import-{pk}-report.csv")

    def refused_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The refused rows as the file had them, with its header: to be mended and imported again."""
        batch = self._batch(request, pk)
        rows = batch.refused_rows.filter(cells__isnull=False).order_by("row", "pk").iterator()

        def lines() -> Any:
            yield batch.counts.get("header", [])
            for row in rows:
                yield [safe_cell(cell) for cell in row.cells]

        return _csv(lines(), f"import-{pk}-refused.csv")

    def _page(self, request: HttpRequest, name: str, title: str, context: dict[str, Any]) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        shared["batches_url"] = reverse("admin:customers_importbatch_changelist")
        template = f"admin/customers/importbatch/{name}.html"
        return TemplateResponse(request, template, {**shared, **context})


class _Echo:
    def write(self, value: str) -> str:
        return value


def _csv(rows: Any, name: str) -> StreamingHttpResponse:
    writer = csv.writer(_Echo())
    response = StreamingHttpResponse(
        (writer.writerow(row) for row in rows), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
