"""Credit check policies in the admin: read, and replaced by a new version that starts as a copy of the one in force."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.clock import business_date
from creditdesk.core.money import Money
from customers.admin.base import NotFoundAdmin
from scoring.checks.terms import MEANING, ON_GROUP, ON_ORDERER
from scoring.models import CheckPolicy, CheckRule, CheckRuleCode

COLUMNS = (
    *("code", "number", "amount", "grade", "at_order", "at_pick", "at_delivery", "at_invoice"),
    *("on_orderer", "on_group", "without_disputed", "stops"),
)
POINTS = ("at_order", "at_pick", "at_delivery", "at_invoice")
# Rules that need nothing; the others say with which columns they can be asked.
NEEDS: dict[str, tuple[str, ...]] = {
    CheckRuleCode.HEADROOM: (),
    CheckRuleCode.GRADE: ("grade",),
    CheckRuleCode.ORDER_SIZE: ("number", "amount"),
    CheckRuleCode.UNSECURED: ("number", "amount"),
    **{code: () for code, columns in MEANING.items() if not columns},
}


class RuleForm(forms.ModelForm):
    """One rule; what it needs is asked for here in words, and held by the database too."""

    class Meta:
        model = CheckRule
        fields = COLUMNS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "code" in self.fields:
            attrs = self.fields["code"].widget.attrs
            attrs["class"] = f"{attrs.get('class', '')} d-input--wide".strip()

    def has_changed(self) -> bool:
        """A copied row counts as filled in, although nobody touched it."""
        return bool(self.data.get(self.add_prefix("code")))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        code = data.get("code")
        if not code:
            return data
        needed = NEEDS.get(code, ("number",))
        if needed and all(data.get(name) in (None, "") for name in needed):
            means = "; ".join(str(MEANING[code][name]) for name in needed if name in MEANING[code])
            self.add_error(needed[0], _("This rule needs its threshold: %(meaning)s.") % {"meaning": means})
        if data.get("on_orderer") and code not in ON_ORDERER:
            self.add_error("on_orderer", _("Money is checked on who pays, never on who orders."))
        if data.get("on_group") and code not in ON_GROUP:
            self.add_error("on_group", _("Cover is checked on who pays: a group has none of its own."))
        if not any(data.get(point) for point in POINTS):
            self.add_error("at_order", _("Choose at least one point at which the rule is asked."))
        return data


class RuleFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        rows = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", None)]
        kept = [row for row in rows if row.get("code") and not row.get("DELETE")]
        if not kept:
            raise ValidationError(
                _("A policy without rules would let everything pass: add at least one rule.")
            )
        pairs = [(row["code"], row.get("stops")) for row in kept]
        if len(set(pairs)) < len(pairs):
            raise ValidationError(_("Each rule stands once as stopping and once as warning at most."))


class RuleInline(TabularInline):
    model = CheckRule
    form = RuleForm
    formset = RuleFormSet
    fields = COLUMNS
    tab = False

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else len(_copied()) + 2

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _in_force() -> CheckPolicy | None:
    return CheckPolicy.objects.filter(segment__isnull=True).order_by("-valid_from", "-version").first()


def _copied() -> list[dict[str, Any]]:
    """The rules a new version starts from."""
    policy = _in_force()
    if policy is None:
        return []
    found = []
    for rule in policy.rules.order_by("pk"):
        row = {name: getattr(rule, name) for name in COLUMNS}
        row["amount"] = row["amount"].amount if isinstance(row["amount"], Money) else row["amount"]
        found.append(row)
    return found


@admin.register(CheckPolicy)
class CheckPolicyAdmin(NotFoundAdmin):
    """Never edited (triggers): a new version takes the place of the one before from its first day on."""

    list_display = [
        *("segment", "version", "valid_from", "group_binds", "check_orderer", "reservation_minutes"),
        *("decide_within_days", "release_days"),
    ]
    list_select_related = ["segment"]
    ordering = ["-valid_from", "-pk"]
    fields = [
        *("segment", "valid_from", "currency", "group_binds", "check_orderer", "reservation_minutes"),
        *("decide_within_days", "release_days"),
    ]
    inlines = [RuleInline]
    warn_unsaved_form = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        policy = _in_force()
        copied = {name: getattr(policy, name) for name in self.fields[2:]} if policy else {}
        return {"valid_from": business_date(), **copied, **super().get_changeform_initial_data(request)}

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        kwargs = super().get_formset_kwargs(request, obj, inline, prefix)
        if obj is None or obj.pk is None:
            kwargs["initial"] = _copied()
        return kwargs

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        base = super().get_form(request, obj, **kwargs)
        today = business_date()

        class NewVersion(base):  # type: ignore[misc, valid-type]
            def clean_valid_from(self) -> Any:
                day = self.cleaned_data["valid_from"]
                if obj is None and day < today:
                    raise ValidationError(_("Checks that were made stay as they were: begin today or later."))
                return day

        return NewVersion

    def save_model(self, request: HttpRequest, obj: CheckPolicy, form: Any, change: bool) -> None:
        earlier = CheckPolicy.objects.filter(segment=obj.segment)
        obj.version = (earlier.aggregate(last=Max("version"))["last"] or 0) + 1
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The trail gets the whole version at once: the policy with its rules."""
        with transaction.atomic():
            super().save_related(request, form, formsets, change)
            policy = form.instance
            rules = {
                f"{rule.code}{'' if rule.stops else ' (warns)'}": {
                    name: str(getattr(rule, name))
                    for name in COLUMNS
                    if getattr(rule, name) not in (None, "")
                }
                for rule in policy.rules.order_by("pk")
            }
            facts = {"segment": policy.segment_id, "version": policy.version, "valid_from": policy.valid_from}
            record_act(
                "check_policy.new",
                actor=Actor.person(request.user),
                subject=policy,
                business_date=business_date(),
                changes=[Change.of(policy, None, {**facts, "rules": rules})],
            )
