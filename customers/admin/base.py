"""What all admin pages of customers share: scope by access, facts that stay facts, changes that leave a trail."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import DropdownFilter

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.money import Money, MoneyField, format_money
from creditdesk.core.templatetags.desk import amount as plain_amount
from customers.access import account_scope, visible_accounts, visible_customers
from customers.models import Portfolio


def money_html(value: Money | None) -> SafeString | str:
    """A right-aligned amount with its currency, for a changelist column."""
    if value is None:
        return "—"
    return format_html(
        '<span class="d-money d-cell">{}&nbsp;<span class="d-ccy">{}</span></span>',
        plain_amount(value),
        value.currency,
    )


class NotFoundAdmin(ModelAdmin):
    """A row one may not see answers 404, as on every page of the desk, not a redirect with a message."""

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404(_("There is no such row among those you may see."))


class ScopedAdmin(NotFoundAdmin):
    """Rows of the companies and portfolios given to the user; everything else does not exist (404).

    account_path: the relation to the credit account ("account", "invoice__account"; "" when the row is one);
    customer_path: for rows that hang on a customer; company_path: for rows that hang on a company only.
    """

    account_path: str | None = None
    customer_path: str | None = None
    company_path: str | None = None
    # Names, addresses and telephone numbers never enter the trail (they must stay erasable).
    personal_fields: frozenset[str] = frozenset()
    list_per_page = 50
    show_full_result_count = False
    warn_unsaved_form = True
    compressed_fields = True
    list_filter_submit = True

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        if self.account_path is not None:
            return rows.filter(
                account_scope(request.user, f"{self.account_path}__" if self.account_path else "")
            )
        if self.customer_path is not None:
            if self.customer_path == "":
                return rows.filter(Exists(visible_accounts(request.user).filter(customer_id=OuterRef("pk"))))
            return rows.filter(**{f"{self.customer_path}__in": visible_customers(request.user)})
        if self.company_path is not None:
            companies = request.user.accesses.values("company_id")
            return rows.filter(**{f"{self.company_path}__in" if self.company_path else "pk__in": companies})
        return rows

    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm, change: bool) -> None:
        """Saves, and records what changed (rule: everything a person changes leaves one act in the trail)."""
        with transaction.atomic():
            before = _values(type(obj).objects.get(pk=obj.pk), form.changed_data) if change else None
            super().save_model(request, obj, form, change)
            after = _values(obj, form.changed_data)
            hidden = self.personal_fields.intersection(form.changed_data)
            for values in (before, after):
                if values:
                    values.update(dict.fromkeys(hidden.intersection(values), "*"))
            if before == after and not hidden and change:
                return
            record_act(
                f"{self.opts.model_name}.{'change' if change else 'add'}",
                actor=Actor.person(request.user),
                subject=obj,
                business_date=business_date(),
                changes=[Change.of(obj, before, after)],
            )

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        with transaction.atomic():
            record_act(
                f"{self.opts.model_name}.delete",
                actor=Actor.person(request.user),
                subject=obj,
                business_date=business_date(),
            )
            super().delete_model(request, obj)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """History is the audit trail, filtered to this row; there is no second book."""
        if self.get_object(request, object_id) is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not request.user.has_perm("core.view_auditentry"):
            raise PermissionDenied
        url = reverse("admin:core_auditentry_changelist")
        return redirect(f"{url}?subject_type__exact={self.opts.label_lower}&subject_pk__exact={object_id}")


def _values(row: Model, names: list[str]) -> dict[str, Any]:
    """Column values of a row as the audit trail stores them: ids for relations, minor units for money."""
    values: dict[str, Any] = {}
    for name in names:
        try:
            column = row._meta.get_field(name)
        except Exception:  # noqa: S112 - a form field that is no column
            continue
        if column.many_to_many or column.one_to_many:
            continue
        value = getattr(row, column.attname)
        values[name] = str(value) if isinstance(value, Money) else value
    return values


class ShownAsWritten:
    """Numbers of a row that is only read, as people write them: Django would group the digits of any integer column,
    a year's and an amount's with its currency as well."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        declared = not isinstance(self, TabularInline) or self.fields is not None
        if obj is None or not declared or self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            return fieldsets
        columns = {f.name: f for f in self.model._meta.concrete_fields}  # type: ignore[attr-defined]
        return [
            (title, {**options, "fields": [_as_written(columns.get(n), n) for n in options["fields"]]})
            for title, options in fieldsets
        ]


