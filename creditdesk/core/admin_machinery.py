"""Administration of the machinery: background jobs, worker heartbeats and sign-in attempts.

Importing django-axes' own admin module makes it register first; here it is registered again, themed.
"""

import json
from typing import Any

from axes import admin as axes_admin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from creditdesk.core.models import Heartbeat, Job
from creditdesk.core.sentences import readable


class ReadOnlyAdmin(ModelAdmin):
    """To look at: what only the system writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("kind", "key", "business_date", "shown_status", "attempts", "claimed_at", "done_at")
    list_filter = ("status", "kind", "business_date")
    search_fields = ("kind", "key", "error")
    date_hierarchy = "business_date"
    ordering = ("-business_date", "kind", "pk")
    exclude = ("result",)
    readonly_fields = ("shown_result",)

    @display(description=_("result"))
    def shown_result(self, job: Job) -> str:
        return json.dumps(readable(job.result), ensure_ascii=False) if job.result is not None else "—"

    @display(
        description=_("status"),
        ordering="status",
        label={Job.Status.DONE: "success", Job.Status.FAILED: "danger", Job.Status.WAITING: "info"},
    )
    def shown_status(self, job: Job) -> tuple[str, str]:
        return job.status, job.get_status_display()


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "beat_at")
    ordering = ("name",)


admin.site.unregister((AccessAttempt, AccessLog, AccessFailureLog))


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ModelAdmin, axes_admin.AccessAttemptAdmin):
    """Failed sign-ins under way; deleting a row lets that person try again at once."""

    actions = ("unlock",)

    @admin.action(description=_("Let these people sign in again"), permissions=["delete"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        count, _per_model = queryset.delete()
        self.message_user(
            request,
            ngettext("%(count)d lock removed.", "%(count)d locks removed.", count) % {"count": count},
        )


@admin.register(AccessLog)
class AccessLogAdmin(ModelAdmin, axes_admin.AccessLogAdmin):
    pass


@admin.register(AccessFailureLog)
class AccessFailureLogAdmin(ModelAdmin, axes_admin.AccessFailureLogAdmin):
    pass
