"""People, roles and background tasks in the desk's own theme."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_q.admin import FailAdmin, QueueAdmin, ScheduleAdmin, TaskAdmin
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from creditdesk.core import admin_machinery, admin_mail  # noqa: F401 - register the pages of the machinery
from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """A person. Changes to rights are recorded by name; personal data never enters the trail."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "full_name", "roles", "language", "is_active", "last_login"]
    list_filter = ["groups", "is_active", "language"]
    fieldsets = [
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": (("first_name", "last_name"), ("email", "language"))}),
        (_("Rights"), {"fields": (("is_active", "is_staff", "is_superuser"), "groups")}),
        (_("Dates"), {"fields": (("last_login", "date_joined"),)}),
    ]
    readonly_fields = ["last_login", "date_joined"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("name"), ordering="last_name")
    def full_name(self, row: User) -> str:
        return row.get_full_name() or "—"

    @admin.display(description=_("roles"))
    def roles(self, row: User) -> str:
        return ", ".join(group.name for group in row.groups.all()) or "—"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only a superuser makes superusers: otherwise the right to edit people would be the right to all."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, "is_superuser"]

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        with transaction.atomic():
            before = sorted(form.instance.groups.values_list("name", flat=True)) if change else []
            super().save_related(request, form, formsets, change)
            user = form.instance
            rights = {"is_active", "is_staff", "is_superuser"}
            record_act(
                "user.change" if change else "user.add",
                actor=Actor.person(request.user),
                subject=user,
                data={
                    "fields": sorted(form.changed_data),
                    "rights": {name: getattr(user, name) for name in sorted(rights)},
                },
                changes=[
                    Change.of(
                        user,
                        {"groups": before},
                        {"groups": sorted(user.groups.values_list("name", flat=True))},
                    )
                ],
            )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are deactivated: what they did keeps their name."""
        return False


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """A permission's name needs its content type: fetched once, not per permission."""
        group = super().get_object(request, object_id, from_field)
        if group is not None:
            prefetch_related_objects([group], "permissions__content_type")
        return group


class _TaskPages:
    """django-q2's own lists, themed; tasks are looked at here and neither edited nor added."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


for _model in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


@admin.register(Schedule)
class ThemedScheduleAdmin(ScheduleAdmin, ModelAdmin):
    pass


@admin.register(Success)
class ThemedSuccessAdmin(_TaskPages, TaskAdmin, ModelAdmin):
    pass


@admin.register(Failure)
class ThemedFailureAdmin(_TaskPages, FailAdmin, ModelAdmin):
    pass


@admin.register(OrmQ)
class ThemedQueueAdmin(_TaskPages, QueueAdmin, ModelAdmin):
    pass