@cache
def _as_written(column: Any, name: Any) -> Any:
    """A reader of the column for Django's read-only fields, or the name where Django writes it well itself."""
    if isinstance(column, MoneyField):
        read = partial(_amount_of, column.name)
    elif name == "fiscal_year":
        read = partial(_text_of, name)
    else:
        return name
    read.short_description, read.__name__ = column.verbose_name, column.name  # type: ignore[attr-defined]
    return read


def _amount_of(name: str, row: Any) -> str:
    value = getattr(row, name)
    return format_money(value) if isinstance(value, Money) else "—"


def _text_of(name: str, row: Any) -> str:
    return str(getattr(row, name))


class FactAdmin(ShownAsWritten, ScopedAdmin):
    """A fact of the ledger: shown, searched, filtered, and never edited here (guards forbid it below as well)."""

    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AddOnlyFactAdmin(FactAdmin):
    """A fact a person may record (a legal event, a cover), never edit: a newer fact corrects it."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        today = business_date()
        return {"effective_on": today, "known_on": today, **super().get_changeform_initial_data(request)}

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*(super().get_exclude(request, obj) or ()), *(() if obj else ("known_until",))]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "account":
            kwargs["queryset"] = visible_accounts(request.user)
        if db_field.name == "customer":
            kwargs["queryset"] = visible_customers(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class ReadOnlyInline(ShownAsWritten, TabularInline):
    extra = 0
    can_delete = False
    tab = True
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """An inline's form leaves out what it only shows when it stands here."""
        shown = super().get_readonly_fields(request, obj)
        if self.fields is None:  # whatever its form has, which is asked for what it leaves out
            return shown
        names = flatten_fieldsets(self.get_fieldsets(request, obj))
        return [*shown, *(name for name in names if callable(name))]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class VersionFilter(DropdownFilter):
    """Corrected facts stay in the table; people look at the current ones unless they ask."""

    title = _("versions")
    parameter_name = "versions"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("all", _("corrected ones too")), ("old", _("only corrected ones"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        return queryset.filter(superseded_at__isnull=self.value() != "old")


class PortfolioFilter(DropdownFilter):
    """Portfolios the user may see. `path`: relation to the account, with a trailing "__"."""

    title = _("portfolio")
    parameter_name = "portfolio"
    path = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        seen = visible_accounts(request.user).filter(portfolio=OuterRef("pk"))
        rows = Portfolio.objects.filter(Exists(seen)).order_by("name")
        return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        return queryset.filter(**{f"{self.path}portfolio_id": self.value()})


class CollectorFilter(DropdownFilter):
    title = _("collector")
    parameter_name = "collector"
    path = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        seen = visible_accounts(request.user).filter(collector=OuterRef("pk"))
        rows = User.objects.filter(Exists(seen)).order_by("username")
        return [*((str(u.pk), u.get_full_name() or u.username) for u in rows), ("none", _("nobody"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() == "none":
            return queryset.filter(**{f"{self.path}collector__isnull": True})
        return queryset.filter(**{f"{self.path}collector_id": self.value()})


class AccountPortfolioFilter(PortfolioFilter):
    path = "account__"


class AccountCollectorFilter(CollectorFilter):
    path = "account__"


CUSTOMER_SEARCH = ("name", "code", "vat_number", "registration_number")


def account_search(prefix: str = "account__customer__") -> tuple[str, ...]:
    """By customer number, name and VAT number, from a row that hangs on an account."""
    return tuple(f"{prefix}{name}" for name in CUSTOMER_SEARCH)


def open_fact() -> Q:
    return Q(superseded_at__isnull=True)


@admin.display(description=_("customer"), ordering="account__customer__name")
def customer_of(row: Any) -> str:
    return row.account.customer.name
