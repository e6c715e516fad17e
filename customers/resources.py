"""Lists of customers out of and into the desk through django-import-export: small files, previewed first.

Only the user's own customers are exported or changed. Status, group and payment terms are dated facts and are
not set by a list; ledgers have an import of their own (customers/imports).
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from import_export import fields, resources
from import_export.instance_loaders import CachedInstanceLoader

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.clock import business_date
from creditdesk.core.exports import safe_text
from customers.access import visible_customers
from customers.attributes import set_status
from customers.imports.identifiers import check_identifiers
from customers.models import Customer

# import-export holds the whole file in memory and saves row by row: lists, not ledgers.
MAX_ROWS = 5000
COLUMNS = (
    *("code", "name", "kind", "country", "city", "vat_number", "registration_number", "lei"),
    *("sector", "language", "customer_since", "founded_on"),
)
PERSONAL = frozenset({"name", "city", "vat_number", "registration_number"})
_NOT_IN_LISTS = ("parent", "merged_into", "status", "terms_days")


class CustomerResource(resources.ModelResource):
    """`user`: whose customers; without one nobody's. The customer number says which row is which customer."""

    status = fields.Field("status", "status", readonly=True)

    class Meta:
        model = Customer
        fields = (*COLUMNS, "status")
        import_id_fields = ("code",)
        instance_loader_class = CachedInstanceLoader
        use_transactions = True
        skip_unchanged = True
        report_skipped = True
        clean_model_instances = True

    def __init__(self, user: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user = user
        self.taken: set[str] = set()
        self.before: dict[int, dict[str, Any]] = {}
        self.changes: list[Change] = []

    def get_queryset(self) -> Any:
        return visible_customers(self.user) if self.user is not None else Customer.objects.none()

    # Out ---------------------------------------------------------------------------------------------
    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        value = super().export_field(field, instance, **kwargs)
        return safe_text(value) if isinstance(value, str) else value

    # In ----------------------------------------------------------------------------------------------
    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        if len(dataset) > MAX_ROWS:
            raise ValidationError(
                _("The list has %(rows)s rows; at most %(most)s fit. Split it into several files.")
                % {"rows": len(dataset), "most": MAX_ROWS}
            )
        if "code" not in (dataset.headers or []):
            raise ValidationError(_("The list needs a column “code”, the customer number."))
        codes = {str(code or "").strip() for code in dataset["code"]}
        own = set(self.get_queryset().filter(code__in=codes).values_list("code", flat=True))
        self.taken = set(Customer.objects.filter(code__in=codes).values_list("code", flat=True)) - own

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        for name, value in row.items():
            if isinstance(value, str):
                # Our own export marks text that looks like a formula; the mark is not part of the text.
                bare = value[1:] if value.startswith("'") and safe_text(value[1:]) == value else value
                row[name] = bare.strip()

    def skip_row(self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None) -> bool:
        if import_validation_errors or original.pk is None:
            return False
        names = [name for name in COLUMNS if name in row]
        return all(getattr(instance, name) == getattr(original, name) for name in names)

    def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
        if not new:
            self.before[instance.pk] = {name: getattr(instance, name) for name in COLUMNS}

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        """Every error of the row by field, with its cure. No query: known numbers were looked up for the file."""
        errors = dict(import_validation_errors or {})
        if instance.code in self.taken:
            errors["code"] = [
                _("Number %(code)s belongs to a customer outside your portfolios: use another number.")
                % {"code": instance.code}
            ]
        instance.country, instance.language = instance.country.upper(), instance.language or "en"
        if instance.country and not (len(instance.country) == 2 and instance.country.isalpha()):
            errors["country"] = [
                _("A country is a code of two letters, such as IT: correct it or leave it empty.")
            ]
        values = {
            name: getattr(instance, name) for name in ("country", "vat_number", "registration_number", "lei")
        }
        for name, value, kind in check_identifiers(values):
            errors[name] = [
                _("The check digits of this %(kind)s are wrong: correct %(value)s or leave the cell empty.")
                % {"kind": kind, "value": value}
            ]
        for name in ("vat_number", "registration_number", "lei"):
            if name not in errors:
                setattr(instance, name, values[name] or "")
        try:
            instance.clean_fields(exclude={*errors, *_NOT_IN_LISTS})
        except ValidationError as error:
            errors |= error.update_error_dict({})
        if errors:
            raise ValidationError(errors)

    def do_instance_save(self, instance: Any, is_create: bool) -> None:
        """A change writes the list's columns only: status, group and terms may move meanwhile."""
        if is_create:
            instance.save()
        else:
            instance.save(update_fields=COLUMNS)

    def after_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        actor, today = Actor.person(self.user), business_date()
        before = self.before.get(instance.pk)
        if before is None:
            set_status(instance, instance.status, on=today, actor=actor, reason_code="import")
        after = {name: getattr(instance, name) for name in COLUMNS}
        moved = [name for name in COLUMNS if before is None or before[name] != after[name]]
        self.changes.append(Change.of(instance, before and _shown(before, moved), _shown(after, moved)))

    def after_import(self, dataset: Any, result: Any, **kwargs: Any) -> None:
        super().after_import(dataset, result, **kwargs)
        failed = result.has_errors() or result.has_validation_errors()
        if self.changes and not kwargs.get("dry_run") and not failed:
            record_act(
                "customer.import",
                actor=Actor.person(self.user),
                business_date=business_date(),
                data={"file": str(kwargs.get("file_name") or ""), "totals": dict(result.totals)},
                changes=self.changes,
            )


def _shown(values: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """For the trail: names, addresses and identifiers of people stay erasable, so they are masked."""
    return {name: "*" if name in PERSONAL else values[name] for name in names}
